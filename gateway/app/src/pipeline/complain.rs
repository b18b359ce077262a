//! Refused frames in the log: every reason is heard, a flood of one is not.

use super::refused::Refused;
use crate::field::Origin;
use linli_domain::time::{Monotonic, Now};
use std::collections::BTreeMap;
use std::time::Duration;

/// One line per reason and this long; the rest is counted in the next line.
const QUIET: Duration = Duration::from_secs(1);

/// When each reason was last heard, and how often it was swallowed since.
#[derive(Debug, Default)]
pub(super) struct Complaints(BTreeMap<&'static str, (Monotonic, u64)>);

impl Complaints {
    /// Writes a line unless the same reason was heard within the last second.
    pub(super) fn refused(&mut self, refused: &Refused, origin: &Origin<'_>, now: &Now) {
        if let Some(swallowed) = self.may_speak(refused.reason, now) {
            tracing::warn!(reason = refused.reason, %origin, detail = %refused.detail, swallowed, "frame refused");
        }
    }

    /// The same for a device that is heard for the first time and not in the estate. What it said is not repeated.
    pub(super) fn stranger(&mut self, connection: &str, key: &str, now: &Now) {
        if let Some(swallowed) = self.may_speak("unknown_device", now) {
            tracing::info!(
                connection,
                key,
                swallowed,
                "unknown device heard; see `linli device list --unknown`"
            );
        }
    }

    fn may_speak(&mut self, reason: &'static str, now: &Now) -> Option<u64> {
        match self.0.get_mut(reason) {
            Some((heard, swallowed)) if now.monotonic.since(*heard) < QUIET => {
                *swallowed += 1;
                None
            }
            other => {
                let swallowed = other.map_or(0, |(_, swallowed)| *swallowed);
                self.0.insert(reason, (now.monotonic, 0));
                Some(swallowed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::time::{BootId, Timestamp};

    #[test]
    fn a_flood_is_one_line_a_second_with_its_count() {
        let mut complaints = Complaints::default();
        let at = |ms| Now {
            wall: Timestamp::from_millis(0),
            monotonic: Monotonic(ms),
            boot: BootId(1),
            trusted: true,
        };
        assert_eq!(complaints.may_speak("not_json", &at(0)), Some(0));
        assert_eq!(complaints.may_speak("not_json", &at(1)), None);
        assert_eq!(complaints.may_speak("unknown_device", &at(2)), Some(0));
        assert_eq!(complaints.may_speak("not_json", &at(999)), None);
        assert_eq!(complaints.may_speak("not_json", &at(1000)), Some(2));
    }
}
