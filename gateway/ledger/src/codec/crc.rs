//! CRC-32 (the polynomial of Ethernet and zlib) from a seed.
//!
//! The checksum of a log starts from its commit id, so a blob that stands in the wrong row is found too.

/// The CRC-32 of `seed` (eight bytes, little-endian) followed by `bytes`.
pub(crate) fn checksum(seed: u64, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&seed.to_le_bytes());
    crc.update(bytes);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_checksum_everybody_knows() {
        let seed = u64::from_le_bytes(*b"12345678");
        assert_eq!(checksum(seed, b"9"), 0xCBF4_3926);
    }

    #[test]
    fn another_seed_gives_another_checksum() {
        assert_ne!(checksum(1, b"the same log"), checksum(2, b"the same log"));
    }
}
