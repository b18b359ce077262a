//! Refused frames in the log: every reason is heard, a flood of one is not.

use super::refused::Refused;
use crate::field::Origin;
use crate::quiet::Quiet;
use linli_domain::time::Now;

/// Longest text of a device in one line of the log, in characters.
const MOST_SHOWN: usize = 256;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Complaints(Quiet);

impl Complaints {
    /// Writes a line unless the same reason was heard within the last second.
    pub(super) fn refused(&mut self, refused: &Refused, origin: &Origin<'_>, now: &Now) {
        if let Some(swallowed) = self.0.may_speak(refused.reason, now.monotonic) {
            let (origin, detail) = (cut(&origin.to_string()), cut(&refused.detail));
            tracing::warn!(
                reason = refused.reason,
                origin,
                detail,
                swallowed,
                "frame refused"
            );
        }
    }

    /// The same for a device that is heard for the first time and not in the estate. What it said is not repeated.
    pub(super) fn stranger(&mut self, connection: &str, key: &str, now: &Now) {
        if let Some(swallowed) = self.0.may_speak("unknown_device", now.monotonic) {
            tracing::info!(
                connection,
                key = cut(key),
                swallowed,
                "unknown device heard; see `linli device list --unknown`"
            );
        }
    }
}

/// What a device says of itself is only as long as a line.
fn cut(text: &str) -> String {
    text.chars().take(MOST_SHOWN).collect()
}
