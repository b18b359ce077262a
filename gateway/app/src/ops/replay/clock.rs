//! From the times of a recording to time that runs forward, a day at most between two frames.
//!
//! A machine without a battery begins in 1970, and a line can be dated wrong by hand: time that nobody recorded would be
//! played with every delay and silence in it, for months on end.

use linli_domain::time::Timestamp;
use std::time::Duration;

/// Most time that passes between two frames; what is beyond it is the clock being set.
const MAX_STEP: Duration = Duration::from_secs(86_400);

/// A recorded clock.
pub(super) struct RecordedClock {
    last: Timestamp,
    passed: Duration,
    /// By how much it was set since the beginning.
    pub(super) set_ms: i64,
}

impl RecordedClock {
    pub(super) fn new(begins: Timestamp) -> Self {
        Self {
            last: begins,
            passed: Duration::ZERO,
            set_ms: 0,
        }
    }

    /// How long after the beginning a frame of this time is played.
    pub(super) fn at(&mut self, at: Timestamp) -> Duration {
        let step = at.as_millis().saturating_sub(self.last.as_millis());
        let passed = Duration::from_millis(u64::try_from(step).unwrap_or(0)).min(MAX_STEP);
        let set = step.saturating_sub(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX));
        self.set_ms = self.set_ms.saturating_add(set);
        self.passed += passed;
        self.last = at;
        self.passed
    }

    /// Whether a frame is more than a day after, or before, both the one before it and the one behind it.
    pub(super) fn is_astray(&self, at: Timestamp, next: Timestamp) -> bool {
        let after = |at: Timestamp, other: Timestamp| at > other.plus(MAX_STEP);
        (after(at, self.last) && after(at, next)) || (after(self.last, at) && after(next, at))
    }
}
