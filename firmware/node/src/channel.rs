//! One sensor over time: its last value, and when silence means that it is lost.
//!
//! Not responsible for: what the value says.

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
    /// The sensor is lost.
    Lost,
}

/// The memory of one sensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel<T> {
    value: Option<T>,
    misses: u8,
}

impl<T: Copy> Channel<T> {
    /// Not heard of yet: a first failed sample is already a loss.
    pub(crate) const fn new() -> Channel<T> {
        Channel {
            value: None,
            misses: MISSES_TOLERATED,
        }
    }

    pub(crate) fn sample(&mut self, sample: Option<T>) -> Outcome<T> {
        match sample {
            Some(value) => {
                self.value = Some(value);
                self.misses = 0;
                Outcome::Measured(value)
            }
            None => {
                self.misses = self.misses.saturating_add(1);
                if self.misses < MISSES_TOLERATED {
                    return Outcome::Missed;
                }
                self.value = None;
                Outcome::Lost
            }
        }
    }

    /// The last value, unless the sensor is lost.
    pub(crate) const fn value(&self) -> Option<T> {
        self.value
    }
}

/// The middle one of the last three values: one stray echo does not move it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Median {
    last: [Option<u16>; 3],
    next: usize,
}

impl Median {
    pub(crate) fn add(&mut self, value: u16) -> u16 {
        if let Some(slot) = self.last.get_mut(self.next) {
            *slot = Some(value);
        }
        self.next = (self.next + 1) % 3;
        match self.last {
            [Some(a), Some(b), Some(c)] => a.max(b).min(a.min(b).max(c)),
            _ => value,
        }
    }

    pub(crate) fn forget(&mut self) {
        *self = Median::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_glitches_are_forgiven_a_third_is_a_loss() {
        let mut channel = Channel::new();
        assert_eq!(channel.sample(None), Outcome::Lost, "never heard of");
        assert_eq!(channel.sample(Some(5)), Outcome::Measured(5));
        assert_eq!(channel.sample(None), Outcome::Missed);
        assert_eq!(channel.sample(None), Outcome::Missed);
        assert_eq!(channel.value(), Some(5));
        assert_eq!(channel.sample(None), Outcome::Lost);
        assert_eq!(channel.value(), None);
    }

    #[test]
    fn a_stray_echo_does_not_move_the_median() {
        let mut median = Median::default();
        assert_eq!(median.add(940), 940);
        median.add(942);
        assert_eq!(median.add(30), 940);
        assert_eq!(median.add(941), 941);
    }
}
