//! A token bucket: how fast somebody may go on, and how much may come at once.
//!
//! Pure: the caller brings the time and does the waiting. Kept as the one instant at which the bucket is full again.

use linli_domain::time::Monotonic;
use std::time::Duration;

/// Tokens per second, and seconds' worth of them that may be taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) per_s: u32,
    pub(super) burst_s: u32,
}

/// The bucket of one taker. It starts full.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: Rate,
    /// Microseconds of monotonic time at which nothing of the burst will be missing any more.
    full_at_us: u64,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, full_at_us: 0 }
    }

    /// Takes `tokens`, even more than there are, and tells how long the taker must wait before it goes on.
    pub(super) fn take(&mut self, tokens: u64, now: Monotonic) -> Duration {
        let cost_us = tokens.saturating_mul(1_000_000) / u64::from(self.rate.per_s.max(1));
        self.full_at_us = self.full_at_us.max(us(now)).saturating_add(cost_us);
        self.missing(now)
    }

    /// Takes one token when there is one.
    pub(super) fn try_take(&mut self, now: Monotonic) -> bool {
        let mut after = self.clone();
        let there = after.take(1, now).is_zero();
        if there {
            *self = after;
        }
        there
    }

    fn missing(&self, now: Monotonic) -> Duration {
        let burst_us = u64::from(self.rate.burst_s) * 1_000_000;
        Duration::from_micros(self.full_at_us.saturating_sub(us(now) + burst_us))
    }
}

fn us(now: Monotonic) -> u64 {
    now.0.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate_holds() {
        let mut bucket = Bucket::new(Rate {
            per_s: 10,
            burst_s: 5,
        });
        let start = Monotonic(1_000);
        for n in 0..50 {
            assert_eq!(bucket.take(1, start), Duration::ZERO, "{n}");
        }
        assert_eq!(bucket.take(1, start), Duration::from_millis(100));
        assert_eq!(bucket.take(1, Monotonic(1_100)), Duration::from_millis(100));
        assert!(!bucket.try_take(Monotonic(1_150)));
        assert!(bucket.try_take(Monotonic(1_300)));
        assert_eq!(
            bucket.take(50, Monotonic(7_000)),
            Duration::ZERO,
            "rest fills it, no further"
        );
        assert!(!bucket.take(1, Monotonic(7_000)).is_zero());
    }

    proptest! {
        /// A taker that waits as told never gets more than the burst and the rate allow, and not much less.
        #[test]
        fn who_waits_as_told_gets_the_rate(
            per_s in 1u32..5_000, burst_s in 1u32..10, takes in prop::collection::vec((1u64..200, 0u64..500), 1..200)
        ) {
            let mut bucket = Bucket::new(Rate { per_s, burst_s });
            let (mut now, mut taken) = (0u64, 0u64);
            for (tokens, pause) in takes {
                let wait = bucket.take(tokens, Monotonic(now));
                taken += tokens;
                now += wait.as_millis() as u64 + u64::from(!wait.subsec_micros().is_multiple_of(1_000)) + pause;
                let allowed = u64::from(per_s) * (now + u64::from(burst_s) * 1_000) / 1_000;
                prop_assert!(taken <= allowed + 1, "{taken} of {allowed} after {now} ms");
            }
        }
    }
}
