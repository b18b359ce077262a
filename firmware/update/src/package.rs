//! The package: a header, its signature, the image.
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | `LNFW` |
//! | 4 | format, 1 |
//! | 5 | node kind |
//! | 6–7 | version, `0xMMmm` |
//! | 8–11 | length of the image in bytes |
//! | 12–15 | CRC-32 of the image |
//! | 16–23 | board, ASCII, filled with zeros |
//! | 24–63 | zero |
//! | 64–127 | Ed25519 signature over [`DOMAIN`], the 64 bytes before, and the SHA-512 of the image |
//! | 128– | the image |
//!
//! Numbers are big-endian, as in Modbus. Header and signature are block 0 of a transfer; the image follows in
//! blocks of 128 bytes, the last one filled with 0xFF. Not responsible for: keys and hashes; the two sides use what
//! fits them.

/// Bytes of the header without its signature.
pub const HEADER_BYTES: usize = 64;
/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes before the image.
pub const PACKAGE_BYTES: usize = HEADER_BYTES + SIGNATURE_BYTES;
/// Bytes of a board's name.
pub const BOARD_BYTES: usize = 8;
/// What is signed starts with this, so that no other signature of the same key is taken for one of firmware.
pub const DOMAIN: &[u8; 18] = b"linli firmware v1\n";
/// Bytes that are signed: domain, header, SHA-512 of the image.
pub const SIGNED_BYTES: usize = DOMAIN.len() + HEADER_BYTES + 64;
/// The public half of the key in `firmware/update/test-signing-key.pem`, which is no secret: firmware built
/// with it trusts anybody.
pub const TEST_PUBLIC_KEY: [u8; 32] = [
    0x80, 0xA6, 0x93, 0xEF, 0xB2, 0x33, 0x45, 0xA5, 0x4A, 0x15, 0x3C, 0x2B, 0xFC, 0xE0, 0xAD, 0x2F, 0x02,
    0x4E, 0x81, 0x3F, 0xB5, 0xBA, 0x30, 0x7F, 0xF8, 0x04, 0xB3, 0x22, 0xFF, 0x5C, 0x59, 0xC8,
];

const MAGIC: [u8; 4] = *b"LNFW";
const FORMAT: u8 = 1;

/// What a package says of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Number of the node kind it is for.
    pub kind: u8,
    /// Version, `0xMMmm`.
    pub version: u16,
    /// Length of the image, bytes.
    pub length: u32,
    /// CRC-32 of the image.
    pub crc32: u32,
    /// The board it was built for, ASCII, filled with zeros.
    pub board: [u8; BOARD_BYTES],
}

/// The bytes are no header, or one of a format this program does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPackage;

impl Header {
    /// Reads a header.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Header, NotAPackage> {
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(NotAPackage)?;
        let (&[format, kind, v1, v0], rest) = rest.split_first_chunk::<4>().ok_or(NotAPackage)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(NotAPackage)?;
        let (crc, rest) = rest.split_first_chunk::<4>().ok_or(NotAPackage)?;
        let (board, reserved) = rest.split_first_chunk::<BOARD_BYTES>().ok_or(NotAPackage)?;
        // What a later format may put there must not be ignored by a node that does not know it.
        if *magic != MAGIC || format != FORMAT || reserved.iter().any(|byte| *byte != 0) {
            return Err(NotAPackage);
        }
        Ok(Header {
            kind,
            version: u16::from_be_bytes([v1, v0]),
            length: u32::from_be_bytes(*length),
            crc32: u32::from_be_bytes(*crc),
            board: *board,
        })
    }

    /// Writes a header.
    ///
    /// ```
    /// use linli_update::Header;
    /// let header = Header { kind: 3, version: 0x0102, length: 20_000, crc32: 7, board: *b"l432kc\0\0" };
    /// assert_eq!(Header::parse(&header.to_bytes()), Ok(header));
    /// ```
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields: [&[u8]; 6] = [
            &MAGIC,
            &[FORMAT, self.kind],
            &self.version.to_be_bytes(),
            &self.length.to_be_bytes(),
            &self.crc32.to_be_bytes(),
            &self.board,
        ];
        for (slot, byte) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *slot = *byte;
        }
        bytes
    }
}

/// What is signed.
pub fn signed_bytes(header: &[u8; HEADER_BYTES], sha512: &[u8; 64]) -> [u8; SIGNED_BYTES] {
    let mut bytes = [0; SIGNED_BYTES];
    let parts: [&[u8]; 3] = [DOMAIN, header, sha512];
    for (slot, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
        *slot = *byte;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_changed_byte_is_another_header_or_none(
            kind: u8, version: u16, length: u32, crc32: u32, board: [u8; 8], at in 0usize..64, flip in 1u8..,
        ) {
            let header = Header { kind, version, length, crc32, board };
            let mut bytes = header.to_bytes();
            prop_assert_eq!(Header::parse(&bytes), Ok(header));
            bytes[at] ^= flip;
            prop_assert_ne!(Header::parse(&bytes), Ok(header));
        }
    }
}
