//! How often a device really reports: the median of its last five intervals.
//!
//! Messages that come together (one topic per value, a burst after waking up) are one report. The estimate is for
//! people, who compare it with the interval the device should keep; nothing is decided by it, because a device that
//! reports on change rests for as long as nothing changes.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Messages within this time after the first belong to the same report, in milliseconds.
const TOGETHER_MS: u64 = 500;
/// Intervals remembered. With the rest they make 32 bytes, which are written with every message.
const INTERVALS: usize = 5;
/// Intervals needed for an estimate.
const ENOUGH: usize = 3;

/// When a device was last heard, and the intervals before. Times are ages of the engine in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rhythm {
    /// The last message.
    last: u64,
    /// The last message was this long after the first of its report.
    behind: u16,
    /// Intervals known.
    count: u8,
    /// Where the next one goes: to the place of the oldest.
    next: u8,
    /// Milliseconds; an interval of over 49 days counts as 49 days.
    intervals: [u32; INTERVALS],
}

impl Rhythm {
    /// A rhythm that begins at `age` without a message.
    pub fn new(age: u64) -> Self {
        Self {
            last: age,
            ..Self::default()
        }
    }

    /// A message came; `first` says that none came before.
    pub fn heard(&mut self, age: u64, first: bool) {
        let began = self.last.saturating_sub(u64::from(self.behind));
        let since = age.saturating_sub(began);
        self.last = age;
        match u16::try_from(since) {
            Ok(behind) if since < TOGETHER_MS && !first => self.behind = behind,
            _ => {
                self.behind = 0;
                if !first && let Some(slot) = self.intervals.get_mut(usize::from(self.next)) {
                    *slot = u32::try_from(since).unwrap_or(u32::MAX);
                    self.next += 1;
                    self.count = self.count.max(self.next);
                    if usize::from(self.next) == INTERVALS {
                        self.next = 0;
                    }
                }
            }
        }
    }

    /// The age at the last message.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The usual interval; none before the third.
    pub fn interval(&self) -> Option<Duration> {
        let count = usize::from(self.count);
        if count < ENOUGH {
            return None;
        }
        let mut sorted = self.intervals;
        let known = sorted.get_mut(..count)?;
        known.sort_unstable();
        let (upper, lower) = (known.get(count / 2)?, known.get((count - 1) / 2)?);
        Some(Duration::from_millis((u64::from(*upper) + u64::from(*lower)) / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rhythm(ages: impl IntoIterator<Item = u64>) -> Rhythm {
        let mut rhythm = Rhythm::new(0);
        for (n, age) in ages.into_iter().enumerate() {
            rhythm.heard(age, n == 0);
        }
        rhythm
    }

    #[test]
    fn a_report_of_five_topics_is_one_report() {
        let hours = (0..6u64).flat_map(|n| (0..5).map(move |topic| n * 43_200_000 + topic * 40));
        assert_eq!(rhythm(hours).interval(), Some(Duration::from_millis(43_200_000)));
    }

    #[test]
    fn one_long_silence_does_not_change_the_usual_interval() {
        let minutes = [0, 1, 2, 300, 301, 302, 303].map(|n| n * 60_000);
        assert_eq!(rhythm(minutes).interval(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn two_intervals_are_not_enough() {
        assert_eq!(rhythm([0, 1_000, 2_000]).interval(), None);
        assert!(rhythm([0, 1_000, 2_000, 3_000]).interval().is_some());
    }

    #[test]
    fn a_device_that_never_pauses_still_has_an_interval() {
        let every_100_ms = (0..1_000).map(|n| n * 100);
        let interval = rhythm(every_100_ms).interval().unwrap();
        assert!((400..=600).contains(&interval.as_millis()), "{interval:?}");
    }

    proptest! {
        #[test]
        fn the_estimate_lies_within_what_was_seen(gaps in prop::collection::vec(500u64..5_000_000_000, 3..40)) {
            let mut age = 7;
            let ages = std::iter::once(age).chain(gaps.iter().map(|gap| { age += gap; age })).collect::<Vec<_>>();
            let estimate = rhythm(ages).interval().unwrap().as_millis();
            let last = &gaps[gaps.len().saturating_sub(INTERVALS)..];
            let clamp = |gap: u64| u128::from(gap.min(u64::from(u32::MAX)));
            let (low, high) = (last.iter().min().unwrap(), last.iter().max().unwrap());
            prop_assert!((clamp(*low)..=clamp(*high)).contains(&estimate), "{estimate} of {last:?}");
        }
    }
}
