//! Where in a payload the decoder stands: bytes, bits of a stream, and the end it may not pass.

use super::layout::Endian;
use crate::refusal::DecodeError;

/// A place in a payload, counted in bits, and the end of the part that may be read.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'p> {
    payload: &'p [u8],
    /// The next bit.
    pub(super) at: usize,
    /// The first bit behind the part that may be read.
    pub(super) end: usize,
}

impl<'p> Cursor<'p> {
    pub(super) fn new(payload: &'p [u8]) -> Self {
        Self {
            payload,
            at: 0,
            end: payload.len() * 8,
        }
    }

    /// The whole payload's length in bytes.
    pub(super) fn length(&self) -> usize {
        self.payload.len()
    }
    /// The next byte's offset.
    pub(super) fn offset(&self) -> usize {
        self.at / 8
    }
    /// Whole bytes that are left.
    pub(super) fn remaining(&self) -> usize {
        self.end.saturating_sub(self.at) / 8
    }
    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.end
    }

    /// The next bytes. Bits come in whole bytes between byte fields; a profile is refused otherwise.
    pub(super) fn take(&mut self, bytes: usize, expected: &'static str) -> Result<&'p [u8], DecodeError> {
        let end = self.ahead(bytes, expected)?;
        let taken = self.payload.get(end / 8 - bytes..end / 8).unwrap_or_default();
        self.at = end;
        Ok(taken)
    }

    /// The bit behind the next `bytes`, if there are so many.
    pub(super) fn ahead(&self, bytes: usize, expected: &'static str) -> Result<usize, DecodeError> {
        if bytes <= self.remaining() {
            return Ok((self.at.div_ceil(8) + bytes) * 8);
        }
        Err(DecodeError::Truncated {
            offset: self.offset(),
            expected,
            needed: bytes,
            available: self.remaining(),
        })
    }

    /// The next bits of the stream as a number, and where they stood.
    pub(super) fn bits(&mut self, width: usize) -> Result<(usize, u64), DecodeError> {
        let found = self.bits_from(Some(self.at), width)?;
        self.at += width;
        Ok(found)
    }

    /// Bits at a place, counted from the end when it is negative; the cursor stays.
    pub(super) fn bits_at(&self, place: i32, width: usize) -> Result<(usize, u64), DecodeError> {
        let distance = place.unsigned_abs() as usize;
        let from = if place < 0 {
            self.end.checked_sub(distance)
        } else {
            Some(distance)
        };
        self.bits_from(from, width)
    }

    fn bits_from(&self, from: Option<usize>, width: usize) -> Result<(usize, u64), DecodeError> {
        match from.filter(|from| from.saturating_add(width) <= self.end) {
            Some(from) => Ok((from, self.slice(from, width))),
            None => Err(DecodeError::Truncated {
                offset: from.unwrap_or(0) / 8,
                expected: "bits",
                needed: width.div_ceil(8),
                available: self.end.saturating_sub(from.unwrap_or(0)) / 8,
            }),
        }
    }

    /// The most significant bit of each byte comes first; of more than 64 bits the last ones stay.
    fn slice(&self, at: usize, width: usize) -> u64 {
        (at..at + width).fold(0, |number, bit| {
            let byte = self.payload.get(bit / 8).copied().unwrap_or(0);
            number << 1 | u64::from(byte >> (7 - bit % 8) & 1)
        })
    }

    /// Refuses what is left over.
    pub(super) fn nothing_left(&self) -> Result<(), DecodeError> {
        match self.end.saturating_sub(self.at) {
            0 => Ok(()),
            bits => Err(DecodeError::TrailingBytes {
                offset: self.offset(),
                count: bits.div_ceil(8),
            }),
        }
    }
}

/// Up to eight bytes as an unsigned number.
pub(super) fn unsigned(bytes: &[u8], endian: Endian) -> u64 {
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match endian {
        Endian::Big => bytes.iter().fold(0, join),
        Endian::Little => bytes.iter().rev().fold(0, join),
    }
}

/// An IEEE 754 number of four or eight bytes.
pub(crate) fn float(pattern: u64, width: usize) -> f64 {
    match u32::try_from(pattern) {
        Ok(single) if width == 4 => f32::from_bits(single).into(),
        _ => f64::from_bits(pattern),
    }
}

/// Bytes for a person.
pub(super) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    pairs.join(" ")
}
