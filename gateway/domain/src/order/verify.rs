//! Verification 验收: what the sensors must say after a completion before the order may close.
//!
//! ```text
//!   completed ── every sensor right ──▶ hold runs ── over, and every sensor normal and proven ──▶ sensor_ok
//!      │                                  │
//!      │                                  ├─ one wrong, or about to be: hold starts again
//!      │                                  └─ one unknown: hold waits
//!      └─ one wrong when grace is over, or later ──▶ sensor_bad
//! ```
//!
//! A sensor is *proven* when its last reading is good and was observed and received after the completion, so a
//! buffered reading from before proves nothing. The hold runs from the completion if every sensor was already
//! right, otherwise from the first proof. An unknown sensor neither closes the order nor sends it back: it stays
//! pending until the sensor speaks or a manager decides.

use super::{OrderEvent, Verify};
use crate::time::{Deadline, Monotonic, Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far the verification of one completion has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// When the person completed the order. Moves with the wall clock when that is set.
    pub completed: Timestamp,
    /// Until when a sensor may still be wrong; none once that is over.
    pub grace: Option<Deadline>,
    /// How long every sensor has been right.
    pub hold: Hold,
}

/// The time every sensor must be right without being wrong in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Not every sensor is right.
    Off,
    /// Every sensor is right; it must stay so until then.
    Running(Deadline),
    /// A sensor is unknown; this much is left once it speaks again.
    Paused(Duration),
    /// Every sensor was right for long enough.
    Over,
}

/// What the sensors of an order say, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sensors {
    /// At least one says that something is wrong, for longer than its on-delay.
    pub wrong: bool,
    /// At least one says that something is wrong, not yet for long enough.
    pub pending: bool,
    /// There is at least one, and all say that it is right, off-delay over or not.
    pub right: bool,
    /// There is at least one, and all are normal.
    pub normal: bool,
    /// There is at least one, and all are proven.
    pub proven: bool,
}

impl Sensors {
    /// What is known without a single sensor: nothing.
    pub const NONE: Self = Self {
        wrong: false,
        pending: false,
        right: false,
        normal: false,
        proven: false,
    };
}

impl Verification {
    /// Begins at a completion.
    pub fn begin(now: &Now, verify: Verify, sensors: Sensors) -> Self {
        Self {
            completed: now.wall,
            grace: Some(now.after(verify.grace)),
            hold: if sensors.right {
                Hold::Running(now.after(verify.hold))
            } else {
                Hold::Off
            },
        }
    }
    /// Looks at the sensors again: how far it has come now, and what follows for the order.
    pub fn review(self, now: &Now, verify: Verify, sensors: Sensors) -> (Self, Option<OrderEvent>) {
        let grace = self.grace.filter(|g| !g.is_due(now));
        let hold = match self.hold {
            _ if sensors.wrong || sensors.pending => Hold::Off,
            Hold::Running(deadline) if !sensors.right => Hold::Paused(deadline.at.since(now.monotonic)),
            held if !sensors.right => held,
            Hold::Off if sensors.proven => Hold::Running(now.after(verify.hold)),
            Hold::Paused(left) if sensors.proven => Hold::Running(now.after(left)),
            Hold::Running(deadline) if deadline.is_due(now) => Hold::Over,
            held => held,
        };
        // A hold of no length is over as it starts.
        let hold = match hold {
            Hold::Running(deadline) if deadline.is_due(now) => Hold::Over,
            other => other,
        };
        let event = if sensors.wrong && grace.is_none() {
            Some(OrderEvent::SensorBad)
        } else if hold == Hold::Over && sensors.normal && sensors.proven {
            Some(OrderEvent::SensorOk)
        } else {
            None
        };
        (Self { grace, hold, ..self }, event)
    }
    /// When to look again even if no sensor speaks.
    pub fn deadline(&self) -> Option<Deadline> {
        let hold = match self.hold {
            Hold::Running(deadline) => Some(deadline),
            Hold::Off | Hold::Paused(_) | Hold::Over => None,
        };
        self.grace.into_iter().chain(hold).min()
    }
    /// The same verification in the monotonic time of a new boot.
    pub fn rebase(self, last: Monotonic, now: &Now) -> Self {
        Self {
            grace: self.grace.map(|g| g.rebase(last, now)),
            hold: match self.hold {
                Hold::Running(deadline) => Hold::Running(deadline.rebase(last, now)),
                other => other,
            },
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::BootId;

    const VERIFY: Verify = Verify {
        hold: Duration::from_secs(600),
        grace: Duration::from_secs(900),
    };
    const DRY: Sensors = Sensors {
        wrong: false,
        pending: false,
        right: true,
        normal: true,
        proven: true,
    };
    const WET: Sensors = Sensors {
        wrong: true,
        ..Sensors::NONE
    };

    fn at(seconds: u64) -> Now {
        Now {
            wall: Timestamp::from_millis(1_000 * seconds as i64),
            monotonic: Monotonic(1_000 * seconds),
            boot: BootId(1),
            trusted: true,
        }
    }

    #[test]
    fn dry_before_the_completion_counts_from_the_completion() {
        let v = Verification::begin(&at(0), VERIFY, Sensors { proven: false, ..DRY });
        let (v, event) = v.review(&at(30), VERIFY, DRY);
        assert_eq!(event, None);
        assert_eq!(v.review(&at(599), VERIFY, DRY).1, None);
        assert_eq!(v.review(&at(600), VERIFY, DRY).1, Some(OrderEvent::SensorOk));
    }

    #[test]
    fn without_proof_or_without_sensors_it_stays_pending_for_ever() {
        for sensors in [Sensors { proven: false, ..DRY }, Sensors::NONE] {
            let v = Verification::begin(&at(0), VERIFY, sensors);
            let (v, event) = v.review(&at(1_000_000), VERIFY, sensors);
            assert_eq!((event, v.deadline()), (None, None));
        }
    }

    #[test]
    fn wet_is_forgiven_until_grace_is_over_and_never_after() {
        let v = Verification::begin(&at(0), VERIFY, WET);
        assert_eq!(v.review(&at(899), VERIFY, WET).1, None);
        assert_eq!(v.review(&at(900), VERIFY, WET).1, Some(OrderEvent::SensorBad));
        let (unknown, _) = v.review(&at(900), VERIFY, Sensors::NONE);
        assert_eq!(
            unknown.review(&at(2_000), VERIFY, WET).1,
            Some(OrderEvent::SensorBad)
        );
    }

    #[test]
    fn an_unknown_moment_lets_the_hold_wait() {
        let v = Verification::begin(&at(0), VERIFY, DRY);
        let (v, _) = v.review(&at(500), VERIFY, Sensors::NONE);
        assert_eq!(v.hold, Hold::Paused(Duration::from_secs(100)));
        assert_eq!(v.review(&at(5_000), VERIFY, Sensors::NONE).1, None);
        let (v, _) = v.review(&at(5_000), VERIFY, DRY);
        assert_eq!(v.review(&at(5_099), VERIFY, DRY).1, None);
        assert_eq!(v.review(&at(5_100), VERIFY, DRY).1, Some(OrderEvent::SensorOk));
    }

    #[test]
    fn a_fleeting_moment_after_grace_starts_the_hold_again_and_reopens_nothing() {
        let v = Verification::begin(&at(0), VERIFY, Sensors::NONE);
        let (v, _) = v.review(&at(901), VERIFY, DRY);
        let fleeting = Sensors {
            pending: true,
            ..Sensors::NONE
        };
        let (v, event) = v.review(&at(1_000), VERIFY, fleeting);
        assert_eq!((v.hold, event), (Hold::Off, None));
    }

    #[test]
    fn one_wet_moment_starts_the_hold_again() {
        let v = Verification::begin(&at(0), VERIFY, DRY);
        let (v, _) = v.review(&at(500), VERIFY, WET);
        let (v, _) = v.review(&at(501), VERIFY, DRY);
        assert_eq!(v.review(&at(1_100), VERIFY, DRY).1, None);
        assert_eq!(v.review(&at(1_101), VERIFY, DRY).1, Some(OrderEvent::SensorOk));
    }
}
