//! The breaker of one slave: after three failures in a row it is only probed, ever more rarely.
//!
//! ```text
//!            3 failures in a row                 probe answered
//!  Closed ───────────────────────▶ Open(until) ────────────────▶ Closed
//!                                    ▲      │ probe failed: delay doubles, 5 s to 300 s
//!                                    └──────┘
//! ```
//! Pure: time arrives as an argument.

use crate::field::backoff::Backoff;
use linli_domain::time::Monotonic;
use std::time::Duration;

/// Failures in a row that open the breaker. Fewer would open it for a burst of noise on the line.
const FAILURES: u8 = 3;

/// How a slave stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It answered last.
    Healthy,
    /// It failed last, once or twice.
    Suspect,
    /// It is not asked before then, and then for one thing.
    Open(Monotonic),
}

/// The breaker of one slave.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    failures: u8,
    open_until: Option<Monotonic>,
    delays: Backoff,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            failures: 0,
            open_until: None,
            delays: Backoff::new(Duration::from_secs(5), Duration::from_secs(300)),
        }
    }

    /// How the slave stands.
    pub(super) fn standing(&self) -> Standing {
        match (self.open_until, self.failures) {
            (Some(until), _) => Standing::Open(until),
            (None, 0) => Standing::Healthy,
            (None, _) => Standing::Suspect,
        }
    }

    /// The slave answered something, were it an exception. `true`: it was given up before.
    pub(super) fn answered(&mut self) -> bool {
        self.failures = 0;
        self.delays.reset();
        self.open_until.take().is_some()
    }

    /// The slave was not heard. `true`: the breaker has just opened.
    pub(super) fn failed(&mut self, now: Monotonic) -> bool {
        let was_open = self.open_until.is_some();
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            // No jitter: the probes of one bus never meet, it asks one slave at a time.
            self.open_until = Some(now.plus(self.delays.next(u16::MAX)));
        }
        !was_open && self.open_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_at_the_third_failure_and_probes_ever_more_rarely() {
        let mut breaker = Breaker::new();
        assert_eq!(breaker.standing(), Standing::Healthy);
        assert!(!breaker.failed(Monotonic(0)));
        assert!(!breaker.failed(Monotonic(0)));
        assert_eq!(breaker.standing(), Standing::Suspect);
        assert!(breaker.failed(Monotonic(0)));
        let mut now = 0;
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            now += seconds * 1000;
            assert_eq!(
                breaker.standing(),
                Standing::Open(Monotonic(now)),
                "after {seconds} s"
            );
            assert!(!breaker.failed(Monotonic(now)));
        }
    }

    #[test]
    fn any_answer_closes_it_and_clears_the_count() {
        let mut breaker = Breaker::new();
        for _ in 0..5 {
            breaker.failed(Monotonic(0));
        }
        assert!(breaker.answered() && !breaker.answered());
        assert_eq!(breaker.standing(), Standing::Healthy);
        breaker.failed(Monotonic(0));
        breaker.failed(Monotonic(0));
        assert_eq!(breaker.standing(), Standing::Suspect);
        breaker.failed(Monotonic(0));
        assert_eq!(breaker.standing(), Standing::Open(Monotonic(5_000)));
    }
}
