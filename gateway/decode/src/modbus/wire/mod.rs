//! What stands on the wire: requests, replies, frames, and which reply belongs to which request.
//!
//! Sans-I/O: bytes and times come in, verdicts come out. Nothing here opens, reads or waits; nothing panics, and what
//! is kept is bounded. Whoever polls asks [`Matcher`] whether a question may be asked, tells it what was sent and
//! heard, and takes for an answer only what it lets through.

mod fault;
mod ghosts;
mod matcher;
mod pdu;
mod quarantine;
mod rtu;
mod scan;
mod tcp;

pub use fault::{Fault, Severity};
pub use matcher::{Forbidden, Heard, Matcher, Question};
pub use pdu::{Identification, Shape};
pub use quarantine::{Kind, Quarantine};
pub use rtu::{checksum, rtu_frame};
pub use tcp::tcp_frame;

/// How frames travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus TCP: a header with a transaction number and a length.
    Tcp,
    /// RTU, on a serial line or through a converter: nothing but address, function and checksum.
    Rtu,
}

/// What can be said of the length of something whose beginning is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// This many bytes.
    Is(usize),
    /// The beginning is too short to tell.
    More,
    /// No such thing begins like this.
    Unknown,
}
