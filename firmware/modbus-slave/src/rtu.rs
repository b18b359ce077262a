//! Frames on a serial line.
//!
//! The length of a request is predicted from its function code, so that a pause in the middle of a frame
//! (USB adapters, emulators, busy hosts) does not break it. Silence only resynchronises: after it, whatever
//! was not a good frame is forgotten. A shorter prefix with a good checksum is never taken for a frame. On a
//! line that is shared, the answers of the other nodes are predicted too and passed over, so that a master that
//! leaves no pause before its next request is still understood. A transmitter must not hear itself.
//! Not responsible for: whom a frame is for; see `slave`.

use crate::Pdu;

/// The longest frame: address, protocol data unit, checksum.
pub const MAX_FRAME: usize = 256;
/// Address, function and checksum.
const MIN_FRAME: usize = 4;

/// The Modbus checksum (CRC-16, polynomial 0xA001 reflected); of a frame with its checksum it is 0.
///
/// ```
/// assert_eq!(linli_modbus_slave::rtu::checksum(b"123456789"), 0x4B37);
/// ```
pub fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |mut crc, byte| {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xA001
            } else {
                crc >> 1
            };
        }
        crc
    })
}

/// A good frame, borrowed from the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Address of the node, 0 for all.
    pub unit: u8,
    /// Function code and what follows, without the checksum.
    pub pdu: &'a [u8],
}

/// What a stretch between two silences was, if it was no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Bytes whose checksum is wrong.
    BadChecksum,
    /// More bytes than a frame can have.
    Overrun,
}

/// Collects bytes into frames, whomever they are for.
#[derive(Clone, Debug)]
pub struct Receiver {
    buffer: [u8; MAX_FRAME],
    length: usize,
    overrun: bool,
    delivered: bool,
    /// Another node was asked this: its answer comes next, if one comes.
    foreign: Option<(u8, u8)>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    /// An empty receiver.
    pub const fn new() -> Receiver {
        Receiver {
            buffer: [0; MAX_FRAME],
            length: 0,
            overrun: false,
            delivered: false,
            foreign: None,
        }
    }

    /// The request just delivered was another node's: do not take its answer for noise.
    pub fn expect_answer(&mut self, unit: u8, function: u8) {
        self.foreign = Some((unit, function));
    }

    /// One byte came; `Some` when it completes a request with a good checksum.
    pub fn push(&mut self, byte: u8) -> Option<Frame<'_>> {
        if core::mem::take(&mut self.delivered) {
            self.forget();
        }
        match self.buffer.get_mut(self.length) {
            Some(slot) => *slot = byte,
            None => {
                self.overrun = true;
                return None;
            }
        }
        self.length += 1;
        if request_length(self.bytes()) == Some(self.length) && good(self.bytes()) {
            return self.deliver();
        }
        if self.is_foreign_answer() {
            self.foreign = None;
            self.forget();
        }
        None
    }

    fn is_foreign_answer(&self) -> bool {
        let &[unit, function, ..] = self.bytes() else {
            return false;
        };
        self.foreign == Some((unit, function & 0x7F))
            && answer_length(self.bytes()) == Some(self.length)
            && good(self.bytes())
    }

    /// The line was silent for 3.5 characters or longer. `Some` when that ended something: a frame whose
    /// length could not be predicted, or noise.
    pub fn silence(&mut self) -> Option<Result<Frame<'_>, Noise>> {
        if core::mem::take(&mut self.delivered) {
            self.forget();
        }
        if self.length == 0 {
            return None;
        }
        let noise = if self.overrun {
            Noise::Overrun
        } else {
            Noise::BadChecksum
        };
        if !self.overrun && good(self.bytes()) {
            return self.deliver().map(Ok);
        }
        self.forget();
        Some(Err(noise))
    }

    /// True while bytes wait for their frame to end: the caller must report the next silence.
    pub const fn is_pending(&self) -> bool {
        self.length > 0 && !self.delivered
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or(&[])
    }

    fn forget(&mut self) {
        self.length = 0;
        self.overrun = false;
    }

    fn deliver(&mut self) -> Option<Frame<'_>> {
        if !good(self.bytes()) {
            return None;
        }
        self.delivered = true;
        self.foreign = None;
        let (&unit, rest) = self.bytes().split_first()?;
        let pdu = rest.get(..rest.len().checked_sub(2)?)?;
        Some(Frame { unit, pdu })
    }
}

fn good(bytes: &[u8]) -> bool {
    bytes.len() >= MIN_FRAME && checksum(bytes) == 0
}

/// The length of a request, with checksum, as soon as its first bytes tell.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let counted = |fixed: usize, at: usize| bytes.get(at).map(|count| fixed + usize::from(*count));
    match *bytes.get(1)? {
        1..=6 | 8 => Some(8),
        7 | 11 | 12 | 17 => Some(4),
        15 | 16 => counted(9, 6),
        20 | 21 => counted(5, 2),
        22 => Some(10),
        23 => counted(13, 10),
        24 => Some(6),
        43 => Some(7),
        _ => None,
    }
}

/// The length of an answer, with checksum, as soon as its first bytes tell.
fn answer_length(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(1)? {
        1..=4 | 12 | 17 | 20 | 21 | 23 => bytes.get(2).map(|count| 5 + usize::from(*count)),
        5 | 6 | 8 | 11 | 15 | 16 => Some(8),
        7 => Some(5),
        22 => Some(10),
        0x81..=0xFF => Some(5),
        _ => None,
    }
}

/// Puts address and checksum around an answer.
pub fn frame<'a>(unit: u8, pdu: &Pdu, out: &'a mut [u8; MAX_FRAME]) -> &'a [u8] {
    let body = pdu.as_bytes();
    let end = 1 + body.len();
    for (slot, byte) in out.iter_mut().zip(core::iter::once(&unit).chain(body)) {
        *slot = *byte;
    }
    let crc = checksum(out.get(..end).unwrap_or(&[])).to_le_bytes();
    // A PDU is at most 253 bytes long, so that there is always room for the checksum.
    for (slot, byte) in out.iter_mut().skip(end).zip(crc) {
        *slot = byte;
    }
    out.get(..end + 2).unwrap_or(&[])
}
