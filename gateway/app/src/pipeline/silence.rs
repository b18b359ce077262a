//! What is stored of silence: a state that nobody vouches for any more gets a reading without a value, so that its
//! duration ends where knowledge ended, in every answer and every copy of the series; and the state once more when its
//! device says that it is still so.
//!
//! The engine says when a point fell silent; while the program was away nobody could, and the pause is looked at once
//! it is back. Quantities need no such end: a chart shows their gap by itself.

use super::core::Core;
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Reason, Value};
use linli_domain::time::{Now, Timestamp};

/// The quality of such a reading.
const SILENT: Quality = Quality::Bad(Reason::CommTimeout);

/// The quality of a state that was said again.
const SAID_AGAIN: Quality = Quality::Uncertain(Reason::Stale);

/// Whether something that is stored gives way to what a device says about the same millisecond: it is nothing but
/// silence, or another state that was only said again.
pub(super) fn gives_way(stored: Option<&Value>, quality: Quality, said: Option<&Value>) -> bool {
    match quality {
        SILENT => stored.is_none(),
        SAID_AGAIN => stored != said,
        _ => false,
    }
}

impl Core {
    /// Ends the states of points that have just fallen silent.
    pub(super) fn end_states(&mut self, points: &[PointKey], now: &Now) {
        for point in points {
            // A bridge or a will may say so before the time is over.
            let over = self.unvouched_from(*point, now).unwrap_or(now.wall);
            self.end_state(*point, over.min(now.wall), now);
        }
    }

    /// Stores states that are known again because their device said them again.
    pub(super) fn resume_states(&mut self, points: &[PointKey], now: &Now) {
        for point in points {
            let Some(heard) = self.heard(*point, now) else {
                continue;
            };
            let Some(latest) = self.engine.latest(*point).cloned() else {
                continue;
            };
            let resumed = Reading {
                observed: heard,
                received: heard,
                quality: SAID_AGAIN,
                ..latest
            };
            self.store_beside(resumed, now);
        }
    }

    /// Ends the states nobody could vouch for while the program was away: those whose device was heard longer ago than
    /// it may be silent. Without a clock to believe nothing is ended; the engine notices the silence in its own time.
    pub(super) fn end_states_of_the_pause(&mut self, now: &Now) {
        if !now.trusted {
            return;
        }
        let points: Vec<PointKey> = self.engine.points().iter().map(|def| def.key).collect();
        for point in points {
            let over = self.unvouched_from(point, now).filter(|over| *over < now.wall);
            if let Some(over) = over.filter(|_| !self.engine.is_silent(point) && self.is_open(point)) {
                self.end_state(point, over, now);
            }
        }
    }

    /// Whether nothing is stored after the newest state of a point.
    fn is_open(&self, point: PointKey) -> bool {
        let latest = self.ledger.latest(point).map(|latest| &latest.sample);
        let last = self.ledger.last_observed(point);
        latest.is_some_and(|latest| {
            matches!(latest.value, Some(Value::State(_))) && last.is_none_or(|last| last <= latest.observed)
        })
    }

    /// When the device of a point was heard.
    fn heard(&self, point: PointKey, now: &Now) -> Option<Timestamp> {
        let device = self.engine.point(point)?.device.clone();
        let index = self.engine.estate().device_by_id(&device)?;
        self.engine.device_health(index, now)?.heard
    }

    /// From when on nobody vouches for the state of a point, unless its device is heard before.
    fn unvouched_from(&self, point: PointKey, now: &Now) -> Option<Timestamp> {
        let estate = self.engine.estate();
        let device = estate.device_by_id(&self.engine.point(point)?.device)?;
        let limit = estate.device(device)?.silence_limit;
        let observed = self.engine.latest(point)?.observed;
        Some(self.heard(point, now)?.plus(limit).max(observed))
    }

    fn end_state(&mut self, point: PointKey, at: Timestamp, now: &Now) {
        self.store_beside(Reading::missing(point, at, now.wall, Reason::CommTimeout), now);
    }

    /// Stores a reading the engine has caused: it is not given to it, and a replay shows it only that time passed.
    fn store_beside(&mut self, reading: Reading, now: &Now) {
        self.batch.at(*now);
        let commit = self.next_commit();
        self.batch.stores(commit, reading, false);
    }
}
