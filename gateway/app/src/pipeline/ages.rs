//! The clock by which readings grow old. It follows the machine's, but never faster than [`PACE`] times what passes:
//! a clock that jumps years ahead must not make everything old at once, because what is let go does not come back.
//!
//! It is durable with the commits, so a start in the wrong year does not move it either. After a long time without power
//! it catches up within some days; until then readings stay a little longer than they have to.

use linli_domain::time::{Monotonic, Now, Timestamp};
use std::time::Duration;

/// Its name among the values of the ledger.
pub const NAME: &str = "store/ages";
/// How many times faster than time itself it may run.
const PACE: i64 = 8;
/// It is stored when it has moved by so much.
const STORED_EVERY: i64 = 3_600_000;

/// The clock of ages.
#[derive(Debug, Default)]
pub struct Ages {
    /// What it shows, milliseconds since 1970; nothing before the machine had a time.
    at: Option<i64>,
    looked: Option<Monotonic>,
    stored: i64,
}

impl Ages {
    /// As it was stored.
    pub fn restored(stored: Option<&[u8]>) -> Self {
        let at = stored.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        Self {
            at,
            looked: None,
            stored: at.unwrap_or_default(),
        }
    }

    /// The time by which ages are counted now.
    pub(super) fn now(&mut self, now: &Now) -> Timestamp {
        let wall = now.wall.as_millis();
        let passed = self.looked.replace(now.monotonic);
        let passed = passed.map_or(Duration::ZERO, |looked| now.monotonic.since(looked));
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        let at = match self.at {
            Some(at) => wall.min(at.saturating_add(passed.saturating_mul(PACE))).max(at),
            None if !now.trusted => return now.wall,
            None => wall,
        };
        self.at = Some(at);
        Timestamp::from_millis(at.min(wall))
    }

    /// What is to be stored with the next commit, when it has moved far enough.
    pub(super) fn take_changed(&mut self) -> Option<Vec<u8>> {
        let at = self.at.filter(|at| at - self.stored >= STORED_EVERY)?;
        self.stored = at;
        Some(at.to_string().into_bytes())
    }

    /// The commit that was to store it failed.
    pub(super) fn give_back(&mut self) {
        self.stored = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::time::BootId;

    const DAY: i64 = 86_400_000;
    /// 2026-01-01.
    const NEW_YEAR: i64 = 1_767_225_600_000;

    fn now(wall: i64, monotonic: u64) -> Now {
        Now {
            wall: Timestamp::from_millis(wall),
            monotonic: Monotonic(monotonic),
            boot: BootId(1),
            trusted: wall >= NEW_YEAR,
        }
    }

    #[test]
    fn ten_years_ahead_for_an_hour_make_nothing_ten_years_old() {
        let mut ages = Ages::default();
        assert_eq!(ages.now(&now(NEW_YEAR, 0)).as_millis(), NEW_YEAR);
        let wrong = NEW_YEAR + 3_650 * DAY;
        assert_eq!(ages.now(&now(wrong, 0)).as_millis(), NEW_YEAR);
        let after = ages.now(&now(wrong + 3_600_000, 3_600_000)).as_millis();
        assert_eq!(after, NEW_YEAR + PACE * 3_600_000);
        // A start while it is still wrong changes nothing.
        let stored = ages.take_changed().unwrap();
        let mut again = Ages::restored(Some(&stored));
        assert_eq!(again.now(&now(wrong + DAY, 50)).as_millis(), after);
        // Set right again, it is the machine's own.
        let right = NEW_YEAR + DAY;
        assert_eq!(again.now(&now(right, DAY as u64)).as_millis(), right);
    }

    #[test]
    fn after_a_month_without_power_it_catches_up_within_days() {
        let mut ages = Ages::restored(Some(NEW_YEAR.to_string().as_bytes()));
        for day in 0..5 {
            let wall = NEW_YEAR + (30 + day) * DAY;
            let at = ages.now(&now(wall, (day * DAY) as u64)).as_millis();
            assert_eq!(at, wall.min(NEW_YEAR + day * PACE * DAY), "day {day}");
        }
    }

    #[test]
    fn a_machine_without_a_time_neither_sets_it_nor_turns_it_back() {
        let mut ages = Ages::default();
        ages.now(&now(0, 0));
        assert_eq!(ages.now(&now(NEW_YEAR, 9)).as_millis(), NEW_YEAR);
        assert_eq!(ages.now(&now(5, 10)).as_millis(), 5, "nothing is old");
        assert_eq!(ages.now(&now(NEW_YEAR + 20, 20)).as_millis(), NEW_YEAR + 20);
    }

    #[test]
    fn it_is_stored_once_an_hour_and_again_when_that_failed() {
        let mut ages = Ages::default();
        ages.now(&now(NEW_YEAR, 0));
        assert!(ages.take_changed().is_some() && ages.take_changed().is_none());
        ages.give_back();
        assert!(ages.take_changed().is_some());
    }
}
