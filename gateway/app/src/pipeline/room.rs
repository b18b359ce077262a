//! Room on the disk: looked at now and then, told as a reading of the gateway, made when it is short.
//!
//! In this order: below twice the reserve (or above the ledger's size limit) the log goes that is kept for targets that
//! are away, then the oldest samples of all points, then the oldest minutes, then hours, a portion at a time and counted.
//! Below the reserve itself periodic readings are evaluated, counted and not stored; states that change, alarms, orders and
//! the audit always are. Everything resumes by itself when there is room again.

use super::core::Core;
use crate::disk::Space;
use crate::field::{Fact, Frame};
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::id::{DeviceId, PointKey};
use linli_domain::measure::Measure;
use linli_domain::reading::{Reading, Value};
use linli_domain::time::{Monotonic, Now};
use linli_ledger::{LetGo, StoreError};
use std::path::Path;
use std::time::Duration;

/// How often the disk is looked at; at every slice while room is being made.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often little room is told.
const TELL_EVERY: Duration = Duration::from_secs(600);
/// The instance of its points.
const INSTANCE: &str = "data";
/// Percent free below which it is told; rules alarm below less.
const WORTH_TELLING: f64 = 15.0;

/// Asks for the room of the disk that holds a folder.
pub type Disk = fn(&Path) -> Option<Space>;

/// What is known of the room.
#[derive(Debug)]
pub struct Room {
    /// Free bytes that are kept for alarms, orders and states.
    pub reserve: u64,
    /// Size of the ledger in bytes above which the oldest goes.
    pub max_size: Option<u64>,
    /// Asks the disk.
    pub disk: Disk,
    looked: Option<Monotonic>,
    short: bool,
    full: bool,
    disk_told: Told,
    ledger_told: Told,
}

/// When a reading of the room was told last while it was low, and what it was.
type Told = Option<(Monotonic, f64)>;

impl Default for Room {
    fn default() -> Self {
        Self {
            reserve: 0,
            max_size: None,
            disk: |_| None,
            looked: None,
            short: false,
            full: false,
            disk_told: None,
            ledger_told: None,
        }
    }
}

impl Room {
    /// Whether something has to go.
    pub(super) fn is_short(&self) -> bool {
        self.short
    }
}

#[cfg(test)]
impl Room {
    /// As if the time to look had come.
    pub(super) fn look_again(&mut self) {
        self.looked = None;
    }
}

#[allow(clippy::cast_precision_loss, reason = "percent")]
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

impl Core {
    /// Looks at the disk when it is time, and makes a portion of room when it is short. Returns whether to come again
    /// at once.
    pub(super) fn look_for_room(&mut self, now: &Now) -> Result<bool, StoreError> {
        let due = self
            .room
            .looked
            .is_none_or(|looked| now.monotonic.since(looked) >= LOOK_EVERY);
        if !due && !self.room.short {
            return Ok(false);
        }
        self.room.looked = Some(now.monotonic);
        let reserve = self.room.reserve;
        let unknown = Space {
            free: u64::MAX,
            whole: u64::MAX,
        };
        let space = (self.room.disk)(self.ledger.dir()).unwrap_or(unknown);
        let (free, spare) = (space.free, space.spare(reserve));
        let size = self.ledger.used_bytes()?;
        let was_full = std::mem::replace(&mut self.room.full, free < reserve);
        if self.room.full != was_full {
            if self.room.full {
                tracing::error!(
                    free_bytes = free,
                    "the disk is nearly full: periodic readings are no longer stored"
                );
            } else {
                tracing::info!(free_bytes = free, "there is room again: readings are stored");
            }
        }
        self.room.short = spare.is_none() || self.room.max_size.is_some_and(|most| size > most);
        self.metrics
            .disk_free
            .set(i64::try_from(free).unwrap_or(i64::MAX));
        self.metrics
            .store_bytes
            .set(i64::try_from(size).unwrap_or(i64::MAX));
        self.metrics.store_limit.set(
            self.room
                .max_size
                .map_or(0, |most| i64::try_from(most).unwrap_or(i64::MAX)),
        );
        // Counted above what makes the oldest go, so that a small disk is told of before anything goes too.
        self.room.disk_told = self.tell_room(
            now,
            "gateway.disk_free",
            percent(spare.unwrap_or(0), space.whole),
            self.room.disk_told,
        );
        let left = |most: u64| percent(most.saturating_sub(size), most);
        let left = self.room.max_size.map_or(100.0, left);
        self.room.ledger_told = self.tell_room(now, "gateway.ledger_room", left, self.room.ledger_told);
        if !self.room.short {
            return Ok(false);
        }
        let gone = self.ledger.make_room()?;
        self.metrics
            .let_go
            .with_label_values(&["room"])
            .inc_by(gone.samples);
        self.count_lost(&gone);
        if !gone.more {
            // There is nothing left to give; look again later.
            self.room.short = false;
        }
        Ok(self.room.short)
    }

    /// Counts what went before a target that is being filled in has had it; some of it may have been sent already.
    pub(super) fn count_lost(&self, gone: &LetGo) {
        let Some(newest) = gone.newest.filter(|_| gone.samples > 0) else {
            return;
        };
        for target in self.cursors.filling_in(newest.as_millis()) {
            self.metrics
                .forwarder_lost
                .with_label_values(&[target.as_str(), "retention"])
                .inc_by(gone.samples);
        }
    }

    /// Little room is a reading of the gateway; a rule makes an alarm of it long before anything is dropped. Returns what is
    /// told now.
    fn tell_room(&mut self, now: &Now, measure: &str, percent: f64, told: Told) -> Told {
        let low = percent < WORTH_TELLING;
        let Ok(measure) = measure.parse() else {
            return told;
        };
        let due = match told {
            // It may have been told before a restart, in which somebody made room.
            None => low || self.last_told(measure).is_some_and(|last| last < WORTH_TELLING),
            Some((at, last)) => {
                !low || now.monotonic.since(at) >= TELL_EVERY || (last - percent).abs() >= 1.0
            }
        };
        if !due {
            return told;
        }
        let fact = Fact {
            measure,
            instance: INSTANCE.into(),
            value: Value::Number((percent * 10.0).round() / 10.0),
            received: *now,
        };
        self.frame(Frame::Fact(fact), now);
        low.then_some((now.monotonic, percent))
    }

    /// What the engine knows of it.
    fn last_told(&self, measure: Measure) -> Option<f64> {
        let gateway = self.engine.estate().device_by_id(&DeviceId::new(GATEWAY).ok()?)?;
        let point = self.engine.point_of(gateway, measure, Some(INSTANCE))?;
        match self.engine.latest(point)?.value {
            Some(Value::Number(percent)) => Some(percent),
            _ => None,
        }
    }

    /// Whether a full disk leaves `reading` out if it changes nothing; asked before the engine sees it. What the gateway
    /// says about itself is rare, and matters most when something is short.
    pub(super) fn could_spare(&self, point: PointKey, measure: Measure, reading: &Reading) -> bool {
        if !self.room.full || measure.name().starts_with("gateway.") {
            return false;
        }
        match &reading.value {
            Some(Value::Number(_)) => true,
            value => self.engine.latest(point).and_then(|latest| latest.value.as_ref()) == value.as_ref(),
        }
    }
}
