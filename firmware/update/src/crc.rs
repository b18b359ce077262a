//! CRC-32 (IEEE 802.3, reflected), bit by bit: a table would cost a kilobyte of a node's flash.
//!
//! Not responsible for: forgery; that is what the signature is for.

/// Continues `crc` (0 at first) over `bytes`.
///
/// ```
/// assert_eq!(linli_update::crc32(0, b"123456789"), 0xCBF4_3926);
/// let halves = linli_update::crc32(linli_update::crc32(0, b"12345"), b"6789");
/// assert_eq!(halves, 0xCBF4_3926);
/// ```
pub fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!crc, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
        crc
    })
}
