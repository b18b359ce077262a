//! A small seeded generator. The same seed gives the same numbers on every machine and in every version.

/// xorshift64*.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// A generator for `seed`; neighbouring seeds begin far apart.
    pub fn new(seed: u64) -> Self {
        let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self((mixed ^ (mixed >> 31)).max(1))
    }

    /// A generator for one purpose, so that more of one thing does not move all others.
    pub fn of(seed: u64, purpose: &str) -> Self {
        let hash = purpose.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::new(hash)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit a double")]
        let fraction = (self.roll() >> 11) as f64 / (1u64 << 53) as f64;
        fraction
    }

    /// A number from `low` to `high`, both included; `low` when they are the wrong way round.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low))
            .unwrap_or(0)
            .saturating_add(1);
        low.saturating_add(i64::try_from(self.roll() % span).unwrap_or(0))
    }

    /// One of `among`.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(among.len()).unwrap_or(0);
        let chosen = self.roll().checked_rem(count)?;
        among.get(usize::try_from(chosen).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_are_the_same_for_a_seed_and_stay_in_their_range() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            (0..8).map(|_| dice.roll()).collect::<Vec<_>>()
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
        let mut dice = Dice::of(1, "leak");
        for _ in 0..1_000 {
            assert!((3..=9).contains(&dice.between(3, 9)));
            assert!((0.0..1.0).contains(&dice.fraction()));
        }
        assert_eq!(dice.between(4, 4), 4);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }
}
