//! The parts of a byte layout, as data. `read` and `read_number` build them, the parent module runs them.

use crate::profile::convert::{Emit, Scale};
use crate::profile::time::TimeForm;
use linli_domain::reading::Value;

/// Most `@names` alive at once.
pub(crate) const MAX_LOCALS: usize = 16;

/// The layout of a profile's payloads.
#[derive(Debug, Clone)]
pub(crate) struct BytesLayout {
    pub(crate) steps: Vec<Step>,
    pub(crate) ignore_trailing: bool,
}

impl BytesLayout {
    /// Every value it may give.
    pub(crate) fn emits(&self) -> Vec<&Emit> {
        let mut found = Vec::new();
        collect(&self.steps, &mut found);
        found
    }
}

fn collect<'l>(steps: &'l [Step], found: &mut Vec<&'l Emit>) {
    for step in steps {
        match step {
            Step::Number {
                put: Put::Emit(_, emit),
                ..
            }
            | Step::From { emit, .. }
            | Step::Sum { emit, .. }
            | Step::Const(emit, _)
            | Step::NoValue(emit)
            | Step::Version { emit, .. } => found.push(emit),
            Step::Number { .. } | Step::Expect(_) | Step::Skip(_) | Step::SkipBits(_) | Step::SkipRest => {}
            Step::Optional(steps)
            | Step::When { steps, .. }
            | Step::Repeat { steps, .. }
            | Step::Record { steps, .. } => collect(steps, found),
            Step::Flags { groups, .. } => groups.iter().for_each(|(_, steps)| collect(steps, found)),
            Step::Switch { cases, otherwise, .. } => {
                cases.iter().for_each(|(_, steps)| collect(steps, found));
                otherwise.iter().for_each(|steps| collect(steps, found));
            }
            Step::Tlv(tlv) => tlv.cases.iter().for_each(|(_, steps)| collect(steps, found)),
        }
    }
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
    /// Whether it takes the whole value, sign included.
    pub(crate) fn is_all(self) -> bool {
        self.mask == u64::MAX
    }
}

/// How the bytes or bits of a number are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `width` bytes.
    Integer {
        name: &'static str,
        width: usize,
        signed: bool,
        endian: Endian,
    },
    /// IEEE 754 of `width` bytes.
    Float {
        name: &'static str,
        width: usize,
        endian: Endian,
    },
    /// `width` bits of the payload seen as one stream, the most significant bit of each byte first.
    Bits {
        width: u32,
        signed: bool,
        /// Bit to read at, from the end when negative, without moving on; `None` reads the next bits.
        at: Option<i32>,
    },
}

/// What happens to a number once it is read.
#[derive(Debug, Clone)]
pub(crate) enum Put {
    Emit(Extract, Box<Emit>),
    /// Kept under an `@name` for later steps.
    Local(usize),
    /// The time of the record or of the whole message.
    Time(TimeForm),
}

/// One step of a layout.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Number {
        form: Form,
        put: Put,
    },
    /// Bits of a number read before.
    From {
        local: usize,
        extract: Extract,
        emit: Box<Emit>,
    },
    /// Several numbers read before, each times its factor, as one value.
    Sum {
        terms: Vec<(usize, Scale)>,
        emit: Box<Emit>,
    },
    /// A value that the layout itself states.
    Const(Box<Emit>, Value),
    /// A measure of which the frame says that there is no value.
    NoValue(Box<Emit>),
    /// Bytes that must be these: a header, an end mark.
    Expect(Box<[u8]>),
    Skip(usize),
    SkipBits(u32),
    SkipRest,
    /// Bytes joined with dots: `01 04` is `v1.4`.
    Version {
        bytes: usize,
        prefix: Box<str>,
        emit: Box<Emit>,
    },
    /// Fields that are there when anything is left.
    Optional(Vec<Step>),
    /// Fields that are there when a number read before has one of some values.
    When {
        local: usize,
        extract: Extract,
        is: Vec<i128>,
        steps: Vec<Step>,
    },
    /// Presence flags: the fields of each set bit, from bit 0 up.
    Flags {
        local: usize,
        groups: Vec<(u32, Vec<Step>)>,
    },
    Switch {
        on: Selector,
        on_text: Box<str>,
        cases: Vec<(i128, Vec<Step>)>,
        otherwise: Option<Vec<Step>>,
    },
    /// Tag after tag until the end.
    Tlv(Tlv),
    /// The same fields again and again.
    Repeat {
        count: Count,
        steps: Vec<Step>,
    },
    /// Fields that share a time of their own.
    Record {
        historical: bool,
        steps: Vec<Step>,
    },
}

/// Tag after tag until the end of the payload.
#[derive(Debug, Clone)]
pub(crate) struct Tlv {
    pub(crate) tag_bytes: usize,
    /// Bytes of a length behind the tag; without one the layout of each tag gives its length.
    pub(crate) length: Option<(usize, Endian)>,
    /// Whether an unknown tag is passed over; only where a length says how far.
    pub(crate) skip_unknown: bool,
    /// Sorted by tag.
    pub(crate) cases: Vec<(u32, Vec<Step>)>,
}

/// How often a [`Step::Repeat`] repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    UntilEnd,
    Fixed(usize),
    Local(usize),
}

/// What a switch looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selector {
    Port,
    Length,
    Remaining,
    Local(usize),
}
