//! The breaker of one slave: after three silent answers it is only probed, ever more rarely.
//!
//! ```text
//!            3 timeouts in a row                 probe answered
//!  Closed ───────────────────────▶ Open(until) ────────────────▶ Closed
//!                                    ▲      │ probe silent: delay doubles, 5 s to 300 s
//!                                    └──────┘
//! ```
//! Pure: time arrives as an argument.

use crate::field::backoff::Backoff;
use linli_domain::time::Monotonic;
use std::time::Duration;

/// Timeouts in a row that open the breaker. Fewer would open it for a burst of noise on the line.
const TIMEOUTS: u8 = 3;

/// What may be asked of a slave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything.
    Normal,
    /// One request, to see whether it is back.
    Probe,
    /// Nothing.
    None,
}

/// The breaker of one slave.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    timeouts: u8,
    open_until: Option<Monotonic>,
    delays: Backoff,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            timeouts: 0,
            open_until: None,
            delays: Backoff::new(Duration::from_secs(5), Duration::from_secs(300)),
        }
    }

    /// What may be asked at `now`.
    pub(super) fn access(&self, now: Monotonic) -> Access {
        match self.open_until {
            None => Access::Normal,
            Some(until) if now >= until => Access::Probe,
            Some(_) => Access::None,
        }
    }

    /// The slave answered something, were it an exception.
    pub(super) fn answered(&mut self) {
        self.timeouts = 0;
        self.open_until = None;
        self.delays.reset();
    }

    /// The slave was silent. `true`: the breaker has just opened.
    pub(super) fn silent(&mut self, now: Monotonic) -> bool {
        let was_open = self.open_until.is_some();
        self.timeouts = self.timeouts.saturating_add(1);
        if self.timeouts >= TIMEOUTS {
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
    fn it_opens_at_the_third_timeout_and_probes_ever_more_rarely() {
        let mut breaker = Breaker::new();
        assert!(!breaker.silent(Monotonic(0)));
        assert!(!breaker.silent(Monotonic(0)));
        assert_eq!(breaker.access(Monotonic(0)), Access::Normal);
        assert!(breaker.silent(Monotonic(0)));
        let mut now = 0;
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(breaker.access(Monotonic(now + seconds * 1000 - 1)), Access::None);
            now += seconds * 1000;
            assert_eq!(breaker.access(Monotonic(now)), Access::Probe, "after {seconds} s");
            assert!(!breaker.silent(Monotonic(now)));
        }
    }

    #[test]
    fn any_answer_closes_it_and_clears_the_count() {
        let mut breaker = Breaker::new();
        for _ in 0..5 {
            breaker.silent(Monotonic(0));
        }
        breaker.answered();
        assert_eq!(breaker.access(Monotonic(0)), Access::Normal);
        breaker.silent(Monotonic(0));
        breaker.silent(Monotonic(0));
        assert_eq!(breaker.access(Monotonic(0)), Access::Normal);
        breaker.silent(Monotonic(0));
        assert_eq!(breaker.access(Monotonic(4_999)), Access::None);
        assert_eq!(breaker.access(Monotonic(5_000)), Access::Probe);
    }
}
