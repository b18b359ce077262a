//! Views of the values inside a write request.
//!
//! Not responsible for: whether a request's counts are honest; `pdu` checks that before it makes a view.

/// Consecutive register values of a write request, borrowed from it.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    bytes: &'a [u8],
}

impl<'a> Words<'a> {
    /// Big-endian pairs; an odd last byte is no value.
    pub const fn new(bytes: &'a [u8]) -> Words<'a> {
        Words { bytes }
    }

    /// How many values there are.
    pub const fn len(&self) -> usize {
        self.bytes.len() / 2
    }

    /// True when the request carries none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values in order of their addresses.
    pub fn iter(&self) -> impl Iterator<Item = u16> + 'a {
        self.bytes
            .as_chunks()
            .0
            .iter()
            .map(|pair| u16::from_be_bytes(*pair))
    }
}

/// Consecutive coil values of a write request, borrowed from it.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    count: u16,
}

impl<'a> Bits<'a> {
    /// The first `count` bits, least significant first; bits past the bytes read as off.
    pub const fn new(bytes: &'a [u8], count: u16) -> Bits<'a> {
        Bits { bytes, count }
    }

    /// How many coils are written.
    pub const fn len(&self) -> u16 {
        self.count
    }

    /// True when the request carries none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values in order of their addresses.
    pub fn iter(&self) -> impl Iterator<Item = bool> + 'a {
        let bytes = self.bytes;
        (0..usize::from(self.count))
            .map(move |i| bytes.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coils_come_least_significant_first() {
        let bits: Vec<bool> = Bits::new(&[0b0000_0101, 0b1], 9).iter().collect();
        assert_eq!(bits, [true, false, true, false, false, false, false, false, true]);
    }

    #[test]
    fn registers_come_high_byte_first() {
        assert_eq!(
            Words::new(&[1, 2, 3, 4]).iter().collect::<Vec<_>>(),
            [0x0102, 0x0304]
        );
        assert_eq!(Words::new(&[1, 2, 3]).len(), 1);
    }
}
