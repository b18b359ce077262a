//! The acknowledgement and the latch of an alarm: two tables that know nothing of each other. What the sensors say is
//! [`Condition`], whether people hear of it [`super::Annunciation`].

use super::Condition;
use serde::{Deserialize, Serialize};

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
    /// The alarm is raised, raised again, becomes worse or has gone on for too long.
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
