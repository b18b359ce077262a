//! The signature of a webhook as Standard Webhooks 1.0 describes it, and the keys that make it.
//!
//! HMAC-SHA256 over `id.timestamp.body`, shown as `v1,<base64>`; while keys are being rotated, one signature per
//! key stands in the header, separated by spaces. Nothing here sends or stores.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// How a signing key starts when people hand it over.
const PREFIX: &str = "whsec_";
/// Accepted sizes of a key in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Most keys one endpoint may have at a time.
pub const MAX_KEYS: usize = 4;

/// Why a text is not a signing key. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not `whsec_` and base64.
    #[error("a signing key is written `whsec_` followed by base64")]
    Form,
    /// Too short to be safe or too long to be a key.
    #[error("a signing key holds 24 to 64 bytes, this one {0}")]
    Size(usize),
}

/// A key that signs webhooks. It never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads the form `whsec_<base64>`.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(BadKey::Form)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| BadKey::Form)?;
        if !KEY_BYTES.contains(&bytes.len()) {
            return Err(BadKey::Size(bytes.len()));
        }
        Ok(Self(bytes))
    }

    fn mac(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(mac)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The value of `webhook-signature`: one signature per key, in the order of the keys.
pub fn sign(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures = keys.iter().filter_map(|key| key.mac(id, timestamp, body));
    let shown = signatures.map(|mac| format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    shown.collect::<Vec<_>>().join(" ")
}

/// Whether one of the signatures in `header` was made with one of the keys, compared in constant time. For
/// callbacks that are signed the same way; the caller checks the age of `timestamp`.
pub fn verify(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8], header: &str) -> bool {
    let given = header.split(' ').filter_map(|s| s.strip_prefix("v1,"));
    let decoded: Vec<Vec<u8>> = given
        .take(MAX_KEYS * 2)
        .filter_map(|s| STANDARD.decode(s).ok())
        .collect();
    let matches = |key: &SigningKey, signature: &[u8]| {
        key.mac(id, timestamp, body)
            .is_some_and(|mac| mac.verify_slice(signature).is_ok())
    };
    keys.iter().any(|key| decoded.iter().any(|s| matches(key, s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const BODY: &[u8] =
        br#"{"type":"work_order.created","timestamp":"2023-11-14T22:13:20Z","data":{"id":"wo_1"}}"#;
    const SIGNATURE: &str = "v1,Knv5dJwB8CiCZinn1ovV+y9YwlmTcJ2nHvVIWHvCjfs=";

    #[test]
    fn the_published_vector_comes_out_exactly() {
        let keys = [SigningKey::parse(KEY).unwrap()];
        assert_eq!(sign(&keys, "msg_01TEST", 1_700_000_000, BODY), SIGNATURE);
        assert!(verify(&keys, "msg_01TEST", 1_700_000_000, BODY, SIGNATURE));
    }

    #[test]
    fn while_keys_rotate_both_sign() {
        let old = SigningKey::parse(KEY).unwrap();
        let new = SigningKey(vec![7; 32]);
        let header = sign(&[new.clone(), old.clone()], "msg_01TEST", 1_700_000_000, BODY);
        let (first, second) = header.split_once(' ').unwrap();
        assert_ne!(first, second);
        assert_eq!(second, SIGNATURE);
        for key in [old, new] {
            assert!(verify(&[key], "msg_01TEST", 1_700_000_000, BODY, &header));
        }
    }

    #[test]
    fn another_id_time_body_or_key_does_not_verify() {
        let key = [SigningKey::parse(KEY).unwrap()];
        assert!(!verify(&key, "msg_02", 1_700_000_000, BODY, SIGNATURE));
        assert!(!verify(&key, "msg_01TEST", 1_700_000_001, BODY, SIGNATURE));
        assert!(!verify(&key, "msg_01TEST", 1_700_000_000, b"{}", SIGNATURE));
        assert!(!verify(
            &[SigningKey(vec![1; 24])],
            "msg_01TEST",
            1_700_000_000,
            BODY,
            SIGNATURE
        ));
        assert!(!verify(
            &key,
            "msg_01TEST",
            1_700_000_000,
            BODY,
            "v1, v2,x garbage"
        ));
    }

    #[test]
    fn a_key_is_refused_without_being_shown() {
        assert_eq!(SigningKey::parse("secret"), Err(BadKey::Form));
        assert_eq!(SigningKey::parse("whsec_###"), Err(BadKey::Form));
        assert_eq!(SigningKey::parse("whsec_AAEC"), Err(BadKey::Size(3)));
        let long = format!("whsec_{}", STANDARD.encode([0u8; 65]));
        assert_eq!(SigningKey::parse(&long), Err(BadKey::Size(65)));
        assert_eq!(format!("{:?}", SigningKey::parse(KEY).unwrap()), "SigningKey(…)");
    }
}
