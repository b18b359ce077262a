//! Why a question has no answer, and what that means for the reading and for trying again.
//!
//! Exceptions: MODBUS Application Protocol V1.1b3, chapter 7.

use super::quarantine::Kind;
use linli_domain::reading::Reason;

/// Why a question was not answered with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing was heard in time.
    #[error("no answer in time")]
    Timeout,
    /// Only answers with other transaction numbers were heard in time.
    #[error("only answers to earlier questions came in time")]
    Stale,
    /// What was heard is not an answer to this question.
    #[error("what came is no answer to the question ({})", .0.label())]
    Frame(Kind),
    /// The device answered "no", for a reason.
    #[error("the device answered with exception {0} ({meaning})", meaning = meaning(*.0))]
    Exception(u8),
}

/// How bad it is for the values that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// They are missing.
    Bad,
    /// What was read last stands, unconfirmed; missing only when it goes on.
    Uncertain,
}

impl Fault {
    /// The class in reports and metrics: a closed set.
    pub fn class(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Stale => "stale-transaction",
            Self::Frame(_) => "frame-error",
            Self::Exception(_) => "exception",
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            // "Working on it" and "busy" say nothing against the last value.
            Self::Exception(5 | 6) => Severity::Uncertain,
            _ => Severity::Bad,
        }
    }

    /// Whether asking again may help.
    pub fn retry(self) -> bool {
        match self {
            Self::Timeout | Self::Stale | Self::Frame(_) => true,
            Self::Exception(code) => matches!(code, 5 | 6 | 10 | 11),
        }
    }

    /// Whether the slave itself was not heard: it may be dead. A gateway answers 10 and 11 in its place.
    pub fn is_silence(self) -> bool {
        match self {
            Self::Timeout | Self::Stale | Self::Frame(_) => true,
            Self::Exception(code) => matches!(code, 10 | 11),
        }
    }

    /// Whether it may be only a part of the range that the device refuses. Devices that dislike the length answer 3.
    pub fn may_be_partial(self) -> bool {
        matches!(self, Self::Exception(2 | 3))
    }

    /// What the reading says.
    pub fn reason(self) -> Reason {
        match self {
            Self::Timeout | Self::Stale => Reason::CommTimeout,
            Self::Frame(_) => Reason::FrameError,
            Self::Exception(1..=3) => Reason::IllegalAddress,
            Self::Exception(10 | 11) => Reason::CommTimeout,
            Self::Exception(_) => Reason::DeviceFailure,
        }
    }
}

fn meaning(code: u8) -> &'static str {
    match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "device failure",
        5 => "acknowledged, still working",
        6 => "device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target did not respond",
        _ => "not a code of the standard",
    }
}
