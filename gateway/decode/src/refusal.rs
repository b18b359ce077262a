//! Why a message is refused. A closed list with stable labels, so that refusals can be counted and explained.

use std::fmt;

/// The kind of a refusal; its label is stable and names a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "each is explained by the error variant of the same name"
)]
pub enum RejectReason {
    NotUtf8,
    NotJson,
    TooDeep,
    TooLarge,
    BadBase64,
    MissingField,
    WrongType,
    TopicMismatch,
    IdentityConflict,
    Truncated,
    TrailingBytes,
    UnknownTag,
    UnknownCase,
    UnexpectedBytes,
    TooMany,
    BadProtobuf,
    BadRecord,
    UnknownAlias,
    Unannounced,
    NoLayout,
}

impl RejectReason {
    /// Every reason, for metrics that exist from the start.
    pub const ALL: [Self; 20] = [
        Self::NotUtf8,
        Self::NotJson,
        Self::TooDeep,
        Self::TooLarge,
        Self::BadBase64,
        Self::MissingField,
        Self::WrongType,
        Self::TopicMismatch,
        Self::IdentityConflict,
        Self::Truncated,
        Self::TrailingBytes,
        Self::UnknownTag,
        Self::UnknownCase,
        Self::UnexpectedBytes,
        Self::TooMany,
        Self::BadProtobuf,
        Self::BadRecord,
        Self::UnknownAlias,
        Self::Unannounced,
        Self::NoLayout,
    ];

    /// The stable label.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::BadBase64 => "bad_base64",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::TopicMismatch => "topic_mismatch",
            Self::IdentityConflict => "identity_conflict",
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::UnknownTag => "unknown_tag",
            Self::UnknownCase => "unknown_case",
            Self::UnexpectedBytes => "unexpected_bytes",
            Self::TooMany => "too_many",
            Self::BadProtobuf => "bad_protobuf",
            Self::BadRecord => "bad_record",
            Self::UnknownAlias => "unknown_alias",
            Self::Unannounced => "unannounced",
            Self::NoLayout => "no_layout",
        }
    }
    /// The reason with this label.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.label() == label)
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Why a text is not JSON that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Bytes that are no text.
    #[error("not UTF-8 from offset {offset}")]
    NotUtf8 {
        /// First offending byte.
        offset: usize,
    },
    /// Text that is no JSON, numbers beyond all measure included.
    #[error("not JSON: {detail}")]
    NotJson {
        /// What was found, with line and column.
        detail: String,
    },
    /// JSON nested deeper than any device has reason to.
    #[error("JSON nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

impl JsonFault {
    /// The kind of the refusal.
    pub fn reason(&self) -> RejectReason {
        match self {
            Self::NotUtf8 { .. } => RejectReason::NotUtf8,
            Self::NotJson { .. } => RejectReason::NotJson,
            Self::TooDeep { .. } => RejectReason::TooDeep,
        }
    }
}

/// Why an envelope could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The envelope is no JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// The message or its application payload is larger than any device has reason to send.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The application payload is not base64.
    #[error("`{field}` is not base64: {detail}")]
    BadBase64 {
        /// The member.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A member without which the message cannot be attributed.
    #[error("`{field}` is missing")]
    MissingField {
        /// The member.
        field: &'static str,
    },
    /// A member of the wrong kind.
    #[error("unexpected content: {detail}")]
    WrongType {
        /// What was found and expected.
        detail: String,
    },
    /// The topic does not follow the subscription's pattern.
    #[error("topic {topic:?} does not follow the pattern {pattern:?}")]
    TopicMismatch {
        /// The topic, cut to a length that is safe to show.
        topic: String,
        /// The pattern.
        pattern: String,
    },
    /// The payload is not the protobuf message it should be.
    #[error("not the expected protobuf message at offset {offset}: {detail}")]
    BadProtobuf {
        /// Offset of the first byte that does not fit.
        offset: usize,
        /// What is wrong there.
        detail: &'static str,
    },
    /// A record of a text format that cannot be read.
    #[error("record {index}: {detail}")]
    BadRecord {
        /// Which record, from 0.
        index: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// Data refer to a metric by a number that no birth certificate explains; the node was asked for a new one.
    #[error("metric alias {alias} of {node} was in no birth certificate; a new one is asked for")]
    UnknownAlias {
        /// The edge node.
        node: String,
        /// The number.
        alias: u64,
    },
    /// Data of a node or device that has not announced itself, or whose announcement cannot be used.
    #[error("{what}")]
    Unannounced {
        /// What was not announced, and what to do.
        what: String,
    },
    /// More than is kept of one kind; what was known before stays.
    #[error("{what}: at most {limit} are kept")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// Topic and payload name different devices: somebody publishes under a foreign name.
    #[error("the topic names {topic} and the payload {payload}")]
    IdentityConflict {
        /// The device of the topic.
        topic: String,
        /// The device of the payload.
        payload: String,
    },
}

impl Rejection {
    /// The kind of the refusal.
    pub fn reason(&self) -> RejectReason {
        match self {
            Self::Json(fault) => fault.reason(),
            Self::TooLarge { .. } => RejectReason::TooLarge,
            Self::BadBase64 { .. } => RejectReason::BadBase64,
            Self::MissingField { .. } => RejectReason::MissingField,
            Self::WrongType { .. } => RejectReason::WrongType,
            Self::TopicMismatch { .. } => RejectReason::TopicMismatch,
            Self::BadProtobuf { .. } => RejectReason::BadProtobuf,
            Self::BadRecord { .. } => RejectReason::BadRecord,
            Self::UnknownAlias { .. } => RejectReason::UnknownAlias,
            Self::Unannounced { .. } => RejectReason::Unannounced,
            Self::TooMany { .. } => RejectReason::TooMany,
            Self::IdentityConflict { .. } => RejectReason::IdentityConflict,
        }
    }
}

/// Why a profile could not decode a body. Nothing of the body was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is no JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// The payload is larger than any device has reason to send.
    #[error("payload of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A member the profile calls required.
    #[error("`{pointer}` is required and missing")]
    MissingField {
        /// Its JSON pointer.
        pointer: String,
    },
    /// The payload ends inside a field.
    #[error("truncated at offset {offset}: {expected} needs {needed} bytes, {available} left")]
    Truncated {
        /// Where the field starts.
        offset: usize,
        /// The field.
        expected: &'static str,
        /// Its size in bytes.
        needed: usize,
        /// What was left.
        available: usize,
    },
    /// Bytes behind the last field: another layout than the profile's.
    #[error("{count} bytes left at offset {offset} after the last field; is this another firmware or model?")]
    TrailingBytes {
        /// Where they start.
        offset: usize,
        /// How many.
        count: usize,
    },
    /// Bytes that must be others: another layout than the profile's.
    #[error("expected {expected} at offset {offset}, found {found}; is this another firmware or model?")]
    Unexpected {
        /// Where they stand.
        offset: usize,
        /// What the profile says, in hexadecimal.
        expected: String,
        /// What stood there, in hexadecimal.
        found: String,
    },
    /// More values than a device has reason to send.
    #[error("more than {limit} values in one message")]
    TooMany {
        /// How many are kept.
        limit: usize,
    },
    /// The first tag of the payload is already unknown.
    #[error("unknown tag {tag} at offset {offset}; is this the right profile?")]
    UnknownTag {
        /// Where it stands.
        offset: usize,
        /// The tag in hexadecimal.
        tag: String,
    },
    /// A selector has a value the profile gives no layout for.
    #[error("no layout for {on} {value}")]
    UnknownCase {
        /// `port`, `length` or the name of a field.
        on: String,
        /// Its value.
        value: String,
    },
    /// The profile does not describe this kind of body.
    #[error("the profile has no [{section}] section for this message; is this the right profile?")]
    NoLayout {
        /// The missing section.
        section: &'static str,
    },
}

impl DecodeError {
    /// The kind of the refusal.
    pub fn reason(&self) -> RejectReason {
        match self {
            Self::Json(fault) => fault.reason(),
            Self::TooLarge { .. } => RejectReason::TooLarge,
            Self::MissingField { .. } => RejectReason::MissingField,
            Self::Truncated { .. } => RejectReason::Truncated,
            Self::TrailingBytes { .. } => RejectReason::TrailingBytes,
            Self::UnknownTag { .. } => RejectReason::UnknownTag,
            Self::UnknownCase { .. } => RejectReason::UnknownCase,
            Self::Unexpected { .. } => RejectReason::UnexpectedBytes,
            Self::TooMany { .. } => RejectReason::TooMany,
            Self::NoLayout { .. } => RejectReason::NoLayout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_found_again() {
        for reason in RejectReason::ALL {
            assert_eq!(RejectReason::from_label(reason.label()), Some(reason));
        }
        assert_eq!(RejectReason::from_label("unheard_of"), None);
    }
}
