//! Refused frames in the log: every reason is heard, a flood of one is not.

use super::refused::Refused;
use crate::field::Origin;
use crate::quiet::Quiet;
use linli_domain::time::Now;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Complaints(Quiet);

impl Complaints {
    /// Writes a line unless the same reason was heard within the last second.
    pub(super) fn refused(&mut self, refused: &Refused, origin: &Origin<'_>, now: &Now) {
        if let Some(swallowed) = self.0.may_speak(refused.reason, now.monotonic) {
            tracing::warn!(reason = refused.reason, %origin, detail = %refused.detail, swallowed, "frame refused");
        }
    }

    /// The same for a device that is heard for the first time and not in the estate. What it said is not repeated.
    pub(super) fn stranger(&mut self, connection: &str, key: &str, now: &Now) {
        if let Some(swallowed) = self.0.may_speak("unknown_device", now.monotonic) {
            tracing::info!(
                connection,
                key,
                swallowed,
                "unknown device heard; see `linli device list --unknown`"
            );
        }
    }
}
