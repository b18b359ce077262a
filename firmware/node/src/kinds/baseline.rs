//! The magnetic field of the empty bay: learned once, then followed as temperature and season move it.
//!
//! Following is slow on purpose: one milligauss a minute, only while the bay is empty beyond doubt, and never
//! farther than [`FARTHEST_MG`] from what was learned. A car that stays for a week is not learned, because an
//! occupied bay is not quiet. Not responsible for: when to learn; an installer says so.

use crate::Field;
use crate::clock::Uptime;

/// How far the field is followed. What moves farther was not the weather: steel was built in, or the sensor turned.
pub(crate) const FARTHEST_MG: u16 = 250;
/// A step of one milligauss per axis is taken after so long a quiet time.
const STEP_AFTER_S: u32 = 60;
/// Weight of one sample in the running mean: 1/64, three seconds at twenty samples per second.
const SMOOTHING: i32 = 64;
/// Fixed point of the running mean.
const SCALE: i32 = 256;

/// The field of the empty bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Baseline {
    learned: Field,
    field: Field,
    /// Running mean of what is measured, in 1/256 mG.
    mean: Field,
    /// Uptime since which the bay is quiet.
    quiet_since_s: Option<u32>,
}

impl Baseline {
    /// Just learned.
    pub const fn learned(field: Field) -> Baseline {
        Baseline::restored(field, field)
    }

    /// Learned once, and followed to `field` since.
    pub const fn restored(learned: Field, field: Field) -> Baseline {
        let [x, y, z] = field;
        Baseline {
            learned,
            field,
            mean: [
                x.saturating_mul(SCALE),
                y.saturating_mul(SCALE),
                z.saturating_mul(SCALE),
            ],
            quiet_since_s: None,
        }
    }

    /// As the installer taught it.
    pub const fn as_learned(&self) -> Field {
        self.learned
    }

    /// The field of the empty bay now.
    pub const fn field(&self) -> Field {
        self.field
    }

    /// How far it has moved since it was learned, milligauss.
    pub fn drift_mg(&self) -> u16 {
        distance(self.field, self.learned)
    }

    pub(crate) fn is_at_its_limit(&self) -> bool {
        self.drift_mg() >= FARTHEST_MG
    }

    /// Takes one sample.
    pub(crate) fn follow(&mut self, measured: Field, is_quiet: bool, uptime: Uptime) {
        if !is_quiet {
            self.quiet_since_s = None;
            return;
        }
        let since_s = match self.quiet_since_s {
            Some(since_s) => since_s,
            None => {
                // What was heard while it was not quiet says nothing about the empty bay.
                self.mean = self.field.map(|axis| axis.saturating_mul(SCALE));
                *self.quiet_since_s.insert(uptime.seconds())
            }
        };
        for (mean, axis) in self.mean.iter_mut().zip(measured) {
            *mean = mean.saturating_add((axis.saturating_mul(SCALE).saturating_sub(*mean)) / SMOOTHING);
        }
        if uptime.seconds().wrapping_sub(since_s) < STEP_AFTER_S {
            return;
        }
        self.quiet_since_s = Some(uptime.seconds());
        let mut next = self.field;
        for (axis, mean) in next.iter_mut().zip(self.mean) {
            *axis = axis.saturating_add((mean / SCALE).saturating_sub(*axis).clamp(-1, 1));
        }
        if distance(next, self.learned) <= FARTHEST_MG {
            self.field = next;
        }
    }
}

/// How many samples are averaged: most of a second.
const LEARN_FROM: u8 = 16;
/// Samples that differ by more than this are not of one and the same empty bay.
const STEADY_WITHIN_MG: u16 = 30;

/// Learning: the mean of a steady second. It goes on until there is one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Learning {
    first: Field,
    sum: Field,
    count: u8,
}

impl Learning {
    /// Takes one sample; the field once it is learned.
    pub(crate) fn add(&mut self, field: Field) -> Option<Field> {
        if self.count == 0 || distance(field, self.first) > STEADY_WITHIN_MG {
            *self = Learning {
                first: field,
                sum: [0; 3],
                count: 0,
            };
        }
        for (sum, axis) in self.sum.iter_mut().zip(field) {
            *sum = sum.saturating_add(axis);
        }
        self.count += 1;
        (self.count == LEARN_FROM).then(|| self.sum.map(|sum| sum / i32::from(LEARN_FROM)))
    }
}

/// The length of the difference of two vectors, saturating below "no value".
pub(crate) fn distance(a: Field, b: Field) -> u16 {
    // The longest difference whose three squares add up to less than 2^32; a sensor's own limit is half of it.
    const LONGEST: u32 = 37_837;
    let squares: u32 = a
        .iter()
        .zip(b)
        .map(|(a, b)| {
            let difference = a.abs_diff(b).min(LONGEST);
            difference * difference
        })
        .sum();
    square_root(squares).min(u16::MAX - 1)
}

/// The whole part of a square root, bit by bit: the one of `core` is fast, and brings half a kilobyte of tables.
fn square_root(square: u32) -> u16 {
    (0..16).rev().fold(0, |root, bit| {
        let larger = root | 1 << bit;
        if u32::from(larger) * u32::from(larger) <= square {
            larger
        } else {
            root
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: Field = [210, -45, 430];

    /// An empty bay whose field is `field` for `minutes`.
    fn rest(baseline: &mut Baseline, uptime: &mut Uptime, now_ms: &mut u32, field: Field, minutes: u32) {
        for _ in 0..minutes * 60 {
            *now_ms += 1_000;
            uptime.advance(*now_ms);
            baseline.follow(field, true, *uptime);
        }
    }

    #[test]
    fn a_day_that_grows_warmer_is_followed() {
        let (mut baseline, mut uptime, mut now_ms) = (Baseline::learned(EMPTY), Uptime::default(), 0);
        for step in 1..=30 {
            let warmer = [EMPTY[0] + step, EMPTY[1], EMPTY[2] - step];
            rest(&mut baseline, &mut uptime, &mut now_ms, warmer, 10);
        }
        assert!(distance(baseline.field(), [240, -45, 400]) <= 2, "{baseline:?}");
        assert_eq!(baseline.as_learned(), EMPTY);
        assert!(
            (40..=43).contains(&baseline.drift_mg()),
            "{}",
            baseline.drift_mg()
        );
    }

    #[test]
    fn what_is_not_quiet_is_not_followed_and_starts_the_minute_again() {
        let (mut baseline, mut uptime) = (Baseline::learned(EMPTY), Uptime::default());
        for second in 0..3_600 {
            uptime.advance(second * 1_000);
            baseline.follow([300, 0, 500], second % 50 != 0, uptime);
        }
        assert_eq!(baseline.field(), EMPTY, "never sixty quiet seconds");
    }

    #[test]
    fn it_learns_from_a_steady_second_only() {
        let mut learning = Learning::default();
        for tick in 0..100 {
            let field = if tick % 10 == 9 { [500, 0, 0] } else { EMPTY };
            assert_eq!(learning.add(field), None, "somebody walks by all the time");
        }
        let learned = (0..16).find_map(|tick| learning.add([210 + tick % 3, -45, 430]));
        assert_eq!(learned, Some([210, -45, 430]));
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_core(square: u32) {
            prop_assert_eq!(u32::from(square_root(square)), square.isqrt());
        }

        #[test]
        fn no_weather_moves_it_farther_than_its_limit_or_faster_than_its_step(
            fields in prop::collection::vec(any::<[i16; 3]>(), 1..40),
        ) {
            let (mut baseline, mut uptime, mut now_ms) = (Baseline::learned(EMPTY), Uptime::default(), 0);
            for field in fields {
                let before = baseline.field();
                rest(&mut baseline, &mut uptime, &mut now_ms, field.map(i32::from), 1);
                prop_assert!(baseline.drift_mg() <= FARTHEST_MG);
                prop_assert!(baseline.field().iter().zip(before).all(|(a, b)| a.abs_diff(b) <= 1));
            }
        }
    }
}
