//! SHA-512 and Ed25519, by `salty`.
//!
//! Without the feature `verify` no signature is good: an image built so, to show that the rest of it has no panic
//! path, must not be one that trusts anybody. Not responsible for: what is signed; see `package`.

#[cfg(feature = "verify")]
pub(crate) use verify::{Hash, is_signed};

#[cfg(not(feature = "verify"))]
pub(crate) use nothing::{Hash, is_signed};

#[cfg(feature = "verify")]
mod verify {
    use crate::HEADER_BYTES;
    use crate::package::{PACKAGE_BYTES, signed_bytes};
    use salty::{PublicKey, Sha512, Signature};

    pub(crate) struct Hash(Sha512);

    impl Hash {
        pub(crate) fn new() -> Hash {
            Hash(Sha512::new())
        }

        pub(crate) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(crate) fn finalize(self) -> [u8; 64] {
            self.0.finalize()
        }
    }

    pub(crate) fn is_signed(package: &[u8; PACKAGE_BYTES], sha512: &[u8; 64], key: &[u8; 32]) -> bool {
        let Some((header, signature)) = package.split_first_chunk::<HEADER_BYTES>() else {
            return false;
        };
        let (Ok(signature), Ok(key)) = (<&[u8; 64]>::try_from(signature), PublicKey::try_from(key)) else {
            return false;
        };
        let message = signed_bytes(header, sha512);
        key.verify(&message, &Signature::from(signature)).is_ok()
    }
}

#[cfg(not(feature = "verify"))]
mod nothing {
    use crate::package::PACKAGE_BYTES;

    pub(crate) struct Hash;

    impl Hash {
        pub(crate) fn new() -> Hash {
            Hash
        }

        pub(crate) fn update(&mut self, _: &[u8]) {}

        pub(crate) fn finalize(self) -> [u8; 64] {
            [0; 64]
        }
    }

    pub(crate) fn is_signed(_: &[u8; PACKAGE_BYTES], _: &[u8; 64], _: &[u8; 32]) -> bool {
        false
    }
}
