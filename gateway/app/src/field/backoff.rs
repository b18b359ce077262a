//! How long to wait before trying a broken link again: doubling, capped, with jitter, forgotten after a stable while.
//!
//! Pure: the caller brings the random number and the uptime, and does the sleeping.

use std::time::Duration;

/// A link that held this long was well: the next failure starts from the first delay again.
pub(super) const STABLE: Duration = Duration::from_secs(60);

/// The delays of one link.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts at `first`, doubles, never exceeds `cap`.
    pub(super) fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            failures: 0,
        }
    }

    /// The delays of a network link: 0.5 s to 30 s.
    pub(super) fn of_a_link() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30))
    }

    /// The delay before the next try. `random` spreads it over the upper half of the step, so that a thousand
    /// gateways that lost one broker do not come back in the same instant.
    pub(super) fn next(&mut self, random: u16) -> Duration {
        let step = self
            .first
            .saturating_mul(1 << self.failures.min(16))
            .min(self.cap);
        self.failures = self.failures.saturating_add(1);
        let half = step / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u16::MAX))
    }

    /// Tells how long the link had held; a stable one clears the count.
    pub(super) fn held(&mut self, uptime: Duration) {
        if uptime >= STABLE {
            self.failures = 0;
        }
    }

    /// Forgets all failures.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number for [`Backoff::next`]. Without a source of randomness the jitter is lost, nothing else.
pub(super) fn jitter() -> u16 {
    let mut bytes = [0xFF; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u16::from_le_bytes(bytes),
        Err(_) => u16::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_cap_and_jitter_only_shortens_them_by_half() {
        let mut longest = Backoff::of_a_link();
        let mut shortest = longest.clone();
        let mut previous = Duration::ZERO;
        for n in 0..12 {
            let (long, short) = (longest.next(u16::MAX), shortest.next(0));
            assert!(
                long >= previous && long <= Duration::from_secs(30),
                "{n}: {long:?}"
            );
            assert_eq!(short, long / 2, "{n}");
            previous = long;
        }
        assert_eq!(previous, Duration::from_secs(30));
    }

    #[test]
    fn only_a_stable_link_is_forgiven() {
        let mut backoff = Backoff::of_a_link();
        for _ in 0..4 {
            backoff.next(u16::MAX);
        }
        backoff.held(STABLE - Duration::from_millis(1));
        assert_eq!(backoff.next(u16::MAX), Duration::from_secs(8));
        backoff.held(STABLE);
        assert_eq!(backoff.next(u16::MAX), Duration::from_millis(500));
    }

    #[test]
    fn a_link_that_is_down_for_years_does_not_overflow() {
        let mut backoff = Backoff::of_a_link();
        backoff.failures = u32::MAX;
        assert_eq!(backoff.next(u16::MAX), Duration::from_secs(30));
    }
}
