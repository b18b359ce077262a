//! An alarm 告警: the life of one condition on one asset, from the moment it is raised until it is normal,
//! acknowledged and unlatched.
//!
//! Four parts move on their own: the [`Condition`], summed up over every [`Watch`] of the alarm's class on the
//! asset; the acknowledgement [`Ack`]; the [`Latch`]; the [`Annunciation`]. Orders are another state machine: see
//! [`crate::order`].
//!
//! ```text
//!   ack:    none ── raise ──▶ unack ── acknowledge ──▶ ack ── end ──▶ none
//!                               ▲                       │
//!                               └─ raise, re-alarm ─────┘
//!   latch:  off ── raise, if the rule latches ──▶ held ── release, condition normal ──▶ off
//!   ann:    on ── shelve ──▶ shelved ── time, unshelve ──▶ on
//!           on ── a cause is active ──▶ suppressed ── the cause has been gone for two minutes ──▶ on
//!           any ── taken out of service ──▶ out of service ── brought back ──▶ on
//! ```
//!
//! What is not announced is still recorded: the alarm is raised, counted and ends as any other. One that people have
//! not heard of needs no acknowledgement; when its annunciation is on again and it still goes on, it is raised for them.

mod annunciation;
mod parts;
pub mod watch;

pub use annunciation::{
    Annunciation, AnnunciationEvent, LEAST_SERVICE, MOST_SERVICE, NotAllowed, OutOfService, SETTLES_AFTER,
    Serviced, Shelving, Suppression, lives_service_limit, shelving_limit,
};
pub use parts::{Ack, AckEvent, Latch, LatchEvent, LatchRefused};
pub use watch::{Delays, Effect, Watch, WatchEvent};

use crate::command::Actor;
use crate::id::{AlarmId, AssetId, Class, Fault, OrderId, PointKey, RuleId};
use crate::reading::{Reading, Value};
use crate::rule::{Inhibits, Priority};
use crate::text::Text;
use crate::time::{Deadline, Monotonic, Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What the sensors say, summed up. The order is the one in which they outweigh each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// All is well.
    Normal,
    /// Wrong again, not yet for long enough.
    Pending,
    /// At least one sensor is lost: never taken for normal.
    Unknown,
    /// Right again, not yet for long enough.
    Clearing,
    /// Wrong.
    Active,
}

impl From<Watch> for Condition {
    fn from(watch: Watch) -> Self {
        match watch {
            Watch::Normal => Self::Normal,
            Watch::Pending { .. } => Self::Pending,
            Watch::Active => Self::Active,
            Watch::Clearing { .. } => Self::Clearing,
            Watch::Unknown { .. } => Self::Unknown,
        }
    }
}

/// The four parts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AlarmState {
    /// What the sensors say.
    pub condition: Condition,
    /// Whether a person has seen it.
    pub ack: Ack,
    /// Whether it is kept.
    pub latch: Latch,
    /// Whether people hear of it.
    #[serde(default)]
    pub annunciation: Annunciation,
}

impl AlarmState {
    /// Every code of [`AlarmState::display_code`] of an alarm that lives.
    pub const CODES: [&'static str; 8] = [
        "active_unack",
        "active_ack",
        "rtn_unack",
        "latched",
        "shelved",
        "suppressed",
        "out_of_service",
        "unknown",
    ];

    /// Whether the alarm is over. One that is shelved stays in sight until that ends.
    pub fn is_over(self) -> bool {
        self.condition == Condition::Normal
            && self.ack != Ack::Unack
            && self.latch == Latch::Off
            && self.annunciation != Annunciation::Shelved
    }
    /// The field's name for the combination, as a code for the message catalogue.
    pub fn display_code(self) -> &'static str {
        match self.annunciation {
            _ if self.is_over() => return "normal",
            Annunciation::On => {}
            Annunciation::Shelved => return "shelved",
            Annunciation::Suppressed => return "suppressed",
            Annunciation::OutOfService => return "out_of_service",
        }
        match (self.condition, self.ack, self.latch) {
            (Condition::Unknown, _, _) => "unknown",
            (Condition::Active | Condition::Clearing | Condition::Pending, Ack::Unack, _) => "active_unack",
            (Condition::Active | Condition::Clearing | Condition::Pending, _, _) => "active_ack",
            (Condition::Normal, Ack::Unack, _) => "rtn_unack",
            (Condition::Normal, _, Latch::Held) => "latched",
            (Condition::Normal, _, Latch::Off) => "normal",
        }
    }
}

/// Most readings an alarm keeps as its evidence.
pub const MAX_EVIDENCE: usize = 8;

/// One reading that was wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The point.
    pub point: PointKey,
    /// When the sensor saw it.
    pub observed: Timestamp,
    /// What it saw.
    pub value: Value,
}

impl Sample {
    /// The sample of a reading that has a value.
    pub fn of(reading: &Reading) -> Option<Self> {
        Some(Self {
            point: reading.point,
            observed: reading.observed,
            value: reading.value.clone()?,
        })
    }
}

/// One alarm. It carries the rule's words as they were when it was raised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its number.
    pub id: AlarmId,
    /// Counts what a person may have to decide anew: raises, acknowledgements, resets.
    pub version: u32,
    /// Where.
    pub asset: AssetId,
    /// With the asset its key while it lives.
    pub class: Class,
    /// With the asset the key of its order.
    pub fault: Fault,
    /// The rule that raised it.
    pub rule: RuleId,
    /// That rule's version.
    pub rule_version: u32,
    /// What people call it.
    pub name: Option<Text>,
    /// What to do.
    pub response: Text,
    /// How much it matters.
    pub priority: Priority,
    /// Condition, acknowledgement, latch.
    pub state: AlarmState,
    /// When it was raised first.
    pub raised_at: Timestamp,
    /// The same in milliseconds the engine had lived, which no clock that is set can move.
    #[serde(default)]
    pub raised_age_ms: u64,
    /// When it was raised last.
    pub last_raised_at: Timestamp,
    /// When its condition last became normal.
    pub cleared_at: Option<Timestamp>,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<Actor>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// How often its condition became wrong.
    pub count: u32,
    /// The value that raised it last.
    pub value: Option<Value>,
    /// The point that raised it last.
    pub point: PointKey,
    /// Its order.
    pub order: Option<OrderId>,
    /// Points that watched it and have been taken out of the estate: its condition cannot be known without them.
    pub lost: Vec<PointKey>,
    /// The readings that raised it last, oldest first, at most [`MAX_EVIDENCE`].
    #[serde(default)]
    pub evidence: Vec<Sample>,
    /// Why it happens, in the rule's words.
    #[serde(default)]
    pub cause: Option<Text>,
    /// What follows when nobody acts, in the rule's words.
    #[serde(default)]
    pub consequence: Option<Text>,
    /// Who has shelved it, until when and why.
    #[serde(default)]
    pub shelving: Option<Shelving>,
    /// The cause people are told of instead.
    #[serde(default)]
    pub suppression: Option<Suppression>,
    /// What else it is the cause of.
    #[serde(default)]
    pub inhibits: Option<Inhibits>,
    /// Whether lives depend on it.
    #[serde(default)]
    pub life_safety: bool,
    /// How long it may go on acknowledged before people are asked again.
    #[serde(default, with = "crate::time::duration_text::option")]
    pub re_alarm: Option<Duration>,
    /// When that is.
    #[serde(default)]
    pub re_alarm_at: Option<Deadline>,
    /// Whether it is known from late readings alone: nobody was or is told of it.
    #[serde(default)]
    pub late: bool,
    /// Whether its sensor comes and goes too often to be told each time.
    #[serde(default)]
    pub flapping: bool,
    /// How often people were asked again: the level it is at.
    #[serde(default)]
    pub level: u8,
    /// Name of whoever changed it last.
    pub changed_by: Arc<str>,
}

impl Alarm {
    /// How it is shown, as a code for the message catalogue.
    pub fn display_code(&self) -> &'static str {
        if self.late {
            "late"
        } else {
            self.state.display_code()
        }
    }
    /// Whether it is the cause of others at this moment.
    pub fn is_cause(&self) -> bool {
        self.inhibits.is_some() && matches!(self.state.condition, Condition::Active | Condition::Clearing)
    }
    /// When to look at it again even if nothing happens.
    pub fn deadline(&self) -> Option<Deadline> {
        let shelved = self.shelving.as_ref().map(|shelving| shelving.until);
        let suppressed = self.suppression.as_ref().and_then(|s| s.release_at);
        [shelved, suppressed, self.re_alarm_at]
            .into_iter()
            .flatten()
            .min()
    }
    /// The same alarm in the monotonic time of a new boot.
    pub fn rebase(&mut self, last: Monotonic, now: &Now) {
        let move_on = |deadline: &mut Deadline| *deadline = deadline.rebase(last, now);
        self.shelving
            .iter_mut()
            .for_each(|shelving| move_on(&mut shelving.until));
        let release = self.suppression.iter_mut().flat_map(|s| &mut s.release_at);
        release.for_each(move_on);
        self.re_alarm_at.iter_mut().for_each(move_on);
    }
    /// The gateway's clock was set: what people were told about the end of the shelving moves with it.
    pub fn clock_jumped(&mut self, by_ms: i64) {
        if let Some(shelving) = &mut self.shelving {
            let moved = shelving.ends_at.as_millis().saturating_add(by_ms);
            shelving.ends_at = Timestamp::from_millis(moved);
        }
    }
}
