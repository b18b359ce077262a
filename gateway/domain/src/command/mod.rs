//! What people tell the engine, who they are, and why it may say no.
//!
//! A person is an API token with a name and a role; more about people is not known here. Every command names the
//! version it was decided on, so of two phones pressing at once exactly one wins and the other is told who.

mod refusal;

pub use refusal::Refusal;

use crate::alarm::Serviced;
use crate::id::{AlarmId, OrderId, PointKey};
use crate::order::OverrideReason;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorRole {
    /// Property staff: acknowledge, shelve for a shift, name a cause, take a device out of service, accept, start, complete.
    Staff,
    /// A manager: all that, and shelve for days, take an asset out of service, override, cancel, reset.
    Manager,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What tells one token from another: its id, never its secret.
    pub token: Arc<str>,
    /// The name people see.
    pub name: Arc<str>,
    /// What it may do.
    pub role: ActorRole,
}

/// A command and who gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
}

/// What a person can do. `version` is the version of the alarm or order the person saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// "I have seen it."
    AcknowledgeAlarm {
        /// The alarm.
        alarm: AlarmId,
        /// Its version.
        version: u32,
    },
    /// A manager lets go of the latch of an alarm whose condition is normal.
    ResetAlarm {
        /// The alarm.
        alarm: AlarmId,
        /// Its version.
        version: u32,
    },
    /// "I take it." Acknowledges its alarms too.
    Accept {
        /// The order.
        order: OrderId,
        /// Its version.
        version: u32,
    },
    /// "I begin."
    Start {
        /// The order.
        order: OrderId,
        /// Its version.
        version: u32,
    },
    /// "It is done."
    Complete {
        /// The order.
        order: OrderId,
        /// Its version.
        version: u32,
        /// What was done.
        note: Option<String>,
    },
    /// A manager closes it without the sensors' agreement.
    Override {
        /// The order.
        order: OrderId,
        /// Its version.
        version: u32,
        /// Why.
        reason: OverrideReason,
        /// More about why.
        note: String,
    },
    /// A manager ends it without work.
    Cancel {
        /// The order.
        order: OrderId,
        /// Its version.
        version: u32,
        /// Why.
        reason: String,
    },
    /// Mutes an alarm for a time. It goes on being recorded, and a P1 alarm still gets its order.
    ShelveAlarm {
        /// The alarm.
        alarm: AlarmId,
        /// Its version.
        version: u32,
        /// For how long: see [`crate::alarm::shelving_limit`].
        lasts: Duration,
        /// Why.
        reason: String,
        /// Whether a P1 alarm opens no order either; a manager's decision.
        no_order: bool,
    },
    /// Ends a shelving before its time. People hear of the alarm at once if it still goes on.
    UnshelveAlarm {
        /// The alarm.
        alarm: AlarmId,
        /// Its version.
        version: u32,
    },
    /// Takes a device, or (a manager) an asset, out of service: it is under repair and no reason to call anybody.
    TakeOutOfService {
        /// What.
        what: Serviced,
        /// Why.
        reason: String,
        /// For how long; until somebody brings it back when none is said. What lives depend on always has an end.
        lasts: Option<Duration>,
    },
    /// It is in service again. People hear of what still goes on.
    BringBack {
        /// What.
        what: Serviced,
    },
    /// "That one explains it." People hear of the cause alone, as long as it goes on.
    SuppressAlarm {
        /// The alarm.
        alarm: AlarmId,
        /// Its version.
        version: u32,
        /// The alarm that explains it.
        cause: AlarmId,
        /// Why.
        reason: String,
    },
    /// Takes that back. People hear of the alarm at once if it still goes on.
    UnsuppressAlarm {
        /// The alarm.
        alarm: AlarmId,
        /// Its version.
        version: u32,
    },
}

impl Action {
    /// The action's name in records and refusals.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AcknowledgeAlarm { .. } => "acknowledge",
            Self::ResetAlarm { .. } => "reset",
            Self::Accept { .. } => "accept",
            Self::Start { .. } => "start",
            Self::Complete { .. } => "complete",
            Self::Override { .. } => "override",
            Self::Cancel { .. } => "cancel",
            Self::ShelveAlarm { .. } => "shelve",
            Self::UnshelveAlarm { .. } => "unshelve",
            Self::TakeOutOfService { .. } => "take_out_of_service",
            Self::BringBack { .. } => "bring_back",
            Self::SuppressAlarm { .. } => "suppress",
            Self::UnsuppressAlarm { .. } => "unsuppress",
        }
    }
}

/// What an input is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done; there is nothing more to say.
    Done,
    /// The alarm as it is now.
    Alarm {
        /// Its number.
        alarm: AlarmId,
        /// Its version.
        version: u32,
    },
    /// The order as it is now.
    Order {
        /// Its number.
        order: OrderId,
        /// Its version.
        version: u32,
    },
    /// The point that was added.
    Point(PointKey),
}
