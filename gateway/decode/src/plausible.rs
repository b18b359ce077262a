//! Whether a device's own time can be believed. The clock is the caller's: time of receipt is an argument.

use linli_domain::reading::{Quality, Reason};
use linli_domain::time::Timestamp;
use std::time::Duration;

/// How far a device's clock may be from the time of receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockWindow {
    /// Accepted lead over the time of receipt.
    pub future: Duration,
    /// Accepted age at the time of receipt.
    pub past: Duration,
}

impl Default for ClockWindow {
    /// Five minutes ahead, seven days behind.
    fn default() -> Self {
        Self {
            future: Duration::from_secs(5 * 60),
            past: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// The time to store an observation under.
///
/// A device's time inside the window is kept with good quality. A time outside it (a clock before its first
/// synchronisation, seconds taken for milliseconds) is replaced by the time of receipt and makes the value uncertain.
/// Without a device time the time of receipt is simply the time.
pub fn plausible(
    observed: Option<Timestamp>,
    received: Timestamp,
    window: ClockWindow,
) -> (Timestamp, Quality) {
    match observed {
        None => (received, Quality::Good),
        Some(t) if t <= received.plus(window.future) && t >= received.minus(window.past) => {
            (t, Quality::Good)
        }
        Some(_) => (received, Quality::Uncertain(Reason::ClockInvalid)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_1970_or_of_next_year_is_not_believed() {
        let received = Timestamp::parse_rfc3339("2026-01-31T12:00:00Z").unwrap();
        let judge = |text: &str| plausible(Timestamp::parse_rfc3339(text), received, ClockWindow::default());
        assert_eq!(judge("2026-01-31T12:04:59Z").1, Quality::Good);
        assert_eq!(judge("2026-01-24T12:00:00Z").1, Quality::Good);
        for wrong in [
            "2026-01-31T12:05:01Z",
            "2026-01-24T11:59:59Z",
            "1970-01-01T00:00:10Z",
            "2027-01-31T12:00:00Z",
        ] {
            assert_eq!(
                judge(wrong),
                (received, Quality::Uncertain(Reason::ClockInvalid)),
                "{wrong}"
            );
        }
        assert_eq!(
            plausible(None, received, ClockWindow::default()),
            (received, Quality::Good)
        );
        let extreme = plausible(
            Some(Timestamp::from_millis(i64::MIN)),
            received,
            ClockWindow::default(),
        );
        assert_eq!(extreme.0, received);
    }
}
