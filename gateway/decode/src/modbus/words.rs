//! From registers to raw numbers: widths, signs and the order in which words and bytes arrive.

use crate::profile::bytes::float;
use crate::profile::bytes::layout::Extract;
use crate::profile::convert::Raw;
use crate::walk::Scalar;

/// Order of arrival of the bytes of a value whose bytes from most to least significant are A B C D.
///
/// Vendors use many names for these; only the order of bytes is unambiguous. Values of one word have only the part
/// within the word, values of four words follow the same rule over all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Big-endian, as the standard has it.
    Abcd,
    /// Low word first.
    Cdab,
    /// Bytes swapped within words.
    Badc,
    /// Fully little-endian.
    Dcba,
}

impl Order {
    pub(super) const NAMES: [(&'static str, Self); 4] = [
        ("ABCD", Self::Abcd),
        ("CDAB", Self::Cdab),
        ("BADC", Self::Badc),
        ("DCBA", Self::Dcba),
    ];

    /// The bytes of one word in their order.
    fn within(self, word: u16) -> u16 {
        match self {
            Self::Abcd | Self::Cdab => word,
            Self::Badc | Self::Dcba => word.swap_bytes(),
        }
    }

    /// Joins up to four words.
    pub(super) fn join(self, words: &[u16]) -> u64 {
        let join = |number: u64, word: &u16| number << 16 | u64::from(self.within(*word));
        match self {
            Self::Abcd | Self::Badc => words.iter().fold(0, join),
            Self::Cdab | Self::Dcba => words.iter().rev().fold(0, join),
        }
    }
}

/// How the words of one value are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) kind: Kind,
    pub(super) order: Order,
    pub(super) extract: Extract,
}

/// The type of a value, with the registers it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unsigned(usize),
    Signed(usize),
    Float,
    /// Two characters a register.
    Text(usize),
    /// Two numbers a register, joined with dots.
    Version(usize),
}

impl Form {
    /// How many registers the value takes.
    pub(super) fn words(self) -> usize {
        match self.kind {
            Kind::Unsigned(words) | Kind::Signed(words) | Kind::Text(words) | Kind::Version(words) => words,
            Kind::Float => 2,
        }
    }

    /// The raw value of exactly [`Form::words`] registers; texts have none.
    pub(super) fn raw(self, words: &[u16]) -> Option<Raw<'static>> {
        let pattern = self.order.join(words);
        match self.kind {
            Kind::Float => Some(Raw::Scalar(Scalar::Float(float(pattern, 4)))),
            Kind::Unsigned(_) => {
                let value = i128::from(self.extract.of(pattern));
                Some(Raw::Int {
                    value,
                    pattern: value,
                })
            }
            Kind::Signed(words) => {
                let shift = 64 - 16 * words as u32;
                Some(Raw::Int {
                    value: ((pattern << shift) as i64 >> shift).into(),
                    pattern: pattern.into(),
                })
            }
            Kind::Text(_) | Kind::Version(_) => None,
        }
    }

    /// The number in registers.
    pub(super) fn number(self, words: &[u16]) -> Option<f64> {
        match self.raw(words)? {
            Raw::Int { value, .. } => Some(value as f64),
            Raw::Scalar(Scalar::Float(number)) => Some(number),
            Raw::Scalar(_) => None,
        }
    }

    /// The registers that hold `number`; `None` when they cannot. Up to two registers.
    pub(super) fn words_of(self, number: f64) -> Option<Vec<u16>> {
        let words = self.words();
        let pattern = match self.kind {
            Kind::Float => u64::from((number as f32).to_bits()),
            Kind::Unsigned(_) | Kind::Signed(_) => {
                let whole = number.round();
                // A step that is not exact in binary is met within a millionth.
                if (number - whole).abs() > 1e-6 * whole.abs().max(1.0) {
                    return None;
                }
                let bits = 16 * words as u32;
                let (low, high) = match self.kind {
                    Kind::Signed(_) => (-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1),
                    _ => (0, (1_i64 << bits) - 1),
                };
                let whole = whole as i64;
                (low..=high)
                    .contains(&whole)
                    .then_some(whole as u64 & (u64::MAX >> (64 - bits)))?
            }
            Kind::Text(_) | Kind::Version(_) => return None,
        };
        let mut big: Vec<u16> = (0..words)
            .rev()
            .map(|word| self.order.within((pattern >> (16 * word)) as u16))
            .collect();
        if matches!(self.order, Order::Cdab | Order::Dcba) {
            big.reverse();
        }
        Some(big)
    }

    /// The text in registers: what stands before the first zero byte, trimmed; or a version, `01 04` as `1.4`.
    pub(super) fn text(self, words: &[u16]) -> String {
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| self.order.within(*word).to_be_bytes())
            .collect();
        match self.kind {
            Kind::Version(_) => bytes.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
            _ => {
                let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                String::from_utf8_lossy(text).trim().to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_puts_every_byte_in_its_place() {
        let table: [(&str, [u16; 2]); 4] = [
            ("ABCD", [0x0A0B, 0x0C0D]),
            ("CDAB", [0x0C0D, 0x0A0B]),
            ("BADC", [0x0B0A, 0x0D0C]),
            ("DCBA", [0x0D0C, 0x0B0A]),
        ];
        for (name, arriving) in table {
            let (_, order) = Order::NAMES.into_iter().find(|(n, _)| *n == name).unwrap();
            assert_eq!(order.join(&arriving), 0x0A0B_0C0D, "{name}");
        }
        for (name, word) in [
            ("ABCD", 0x0A0B),
            ("CDAB", 0x0A0B),
            ("BADC", 0x0B0A),
            ("DCBA", 0x0B0A),
        ] {
            let (_, order) = Order::NAMES.into_iter().find(|(n, _)| *n == name).unwrap();
            assert_eq!(order.join(&[word]), 0x0A0B, "{name}");
        }
        assert_eq!(
            Order::Cdab.join(&[0x0708, 0x0506, 0x0304, 0x0102]),
            0x0102_0304_0506_0708
        );
        assert_eq!(
            Order::Dcba.join(&[0x0807, 0x0605, 0x0403, 0x0201]),
            0x0102_0304_0506_0708
        );
    }

    #[test]
    fn signs_and_floats_survive_the_wire() {
        let form = |kind| Form {
            kind,
            order: Order::Abcd,
            extract: Extract::ALL,
        };
        assert_eq!(
            form(Kind::Signed(1)).raw(&[0xFFFE]),
            Some(Raw::Int {
                value: -2,
                pattern: 0xFFFE
            })
        );
        assert_eq!(
            form(Kind::Signed(4)).raw(&[0xFFFF; 4]),
            Some(Raw::Int {
                value: -1,
                pattern: u64::MAX.into()
            })
        );
        assert_eq!(
            form(Kind::Float).raw(&[0x41B8, 0x0000]),
            Some(Raw::Scalar(Scalar::Float(23.0)))
        );
    }

    #[test]
    fn texts_end_at_the_first_zero_and_know_the_order_of_their_bytes() {
        let text = |kind, order, words: &[u16]| {
            let extract = Extract::ALL;
            Form { kind, order, extract }.text(words)
        };
        assert_eq!(text(Kind::Text(3), Order::Abcd, &[0x4142, 0x4320, 0x0041]), "ABC");
        assert_eq!(text(Kind::Text(2), Order::Badc, &[0x4241, 0x0043]), "ABC");
        assert_eq!(text(Kind::Text(1), Order::Abcd, &[0xFFFF]), "\u{FFFD}\u{FFFD}");
        assert_eq!(text(Kind::Version(1), Order::Abcd, &[0x0104]), "1.4");
    }
}
