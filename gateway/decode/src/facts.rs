//! The values inside a refusal or a remark by name, so that its sentence can be said in another language.
//!
//! The names are stable. The sentence itself is the error's own; which languages there are is not known here.

use crate::observation::Diagnostic;
use crate::refusal::{DecodeError, JsonFault, Rejection};

/// Values of a refusal or a remark, by name.
pub type Facts = Vec<(&'static str, String)>;

impl JsonFault {
    /// The values of the sentence: `offset`, `found` or `limit`.
    pub fn facts(&self) -> Facts {
        match self {
            Self::NotUtf8 { offset } => vec![("offset", offset.to_string())],
            Self::NotJson { detail } => vec![("found", detail.clone())],
            Self::TooDeep { limit } => vec![("limit", limit.to_string())],
        }
    }
}

impl Rejection {
    /// The values of the sentence.
    pub fn facts(&self) -> Facts {
        match self {
            Self::Json(fault) => fault.facts(),
            Self::TooLarge { bytes, limit, .. } => too_large(*bytes, *limit),
            Self::BadBase64 { field, detail } => {
                vec![("field", (*field).to_owned()), ("found", detail.clone())]
            }
            Self::MissingField { field } => vec![("field", (*field).to_owned())],
            Self::WrongType { detail } => vec![("found", detail.clone())],
            Self::TopicMismatch { topic, pattern } => {
                vec![("topic", topic.clone()), ("pattern", pattern.clone())]
            }
            Self::IdentityConflict { topic, payload } => {
                vec![("topic", topic.clone()), ("payload", payload.clone())]
            }
            Self::BadProtobuf { offset, detail } => {
                vec![("offset", offset.to_string()), ("found", (*detail).to_owned())]
            }
            Self::BadRecord { index, detail } => {
                vec![("index", index.to_string()), ("found", detail.clone())]
            }
            Self::UnknownAlias { node, alias } => vec![("node", node.clone()), ("alias", alias.to_string())],
            Self::Unannounced { what } => vec![("found", what.clone())],
            Self::TooMany { what, limit } => too_many(what, *limit),
        }
    }
}

impl DecodeError {
    /// The values of the sentence.
    pub fn facts(&self) -> Facts {
        match self {
            Self::Json(fault) => fault.facts(),
            Self::TooLarge { bytes, limit } => too_large(*bytes, *limit),
            Self::MissingField { pointer } => vec![("field", pointer.clone())],
            Self::Truncated {
                offset,
                expected,
                needed,
                available,
            } => vec![
                ("offset", offset.to_string()),
                ("expected", (*expected).to_owned()),
                ("needed", needed.to_string()),
                ("available", available.to_string()),
            ],
            Self::TrailingBytes { offset, count } => {
                vec![("offset", offset.to_string()), ("count", count.to_string())]
            }
            Self::Unexpected {
                offset,
                expected,
                found,
            } => vec![
                ("offset", offset.to_string()),
                ("expected", expected.clone()),
                ("found", found.clone()),
            ],
            Self::TooMany { limit } => too_many("values of one message", *limit),
            Self::UnknownTag { offset, tag } => vec![("offset", offset.to_string()), ("tag", tag.clone())],
            Self::UnknownCase { on, value } => vec![("on", on.clone()), ("value", value.clone())],
            Self::NoLayout { section } => vec![("section", (*section).to_owned())],
        }
    }
}

impl Diagnostic {
    /// The values of the sentence.
    pub fn facts(&self) -> Facts {
        match self {
            Self::UnknownTag { offset, tag } => vec![("offset", offset.to_string()), ("tag", tag.clone())],
            Self::WrongType {
                source_of,
                found,
                measure,
            } => vec![
                ("field", source_of.clone()),
                ("found", found.clone()),
                ("measure", measure.name().to_owned()),
            ],
            Self::UnmappedCode { measure, code } => {
                vec![("measure", measure.name().to_owned()), ("code", code.clone())]
            }
            Self::UnreadableTime { pointer, found } => {
                vec![("field", pointer.clone()), ("found", found.clone())]
            }
            Self::RoleWithoutMeasure { name, role } => {
                vec![("name", name.clone()), ("role", role.name().to_owned())]
            }
            Self::ForeignUnit { name, unit, measure } => vec![
                ("name", name.clone()),
                ("unit", unit.clone()),
                ("measure", measure.name().to_owned()),
            ],
            Self::NothingFound => Vec::new(),
            Self::TopicNotRead { path } => vec![("topic", path.clone())],
        }
    }
}

fn too_many(what: &str, limit: usize) -> Facts {
    vec![("what", what.to_owned()), ("limit", limit.to_string())]
}

fn too_large(bytes: usize, limit: usize) -> Facts {
    vec![("bytes", bytes.to_string()), ("limit", limit.to_string())]
}
