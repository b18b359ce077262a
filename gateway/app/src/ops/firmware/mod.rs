//! Signed firmware for nodes: a compiled image, a key and a few facts become a package.
//!
//! Not responsible for: files and arguments (`cli`), and for sending it (`field::modbus::update`). The key is one person's
//! and not the gateway's: whoever holds it decides what every node of an estate runs.

mod elf;

use elf::NotAnImage;
use linli_registers::Kind;
use linli_update::{BOARD_BYTES, Header, PACKAGE_BYTES, TEST_PUBLIC_KEY, crc32, package};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha512};

/// Longest file read as an image. What is compiled holds notes for the debugger too.
pub const MAX_IMAGE_FILE: u64 = 64 << 20;
/// The test key may sign what is tried out, and nothing a released program makes.
pub const TAKES_TEST_KEY: bool = cfg!(debug_assertions);

/// What a package says of its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The kind of node.
    pub kind: Kind,
    /// Version, `0xMMmm`.
    pub version: u16,
    /// The board it was compiled for.
    pub board: [u8; BOARD_BYTES],
}

/// A package that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The package.
    pub bytes: Vec<u8>,
    /// The public half of the key, which the firmware that runs must have been compiled with.
    pub public_key: [u8; 32],
}

/// Why no package was made.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// The key cannot be used.
    #[error("the key is not an Ed25519 private key in PEM; `openssl genpkey -algorithm ed25519` makes one")]
    Key,
    /// The key is the one everybody has.
    #[error("this is the test key, which everybody has; sign with a key of your own")]
    TestKey,
    /// The image cannot be used.
    #[error(transparent)]
    Image(#[from] NotAnImage),
    /// The image is too long for any node.
    #[error("the image is {0} bytes long; no node has room for that")]
    TooLong(usize),
}

/// Signs `file`, a bare image or the ELF file of the compiler.
pub fn sign(file: &[u8], facts: &Facts, key_pem: &[u8], takes_test_key: bool) -> Result<Signed, NotSigned> {
    let pkcs8 = rustls_pemfile::pkcs8_private_keys(&mut &*key_pem)
        .next()
        .and_then(Result::ok)
        .ok_or(NotSigned::Key)?;
    let key =
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.secret_pkcs8_der()).map_err(|_| NotSigned::Key)?;
    let public_key: [u8; 32] = key.public_key().as_ref().try_into().map_err(|_| NotSigned::Key)?;
    if public_key == TEST_PUBLIC_KEY && !takes_test_key {
        return Err(NotSigned::TestKey);
    }
    let image = elf::image(file)?;
    let most = crate::field::modbus::update::job::MAX_PACKAGE - PACKAGE_BYTES;
    let length = u32::try_from(image.len())
        .ok()
        .filter(|_| image.len() <= most)
        .ok_or(NotSigned::TooLong(image.len()))?;
    let header = Header {
        kind: facts.kind as u8,
        version: facts.version,
        length,
        crc32: crc32(0, &image),
        board: facts.board,
    }
    .to_bytes();
    let digest: [u8; 64] = Sha512::digest(&image).into();
    let signature = key.sign(&package::signed_bytes(&header, &digest));
    Ok(Signed {
        bytes: [&header[..], signature.as_ref(), &image].concat(),
        public_key,
    })
}

/// `1.2` as `0x0102`.
pub fn version(text: &str) -> Option<u16> {
    let (major, minor) = text.split_once('.')?;
    let number = |text: &str| text.parse::<u8>().ok().filter(|_| !text.starts_with('+'));
    Some(u16::from_be_bytes([number(major)?, number(minor)?]))
}

/// A board's name as a header holds it.
pub fn board(text: &str) -> Option<[u8; BOARD_BYTES]> {
    let mut board = [0; BOARD_BYTES];
    let fits = (1..=BOARD_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return None;
    }
    for (slot, byte) in board.iter_mut().zip(text.bytes()) {
        *slot = byte;
    }
    Some(board)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::modbus::update::job::Package;
    use ring::signature::{ED25519, UnparsedPublicKey};

    const TEST_KEY: &[u8] = include_bytes!("../../../../../firmware/update/test-signing-key.pem");

    fn facts() -> Facts {
        Facts {
            kind: Kind::Bin,
            version: version("2.10").unwrap(),
            board: board("l432kc").unwrap(),
        }
    }

    #[test]
    fn a_package_holds_the_image_and_a_signature_over_all_it_says() {
        let image = [7; 300];
        let signed = sign(&image, &facts(), TEST_KEY, true).unwrap();
        let package = Package::parse(&signed.bytes).unwrap();
        assert_eq!(package.kind(), Kind::Bin);
        assert_eq!(package.header().version, 0x020A);
        assert_eq!(signed.bytes[PACKAGE_BYTES..], image);
        let digest: [u8; 64] = Sha512::digest(image).into();
        let message = package::signed_bytes(signed.bytes.first_chunk().unwrap(), &digest);
        let key = UnparsedPublicKey::new(&ED25519, signed.public_key);
        assert!(key.verify(&message, &signed.bytes[64..128]).is_ok());
    }

    #[test]
    fn the_test_key_signs_nothing_that_is_released_and_a_wrong_key_nothing_at_all() {
        let refused = sign(&[7; 300], &facts(), TEST_KEY, false);
        assert!(matches!(refused, Err(NotSigned::TestKey)), "{refused:?}");
        for key in [
            &b""[..],
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(matches!(
                sign(&[7; 300], &facts(), key, true),
                Err(NotSigned::Key)
            ));
        }
        assert!(matches!(
            sign(&vec![7; 300_000], &facts(), TEST_KEY, true),
            Err(NotSigned::TooLong(300_000))
        ));
    }

    #[test]
    fn versions_and_boards_are_written_as_people_write_them() {
        assert_eq!(version("1.2"), Some(0x0102));
        for wrong in ["1", "1.2.3", "256.0", "-1.0", "+1.0", "a.b", ""] {
            assert_eq!(version(wrong), None, "{wrong}");
        }
        assert_eq!(board("l432kc"), Some(*b"l432kc\0\0"));
        for wrong in ["", "nucleo-l432kc", "板"] {
            assert_eq!(board(wrong), None, "{wrong}");
        }
    }
}
