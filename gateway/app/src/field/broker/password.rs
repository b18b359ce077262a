//! Passwords and what is kept of them: a SHA-256 of one that lies in a secret file anyway, or an Argon2id digest.
//!
//! Pure and slow on purpose: an Argon2id check costs tens of milliseconds and [`MEMORY_KIB`] of memory. Who waits for
//! whom is settled in `accounts`. Digests are PHC strings (`$argon2id$v=19$m=…,t=…,p=…$salt$digest`, RFC 9106).

use crate::config::said::both;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use linli_domain::text::Text;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// Memory of one new digest: the least of what OWASP names, because gateways are small.
const MEMORY_KIB: u32 = 7 * 1024;
/// Passes over it that go with so little memory.
const PASSES: u32 = 5;
/// Digests that cost more are refused: whoever knows a user's name could make the gateway pay for them.
const MOST_MEMORY_KIB: u32 = 64 * 1024;
const MOST_PASSES: u32 = 10;
const MOST_LANES: u32 = 4;

/// Why a text is no digest this program checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDigest {
    /// Not a PHC string.
    Malformed,
    /// Another scheme.
    OtherScheme,
    /// More memory or passes than this program spends on a stranger.
    TooCostly,
}

impl NoDigest {
    /// The same for people.
    pub fn said(self) -> Text {
        match self {
            Self::Malformed => both!(
                "不是 $argon2id$v=19$m=7168,t=5,p=1$…$… 形式的摘要",
                "it is not a digest such as $argon2id$v=19$m=7168,t=5,p=1$…$…"
            ),
            Self::OtherScheme => both!("不是 argon2id 摘要", "it is not an argon2id digest"),
            Self::TooCostly => both!(
                "开销超过 m={MOST_MEMORY_KIB}、t={MOST_PASSES}、p={MOST_LANES}",
                "it costs more than m={MOST_MEMORY_KIB}, t={MOST_PASSES}, p={MOST_LANES}"
            ),
        }
    }
}

/// An Argon2id digest that is whole and not too costly.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest(Box<PasswordHash>);

impl Digest {
    /// Reads a PHC string.
    pub fn parse(text: &str) -> Result<Self, NoDigest> {
        let hash = PasswordHash::new(text).map_err(|_| NoDigest::Malformed)?;
        if hash.algorithm.as_str() != "argon2id" {
            return Err(NoDigest::OtherScheme);
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(NoDigest::Malformed);
        }
        let params = Params::try_from(&hash).map_err(|_| NoDigest::Malformed)?;
        if params.m_cost() > MOST_MEMORY_KIB || params.t_cost() > MOST_PASSES || params.p_cost() > MOST_LANES
        {
            return Err(NoDigest::TooCostly);
        }
        Ok(Self(Box::new(hash)))
    }

    /// Makes one with `salt`, which must be new and random.
    pub fn of(password: &[u8], salt: [u8; 16]) -> Result<Self, argon2::password_hash::Error> {
        let params = Params::new(MEMORY_KIB, PASSES, 1, None)?;
        // Argon2id, version 19.
        Argon2::default()
            .hash_password_with_params(password, &salt, params)
            .map(|hash| Self(Box::new(hash)))
    }

    /// Whether `password` is the one. Takes tens of milliseconds.
    pub fn is_of(&self, password: &[u8]) -> bool {
        Argon2::default().verify_password(password, &*self.0).is_ok()
    }
}

impl std::fmt::Display for Digest {
    /// The PHC string.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

/// A quick fingerprint, kept in memory only, compared in constant time.
#[derive(Clone, Copy)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_knows_its_password_and_nothing_else() {
        let digest = Digest::of(b"leak", [7; 16]).unwrap();
        assert!(digest.is_of(b"leak"));
        assert!(!digest.is_of(b"leak "));
        assert!(!digest.is_of(b""));
        let text = digest.to_string();
        assert!(text.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{text}");
        assert_eq!(Digest::parse(&text), Ok(digest));
        assert!(!text.contains("leak") && format!("{:?}", Digest::parse(&text)) == "Ok(Digest)");
    }

    #[test]
    fn a_digest_made_by_another_program_is_checked() {
        // From the reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1
        let reference =
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(Digest::parse(reference).unwrap().is_of(b"password"));
    }

    #[test]
    fn what_is_no_digest_of_ours_is_refused_with_its_reason() {
        for (text, expected) in [
            ("", NoDigest::Malformed),
            ("secret", NoDigest::Malformed),
            ("$argon2id$v=19$m=7168,t=5,p=1", NoDigest::Malformed),
            ("$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ", NoDigest::Malformed),
            (
                "$argon2i$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                NoDigest::OtherScheme,
            ),
            (
                "$argon2id$v=19$m=1048576,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                NoDigest::TooCostly,
            ),
            (
                "$argon2id$v=19$m=7168,t=5000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                NoDigest::TooCostly,
            ),
        ] {
            assert_eq!(Digest::parse(text), Err(expected), "{text}");
        }
    }
}
