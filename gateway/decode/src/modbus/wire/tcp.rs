//! Modbus TCP frames: transaction, protocol 0, length, unit, PDU.
//!
//! Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, chapter 3.1.3.

use super::pdu::read_pdu;
use crate::modbus::RegisterRequest;

/// Bytes before the PDU.
const HEADER: usize = 7;
/// Longest frame in bytes.
pub(super) const MAX_FRAME: usize = 260;

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) pdu: &'a [u8],
    /// Bytes it takes in the stream.
    pub(super) length: usize,
}

/// The stream does not hold Modbus TCP at this place and cannot be brought into step again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfStep;

/// The first frame of `stream`; `None` while it is not whole.
pub(super) fn open(stream: &[u8]) -> Result<Option<Frame<'_>>, OutOfStep> {
    let Some((header, _)) = stream.split_first_chunk::<HEADER>() else {
        // What is there must at least be a beginning.
        let protocol_is_fine = stream.iter().skip(2).take(2).all(|byte| *byte == 0);
        return if protocol_is_fine {
            Ok(None)
        } else {
            Err(OutOfStep)
        };
    };
    let [t0, t1, p0, p1, l0, l1, unit] = *header;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    // Unit and function are the least; a length past the longest frame is no length.
    if p0 != 0 || p1 != 0 || length < 2 || length + HEADER - 1 > MAX_FRAME {
        return Err(OutOfStep);
    }
    let end = HEADER - 1 + length;
    Ok(stream.get(HEADER..end).map(|pdu| Frame {
        transaction: u16::from_be_bytes([t0, t1]),
        unit,
        pdu,
        length: end,
    }))
}

/// The frame of a read.
pub fn tcp_frame(transaction: u16, unit: u8, request: &RegisterRequest) -> Vec<u8> {
    let pdu = read_pdu(request);
    let mut frame = transaction.to_be_bytes().to_vec();
    frame.extend([0, 0, 0, 1 + pdu.len() as u8, unit]);
    frame.extend(pdu);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_it_is_whole() {
        let stream = [0, 8, 0, 0, 0, 5, 1, 3, 2, 0, 18, 0xAA];
        let frame = open(&stream).unwrap().unwrap();
        assert_eq!(
            (frame.transaction, frame.unit, frame.pdu, frame.length),
            (8, 1, &[3, 2, 0, 18][..], 11)
        );
        for cut in 0..11 {
            assert_eq!(open(&stream[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn what_is_no_modbus_is_out_of_step() {
        for stream in [
            &[0, 1, 0, 7][..],
            &[0, 1, 0, 0, 0, 1, 1],
            &[0, 1, 0, 0, 0, 0, 1],
            &[0, 1, 0, 0, 0, 255, 1],
            &[0, 1, 0, 0, 1, 2, 1],
        ] {
            assert_eq!(open(stream), Err(OutOfStep), "{stream:?}");
        }
    }
}
