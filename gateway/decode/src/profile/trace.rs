//! What a decoder did with a message, step by step: for an author who wants to see why a value came out as it did.
//!
//! Written only when somebody asked for it; the decoder itself never reads it.

use linli_domain::measure::Measure;
use linli_domain::reading::Value;

/// Most steps kept; later ones are dropped.
const MAX_STEPS: usize = 4096;

/// Where in a message something stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Bits of a payload: the first, and how many.
    Bits {
        /// From the first bit of the payload.
        at: usize,
        /// How many.
        width: usize,
    },
    /// A member of a JSON text, by its pointer.
    Pointer(String),
    /// A named value, by its name.
    Name(String),
    /// The whole of a text message.
    Text,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bits { at, width } if at % 8 == 0 && width % 8 == 0 => match width / 8 {
                1 => write!(f, "byte {}", at / 8),
                bytes => write!(f, "bytes {}-{}", at / 8, at / 8 + bytes.saturating_sub(1)),
            },
            Self::Bits { at, width } => write!(f, "bits {at}-{}", at + width.saturating_sub(1)),
            Self::Pointer(pointer) => f.write_str(pointer),
            Self::Name(name) => f.write_str(name),
            Self::Text => f.write_str("text"),
        }
    }
}

/// One thing the decoder read.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceStep {
    /// Where it stood.
    pub place: Place,
    /// As it stood there: bytes in hexadecimal, or the text.
    pub raw: String,
    /// What the profile calls it: `u16`, `tag`, `@flags`.
    pub what: String,
    /// What became of it.
    pub meant: Vec<(Measure, Option<Value>)>,
}

/// The steps of one decode.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// In the order of reading.
    pub steps: Vec<TraceStep>,
}

impl Trace {
    pub(crate) fn read(&mut self, place: Place, raw: String, what: String) {
        if self.steps.len() < MAX_STEPS {
            self.steps.push(TraceStep {
                place,
                raw,
                what,
                meant: Vec::new(),
            });
        }
    }

    pub(crate) fn meant(&mut self, measure: Measure, value: Option<Value>) {
        if let Some(step) = self.steps.last_mut() {
            step.meant.push((measure, value));
        }
    }
}
