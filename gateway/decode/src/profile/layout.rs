//! The parts of a byte layout, as data. `bytes_read` builds them, `bytes` runs them.

use super::convert::Emit;

/// Most `@names` alive at once.
pub(crate) const MAX_LOCALS: usize = 16;

/// The layout of a profile's payloads.
#[derive(Debug, Clone)]
pub(crate) struct BytesLayout {
    pub(crate) steps: Vec<Step>,
    pub(crate) ignore_trailing: bool,
}

/// Order of the bytes in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Big,
    Little,
}

/// Which bits of an unsigned integer make the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extract {
    pub(crate) mask: u64,
}

impl Extract {
    pub(crate) const ALL: Self = Self { mask: u64::MAX };

    /// The masked bits, moved down to bit 0.
    pub(crate) fn of(self, value: u64) -> u64 {
        (value & self.mask) >> self.mask.trailing_zeros().min(63)
    }
}

/// What happens to a number once it is read.
#[derive(Debug, Clone)]
pub(crate) enum Put {
    Emit(Extract, Box<Emit>),
    /// Kept under an `@name` for later steps.
    Local(usize),
}

/// One step of a layout.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Integer {
        name: &'static str,
        width: usize,
        signed: bool,
        endian: Endian,
        put: Put,
    },
    Float {
        name: &'static str,
        width: usize,
        endian: Endian,
        emit: Box<Emit>,
    },
    /// Bits of a number read before.
    From {
        local: usize,
        extract: Extract,
        emit: Box<Emit>,
    },
    Skip(usize),
    /// Bytes joined with dots: `01 04` is `v1.4`.
    Version {
        bytes: usize,
        prefix: Box<str>,
        emit: Box<Emit>,
    },
    /// Fields that are there when anything is left.
    Optional(Vec<Step>),
    Switch {
        on: Selector,
        on_text: Box<str>,
        cases: Vec<(i128, Vec<Step>)>,
        otherwise: Option<Vec<Step>>,
    },
    /// Tag after tag until the end of the payload; the layout of each tag gives its length.
    Tlv {
        tag_bytes: usize,
        /// Sorted by tag.
        cases: Vec<(u32, Vec<Step>)>,
    },
}

/// What a switch looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selector {
    Port,
    Length,
    Local(usize),
}
