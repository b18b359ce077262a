//! Late readings: what a device had stored, or what arrives after something newer. They are judged by the same rules in
//! their own time and write history ("would have been in alarm from … to …"); they raise nothing, clear nothing and page
//! nobody. If the condition still holds, the newest reading says so, and that raises the alarm as ever.
//!
//! | | |
//! |---|---|
//! | wrong for the on-delay or longer | an alarm that was over before anybody knew, marked late |
//! | right for less than the off-delay in between | the same one |
//! | the newest reading comes | whatever goes on in the past ends there |
//!
//! Only conditions that look at one value are judged, on rules for which one sensor is enough. A reading whose time is not
//! believed says nothing about when, and is not judged at all.

use super::Engine;
use super::alarms::begin;
use super::change::{AlarmChange, AlarmEvent, Changes};
use super::index::{PointLinks, WatchDef};
use super::readings::{judge, time_of};
use super::state::LateRun;
use super::tracks::in_hours;
use crate::alarm::{MAX_EVIDENCE, Sample, WatchEvent};
use crate::reading::Reading;
use crate::rule::{Verdict, Vote, When};
use crate::time::{Now, Timestamp};
use std::sync::Arc;

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
            let Some(def) = self
                .store
                .index()
                .watches
                .get(n)
                .filter(|def| looks_at_one(def))
                .cloned()
            else {
                continue;
            };
            let at = reading.observed;
            let then = Now { wall: at, ..*now };
            let event = judge(def.rule.when, reading);
            let event = event.map(|event| in_hours(event, def.rule.during.as_ref(), &then));
            let Some(WatchEvent::Value(verdict)) = event else {
                continue;
            };
            let mut track = self.track(n);
            let run = track.late.take();
            // What was right for long enough is over, whatever comes now.
            let run = run.and_then(|run| match run.right {
                Some(right) if at >= right.plus(def.rule.off_delay) => {
                    self.tell_late(&def, run, right.plus(def.rule.off_delay), now, changes);
                    None
                }
                _ => Some(run),
            });
            track.late = match (run, verdict) {
                (None, Verdict::Wrong) => Some(LateRun {
                    since: at,
                    right: None,
                    samples: Sample::of(reading).into_iter().collect(),
                }),
                (Some(mut run), Verdict::Wrong) => {
                    run.since = run.since.min(at);
                    run.right = run.right.filter(|right| *right > at);
                    keep(&mut run.samples, reading);
                    Some(run)
                }
                (Some(mut run), Verdict::Right) if at >= run.since => {
                    run.right = Some(run.right.map_or(at, |right| right.min(at)));
                    if def.rule.off_delay.is_zero() {
                        self.tell_late(&def, run, at, now, changes);
                        None
                    } else {
                        Some(run)
                    }
                }
                (run, Verdict::Right | Verdict::Between) => run,
            };
            self.store.set_track(n, track);
        }
    }

    /// The newest reading of a point: what late ones said ends here.
    #[cold]
    pub(super) fn end_late(
        &mut self,
        links: &PointLinks,
        reading: &Reading,
        now: &Now,
        changes: &mut Changes,
    ) {
        for n in links.watches() {
            let mut track = self.track(n);
            let (Some(run), Some(def)) = (track.late.take(), self.store.index().watches.get(n).cloned())
            else {
                continue;
            };
            let newest = time_of(reading);
            let end = run
                .right
                .map_or(newest, |right| right.plus(def.rule.off_delay).min(newest));
            self.store.set_track(n, track);
            self.tell_late(&def, run, end, now, changes);
        }
    }

    /// Writes the history of a stretch, if it was long enough to have been an alarm and nobody knew.
    fn tell_late(&mut self, def: &WatchDef, run: LateRun, end: Timestamp, now: &Now, changes: &mut Changes) {
        let from = run.since.plus(def.rule.on_delay);
        let was_wrong_until = run.right.unwrap_or(end);
        let known = self.alarm_of(&def.asset, &def.rule.class);
        if was_wrong_until < from || end <= run.since || known.is_some_and(|alarm| alarm.raised_at <= from) {
            return;
        }
        let id = self.next_alarm();
        let mut alarm = begin(id, def, self.store.state().counters.age, now);
        alarm.late = true;
        alarm.count = 1;
        (alarm.raised_at, alarm.last_raised_at) = (from, from);
        (alarm.cleared_at, alarm.ended_at) = (Some(end), Some(end));
        alarm.value = run.samples.first().map(|sample| sample.value.clone());
        alarm.evidence = run.samples;
        let alarm = Arc::new(alarm);
        changes.alarms.push(AlarmChange {
            event: AlarmEvent::Late,
            from: None,
            to: alarm.state,
            at: now.wall,
            actor: None,
            alarm,
        });
    }
}

/// Whether a rule says by one value of one sensor what is wrong.
fn looks_at_one(def: &WatchDef) -> bool {
    !def.rule.when.is_traced() && def.rule.when != When::Silent && def.rule.vote == Vote::Any
}

/// The first half of the record and the last readings.
fn keep(samples: &mut Vec<Sample>, reading: &Reading) {
    if samples.len() >= MAX_EVIDENCE {
        samples.remove(MAX_EVIDENCE / 2);
    }
    samples.extend(Sample::of(reading));
}
