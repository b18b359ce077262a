//! Refused frames in the log: every reason is heard, a flood of one is not.

use super::understood::Refused;
use crate::quiet::Quiet;
use linli_domain::time::Now;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Complaints(Quiet);

impl Complaints {
    /// Writes a line unless the same reason was heard within the last second.
    pub(super) fn refused(&mut self, refused: &Refused, origin: &str, now: &Now) {
        if let Some(swallowed) = self.0.may_speak(refused.reason, now.monotonic) {
            tracing::warn!(reason = refused.reason, origin, detail = %refused.detail, swallowed, "frame refused");
        }
    }
}
