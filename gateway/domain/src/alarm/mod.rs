//! An alarm 告警: the life of one condition on one asset, from the moment it is raised until it is normal,
//! acknowledged and unlatched.
//!
//! Three parts move on their own: the [`Condition`], summed up over every [`Watch`] of the alarm's class on the
//! asset; the acknowledgement [`Ack`]; the [`Latch`]. Annunciation (shelved, suppressed) is a fourth part that
//! would stand beside them. Orders are another state machine: see [`crate::order`].
//!
//! ```text
//!   ack:    none ── raise ──▶ unack ── acknowledge ──▶ ack ── end ──▶ none
//!                               ▲                       │
//!                               └─────── raise ─────────┘
//!   latch:  off ── raise, if the rule latches ──▶ held ── release, condition normal ──▶ off
//! ```

pub mod watch;

pub use watch::{Delays, Effect, Watch, WatchEvent};

use crate::command::Actor;
use crate::id::{AlarmId, AssetId, Class, Fault, OrderId, PointKey, RuleId};
use crate::reading::{Reading, Value};
use crate::rule::Priority;
use crate::text::Text;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

/// Whether a person has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ack {
    /// There is nothing to see.
    None,
    /// Nobody has.
    Unack,
    /// Somebody has.
    Ack,
}

/// What can happen to an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckEvent {
    /// The alarm is raised, or raised again.
    Raise,
    /// A person has seen it.
    Acknowledge,
    /// The alarm is over.
    End,
}

impl Ack {
    /// The part after `event`; `None` when there is nothing to acknowledge.
    pub fn next(self, event: AckEvent) -> Option<Self> {
        match (self, event) {
            (_, AckEvent::Raise) => Some(Self::Unack),
            (Self::Unack, AckEvent::Acknowledge) => Some(Self::Ack),
            (Self::None | Self::Ack, AckEvent::Acknowledge) => None,
            (Self::Unack, AckEvent::End) => Some(Self::Unack),
            (Self::None | Self::Ack, AckEvent::End) => Some(Self::None),
        }
    }
}

/// Whether the alarm stays although its condition is normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latch {
    /// It goes when it is acknowledged.
    Off,
    /// It stays until a verified order or a manager lets go.
    Held,
}

/// What can happen to a latch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatchEvent {
    /// The alarm is raised by a rule that latches, or does not.
    Raise {
        /// Whether it does.
        latches: bool,
    },
    /// A verified order or a manager lets go.
    Release {
        /// The condition at that moment.
        condition: Condition,
    },
}

/// Why a latch is not let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatchRefused {
    /// The condition is not normal.
    NotNormal,
    /// It is not held.
    NotHeld,
}

impl Latch {
    /// The part after `event`.
    pub fn next(self, event: LatchEvent) -> Result<Self, LatchRefused> {
        match (self, event) {
            (Self::Off, LatchEvent::Raise { latches: false }) => Ok(Self::Off),
            (Self::Off, LatchEvent::Raise { latches: true }) => Ok(Self::Held),
            (Self::Held, LatchEvent::Raise { .. }) => Ok(Self::Held),
            (Self::Off, LatchEvent::Release { .. }) => Err(LatchRefused::NotHeld),
            (Self::Held, LatchEvent::Release { condition }) => match condition {
                Condition::Normal => Ok(Self::Off),
                _ => Err(LatchRefused::NotNormal),
            },
        }
    }
}

/// The three parts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AlarmState {
    /// What the sensors say.
    pub condition: Condition,
    /// Whether a person has seen it.
    pub ack: Ack,
    /// Whether it is kept.
    pub latch: Latch,
}

impl AlarmState {
    /// Whether the alarm is over.
    pub fn is_over(self) -> bool {
        self.condition == Condition::Normal && self.ack != Ack::Unack && self.latch == Latch::Off
    }
    /// The field's name for the combination, as a code for the message catalogue.
    pub fn display_code(self) -> &'static str {
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
    /// Name of whoever changed it last.
    pub changed_by: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acknowledgement_answers_every_event() {
        use AckEvent::{Acknowledge, End, Raise};
        let rows = [Ack::None, Ack::Unack, Ack::Ack].map(|a| [Raise, Acknowledge, End].map(|e| a.next(e)));
        assert_eq!(
            rows,
            [
                [Some(Ack::Unack), None, Some(Ack::None)],
                [Some(Ack::Unack), Some(Ack::Ack), Some(Ack::Unack)],
                [Some(Ack::Unack), None, Some(Ack::None)],
            ]
        );
    }

    #[test]
    fn the_latch_answers_every_event() {
        for latches in [false, true] {
            let raise = LatchEvent::Raise { latches };
            assert_eq!(
                Latch::Off.next(raise),
                Ok(if latches { Latch::Held } else { Latch::Off })
            );
            assert_eq!(Latch::Held.next(raise), Ok(Latch::Held));
        }
        use Condition::{Active, Clearing, Normal, Pending, Unknown};
        for condition in [Normal, Pending, Unknown, Clearing, Active] {
            let release = LatchEvent::Release { condition };
            assert_eq!(Latch::Off.next(release), Err(LatchRefused::NotHeld));
            let held = Latch::Held.next(release);
            let expected = if condition == Normal {
                Ok(Latch::Off)
            } else {
                Err(LatchRefused::NotNormal)
            };
            assert_eq!(held, expected);
        }
    }
}
