//! One sensor over time: its last value, and when silence means that it is lost.
//!
//! Not responsible for: what the value says.

use crate::samples::{Missing, Sample};

/// How many samples in a row may fail before the sensor counts as lost: a single bus glitch must not
/// make a bay unknown.
pub(crate) const MISSES_TOLERATED: u8 = 3;

/// What a sample did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// A value was measured.
    Measured(T),
    /// This sample failed; the last value still counts.
    Missed,
    /// The sensor is lost, for this reason.
    Lost(Missing),
}

/// The memory of one sensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel<T> {
    value: Option<T>,
    misses: u8,
    tolerated: u8,
}

impl<T: Copy> Channel<T> {
    /// Not heard of yet: a first failed sample is already a loss.
    pub(crate) const fn new() -> Channel<T> {
        Channel::tolerating(MISSES_TOLERATED)
    }

    /// A sensor that delivers less often than samples are taken: so many may fail in a row.
    pub(crate) const fn tolerating(misses: u8) -> Channel<T> {
        Channel {
            value: None,
            misses,
            tolerated: misses,
        }
    }

    /// Takes one sample; a value that `is_possible` denies is out of range.
    pub(crate) fn sample(&mut self, sample: Sample<T>, is_possible: impl Fn(T) -> bool) -> Outcome<T> {
        let missing = match sample {
            Ok(value) if is_possible(value) => {
                self.value = Some(value);
                self.misses = 0;
                return Outcome::Measured(value);
            }
            Ok(_) => Missing::OutOfRange,
            Err(missing) => missing,
        };
        self.misses = self.misses.saturating_add(1);
        if self.misses < self.tolerated {
            return Outcome::Missed;
        }
        self.value = None;
        Outcome::Lost(missing)
    }

    /// The last value, unless the sensor is lost.
    pub(crate) const fn value(&self) -> Option<T> {
        self.value
    }
}

/// How many values the median looks at.
const MEDIAN_OF: usize = 5;

/// The middle one of the last five values: two stray echoes do not move it. With fewer, the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Median {
    last: [u16; MEDIAN_OF],
    next: u8,
    count: u8,
}

impl Median {
    /// No value yet.
    pub(crate) const EMPTY: Median = Median {
        last: [0; MEDIAN_OF],
        next: 0,
        count: 0,
    };

    pub(crate) fn add(&mut self, value: u16) -> u16 {
        if let Some(slot) = self.last.get_mut(usize::from(self.next)) {
            *slot = value;
        }
        self.next = (self.next + 1) % MEDIAN_OF as u8;
        self.count = (self.count + 1).min(MEDIAN_OF as u8);
        if usize::from(self.count) < MEDIAN_OF {
            return value;
        }
        // The middle value is the one with at most two below and at most two above it.
        self.last
            .into_iter()
            .find(|candidate| {
                let below = self.last.iter().filter(|other| *other < candidate).count();
                let above = self.last.iter().filter(|other| *other > candidate).count();
                below <= MEDIAN_OF / 2 && above <= MEDIAN_OF / 2
            })
            .unwrap_or(value)
    }

    pub(crate) fn forget(&mut self) {
        *self = Median::EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ABSENT: Sample<u16> = Err(Missing::Absent);

    #[test]
    fn two_glitches_are_forgiven_a_third_is_a_loss() {
        let mut channel = Channel::new();
        let mut sample = |sample| channel.sample(sample, |value| value < 4_096);
        assert_eq!(sample(ABSENT), Outcome::Lost(Missing::Absent), "never heard of");
        assert_eq!(sample(Ok(5)), Outcome::Measured(5));
        assert_eq!(sample(ABSENT), Outcome::Missed);
        assert_eq!(sample(Ok(9_999)), Outcome::Missed, "what cannot be is no value");
        assert_eq!(sample(Ok(9_999)), Outcome::Lost(Missing::OutOfRange));
        assert_eq!(channel.value(), None);
    }

    proptest! {
        #[test]
        fn the_median_is_the_middle_of_the_last_five(values in prop::collection::vec(any::<u16>(), 5..40)) {
            let mut median = Median::EMPTY;
            let mut last = 0;
            for value in &values {
                last = median.add(*value);
            }
            let mut tail = values[values.len() - 5..].to_vec();
            tail.sort_unstable();
            prop_assert_eq!(last, tail[2]);
        }
    }
}
