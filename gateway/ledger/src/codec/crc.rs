//! CRC-32 (the polynomial of Ethernet and zlib), sixteen bytes at a step.
//!
//! The checksum of a log starts from its commit id, so a blob that stands in the wrong row is found too.

const TABLES: [[u32; 256]; 16] = tables();

const fn tables() -> [[u32; 256]; 16] {
    let mut tables = [[0u32; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ 0xEDB8_8320
            } else {
                value >> 1
            };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut step = 1;
    while step < 16 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[step - 1][byte];
            tables[step][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        step += 1;
    }
    tables
}

/// The CRC-32 of `seed` (eight bytes, little-endian) followed by `bytes`.
pub(crate) fn checksum(seed: u64, bytes: &[u8]) -> u32 {
    !update(update(!0, &seed.to_le_bytes()), bytes)
}

fn update(mut crc: u32, bytes: &[u8]) -> u32 {
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        // What does not wait for the block before comes first.
        let known = (4..16).fold(0, |sum, n| sum ^ TABLES[15 - n][usize::from(block[n])]);
        let low = crc ^ u32::from_le_bytes([block[0], block[1], block[2], block[3]]);
        crc = known
            ^ (TABLES[15][(low & 0xFF) as usize] ^ TABLES[14][(low >> 8 & 0xFF) as usize])
            ^ (TABLES[13][(low >> 16 & 0xFF) as usize] ^ TABLES[12][(low >> 24) as usize]);
    }
    for byte in rest {
        crc = (crc >> 8) ^ TABLES[0][((crc ^ u32::from(*byte)) & 0xFF) as usize];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_checksum_everybody_knows() {
        assert_eq!(!update(!0, b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn it_is_the_same_whatever_the_steps_it_is_made_in() {
        let bytes: Vec<u8> = (0..200u8).map(|n| n.wrapping_mul(167)).collect();
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(update(update(!0, head), tail), update(!0, &bytes));
        }
    }

    #[test]
    fn another_seed_gives_another_checksum() {
        assert_ne!(checksum(1, b"the same log"), checksum(2, b"the same log"));
    }
}
