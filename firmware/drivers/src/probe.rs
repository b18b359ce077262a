//! A leak rope or spot probe behind a divider with an end-of-line resistor.
//!
//! Not responsible for: the thresholds of wet and dry; they are settings of the node.

use crate::SensorError;

/// One input of an analogue converter. embedded-hal 1.0 has no such trait; a board implements it.
pub trait AdcChannel {
    /// What can go wrong in the converter.
    type Error;

    /// One conversion in counts of a 12-bit range, 0 to 4095.
    fn sample(&mut self) -> Result<u16, Self::Error>;
}

/// Below this the end-of-line resistor is not there: the cable is cut.
const END_OF_LINE: u16 = 50;

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeReading {
    /// Counts, 0 to 4095; more is wetter.
    Signal(u16),
    /// The cable is cut.
    Open,
}

/// A leak probe on a converter input it owns.
#[derive(Debug)]
pub struct LeakProbe<A> {
    input: A,
}

impl<A: AdcChannel> LeakProbe<A> {
    /// Does not convert yet.
    pub const fn new(input: A) -> Self {
        Self { input }
    }

    /// The median of three conversions, so that one spike is neither a leak nor a cut.
    pub fn read(&mut self) -> Result<ProbeReading, SensorError> {
        let mut samples = [self.sample()?, self.sample()?, self.sample()?];
        samples.sort_unstable();
        let [_, median, _] = samples;
        Ok(if median < END_OF_LINE {
            ProbeReading::Open
        } else {
            ProbeReading::Signal(median)
        })
    }

    fn sample(&mut self) -> Result<u16, SensorError> {
        self.input.sample().map_err(|_| SensorError::Converter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script<'a>(std::slice::Iter<'a, u16>);

    impl AdcChannel for Script<'_> {
        type Error = ();
        fn sample(&mut self) -> Result<u16, ()> {
            self.0.next().copied().ok_or(())
        }
    }

    fn probe(samples: &[u16]) -> LeakProbe<Script<'_>> {
        LeakProbe::new(Script(samples.iter()))
    }

    #[test]
    fn one_spike_is_no_leak() {
        assert_eq!(probe(&[110, 4_000, 120]).read(), Ok(ProbeReading::Signal(120)));
    }

    #[test]
    fn a_cut_cable_is_not_a_very_dry_one() {
        assert_eq!(probe(&[3, 2, 900]).read(), Ok(ProbeReading::Open));
    }

    #[test]
    fn a_converter_that_fails_halfway_yields_no_value() {
        assert_eq!(probe(&[110, 110]).read(), Err(SensorError::Converter));
    }
}
