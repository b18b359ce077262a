//! From a raw code to a value in the unit of its measure: missing codes, meanings, scale, range.
//!
//! Total: every raw value has an outcome, and no outcome is a made-up number.

use crate::context::{DeviceContext, Role};
use crate::walk::Scalar;
use linli_domain::measure::{Measure, Unit};
use linli_domain::reading::{Quality, Reason, Value};
use std::sync::Arc;

/// Longest text value in bytes; the rest is cut.
const MAX_TEXT_BYTES: usize = 256;

/// Where a converted value goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Measure(Measure),
    /// `$name`: the measure depends on what the device is used as.
    ByRole(Arc<RoleTarget>),
}

/// The measures of one `$name`.
#[derive(Debug)]
pub(crate) struct RoleTarget {
    pub(crate) name: Box<str>,
    pub(crate) default: Role,
    pub(crate) measures: Vec<(Role, Measure)>,
}

impl RoleTarget {
    fn measure(&self, role: Role) -> Option<Measure> {
        self.measures.iter().find(|(r, _)| *r == role).map(|(_, m)| *m)
    }
}

/// A code and its meaning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Code {
    Int(i128),
    Text(Box<str>),
}

/// One value of a profile: where it goes and how it is converted.
#[derive(Debug, Clone)]
pub(crate) struct Emit {
    pub(crate) target: Target,
    pub(crate) unit: Unit,
    pub(crate) instance: Option<Arc<str>>,
    /// Codes that mean "no value".
    pub(crate) missing: Vec<Code>,
    /// Meanings of codes; when there are any, other codes have none.
    pub(crate) meanings: Vec<(Code, Value)>,
    pub(crate) scale: Scale,
    pub(crate) offset: f64,
    /// Outside of it a number is uncertain.
    pub(crate) range: Option<(f64, f64)>,
}

/// A factor, kept as a divisor where it is one, so that 257 × 0.1 gives 25.7 and not its neighbour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    None,
    Times(f64),
    Over(f64),
}

impl Scale {
    pub(crate) fn new(factor: f64) -> Self {
        let divisor = (1.0 / factor).round();
        if factor == 1.0 {
            Self::None
        } else if divisor >= 2.0 && (divisor * factor - 1.0).abs() < 1e-12 {
            Self::Over(divisor)
        } else {
            Self::Times(factor)
        }
    }
    pub(crate) fn apply(self, raw: f64) -> f64 {
        match self {
            Self::None => raw,
            Self::Times(factor) => raw * factor,
            Self::Over(divisor) => raw / divisor,
        }
    }
}

/// A value as it stands in the message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Raw<'a> {
    /// An integer of a binary field; `pattern` is its unsigned form, in which vendors write their missing codes.
    Int { value: i128, pattern: i128 },
    /// A member of a JSON text, or a float of a binary field.
    Scalar(Scalar<'a>),
}

/// What became of a raw value.
pub(super) enum Outcome {
    Value(Value),
    Missing,
    Unmapped,
    WrongType,
}

impl Emit {
    /// Missing codes first, then meanings, then what the unit expects.
    pub(super) fn outcome(&self, raw: Raw<'_>) -> Outcome {
        if raw == Raw::Scalar(Scalar::Null) || self.missing.iter().any(|code| matches(code, raw)) {
            return Outcome::Missing;
        }
        if !self.meanings.is_empty() {
            let meaning = self.meanings.iter().find(|(code, _)| matches(code, raw));
            return meaning.map_or(Outcome::Unmapped, |(_, value)| Outcome::Value(value.clone()));
        }
        match self.unit {
            Unit::BOOL => state(raw),
            Unit::TEXT => match raw {
                Raw::Scalar(Scalar::Text(text)) => Outcome::Value(text_value(text)),
                _ => Outcome::WrongType,
            },
            _ => self.number(raw),
        }
    }

    fn number(&self, raw: Raw<'_>) -> Outcome {
        let number = match raw {
            Raw::Int { value, .. } | Raw::Scalar(Scalar::Int(value)) => Some(value as f64),
            Raw::Scalar(Scalar::Float(value)) if !value.is_finite() => return Outcome::Missing,
            Raw::Scalar(Scalar::Float(value)) => Some(value),
            Raw::Scalar(Scalar::Text(text)) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            Raw::Scalar(_) => None,
        };
        let value = number.and_then(|n| Value::number(self.scale.apply(n) + self.offset));
        value.map_or(Outcome::WrongType, Outcome::Value)
    }

    /// The measure in the device's role; the error names what has none in which role.
    pub(super) fn measure(&self, context: &DeviceContext) -> Result<Measure, (&str, Role)> {
        match &self.target {
            Target::Measure(measure) => Ok(*measure),
            Target::ByRole(by_role) => {
                let role = context.role.unwrap_or(by_role.default);
                by_role.measure(role).ok_or((&by_role.name, role))
            }
        }
    }

    /// The quality of a value that was read.
    pub(super) fn quality(&self, value: &Value) -> Quality {
        match (value.as_number(), self.range) {
            (Some(n), Some((low, high))) if n < low || n > high => Quality::Uncertain(Reason::OutOfRange),
            _ => Quality::Good,
        }
    }
}

/// A state without listed meanings: 0 and 1 and the usual words, nothing else.
fn state(raw: Raw<'_>) -> Outcome {
    let state = match raw {
        Raw::Scalar(Scalar::Bool(state)) => state,
        Raw::Int { value: 0, .. } | Raw::Scalar(Scalar::Int(0)) => false,
        Raw::Int { value: 1, .. } | Raw::Scalar(Scalar::Int(1)) => true,
        Raw::Int { .. } | Raw::Scalar(Scalar::Int(_)) => return Outcome::Unmapped,
        Raw::Scalar(Scalar::Text(text)) => {
            let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            if is(["true", "on", "1"]) {
                true
            } else if is(["false", "off", "0"]) {
                false
            } else {
                return Outcome::Unmapped;
            }
        }
        Raw::Scalar(_) => return Outcome::WrongType,
    };
    Outcome::Value(Value::State(state))
}

fn matches(code: &Code, raw: Raw<'_>) -> bool {
    match (code, raw) {
        (Code::Int(code), Raw::Int { value, pattern }) => *code == value || *code == pattern,
        (Code::Int(code), Raw::Scalar(Scalar::Int(value))) => *code == value,
        (Code::Int(code), Raw::Scalar(Scalar::Float(value))) => *code as f64 == value,
        (Code::Int(code), Raw::Scalar(Scalar::Bool(value))) => *code == i128::from(value),
        (Code::Int(code), Raw::Scalar(Scalar::Text(text))) => text.parse() == Ok(*code),
        (Code::Text(code), Raw::Scalar(Scalar::Text(text))) => **code == *text,
        (Code::Text(code), Raw::Scalar(Scalar::Bool(value))) => {
            **code == *if value { "true" } else { "false" }
        }
        _ => false,
    }
}

/// A text value, cut at the limit.
pub(crate) fn text_value(text: &str) -> Value {
    let end = (0..=MAX_TEXT_BYTES.min(text.len()))
        .rev()
        .find(|n| text.is_char_boundary(*n))
        .unwrap_or(0);
    Value::Text(text[..end].into())
}

/// A short form of a raw value for a person.
pub(super) fn show(raw: Raw<'_>) -> String {
    match raw {
        Raw::Int { value, .. } | Raw::Scalar(Scalar::Int(value)) => value.to_string(),
        Raw::Scalar(Scalar::Null) => "null".to_owned(),
        Raw::Scalar(Scalar::Bool(value)) => value.to_string(),
        Raw::Scalar(Scalar::Float(value)) => value.to_string(),
        Raw::Scalar(Scalar::Text(text)) => format!("{:?}", text.chars().take(40).collect::<String>()),
        Raw::Scalar(Scalar::Composite) => "an object or array".to_owned(),
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
