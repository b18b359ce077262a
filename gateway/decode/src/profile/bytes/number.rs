//! A number of a payload once it is read: its value, and its bits for masks.

use super::layout::Extract;
use crate::profile::convert::Raw;
use crate::walk::Scalar;

/// A number kept under an `@name`, or on its way to a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    value: Kind,
    pub(super) pattern: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Int(i128),
    Float(f64),
}

impl Number {
    pub(super) const ZERO: Self = Self::unsigned(0);

    pub(super) const fn unsigned(pattern: u64) -> Self {
        Self {
            value: Kind::Int(pattern as i128),
            pattern,
        }
    }
    /// Two's complement of `bits` bits.
    pub(super) fn signed(pattern: u64, bits: u32) -> Self {
        let shift = 64u32.saturating_sub(bits).min(63);
        Self {
            value: Kind::Int(((pattern << shift) as i64 >> shift).into()),
            pattern,
        }
    }
    pub(super) fn float(value: f64, pattern: u64) -> Self {
        Self {
            value: Kind::Float(value),
            pattern,
        }
    }

    /// As the conversion wants it; a mask takes bits of the pattern.
    pub(super) fn raw(self, extract: Extract) -> Raw<'static> {
        match self.value {
            Kind::Float(value) => Raw::Scalar(Scalar::Float(value)),
            Kind::Int(value) if extract.is_all() => Raw::Int {
                value,
                pattern: self.pattern.into(),
            },
            Kind::Int(_) => {
                let value = extract.of(self.pattern).into();
                Raw::Int {
                    value,
                    pattern: value,
                }
            }
        }
    }

    /// The whole number, if it is one.
    pub(super) fn integer(self, extract: Extract) -> Option<i128> {
        match self.raw(extract) {
            Raw::Int { value, .. } => Some(value),
            Raw::Scalar(_) => None,
        }
    }

    /// As a term of a sum.
    pub(super) fn as_f64(self) -> f64 {
        match self.value {
            Kind::Int(value) => value as f64,
            Kind::Float(value) => value,
        }
    }

    /// As a time form wants it.
    pub(super) fn scalar(self) -> Scalar<'static> {
        match self.value {
            Kind::Int(value) => Scalar::Int(value),
            Kind::Float(value) => Scalar::Float(value),
        }
    }
}
