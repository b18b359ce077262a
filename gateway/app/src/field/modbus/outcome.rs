//! Why there are no registers: the line broke, or what came of the question ([`Fault`]).

use linli_decode::modbus::wire::Fault;
use linli_domain::reading::Reason;
use std::io;

/// Why there are no registers.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The line is there and the question failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The line was there and broke: an idle connection that the other side has closed, for one.
    #[error("the line broke")]
    Line(#[source] io::Error),
    #[error("the line cannot be opened")]
    Closed(#[source] io::Error),
    /// Not something that can be asked; decoding refuses such profiles.
    #[error("the request cannot be asked")]
    Unanswerable,
}

impl Failure {
    /// What the reading says.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Fault(fault) => fault.reason(),
            Self::Line(_) | Self::Closed(_) => Reason::CommTimeout,
            Self::Unanswerable => Reason::IllegalAddress,
        }
    }

    /// The label of the metric: a closed set.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Fault(Fault::Timeout) => "timeout",
            Self::Fault(Fault::Stale) => "stale",
            Self::Fault(Fault::Frame(_)) => "frame",
            Self::Fault(Fault::Exception(_)) => "exception",
            Self::Line(_) => "line",
            Self::Closed(_) => "closed",
            Self::Unanswerable => "unanswerable",
        }
    }

    /// Whether the slave may be dead: it was not heard, and the line was open.
    pub(super) fn is_silence(&self) -> bool {
        match self {
            Self::Fault(fault) => fault.is_silence(),
            // Some gateways close on a slave they cannot reach.
            Self::Line(_) => true,
            Self::Closed(_) | Self::Unanswerable => false,
        }
    }
}
