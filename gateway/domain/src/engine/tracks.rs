//! Rules that look at more than the last value: what they remember, when they are looked at, and what an alarm shows as
//! its evidence.
//!
//! A trace takes only readings somebody has heard: no replay, nothing that cannot be true. Between readings a watch is
//! looked at when its window has moved far enough to say something else, and when an hour may have struck.

use super::Engine;
use super::change::Changes;
use super::readings::{judge, time_of};
use super::state::{NEVER, Track};
use crate::alarm::{MAX_EVIDENCE, Sample, WatchEvent};
use crate::reading::{Quality, Reading, Value};
use crate::rule::{During, Verdict, When};
use crate::time::{Now, Timestamp};
use std::time::Duration;

impl Engine {
    /// What a reading means to a watch. A reading that is heard leaves its trace when it `counts`; `None`: it is an old
    /// one that is looked at again.
    #[inline]
    pub(super) fn event_of(
        &mut self,
        n: usize,
        reading: &Reading,
        counts: Option<bool>,
        now: &Now,
    ) -> Option<WatchEvent> {
        let rule = &self.store.index().watches.get(n)?.rule;
        if !rule.when.is_traced() && rule.during.is_none() {
            return judge(rule.when, reading);
        }
        self.traced_event(n, reading, counts, now)
    }

    fn traced_event(
        &mut self,
        n: usize,
        reading: &Reading,
        counts: Option<bool>,
        now: &Now,
    ) -> Option<WatchEvent> {
        let rule = self.store.index().watches.get(n)?.rule.clone();
        if !rule.when.is_traced() {
            self.arm_look(n, rule.when, rule.during.as_ref(), now);
            return Some(in_hours(judge(rule.when, reading)?, rule.during.as_ref(), now));
        }
        let value = match reading.quality {
            Quality::Bad(_) => None,
            Quality::Good | Quality::Uncertain(_) => reading.value.as_ref(),
        };
        let Some(value) = value else {
            return Some(WatchEvent::Lost);
        };
        if counts == Some(true) {
            let mut track = self.track(n);
            let age = self.store.state().counters.age;
            track.trace.take(rule.when, value, time_of(reading), age);
            self.store.set_track(n, track);
        }
        self.arm_look(n, rule.when, rule.during.as_ref(), now);
        self.say(n, rule.when, rule.during.as_ref(), now)
    }

    /// A watch wanted to be looked at.
    pub(super) fn look_at(&mut self, n: usize, now: &Now, changes: &mut Changes) {
        let Some(def) = self.store.index().watches.get(n) else {
            return;
        };
        let (rule, point) = (def.rule.clone(), def.point);
        self.arm_look(n, rule.when, rule.during.as_ref(), now);
        if self.is_silent(point) {
            return;
        }
        let event = if rule.when.is_traced() {
            self.say(n, rule.when, rule.during.as_ref(), now)
        } else {
            let event = self.latest(point).and_then(|reading| judge(rule.when, reading));
            event.map(|event| in_hours(event, rule.during.as_ref(), now))
        };
        // A look is no news: what is lost stays lost until it is heard.
        if let Some(event @ WatchEvent::Value(_)) = event {
            self.watch_event(n, event, now, changes);
        }
    }

    /// A point fell silent: that is what some rules wait for, and what leaves the others without knowledge.
    pub(super) fn lose_watch(&mut self, n: usize, now: &Now, changes: &mut Changes) {
        let Some(rule) = self.store.index().watches.get(n).map(|def| def.rule.clone()) else {
            return;
        };
        let event = if rule.when == When::Silent {
            in_hours(WatchEvent::Value(Verdict::Wrong), rule.during.as_ref(), now)
        } else {
            WatchEvent::Lost
        };
        self.watch_event(n, event, now, changes);
    }

    fn say(&self, n: usize, when: When, during: Option<&During>, now: &Now) -> Option<WatchEvent> {
        let track = self.store.state().tracks.get(&n)?;
        let verdict = track.trace.judge(when, self.store.state().counters.age)?;
        Some(in_hours(WatchEvent::Value(verdict), during, now))
    }

    /// Notes when the watch may say something else without a reading.
    fn arm_look(&mut self, n: usize, when: When, during: Option<&During>, now: &Now) {
        let age = self.store.state().counters.age;
        let mut track = self.track(n);
        let window = track.trace.next_look(when, age).map(|at| {
            let left = Duration::from_millis(at.saturating_sub(age).max(1));
            now.after(left)
        });
        let hours = during.map(|during| now.after(during.look_again(now).max(Duration::from_millis(1))));
        let next = window.into_iter().chain(hours).min();
        track.look = next.unwrap_or(NEVER);
        self.store.set_track(n, track);
    }

    pub(super) fn track(&self, n: usize) -> Track {
        let track = self.store.state().tracks.get(&n);
        track.map_or_else(Track::default, |track| track.as_ref().clone())
    }

    /// Keeps the newest reading of a watch that is wrong: the first half of the record and the last readings.
    pub(super) fn keep_evidence(&mut self, n: usize) {
        let Some(point) = self.store.index().watches.get(n).map(|def| def.point) else {
            return;
        };
        let sample = self.latest(point).and_then(Sample::of);
        let mut track = self.track(n);
        if let Some(sample) = sample.filter(|sample| track.evidence.last() != Some(sample)) {
            if track.evidence.len() >= MAX_EVIDENCE {
                track.evidence.remove(MAX_EVIDENCE / 2);
            }
            track.evidence.push(sample);
            self.store.set_track(n, track);
        }
    }
    /// A watch is right again.
    pub(super) fn drop_evidence(&mut self, n: usize) {
        if self
            .store
            .state()
            .tracks
            .get(&n)
            .is_some_and(|track| !track.evidence.is_empty())
        {
            let mut track = self.track(n);
            track.evidence = Vec::new();
            self.store.set_track(n, track);
        }
    }
    /// The samples that raise an alarm; the watch begins anew.
    pub(super) fn take_evidence(&mut self, n: usize) -> Vec<Sample> {
        let mut track = self.track(n);
        let mut evidence = std::mem::take(&mut track.evidence);
        let (Some(def), numbers) = (self.store.index().watches.get(n), track.trace.numbers()) else {
            return evidence;
        };
        if !numbers.is_empty() {
            let point = def.point;
            let newest = numbers.iter().rev().take(MAX_EVIDENCE).rev();
            evidence = newest
                .map(|(at, number)| Sample {
                    point,
                    observed: Timestamp::from_millis(*at),
                    value: Value::Number(*number),
                })
                .collect();
        }
        self.store.set_track(n, track);
        evidence
    }
}

/// What is wrong outside of its hours is not.
pub(super) fn in_hours(event: WatchEvent, during: Option<&During>, now: &Now) -> WatchEvent {
    match event {
        WatchEvent::Value(Verdict::Wrong) if during.is_some_and(|during| !during.covers(now)) => {
            WatchEvent::Value(Verdict::Right)
        }
        other => other,
    }
}
