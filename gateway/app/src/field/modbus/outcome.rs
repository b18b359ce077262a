//! What came of one question, and what that means: for the reading, for the slave, for the line.
//!
//! The layers of failure stay apart: the line broke, the slave was silent, or the slave answered "no".

use linli_domain::reading::Reason;
use std::io;
use tokio_modbus::{Error, ExceptionCode};

/// Why there are no registers.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no answer in time")]
    Timeout,
    #[error("the slave answered with exception {0:?}")]
    Exception(ExceptionCode),
    /// A late answer, another slave's, or one of another length.
    #[error("an answer to another question")]
    Foreign,
    /// A checksum, a cut or a senseless frame.
    #[error("a broken frame")]
    Frame(#[source] io::Error),
    /// The line was there and broke: an idle connection that the other side has closed, for one.
    #[error("the line broke")]
    Line(#[source] io::Error),
    #[error("the line cannot be opened")]
    Closed(#[source] io::Error),
    /// Not one of the four read functions; decoding refuses such profiles.
    #[error("the request is not a read")]
    Unanswerable,
}

/// What to do with the slave in this cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the next question.
    GoOn,
    /// Ask the same once more.
    Again,
    /// Leave this slave alone until the next cycle.
    LeaveSlave,
    /// The whole bus is down.
    LeaveBus,
}

impl Failure {
    /// Whether the transport may be used for the next question.
    pub(super) fn line_is_well(&self) -> bool {
        matches!(self, Self::Exception(_) | Self::Unanswerable)
    }

    /// Whether the slave itself was heard.
    pub(super) fn slave_spoke(&self) -> bool {
        match self {
            // A gateway answers 10 and 11 in place of a slave that it cannot reach.
            Self::Exception(code) => !is_gateway(*code),
            Self::Frame(_) => true,
            Self::Timeout | Self::Foreign | Self::Line(_) | Self::Closed(_) | Self::Unanswerable => false,
        }
    }

    /// What the reading says.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Timeout | Self::Line(_) | Self::Closed(_) => Reason::CommTimeout,
            Self::Exception(code) if is_gateway(*code) => Reason::CommTimeout,
            Self::Exception(ExceptionCode::IllegalFunction | ExceptionCode::IllegalDataAddress)
            | Self::Exception(ExceptionCode::IllegalDataValue)
            | Self::Unanswerable => Reason::IllegalAddress,
            Self::Exception(_) => Reason::DeviceFailure,
            Self::Foreign | Self::Frame(_) => Reason::FrameError,
        }
    }

    /// The label of the metric: a closed set.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Exception(_) => "exception",
            Self::Foreign => "foreign",
            Self::Frame(_) => "frame",
            Self::Line(_) => "line",
            Self::Closed(_) => "closed",
            Self::Unanswerable => "unanswerable",
        }
    }

    /// What to do next; `first` is false for a repetition.
    pub(super) fn next(&self, first: bool) -> Next {
        match self {
            Self::Closed(_) => Next::LeaveBus,
            // Opened again for the repetition. A second break comes with this slave: some gateways close on it.
            Self::Line(_) if first => Next::Again,
            // A silent slave costs the others one timeout per cycle, not one per question.
            Self::Timeout | Self::Line(_) => Next::LeaveSlave,
            Self::Exception(code) if is_gateway(*code) => Next::LeaveSlave,
            // "Working on it" and "busy" are worth one more try; other exceptions will not change in this cycle.
            Self::Exception(ExceptionCode::Acknowledge | ExceptionCode::ServerDeviceBusy) if first => {
                Next::Again
            }
            // Most likely somebody else's late answer; the line has been drained since.
            Self::Foreign | Self::Frame(_) if first => Next::Again,
            Self::Foreign | Self::Frame(_) => Next::LeaveSlave,
            Self::Exception(_) | Self::Unanswerable => Next::GoOn,
        }
    }
}

fn is_gateway(code: ExceptionCode) -> bool {
    matches!(
        code,
        ExceptionCode::GatewayPathUnavailable | ExceptionCode::GatewayTargetDevice
    )
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Protocol(_) => Self::Foreign,
            // The decoder reports checksums and senseless frames as invalid data; everything else is the link.
            Error::Transport(error) if error.kind() == io::ErrorKind::InvalidData => Self::Frame(error),
            Error::Transport(error) => Self::Line(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_mean_what_the_standard_says() {
        use ExceptionCode as E;
        for (code, reason, next) in [
            (E::IllegalFunction, Reason::IllegalAddress, Next::GoOn),
            (E::IllegalDataAddress, Reason::IllegalAddress, Next::GoOn),
            (E::IllegalDataValue, Reason::IllegalAddress, Next::GoOn),
            (E::ServerDeviceFailure, Reason::DeviceFailure, Next::GoOn),
            (E::Acknowledge, Reason::DeviceFailure, Next::Again),
            (E::ServerDeviceBusy, Reason::DeviceFailure, Next::Again),
            (E::MemoryParityError, Reason::DeviceFailure, Next::GoOn),
            (E::GatewayPathUnavailable, Reason::CommTimeout, Next::LeaveSlave),
            (E::GatewayTargetDevice, Reason::CommTimeout, Next::LeaveSlave),
        ] {
            let failure = Failure::Exception(code);
            assert_eq!((failure.reason(), failure.next(true)), (reason, next), "{code:?}");
            assert_ne!(failure.next(false), Next::Again, "{code:?} is repeated once only");
            assert!(failure.line_is_well());
        }
    }

    #[test]
    fn everything_but_an_answer_spoils_the_line() {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        for failure in [
            Failure::Timeout,
            Failure::Foreign,
            Failure::Frame(invalid()),
            Failure::Line(invalid()),
        ] {
            assert!(!failure.line_is_well(), "{failure:?}");
        }
        assert_eq!(
            Failure::from(Error::Transport(invalid())).reason(),
            Reason::FrameError
        );
        let closed = Error::Transport(io::ErrorKind::BrokenPipe.into());
        assert_eq!(Failure::from(closed).next(true), Next::Again);
        assert_eq!(Failure::Closed(invalid()).next(true), Next::LeaveBus);
    }
}
