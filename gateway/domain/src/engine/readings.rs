//! A reading: whether it is evaluated at all, and what the rules say about it.
//!
//! | reading | stored | may raise | may clear | evidence |
//! |---|---|---|---|---|
//! | good | yes | yes | yes | yes |
//! | uncertain: the device's clock is wrong | yes | yes, by time of receipt | yes | no |
//! | uncertain otherwise | yes | yes | yes | no |
//! | retained | yes | yes | only an empty point | no |
//! | bad | yes | makes unknown | makes unknown | no |
//! | late: observed before the last evaluated | yes | no | no | no |
//!
//! Storing is the caller's; once-only delivery too. This is the hot path: a reading that changes nothing writes
//! one point and allocates nothing.

use super::change::{AuditEvent, Changes};
use super::state::PointState;
use super::{Engine, PointDef};
use crate::alarm::{Delays, Effect, WatchEvent};
use crate::command::{Refusal, Reply};
use crate::estate::MAX_POINTS_PER_DEVICE;
use crate::id::PointKey;
use crate::reading::{Quality, Reading, Reason};
use crate::rule::{Rule, Verdict};
use crate::time::{Now, Timestamp};
use std::time::Duration;

/// A device may be ahead of the gateway by this much; beyond it its own time is not believed.
const AHEAD: Duration = Duration::from_secs(120);

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
        if self.store.index().points_of(device.as_usize()) >= MAX_POINTS_PER_DEVICE {
            let device = def.device.clone();
            return Err(Refusal::TooManyPoints { device });
        }
        self.store.add_point(def.clone());
        Ok(Reply::Point(def.key))
    }

    /// Evaluates a reading, unless it is late or retained without news.
    pub(super) fn reading(
        &mut self,
        now: &Now,
        reading: &Reading,
        changes: &mut Changes,
    ) -> Result<bool, Refusal> {
        let n = reading.point.0 as usize;
        let Some(point) = self.store.state().points.get(n) else {
            return Err(Refusal::UnknownPoint { point: reading.point });
        };
        if is_late(point, reading) {
            return Ok(false);
        }
        let watches = self
            .store
            .index()
            .points
            .get(n)
            .map(|p| p.watches.clone())
            .unwrap_or_default();
        if reading.quality == Quality::Uncertain(Reason::Retained) && point.latest.is_some() {
            let raises = watches.clone().any(|w| {
                let def = self.store.index().watches.get(w);
                def.is_some_and(|d| judge(&d.rule, reading) == WatchEvent::Value(Verdict::Wrong))
            });
            if !raises {
                return Ok(false);
            }
        }
        if let Some(point) = self.store.point_mut(n) {
            point.evaluated = time_of(reading);
            point.latest = Some(reading.clone());
        }
        // An answer without a value is no sign of life.
        if reading.value.is_some() {
            self.expect_again(n, now);
        }
        for watch in watches {
            let Some(event) = self
                .store
                .index()
                .watches
                .get(watch)
                .map(|d| judge(&d.rule, reading))
            else {
                continue;
            };
            self.watch_event(watch, event, now, changes);
        }
        if self.store.is_verifying(reading.point) {
            self.review_evidence(reading.point, now, changes);
        }
        Ok(true)
    }

    /// One event of one watch, and what follows.
    pub(super) fn watch_event(&mut self, n: usize, event: WatchEvent, now: &Now, changes: &mut Changes) {
        let (Some(watch), Some(def)) = (
            self.store.state().watches.get(n),
            self.store.index().watches.get(n),
        ) else {
            return;
        };
        let (next, effect) = watch.next(event, Delays::of(&def.rule), now);
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
        self.store.set_watch(n, next);
        self.follow_watch(&def, effect, now, changes);
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

/// What a rule says about a reading.
pub(super) fn judge(rule: &Rule, reading: &Reading) -> WatchEvent {
    let value = match reading.quality {
        Quality::Bad(_) => None,
        Quality::Good | Quality::Uncertain(_) => reading.value.as_ref(),
    };
    value
        .and_then(|v| rule.when.judge(v))
        .map_or(WatchEvent::Lost, WatchEvent::Value)
}

/// The reading's place in time: its own, unless the device's clock cannot be believed.
fn time_of(reading: &Reading) -> Timestamp {
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
