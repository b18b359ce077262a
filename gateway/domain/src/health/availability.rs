//! Whether a device can be reached, as far as anybody has said: its last will, its bridge, its own messages.
//!
//! ```text
//!            says online                says offline                     bridge down        bridge up
//!   any ──────────────▶ online    any ──────────────▶ asleep   (sleeps)    any ──▶ unreachable ──▶ unknown
//!    ▲                                             └▶ offline  (does not)
//!    └ heard: an asleep, offline or unreachable one is online
//! ```
//!
//! * `asleep` exists because a battery device says good-bye each time: that is how it lives, not a fault.
//! * `offline` and `unreachable` make its points unknown at once, without waiting for the silence limit: somebody
//!   who knows has said that nothing will be heard.
//! * After `unreachable` comes `unknown`, not `online`: a bridge that is back has not heard its devices yet.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known about reaching a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Nobody has said.
    #[default]
    Unknown,
    /// Reachable.
    Online,
    /// Gone until it wakes up, as it always does.
    Asleep,
    /// Not reachable.
    Offline,
    /// Its bridge is down.
    Unreachable,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AvailabilityEvent {
    /// The device or its bridge says that it is reachable.
    SaysOnline,
    /// The device or its bridge says that it is not.
    SaysOffline {
        /// Whether devices of its type sleep between messages.
        sleeps: bool,
    },
    /// A message of the device itself came.
    Heard,
    /// The bridge it speaks through is down.
    BridgeDown,
    /// The bridge it speaks through is back.
    BridgeUp,
}

impl Availability {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Unknown,
        Self::Online,
        Self::Asleep,
        Self::Offline,
        Self::Unreachable,
    ];

    /// The state's name in the API and in the message catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Asleep => "asleep",
            Self::Offline => "offline",
            Self::Unreachable => "unreachable",
        }
    }

    /// The state after `event`.
    pub fn next(self, event: AvailabilityEvent) -> Self {
        use AvailabilityEvent::{BridgeDown, BridgeUp, Heard, SaysOffline, SaysOnline};
        match (self, event) {
            (_, SaysOnline) => Self::Online,
            (_, SaysOffline { sleeps: true }) => Self::Asleep,
            (_, SaysOffline { sleeps: false }) => Self::Offline,
            (_, BridgeDown) => Self::Unreachable,
            (Self::Unreachable, BridgeUp) => Self::Unknown,
            (_, BridgeUp) => self,
            // A message says nothing about a device whose availability nobody tells.
            (Self::Unknown | Self::Online, Heard) => self,
            (Self::Asleep | Self::Offline | Self::Unreachable, Heard) => Self::Online,
        }
    }

    /// Whether nothing can be heard of the device, so that what is known about its points is known no more.
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Offline | Self::Unreachable)
    }
}

/// The availability with its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvailabilityView {
    /// What is known.
    pub state: Availability,
    /// Since when; none while nobody has said anything.
    pub since: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::Availability::{Asleep, Offline, Online, Unknown, Unreachable};
    use super::AvailabilityEvent::{BridgeDown, BridgeUp, Heard, SaysOffline, SaysOnline};
    use super::*;

    #[test]
    fn every_state_answers_every_event() {
        let (naps, dies) = (SaysOffline { sleeps: true }, SaysOffline { sleeps: false });
        let events = [SaysOnline, naps, dies, Heard, BridgeDown, BridgeUp];
        let rows = Availability::ALL.map(|state| events.map(|event| state.next(event)));
        assert_eq!(
            rows,
            [
                [Online, Asleep, Offline, Unknown, Unreachable, Unknown],
                [Online, Asleep, Offline, Online, Unreachable, Online],
                [Online, Asleep, Offline, Online, Unreachable, Asleep],
                [Online, Asleep, Offline, Online, Unreachable, Offline],
                [Online, Asleep, Offline, Online, Unreachable, Unknown],
            ]
        );
    }

    #[test]
    fn only_what_cannot_be_heard_is_lost() {
        let lost = Availability::ALL.map(Availability::is_lost);
        assert_eq!(lost, [false, false, false, true, true]);
    }
}
