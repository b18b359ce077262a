//! Late readings: what a device had stored, or what arrives after something newer. They are judged by the same rules in
//! their own time and write history ("would have been in alarm from … to …"); they raise nothing, clear nothing and page
//! nobody. If the condition still holds, the newest reading says so, and that raises the alarm as ever: the window of a rule
//! that looks back holds what was stored up to it.
//!
//! | | |
//! |---|---|
//! | wrong for the on-delay or longer | an alarm that was over before anybody knew, marked late |
//! | right for less than the off-delay in between | the same one |
//! | several sensors must agree | the time in which enough of them did |
//! | the newest reading comes | whatever goes on in the past ends there |
//!
//! [`LateRun`] plays what one sensor says to one rule. Rules that wait for silence are not judged: stored readings do not
//! change that nothing was heard. A reading whose time is not believed says nothing about when, and is not judged either.

use super::Engine;
use super::alarms::begin;
use super::beside::Beside;
use super::change::{AlarmChange, AlarmEvent, Changes};
use super::index::{PointLinks, WatchDef};
use super::late_run::{LateRun, Looks, Stretch};
use super::readings::time_of;
use crate::reading::Reading;
use crate::rule::{Trace, Vote, When};
use crate::time::{Now, Timestamp};
use std::sync::Arc;

/// Late readings that come beside live ones are over when none has come for this long, in milliseconds.
const QUIET_MS: u64 = 3_600_000;

impl Engine {
    /// Judges a late reading in its own time.
    pub(super) fn review_late(
        &mut self,
        links: &PointLinks,
        reading: &Reading,
        now: &Now,
        changes: &mut Changes,
    ) {
        let is_judged = reading.quality.is_good() && reading.value.is_some() && reading.observed < now.wall;
        if !is_judged {
            return;
        }
        for n in links.watches() {
            let Some(def) = self.store.index().watches.get(n).cloned() else {
                continue;
            };
            if def.rule.when == When::Silent {
                continue;
            }
            let mut track = self.track(n);
            let looks = Looks {
                rule: &def.rule,
                point: def.point,
                silence_ms: links.silence_ms,
                now,
            };
            let run = track.late.take();
            let mut run = run.unwrap_or_else(|| Box::new(self.look_back(&def, &track.trace, reading)));
            run.came = self.store.state().counters.age;
            let over = run.take(looks, reading);
            track.late = Some(run);
            self.store.set_track(n, track);
            for stretch in over {
                self.tell_stretch(n, &def, stretch, now, changes);
            }
        }
    }

    /// A look back that begins with a reading, and with what was known before it: of numbers the window of those that were
    /// heard live, of everything the last one. What counts in the age of the engine cannot be put into the past.
    fn look_back(&self, def: &WatchDef, live: &Trace, reading: &Reading) -> LateRun {
        let (at, when) = (reading.observed, def.rule.when);
        let mut trace = live.before(at);
        let point = self.store.state().points.get(def.point.0 as usize);
        let heard = point.and_then(|point| Some((point.evaluated, point.latest.as_ref()?)));
        let last = heard.filter(|(evaluated, latest)| *evaluated < at && latest.quality.is_good());
        if let Some((evaluated, value)) = last.and_then(|(e, latest)| Some((e, latest.value.as_ref()?))) {
            let age = u64::try_from(evaluated.as_millis()).unwrap_or(0);
            trace.take(when, value, evaluated, age);
        }
        let mut run = LateRun::new(at, trace);
        run.live_from = heard.map(|(evaluated, _)| evaluated).filter(|e| *e > at);
        run
    }

    /// The newest reading of a point: what late ones said ends here. Those that come beside live ones end where the live
    /// ones began, once no more of them come.
    #[cold]
    pub(super) fn end_late(
        &mut self,
        links: &PointLinks,
        reading: &Reading,
        now: &Now,
        changes: &mut Changes,
    ) {
        for n in links.watches() {
            let age = self.store.state().counters.age;
            let run = self.store.state().tracks.get(&n).and_then(|t| t.late.as_ref());
            let is_over =
                run.is_some_and(|run| run.live_from.is_none() || age.saturating_sub(run.came) >= QUIET_MS);
            let (Some(def), true) = (self.store.index().watches.get(n).cloned(), is_over) else {
                continue;
            };
            let mut track = self.track(n);
            let Some(run) = track.late.take() else {
                continue;
            };
            // What was stored up to here is the window the newest reading ends.
            if def.rule.when.is_traced() && run.live_from.is_none() {
                track.trace = run.window(now, age);
            }
            self.store.set_track(n, track);
            let looks = Looks {
                rule: &def.rule,
                point: def.point,
                silence_ms: links.silence_ms,
                now,
            };
            let newest = run.live_from.unwrap_or_else(|| time_of(reading));
            for stretch in run.end(looks, newest) {
                self.tell_stretch(n, &def, stretch, now, changes);
            }
        }
    }

    /// A sensor would have been in alarm: history, if one is enough or enough others agree.
    fn tell_stretch(&mut self, n: usize, def: &WatchDef, stretch: Stretch, now: &Now, changes: &mut Changes) {
        if def.rule.vote == Vote::Any {
            self.tell_late(def, &stretch, (stretch.from, stretch.until), now, changes);
            return;
        }
        for agreed in self.agreed(n, def, stretch.from, stretch.until) {
            self.tell_late(def, &stretch, agreed, now, changes);
        }
        let mut track = self.track(n);
        track.said.add(stretch.from, stretch.until);
        self.store.set_track(n, track);
    }

    /// Writes the history of a time, unless somebody knew.
    fn tell_late(
        &mut self,
        def: &WatchDef,
        stretch: &Stretch,
        (from, until): (Timestamp, Timestamp),
        now: &Now,
        changes: &mut Changes,
    ) {
        let known = self.alarm_of(&def.asset, &def.rule.class);
        if known.is_some_and(|alarm| alarm.raised_at <= from) {
            return;
        }
        let id = self.next_alarm();
        let mut alarm = begin(id, def, self.store.state().counters.age, now);
        alarm.late = true;
        alarm.count = 1;
        (alarm.raised_at, alarm.last_raised_at) = (from, from);
        (alarm.cleared_at, alarm.ended_at) = (Some(until), Some(until));
        alarm.value = stretch.samples.first().map(|sample| sample.value.clone());
        alarm.evidence.clone_from(&stretch.samples);
        let alarm = Arc::new(alarm);
        changes.alarms.push(AlarmChange {
            event: AlarmEvent::Late,
            from: None,
            to: alarm.state,
            at: now.wall,
            actor: None,
            beside: Beside::of_alarm(AlarmEvent::Late, &alarm),
            alarm,
        });
    }
}
