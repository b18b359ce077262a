//! Conditions on members of a JSON text: a unit switch, a kind of notification, an external supply.

use super::convert::{Code, Raw, matches};
use super::document::{Node, Problems};
use crate::walk::Scalar;

/// Most values a condition lists.
const MAX_VALUES: usize = 16;
/// Longest text kept of a member, in bytes; a longer one is cut, as a value would be.
const MAX_KEPT_BYTES: usize = 256;

/// Whether a member has one of some values.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    slot: u16,
    values: Vec<Code>,
    /// Whether it holds for these values, or for all others.
    equal: bool,
    /// Whether it holds where the member is missing or null.
    absent: bool,
}

impl Condition {
    /// Reads `{ at = "/TempUnit", is = ["F"] }` or `{ at = …, is_not = […] }`, with `absent` for a missing member.
    /// `slot_of` gives the pointer a slot.
    pub(super) fn read(
        node: Node<'_>,
        problems: &mut Problems<'_>,
        slot_of: &mut dyn FnMut(&str) -> Result<u16, &'static str>,
    ) -> Option<Self> {
        let mut table = problems.table(node)?;
        let hint = "the JSON pointer of the member that decides, for example at = \"/TempUnit\"";
        let at = table.need("at", hint, problems);
        let (is, is_not) = (table.take("is"), table.take("is_not"));
        let absent = table.take("absent").and_then(|node| problems.boolean(node));
        table.finish(problems);
        let at = at?;
        let pointer = problems.text(at)?;
        let slot = match slot_of(pointer) {
            Ok(slot) => slot,
            Err(hint) => {
                return problems.refuse(at.span(), format!("{pointer:?} is not a JSON pointer"), hint);
            }
        };
        let ((Some(list), None) | (None, Some(list))) = (is, is_not) else {
            let hint = "write for example is = [\"F\"]";
            return problems.refuse(
                node.span(),
                "a condition has exactly one of `is` and `is_not`",
                hint,
            );
        };
        let nodes = problems.array(list)?;
        if nodes.is_empty() || nodes.len() > MAX_VALUES {
            return problems.refuse(list.span(), format!("1 to {MAX_VALUES} values"), "");
        }
        let values = nodes
            .iter()
            .map(|node| read_code(node, problems))
            .collect::<Option<_>>()?;
        Some(Self {
            slot,
            values,
            equal: is.is_some(),
            // What is not there is not one of the values.
            absent: absent.unwrap_or(is.is_none()),
        })
    }

    pub(super) fn holds(&self, kept: &[Option<Kept>]) -> bool {
        match kept.get(usize::from(self.slot)).and_then(Option::as_ref) {
            None | Some(Kept::Null) => self.absent,
            Some(value) => {
                let raw = Raw::Scalar(value.scalar());
                self.values.iter().any(|code| matches(code, raw)) == self.equal
            }
        }
    }
}

/// A text, a number or a state; numbers and states are found under their texts too.
pub(crate) fn read_code(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Code> {
    if let Some(text) = node.get_ref().as_str() {
        return Some(Code::Text(text.into()));
    }
    if let Some(state) = node.get_ref().as_bool() {
        return Some(Code::Text(if state { "true" } else { "false" }.into()));
    }
    problems
        .integer(node, i128::from(i64::MIN)..=i128::from(u64::MAX))
        .map(Code::Int)
}

/// A member kept until the end of the walk.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kept {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Box<str>),
    Composite,
}

impl Kept {
    pub(super) fn of(value: Scalar<'_>) -> Self {
        match value {
            Scalar::Null => Self::Null,
            Scalar::Bool(value) => Self::Bool(value),
            Scalar::Int(value) => Self::Int(value),
            Scalar::Float(value) => Self::Float(value),
            Scalar::Text(text) => {
                let end = (0..=MAX_KEPT_BYTES.min(text.len()))
                    .rev()
                    .find(|end| text.is_char_boundary(*end));
                Self::Text(text.get(..end.unwrap_or(0)).unwrap_or_default().into())
            }
            Scalar::Composite => Self::Composite,
        }
    }

    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Null => Scalar::Null,
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Int(value) => Scalar::Int(*value),
            Self::Float(value) => Scalar::Float(*value),
            Self::Text(text) => Scalar::Text(text),
            Self::Composite => Scalar::Composite,
        }
    }

    /// As a term of a sum.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            Self::Null | Self::Bool(_) | Self::Composite => None,
        }
    }
}
