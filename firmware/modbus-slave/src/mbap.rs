//! Frames of Modbus TCP: a header with a transaction number and a length instead of a checksum.
//!
//! Not responsible for: the connection. A stream that breaks the header's rules cannot be resynchronised;
//! the caller closes it.

use crate::Pdu;
use crate::pdu::MAX_PDU;

/// Transaction, protocol, length and unit.
pub const HEADER: usize = 7;
/// The longest frame.
pub const MAX_FRAME: usize = HEADER + MAX_PDU;

/// One frame, borrowed from the stream's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number by which the client pairs answer and request.
    pub transaction: u16,
    /// Address of the node behind the connection.
    pub unit: u8,
    /// Function code and what follows; at least one byte.
    pub pdu: &'a [u8],
}

/// The bytes are no Modbus TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotModbus;

/// Takes the first frame from `bytes`, and how many bytes it used. `Ok(None)`: more bytes are needed.
pub fn parse(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, NotModbus> {
    let Some((&[t1, t0, p1, p0, l1, l0, unit], rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    // The length counts the unit and the PDU.
    let length = usize::from(u16::from_be_bytes([l1, l0]));
    if (p1, p0) != (0, 0) || !(2..=MAX_PDU + 1).contains(&length) {
        return Err(NotModbus);
    }
    let transaction = u16::from_be_bytes([t1, t0]);
    Ok(rest.get(..length - 1).map(|pdu| {
        (
            Frame {
                transaction,
                unit,
                pdu,
            },
            HEADER - 1 + length,
        )
    }))
}

/// Puts the header in front of an answer.
pub fn frame<'a>(transaction: u16, unit: u8, pdu: &Pdu, out: &'a mut [u8; MAX_FRAME]) -> &'a [u8] {
    let body = pdu.as_bytes();
    let [t1, t0] = transaction.to_be_bytes();
    let [l1, l0] = (body.len() as u16 + 1).to_be_bytes();
    let end = HEADER + body.len();
    // A PDU is at most 253 bytes long, so that these ranges always exist.
    if let Some(slot) = out.get_mut(..HEADER) {
        slot.copy_from_slice(&[t1, t0, 0, 0, l1, l0, unit]);
    }
    if let Some(slot) = out.get_mut(HEADER..end) {
        slot.copy_from_slice(body);
    }
    out.get(..end).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_once_it_is_complete() {
        let bytes = [0, 7, 0, 0, 0, 6, 17, 4, 0, 0, 0, 1, 0xAA];
        for cut in 0..12 {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut} bytes");
        }
        let frame = Frame {
            transaction: 7,
            unit: 17,
            pdu: &bytes[7..12],
        };
        assert_eq!(
            parse(&bytes),
            Ok(Some((frame, 12))),
            "what follows belongs to the next frame"
        );
    }

    #[test]
    fn what_is_not_modbus_is_refused_at_the_header() {
        assert_eq!(parse(b"GET / HTTP/1.1"), Err(NotModbus));
        assert_eq!(parse(&[0, 1, 0, 0, 0, 1, 17]), Err(NotModbus), "no function code");
        assert_eq!(
            parse(&[0, 1, 0, 0, 1, 0, 17]),
            Err(NotModbus),
            "longer than a PDU can be"
        );
    }

    #[test]
    fn an_answer_carries_the_transaction_of_its_request() {
        let mut out = [0; MAX_FRAME];
        assert_eq!(
            frame(0x0102, 17, &Pdu::refusal(4, 2), &mut out),
            [1, 2, 0, 0, 0, 3, 17, 0x84, 2]
        );
    }
}
