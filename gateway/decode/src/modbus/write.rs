//! Writing: what a profile allows by name and within a range, and what goes onto the wire for it.
//!
//! Nothing here sends. Whether a bus may be written at all is the caller's configuration; who may ask for it too.

use super::map::{RegisterMap, Target};
use super::words::Kind;
use super::{RegisterData, RegisterRequest};
use crate::profile::convert::Scale;

/// A register a profile allows to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Writable {
    /// What it is called; `linli device write ID NAME VALUE`.
    pub name: Box<str>,
    /// Least and greatest value, in the unit its readings have; 0 and 1 for a coil, a code for a state.
    pub range: (f64, f64),
    /// One register is written with function 6, or with 16 when the device knows no other.
    pub(super) many: bool,
    pub(super) register: usize,
}

/// A write, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRequest {
    /// 5 one coil, 6 one register, 16 registers.
    pub function: u8,
    /// What to write, and with this what to read back.
    pub read_back: RegisterRequest,
    /// The words; for a coil 0 or 1.
    pub words: Vec<u16>,
}

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotWritable {
    /// The profile allows no such write.
    #[error("the profile allows no write named {name:?}{}", list(.known))]
    Unknown {
        /// The name.
        name: String,
        /// What it does allow.
        known: Vec<String>,
    },
    /// The value is outside of what the profile allows.
    #[error("{value} is outside of what the profile allows for {name:?}: {low} to {high}")]
    OutOfRange {
        /// The name.
        name: String,
        /// The value.
        value: f64,
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
    /// The register cannot hold the value.
    #[error("the register of {name:?} cannot hold {value}: its steps are {step}")]
    NoSuchStep {
        /// The name.
        name: String,
        /// The value.
        value: f64,
        /// Distance between two values it can hold.
        step: f64,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "; it allows none".to_owned()
    } else {
        format!("; it allows {}", names.join(", "))
    }
}

impl RegisterMap {
    /// What may be written, in the order of the profile.
    pub fn writables(&self) -> &[Writable] {
        &self.writables
    }

    /// The write that sets `name` to `value`.
    pub fn write(&self, name: &str, value: f64) -> Result<WriteRequest, NotWritable> {
        let unknown = || NotWritable::Unknown {
            name: name.chars().take(64).collect(),
            known: self
                .writables
                .iter()
                .map(|writable| writable.name.to_string())
                .collect(),
        };
        let writable = self
            .writables
            .iter()
            .find(|writable| *writable.name == *name)
            .ok_or_else(unknown)?;
        let register = self.registers.get(writable.register).ok_or_else(unknown)?;
        let (low, high) = writable.range;
        if !(low..=high).contains(&value) {
            return Err(NotWritable::OutOfRange {
                name: name.to_owned(),
                value,
                low,
                high,
            });
        }
        let (step, offset) = self.steps(writable.register);
        let raw = (value - offset) / step;
        let no_such_step = || NotWritable::NoSuchStep {
            name: name.to_owned(),
            value,
            step,
        };
        let words = match register.function {
            1 if raw == 0.0 || raw == 1.0 => Some(vec![u16::from(raw == 1.0)]),
            1 => None,
            _ => register.form.words_of(raw),
        };
        let words = words.ok_or_else(no_such_step)?;
        Ok(WriteRequest {
            function: match (register.function, words.len(), writable.many) {
                (1, ..) => 5,
                (_, 1, false) => 6,
                _ => 16,
            },
            read_back: RegisterRequest {
                function: register.function,
                start: register.address,
                count: register.count,
            },
            words,
        })
    }

    /// The value `name` has by what was read back.
    pub fn written(&self, name: &str, data: &RegisterData) -> Option<f64> {
        let writable = self.writables.iter().find(|writable| *writable.name == *name)?;
        let register = self.registers.get(writable.register)?;
        let (step, offset) = self.steps(writable.register);
        let raw = match data {
            RegisterData::Bits(bits) => f64::from(u8::from(*bits.first()?)),
            RegisterData::Words(words) => register.form.number(words)?,
        };
        Some(raw * step + offset)
    }

    /// Step and offset of a register's values: value = raw × step + offset. Codes have none.
    fn steps(&self, register: usize) -> (f64, f64) {
        let (scale, offset) = match self.registers.get(register).map(|register| &register.target) {
            Some(Target::Emit(emit)) if emit.meanings.is_empty() => (emit.scale, emit.offset),
            Some(Target::Helper(part)) => (part.scale, part.offset),
            _ => (Scale::None, 0.0),
        };
        let step = match scale {
            Scale::None => 1.0,
            Scale::Times(factor) => factor,
            Scale::Over(divisor) => 1.0 / divisor,
        };
        (step, offset)
    }
}

impl WriteRequest {
    /// Whether the device holds what was written.
    pub fn is_confirmed_by(&self, data: &RegisterData) -> bool {
        match data {
            RegisterData::Words(words) => *words == self.words,
            RegisterData::Bits(bits) => {
                bits.first().map(|bit| u16::from(*bit)) == self.words.first().copied()
            }
        }
    }
}

/// Whether registers of this kind can be written as a whole.
pub(super) fn can_be_written(kind: Kind) -> bool {
    matches!(kind, Kind::Unsigned(1 | 2) | Kind::Signed(1 | 2) | Kind::Float)
}
