//! A reading: whether it is evaluated at all, what the rules say about it, and whether it can be true.
//!
//! | reading | stored | newest | may raise | may clear | evidence | the device is heard |
//! |---|---|---|---|---|---|---|
//! | good | yes | yes | yes | yes | yes | yes |
//! | uncertain: the device's own time is not believed | yes | yes | yes, by time of receipt | yes | no | yes |
//! | uncertain: an impossible jump | yes | yes | yes | no | no | yes |
//! | uncertain otherwise | yes | yes | yes | yes | no | yes |
//! | retained, the point is empty | yes | yes | yes | yes | no | no |
//! | retained, with an own time after the newest | yes | yes | yes | no | no | no |
//! | retained otherwise | yes | if it raises | yes | no | no | no |
//! | bad | yes | yes | makes unknown | makes unknown | no | if it answered |
//! | late: observed before the newest | yes | no | in its own time: [`super::late`] | no | no | yes |
//! | stored by the device, sent later | yes | no | in its own time | no | no | yes |
//!
//! A retained message is a replay. Without a time of its own nobody knows how old it is, so it only fills what is
//! empty and warns. With one it is something the device said while the gateway did not listen: news when it is newer
//! than what is known, and shown as such; but nobody has heard the device say it, so it takes no warning back.
//!
//! A reading with the own time and value of the newest is not a reading at all: the caller reports it as
//! `DeviceNews::Repeats`, and the newest holds on.
//!
//! Storing is the caller's; once-only delivery too. This is the hot path: a reading that changes nothing writes
//! one point and its device and allocates nothing.

use super::change::{AuditEvent, Changes};
use super::index::PointLinks;
use super::state::{NEVER, PointState};
use super::{Engine, PointDef};
use crate::alarm::{Effect, Watch, WatchEvent};
use crate::command::{Refusal, Reply};
use crate::estate::MAX_POINTS_PER_DEVICE;
use crate::id::PointKey;
use crate::reading::{Quality, Reading, Reason, Value};
use crate::rule::{Verdict, Vote, When};
use crate::time::{Now, Timestamp};
use std::time::Duration;

/// A device may be ahead of the gateway by this much; beyond it its own time is not believed.
const AHEAD: Duration = Duration::from_secs(120);

/// How a reading comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// As the device says it.
    Live,
    /// As the device had stored it: history, never evaluated.
    Stored,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether it was evaluated, which makes it the newest of its point.
    pub evaluated: bool,
    /// Its quality; worse than it came when it cannot be true.
    pub quality: Quality,
}

impl Engine {
    /// Adds a point a device was heard to have.
    pub(super) fn add_point(&mut self, def: &PointDef) -> Result<Reply, Refusal> {
        let expected = self.next_point_key();
        let Some(device) = self.estate().device_by_id(&def.device) else {
            let device = def.device.clone();
            return Err(Refusal::UnknownDevice { device });
        };
        if let Some(point) = self.point_of(device, def.measure, def.instance.as_deref()) {
            return Err(Refusal::PointExists { point });
        }
        if def.key != expected {
            return Err(Refusal::PointOutOfTurn { expected });
        }
        if self.store.index().points_of(device.as_usize()).len() >= MAX_POINTS_PER_DEVICE {
            let device = def.device.clone();
            return Err(Refusal::TooManyPoints { device });
        }
        self.store.add_point(def.clone());
        Ok(Reply::Point(def.key))
    }

    /// Evaluates a reading, unless it is history, late, or retained without news.
    pub(super) fn reading(
        &mut self,
        now: &Now,
        reading: &Reading,
        arrival: Arrival,
        changes: &mut Changes,
    ) -> Result<Taken, Refusal> {
        let n = reading.point.0 as usize;
        let (Some(point), Some(links)) = (
            self.store.state().points.get(n),
            self.store.index().points.get(n).copied(),
        ) else {
            return Err(Refusal::UnknownPoint { point: reading.point });
        };
        let late = is_late(point, reading);
        let retained = reading.quality == Quality::Uncertain(Reason::Retained);
        let is_news = !retained || point.latest.is_none() || reading.observed != reading.received;
        let mut taken = Taken {
            evaluated: false,
            quality: reading.quality,
        };
        if !retained
            && let Some(device) = links.device()
            && is_sign_of_life(reading)
        {
            self.heard(device, reading.received, now, changes);
        }
        let warns = || links.watches().any(|w| self.is_wrong(w, reading));
        if arrival == Arrival::Stored || late || !(is_news || warns()) {
            self.review_late(&links, reading, now, changes);
            return Ok(taken);
        }
        taken.evaluated = true;
        if links.checked && !retained {
            taken.quality = self.examine(n, reading, now, changes);
        }
        if taken.quality == reading.quality {
            self.evaluate(&links, reading, now, changes);
        } else {
            let doubted = Reading {
                quality: taken.quality,
                ..reading.clone()
            };
            self.evaluate(&links, &doubted, now, changes);
        }
        Ok(taken)
    }

    /// Makes a reading the newest of its point and tells its watches.
    #[inline]
    fn evaluate(&mut self, links: &PointLinks, reading: &Reading, now: &Now, changes: &mut Changes) {
        if self.store.has_late() {
            self.end_late(links, reading, now, changes);
        }
        let silent_at = links.silent_at(now);
        let mut takes_back = takes_back(reading);
        if let Some(point) = self.store.point_mut(reading.point.0 as usize) {
            let was_empty = point.latest.is_none();
            takes_back |= was_empty;
            // An answer without a value is no sign of life, and neither is a replay; but what one fills may fall silent.
            let is_replay = reading.quality == Quality::Uncertain(Reason::Retained);
            if reading.value.is_some() && !(is_replay && point.silent_at != NEVER) {
                point.silent_at = silent_at;
            }
            point.evaluated = time_of(reading);
            point.latest = Some(reading.clone());
        }
        self.expect_silence(silent_at);
        for watch in links.watches() {
            let Some(event) = self.event_of(watch, reading, Some(takes_back), now) else {
                continue;
            };
            if takes_back || event == WatchEvent::Value(Verdict::Wrong) {
                self.watch_event(watch, event, now, changes);
            }
        }
        if self.store.is_verifying(reading.point) {
            self.review_evidence(reading.point, now, changes);
        }
    }

    /// The newest value of a point was said again: it is as good as when it came, and it is no new evidence.
    pub(super) fn holds(&mut self, point: PointKey, now: &Now, changes: &mut Changes) {
        let n = point.0 as usize;
        let latest = self.latest(point).filter(|latest| latest.value.is_some());
        let (Some(latest), Some(links)) = (latest.cloned(), self.store.index().points.get(n).copied()) else {
            return;
        };
        if self.is_silent(point) && matches!(latest.value, Some(Value::State(_))) {
            changes.resumed.push(point);
        }
        self.expect_again(n, now);
        let takes_back = latest.quality != Quality::Uncertain(Reason::ImpossibleJump);
        for watch in links.watches() {
            let event = self.event_of(watch, &latest, None, now);
            if let Some(event) = event.filter(|e| takes_back || *e == WatchEvent::Value(Verdict::Wrong)) {
                self.watch_event(watch, event, now, changes);
            }
        }
    }

    /// Whether the rule of a watch calls a reading wrong.
    fn is_wrong(&self, watch: usize, reading: &Reading) -> bool {
        let def = self.store.index().watches.get(watch);
        def.is_some_and(|d| judge(d.rule.when, reading) == Some(WatchEvent::Value(Verdict::Wrong)))
    }

    /// One event of one watch, and what follows.
    pub(super) fn watch_event(&mut self, n: usize, event: WatchEvent, now: &Now, changes: &mut Changes) {
        let Some(watch) = self.store.state().watches.get(n) else {
            return;
        };
        if watch.stays(event) {
            return;
        }
        if event == WatchEvent::Value(Verdict::Wrong) && !watch.is_raised() {
            self.keep_evidence(n);
        }
        let (Some(watch), Some(def)) = (
            self.store.state().watches.get(n),
            self.store.index().watches.get(n),
        ) else {
            return;
        };
        let (next, effect) = watch.next(event, self.delays_of(def), now);
        if next == *watch && effect == Effect::None {
            return;
        }
        let def = def.clone();
        if effect == Effect::Fleeting {
            changes.audit.push(AuditEvent {
                at: now.wall,
                actor: None,
                action: "alarm.fleeting".into(),
                subject: format!("{}/{}", def.asset, def.rule.class),
                detail: format!(
                    "{} was wrong for less than the on-delay of rule {}",
                    def.point, def.rule.id
                ),
            });
        }
        let was_raised = watch.is_raised();
        self.store.set_watch(n, next);
        if def.rule.vote != Vote::Any && was_raised != next.is_raised() {
            self.note_word(n, next.is_raised(), now);
        }
        if next == Watch::Normal {
            self.drop_evidence(n);
        }
        self.follow_watch(n, &def, effect, now, changes);
    }

    /// Whether the last reading of a point is evidence for a completion.
    pub(super) fn proves(&self, point: PointKey, completed: Timestamp) -> bool {
        self.latest(point).is_some_and(|r| {
            r.quality.is_good()
                && time_of(r) == r.observed
                && r.observed > completed
                && r.received > completed
        })
    }
}

/// What a condition that looks at the last value only says about a reading; `None` when the reading says nothing to it.
pub(super) fn judge(when: When, reading: &Reading) -> Option<WatchEvent> {
    let value = match reading.quality {
        Quality::Bad(_) => None,
        Quality::Good | Quality::Uncertain(_) => reading.value.as_ref(),
    };
    match (when, value) {
        // A reading without a value is not silence: the look-out says when it has lasted too long.
        (When::Silent, None) => None,
        (_, value) => Some(
            value
                .and_then(|v| when.judge(v))
                .map_or(WatchEvent::Lost, WatchEvent::Value),
        ),
    }
}

/// Whether a reading may take back what was raised: not one nobody heard, and not one that cannot be true.
pub(super) fn takes_back(reading: &Reading) -> bool {
    let doubt = matches!(
        reading.quality,
        Quality::Uncertain(Reason::Retained | Reason::ImpossibleJump)
    );
    !doubt
}

/// Whether the device itself answered, with whatever; a timeout or a damaged reply is no answer.
fn is_sign_of_life(reading: &Reading) -> bool {
    let silent = matches!(
        reading.quality,
        Quality::Bad(Reason::CommTimeout | Reason::FrameError | Reason::Stale)
            | Quality::Uncertain(Reason::Simulated)
    );
    !silent
}

/// The reading's place in time: its own, unless the device's clock cannot be believed.
pub(super) fn time_of(reading: &Reading) -> Timestamp {
    let ahead = reading.observed > reading.received.plus(AHEAD);
    let doubted = matches!(reading.quality, Quality::Uncertain(reason) if reason.is_about_time());
    if ahead || doubted {
        reading.received
    } else {
        reading.observed
    }
}

/// Whether a reading comes after a newer one. Readings without a time of their own are in the order they arrive,
/// and a gateway clock that was set back takes the point's last time back with it.
fn is_late(point: &PointState, reading: &Reading) -> bool {
    let Some(latest) = &point.latest else {
        return false;
    };
    let time = time_of(reading);
    let set_back = latest.received.since(reading.received);
    let evaluated = point.evaluated.minus(set_back);
    time < evaluated || (time == evaluated && time != reading.received)
}
