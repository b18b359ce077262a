//! The one table of the order: what may happen next in each state.
//!
//! Who may cause an event, and what a person must give with it, is checked before; this is only the shape. The
//! table is a part of the full one and grows by rows.
//!
//! ```text
//!          dispatch            accept            start               complete
//!  ● ─▶ new ──────▶ dispatched ─────▶ accepted ─────▶ in_progress ───────────▶ pending_verification
//!        │              │                │                 ▲                        │    │
//!        │              │                │                 └────── sensor_bad ──────┘    │ sensor_ok, override
//!        └──────────────┴── self_cleared ┴───────────────────────────────────────────▶ closed
//!
//!  any open ── cancel ──▶ cancelled
//! ```
//!
//! * `new` exists because somebody must decide who it goes to; an order from a rule passes through it at once.
//! * `dispatched` waits for a person, `accepted` has one, `in_progress` is being worked on.
//! * `pending_verification` waits for the sensors. It is never left by time alone: see [`super::verify`].
//!
//! A batch goes through the same table. Assets join it until it is completed; its tasks ([`super::task`]) end and open
//! again beside it, and the sensors agree when every task has ended.

use super::OverrideReason;
use super::verify::Verification;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Opened, given to nobody.
    New,
    /// Given to a role, taken by nobody.
    Dispatched,
    /// Taken by a person.
    Accepted,
    /// Being worked on.
    InProgress,
    /// Completed by a person, not yet confirmed by the sensors.
    PendingVerification(Verification),
    /// Over, and why.
    Closed(Closing),
    /// Over without work.
    Cancelled,
}

/// Why an order is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// Every sensor agreed for long enough after the completion.
    Verified,
    /// A manager overrode the sensors.
    Overridden(OverrideReason),
    /// The sensors were normal before anybody started.
    SelfCleared,
}

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderEvent {
    /// It came into being, as new.
    Open,
    /// It is given to a role.
    Dispatch,
    /// A person takes it.
    Accept,
    /// The person begins.
    Start,
    /// The person says that it is done; verification begins.
    Complete(Verification),
    /// The evidence is complete.
    SensorOk,
    /// The sensors still, or again, say that something is wrong.
    SensorBad,
    /// A manager closes it without evidence.
    Override(OverrideReason),
    /// The sensors are normal and its profile lets it close by itself.
    SelfCleared,
    /// A manager ends it without work.
    Cancel,
    /// Something about it changed, not its state: another alarm, the sensors' opinion, the course of verification.
    Note,
    /// Another asset joined the batch.
    TaskJoined,
    /// The sensors of one asset say that it is done.
    TaskEnded,
    /// They say that it is not, after all.
    TaskReopened,
}

/// An event that its state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {state} does not allow {event}")]
pub struct Refused {
    /// The state.
    pub state: &'static str,
    /// The event.
    pub event: &'static str,
}

impl OrderState {
    /// The state after `event`.
    pub fn next(self, event: OrderEvent) -> Result<Self, Refused> {
        use OrderEvent as E;
        use OrderState as S;
        // Numbers are the rows of the full table.
        match (self, event) {
            /*  2 */ (S::New, E::Dispatch) => Ok(S::Dispatched),
            /*  5 */ (S::Dispatched, E::Accept) => Ok(S::Accepted),
            /*  9 */ (S::Accepted, E::Start) => Ok(S::InProgress),
            /* 15 */
            (S::InProgress, E::Complete(verification)) => Ok(S::PendingVerification(verification)),
            /* 16 */ (S::PendingVerification(_), E::SensorOk) => Ok(S::Closed(Closing::Verified)),
            /* 17 */ (S::PendingVerification(_), E::SensorBad) => Ok(S::InProgress),
            /* 18 */
            (S::PendingVerification(_), E::Override(reason)) => Ok(S::Closed(Closing::Overridden(reason))),
            /* 24 */
            (S::New | S::Dispatched | S::Accepted | S::InProgress | S::PendingVerification(_), E::Cancel) => {
                Ok(S::Cancelled)
            }
            /* 28 */
            (S::New | S::Dispatched | S::Accepted, E::SelfCleared) => Ok(S::Closed(Closing::SelfCleared)),
            (
                state @ (S::New | S::Dispatched | S::Accepted | S::InProgress | S::PendingVerification(_)),
                E::Note | E::TaskEnded | E::TaskReopened,
            ) => Ok(state),
            (state @ (S::New | S::Dispatched | S::Accepted | S::InProgress), E::TaskJoined) => Ok(state),
            (state, event) => Err(Refused {
                state: state.name(),
                event: event.name(),
            }),
        }
    }
    /// Whether nothing more can happen.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Closed(_) | Self::Cancelled)
    }
    /// The state's name in records and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Dispatched => "dispatched",
            Self::Accepted => "accepted",
            Self::InProgress => "in_progress",
            Self::PendingVerification(_) => "pending_verification",
            Self::Closed(_) => "closed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Closing {
    /// The name in records and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Overridden(_) => "overridden",
            Self::SelfCleared => "self_cleared",
        }
    }
}

impl OrderEvent {
    /// The event's name in records and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Dispatch => "dispatch",
            Self::Accept => "accept",
            Self::Start => "start",
            Self::Complete(_) => "complete",
            Self::SensorOk => "sensor_ok",
            Self::SensorBad => "sensor_bad",
            Self::Override(_) => "override",
            Self::SelfCleared => "self_cleared",
            Self::Cancel => "cancel",
            Self::Note => "note",
            Self::TaskJoined => "task_joined",
            Self::TaskEnded => "task_ended",
            Self::TaskReopened => "task_reopened",
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::verify::Hold;
    use crate::time::Timestamp;

    #[test]
    fn every_state_answers_every_event_as_the_table_says() {
        let verification = Verification {
            completed: Timestamp::from_millis(0),
            grace: None,
            hold: Hold::Off,
        };
        let states = [
            OrderState::New,
            OrderState::Dispatched,
            OrderState::Accepted,
            OrderState::InProgress,
            OrderState::PendingVerification(verification),
            OrderState::Closed(Closing::Verified),
            OrderState::Cancelled,
        ];
        let events = [
            OrderEvent::Open,
            OrderEvent::Dispatch,
            OrderEvent::Accept,
            OrderEvent::Start,
            OrderEvent::Complete(verification),
            OrderEvent::SensorOk,
            OrderEvent::SensorBad,
            OrderEvent::Override(OverrideReason::Test),
            OrderEvent::SelfCleared,
            OrderEvent::Cancel,
            OrderEvent::Note,
            OrderEvent::TaskJoined,
            OrderEvent::TaskEnded,
            OrderEvent::TaskReopened,
        ];
        let mut table = String::new();
        for state in states {
            let row = events.map(|e| state.next(e).map_or("-", OrderState::name));
            table.push_str(&format!("{}: {}\n", state.name(), row.join(" ")));
        }
        // open, dispatch, accept, start, complete, sensor_ok, sensor_bad, override, self_cleared, cancel, note,
        // task_joined, task_ended, task_reopened
        assert_eq!(
            table,
            "new: - dispatched - - - - - - closed cancelled new new new new\n\
             dispatched: - - accepted - - - - - closed cancelled dispatched dispatched dispatched dispatched\n\
             accepted: - - - in_progress - - - - closed cancelled accepted accepted accepted accepted\n\
             in_progress: - - - - pending_verification - - - - cancelled in_progress in_progress in_progress \
             in_progress\n\
             pending_verification: - - - - - closed in_progress closed - cancelled pending_verification - \
             pending_verification pending_verification\n\
             closed: - - - - - - - - - - - - - -\n\
             cancelled: - - - - - - - - - - - - - -\n"
        );
    }
}
