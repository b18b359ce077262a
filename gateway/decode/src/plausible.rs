//! Whether a device's own time can be believed, and if not, why. The clock is the caller's: the receipt is an argument.
//!
//! It judges one time by itself. That a clock is wrong by a plausible amount (three hours, a time zone) shows only
//! over several messages: that is the business of the domain's skew estimate.

use linli_domain::reading::{Quality, Reason};
use linli_domain::time::{CLOCKS_BEGIN, Now, Timestamp};
use std::time::Duration;

/// How far a device's clock may be from the time of receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockWindow {
    /// Accepted lead over the time of receipt.
    pub future: Duration,
    /// Accepted age of a live value at the time of receipt.
    pub past: Duration,
    /// Accepted age of a record the device had stored.
    pub stored: Duration,
}

impl Default for ClockWindow {
    /// Five minutes ahead, seven days behind, a year and a day for stored records.
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        Self {
            future: Duration::from_secs(5 * 60),
            past: days(7),
            stored: days(366),
        }
    }
}

/// The time to store an observation under; `stored` says that the device had kept it and sends it late.
///
/// | the device says | time | quality |
/// |---|---|---|
/// | nothing | of receipt | good |
/// | a time inside the window | the device's | good |
/// | 1970, 2000, anything before clocks of such devices begin | of receipt | uncertain: `clock_unset` |
/// | a time further ahead than the window | of receipt | uncertain: `clock_ahead` |
/// | a time further back than the window | of receipt | uncertain: `clock_behind` |
/// | any time, while the gateway's own clock is not trusted | of receipt | uncertain: `clock_invalid` |
pub fn plausible(
    claimed: Option<Timestamp>,
    stored: bool,
    received: &Now,
    window: ClockWindow,
) -> (Timestamp, Quality) {
    let past = if stored { window.stored } else { window.past };
    let doubt = match claimed {
        None => return (received.wall, Quality::Good),
        // Without a clock of its own the gateway cannot say which of the two is wrong.
        Some(_) if !received.trusted => Reason::ClockInvalid,
        Some(t) if t < CLOCKS_BEGIN => Reason::ClockUnset,
        Some(t) if t > received.wall.plus(window.future) => Reason::ClockAhead,
        Some(t) if t < received.wall.minus(past) => Reason::ClockBehind,
        Some(t) => return (t, Quality::Good),
    };
    (received.wall, Quality::Uncertain(doubt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::time::{BootId, Monotonic};

    fn noon(trusted: bool) -> Now {
        Now {
            wall: Timestamp::parse_rfc3339("2026-01-31T12:00:00Z").unwrap(),
            monotonic: Monotonic(0),
            boot: BootId(1),
            trusted,
        }
    }

    fn judge(text: &str, stored: bool) -> Result<(), Reason> {
        let claimed = Timestamp::parse_rfc3339(text);
        assert!(claimed.is_some(), "{text}");
        match plausible(claimed, stored, &noon(true), ClockWindow::default()) {
            (time, Quality::Good) => {
                assert_eq!(Some(time), claimed);
                Ok(())
            }
            (time, Quality::Uncertain(reason)) => {
                assert_eq!(time, noon(true).wall, "the time of receipt stands in");
                Err(reason)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_kind_of_wrong_clock_has_its_own_reason() {
        for (text, live, stored) in [
            ("2026-01-31T12:05:00Z", Ok(()), Ok(())),
            (
                "2026-01-31T12:05:01Z",
                Err(Reason::ClockAhead),
                Err(Reason::ClockAhead),
            ),
            (
                "2027-01-31T12:00:00Z",
                Err(Reason::ClockAhead),
                Err(Reason::ClockAhead),
            ),
            ("2026-01-24T12:00:00Z", Ok(()), Ok(())),
            ("2026-01-24T11:59:59Z", Err(Reason::ClockBehind), Ok(())),
            ("2025-01-30T12:00:00Z", Err(Reason::ClockBehind), Ok(())),
            (
                "2025-01-30T11:59:59Z",
                Err(Reason::ClockBehind),
                Err(Reason::ClockBehind),
            ),
            (
                "1970-01-01T00:00:10Z",
                Err(Reason::ClockUnset),
                Err(Reason::ClockUnset),
            ),
            (
                "2000-01-01T03:12:00Z",
                Err(Reason::ClockUnset),
                Err(Reason::ClockUnset),
            ),
        ] {
            assert_eq!(judge(text, false), live, "{text}, live");
            assert_eq!(judge(text, true), stored, "{text}, stored");
        }
    }

    #[test]
    fn a_device_without_a_clock_is_believed_and_a_senseless_time_is_not() {
        let now = noon(true);
        for stored in [false, true] {
            let silent = plausible(None, stored, &now, ClockWindow::default());
            assert_eq!(silent, (now.wall, Quality::Good));
            for extreme in [i64::MIN, i64::MAX] {
                let claimed = Some(Timestamp::from_millis(extreme));
                let (time, quality) = plausible(claimed, stored, &now, ClockWindow::default());
                assert_eq!(time, now.wall);
                assert!(!quality.is_good());
            }
        }
    }

    #[test]
    fn a_gateway_without_a_clock_blames_no_device() {
        let right = Timestamp::parse_rfc3339("2026-01-31T12:00:00Z");
        let judged = plausible(right, false, &noon(false), ClockWindow::default());
        assert_eq!(judged.1, Quality::Uncertain(Reason::ClockInvalid));
    }
}
