//! RTU frames: address, PDU, checksum; how long one is, and whether its checksum is right.
//!
//! Source: MODBUS over Serial Line V1.02, chapter 2.5.1 and appendix B.

use super::Length;
use super::pdu::{read_pdu, reply_len, request_len};
use crate::modbus::RegisterRequest;

/// Longest frame in bytes.
pub(super) const MAX_FRAME: usize = 256;
/// Bytes around a PDU: the address before it, the checksum behind.
const AROUND: usize = 3;

/// CRC-16 with the polynomial 0xA001; its low byte goes first.
pub fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        TABLE[usize::from((crc ^ u16::from(*byte)) as u8)] ^ (crc >> 8)
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xA001
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

/// The frame of a read.
pub fn rtu_frame(unit: u8, request: &RegisterRequest) -> Vec<u8> {
    let mut frame = vec![unit];
    frame.extend(read_pdu(request));
    frame.extend(checksum(&frame).to_le_bytes());
    frame
}

/// How long the reply is that begins like this.
pub(super) fn reply_frame_len(frame: &[u8]) -> Length {
    of_pdu(frame, reply_len)
}

/// How long the request is that begins like this.
pub(super) fn request_frame_len(frame: &[u8]) -> Length {
    of_pdu(frame, request_len)
}

fn of_pdu(frame: &[u8], pdu_len: fn(&[u8]) -> Length) -> Length {
    match pdu_len(frame.get(1..).unwrap_or(&[])) {
        Length::Is(pdu) if pdu + AROUND > MAX_FRAME => Length::Unknown,
        Length::Is(pdu) => Length::Is(pdu + AROUND),
        Length::More if frame.len() >= MAX_FRAME => Length::Unknown,
        other => other,
    }
}

/// Address and PDU of a whole frame whose checksum is right.
pub(super) fn open(frame: &[u8]) -> Option<(u8, &[u8])> {
    let (body, sum) = frame.split_last_chunk::<2>()?;
    let (unit, pdu) = body.split_first()?;
    (checksum(body) == u16::from_le_bytes(*sum) && !pdu.is_empty()).then_some((*unit, pdu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_frame_has_this_checksum() {
        // The request of an XY-MD02 manual, and the reply quoted in the source of ESPHome's pzemac.
        let request = RegisterRequest {
            function: 4,
            start: 1,
            count: 2,
        };
        assert_eq!(rtu_frame(1, &request), [1, 4, 0, 1, 0, 2, 0x20, 0x0B]);
        let mut frame = vec![1, 4, 2, 0x01, 0x31];
        frame.extend(checksum(&frame).to_le_bytes());
        assert_eq!(open(&frame), Some((1, &[4, 2, 0x01, 0x31][..])));
        frame[3] ^= 0x10;
        assert_eq!(open(&frame), None);
    }

    #[test]
    fn a_frame_is_never_longer_than_the_standard_allows() {
        assert_eq!(reply_frame_len(&[1, 3, 250]), Length::Is(255));
        assert_eq!(reply_frame_len(&[1, 3, 255]), Length::Unknown);
        assert_eq!(reply_frame_len(&[1, 0x83]), Length::Is(5));
        assert_eq!(reply_frame_len(&[1]), Length::More);
        assert_eq!(reply_frame_len(&[1, 0x66]), Length::Unknown);
        assert_eq!(request_frame_len(&[1, 16, 0, 0, 0, 2, 4]), Length::Is(13));
    }
}
