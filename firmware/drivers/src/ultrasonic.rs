//! Ultrasonic distance sensors that send frames on a UART by themselves (A02YYUW and its kin):
//! `FF hh ll sum`, where `sum` is the low byte of the sum of the first three.
//!
//! A pure parser: bytes in, distances out. Not responsible for: the UART, or noticing that no frame came at
//! all; the board's loop hands the node "no value" for a sample period without one.

use core::ops::RangeInclusive;

use crate::SensorError;

const START: u8 = 0xFF;

/// Finds frames in a stream that may start anywhere and lose bytes.
#[derive(Clone, Debug)]
pub struct Ultrasonic {
    range_mm: RangeInclusive<u16>,
    frame: [u8; 4],
    length: usize,
}

impl Ultrasonic {
    /// What the A02YYUW can measure, in millimetres.
    pub const A02YYUW_MM: RangeInclusive<u16> = 30..=4_500;

    /// A parser that takes distances within `range_mm`; what lies outside is "no echo" in disguise.
    pub const fn new(range_mm: RangeInclusive<u16>) -> Self {
        Self {
            range_mm,
            frame: [0; 4],
            length: 0,
        }
    }

    /// One byte came. `Some` when it ends a frame: the distance in millimetres, or why there is none.
    pub fn push(&mut self, byte: u8) -> Option<Result<u16, SensorError>> {
        if self.length == 0 && byte != START {
            return None;
        }
        if let Some(slot) = self.frame.get_mut(self.length) {
            *slot = byte;
        }
        self.length += 1;
        if self.length < self.frame.len() {
            return None;
        }
        let [start, high, low, sum] = self.frame;
        if start.wrapping_add(high).wrapping_add(low) != sum {
            self.resynchronise();
            return Some(Err(SensorError::Implausible));
        }
        self.length = 0;
        let distance_mm = u16::from_be_bytes([high, low]);
        Some(if self.range_mm.contains(&distance_mm) {
            Ok(distance_mm)
        } else {
            Err(SensorError::OutOfRange)
        })
    }

    /// The frame may have begun later, at another start byte: keep what follows it.
    fn resynchronise(&mut self) {
        let [_, rest @ ..] = self.frame;
        self.length = 0;
        for byte in rest {
            if self.length > 0 || byte == START {
                if let Some(slot) = self.frame.get_mut(self.length) {
                    *slot = byte;
                }
                self.length += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(distance_mm: u16) -> [u8; 4] {
        let [high, low] = distance_mm.to_be_bytes();
        [START, high, low, START.wrapping_add(high).wrapping_add(low)]
    }

    fn hear(bytes: &[u8]) -> Vec<Result<u16, SensorError>> {
        let mut sensor = Ultrasonic::new(Ultrasonic::A02YYUW_MM);
        bytes.iter().filter_map(|byte| sensor.push(*byte)).collect()
    }

    #[test]
    fn the_maker_s_example_is_1953_millimetres() {
        assert_eq!(hear(&[0xFF, 0x07, 0xA1, 0xA7]), [Ok(1_953)]);
    }

    #[test]
    fn a_stream_that_starts_in_the_middle_is_found() {
        let stream = [&frame(900)[2..], &frame(910), &frame(920)].concat();
        assert_eq!(hear(&stream), [Ok(910), Ok(920)]);
    }

    #[test]
    fn a_lost_byte_costs_its_frame_only() {
        let stream = [&frame(900)[..3], &frame(910), &frame(920)].concat();
        assert_eq!(hear(&stream), [Err(SensorError::Implausible), Ok(910), Ok(920)]);
    }

    #[test]
    fn no_echo_is_no_distance() {
        assert_eq!(hear(&frame(0)), [Err(SensorError::OutOfRange)]);
        assert_eq!(hear(&frame(9_999)), [Err(SensorError::OutOfRange)]);
    }

    proptest! {
        #[test]
        fn noise_without_a_start_byte_delays_nothing(
            noise in prop::collection::vec(0u8..START, 0..40),
            distance_mm in Ultrasonic::A02YYUW_MM,
        ) {
            prop_assert_eq!(hear(&[noise, frame(distance_mm).to_vec()].concat()), [Ok(distance_mm)]);
        }

        #[test]
        fn whatever_came_before_the_third_frame_is_heard(
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            // No byte of this frame but the first is a start byte.
            let heard = hear(&[noise, frame(1_000).to_vec(), frame(1_000).to_vec(), frame(1_000).to_vec()].concat());
            prop_assert_eq!(heard.last(), Some(&Ok(1_000)));
        }
    }
}
