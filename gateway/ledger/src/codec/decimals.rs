//! Numbers as sensors mean them: so many digits behind the point, and the number without the point.
//!
//! 23.4 is no float but 234 with one digit behind the point. Whole numbers are packed shorter than the floats beside
//! them and unpacked in half the time. A column is taken only when each float of it comes back by its bits; what was
//! worked out (0.1 + 0.2), -0.0, infinite or no number stays a float, and its whole column with it.

use super::chunk::unpack;

/// Ten to the digits. A float holds them as they are, and six digits are what a millionth needs.
const POWERS: [f64; 7] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];
/// The greatest number without its point: up to here two decimals are never the same float, and rounding finds the one.
const GREATEST: u64 = 1 << 50;

/// A column of numbers as decimals.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimals {
    /// How many digits stand behind the point, in all of them.
    pub(super) digits: u8,
    /// Each without its point.
    pub(super) wholes: Vec<i64>,
}

impl Decimals {
    /// The numbers with as few digits as all of them need; nothing when one is no decimal or there are none.
    pub(super) fn of(numbers: &[f64]) -> Option<Self> {
        numbers.first()?;
        let mut digits = 0;
        for number in numbers {
            while whole(*number, *POWERS.get(digits)?).is_none() {
                digits += 1;
            }
        }
        let power = POWERS.get(digits)?;
        let wholes = numbers.iter().map(|number| whole(*number, *power));
        Some(Self {
            wholes: wholes.collect::<Option<_>>()?,
            digits: digits as u8,
        })
    }
}

/// The number without its point, when that gives it back by its bits.
fn whole(number: f64, power: f64) -> Option<i64> {
    let whole = (number * power).round() as i64;
    let comes_back = float(whole, power).to_bits() == number.to_bits();
    (comes_back && whole.unsigned_abs() <= GREATEST).then_some(whole)
}

/// The float nearest to a decimal, the same on every machine.
fn float(whole: i64, power: f64) -> f64 {
    whole as f64 / power
}

/// Unpacks a column of `n` decimals, its digits before the packed whole numbers, in place of what was in `numbers`.
pub(super) fn unpack_into(column: &[u8], n: usize, numbers: &mut Vec<f64>) -> Result<(), &'static str> {
    let (digits, packed) = column.split_first().ok_or("a column is cut short")?;
    let power = POWERS
        .get(usize::from(*digits))
        .ok_or("the digits of its numbers make no sense")?;
    let mut wholes: Vec<i64> = Vec::new();
    unpack(packed, n, &mut wholes)?;
    numbers.clear();
    numbers.extend(wholes.iter().map(|whole| float(*whole, *power)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(numbers: &[f64]) -> Vec<u64> {
        numbers.iter().map(|number| number.to_bits()).collect()
    }

    fn back(decimals: &Decimals) -> Vec<u64> {
        let power = POWERS[usize::from(decimals.digits)];
        let floats: Vec<f64> = decimals.wholes.iter().map(|whole| float(*whole, power)).collect();
        bits(&floats)
    }

    /// Anything a float can be, and often something near a decimal.
    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (any::<i64>(), 0usize..9).prop_map(|(whole, digits)| whole as f64 / 10f64.powi(digits as i32)),
            (-100_000i64..100_000, 0usize..7).prop_map(|(whole, digits)| whole as f64 / POWERS[digits]),
            (-100_000i64..100_000, 0usize..7)
                .prop_map(|(whole, digits)| whole as f64 * (1.0 / POWERS[digits])),
            prop::sample::select(vec![
                0.0,
                -0.0,
                f64::NAN,
                f64::INFINITY,
                f64::MIN_POSITIVE / 8.0,
                f64::MAX
            ]),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_taken_as_decimals_comes_back_by_its_bits(numbers in prop::collection::vec(any_number(), 1..5)) {
            if let Some(decimals) = Decimals::of(&numbers) {
                prop_assert_eq!(back(&decimals), bits(&numbers));
                prop_assert!(decimals.wholes.iter().all(|whole| whole.unsigned_abs() <= GREATEST));
            }
        }

        #[test]
        fn decimals_up_to_the_greatest_are_found_with_the_fewest_digits(
            wholes in prop::collection::vec(-(GREATEST as i64)..=GREATEST as i64, 1..40), shift in 0u32..50, digits in 0u8..7
        ) {
            let mut wholes: Vec<i64> = wholes.iter().map(|whole| whole >> shift).collect();
            let numbers: Vec<f64> = wholes.iter().map(|whole| *whole as f64 / POWERS[usize::from(digits)]).collect();
            let mut fewest = digits;
            while fewest > 0 && wholes.iter().all(|whole| whole % 10 == 0) {
                wholes.iter_mut().for_each(|whole| *whole /= 10);
                fewest -= 1;
            }
            prop_assert_eq!(Decimals::of(&numbers), Some(Decimals { digits: fewest, wholes }));
        }
    }

    #[test]
    fn one_number_that_is_no_decimal_leaves_its_column_floats() {
        let beyond = (GREATEST + 1) as f64;
        for odd in [
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.1 + 0.2,
            1.0 / 3.0,
            0.000_000_1,
            f64::from_bits(1),
            f64::MAX,
            beyond,
            -beyond,
            9_007_199_254_740_994.0,
            f64::from_bits(23.4f64.to_bits() + 1),
        ] {
            assert_eq!(Decimals::of(&[23.4, 61.0, odd]), None, "{odd:e}");
            assert_eq!(Decimals::of(&[odd, 0.05]), None, "{odd:e}");
        }
        let taken = Decimals::of(&[23.4, 0.05, 61.0, 0.0, -7.0]).unwrap();
        assert_eq!((taken.digits, taken.wholes), (2, vec![2_340, 5, 6_100, 0, -700]));
    }
}
