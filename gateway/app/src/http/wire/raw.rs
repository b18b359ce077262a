//! Bytes as a person can read them: as text where they are text, as hexadecimal where they are not.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use utoipa::ToSchema;

/// The bytes of a message, cut to a length that can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Raw {
    /// Length of the whole message in bytes; what is shown may be less.
    pub bytes: u64,
    /// The message as text; null when it is none.
    pub text: Option<String>,
    /// The message in hexadecimal; null when it is text.
    pub hex: Option<String>,
}

impl Raw {
    /// The first `limit` bytes of a message of `bytes` bytes, of which `payload` is the head.
    pub fn new(payload: &[u8], bytes: u64, limit: usize) -> Self {
        let shown = payload.get(..limit).unwrap_or(payload);
        let text = readable(shown, (shown.len() as u64) < bytes);
        Self {
            bytes,
            hex: text.is_none().then(|| hex(shown)),
            text: text.map(str::to_owned),
        }
    }
}

/// The bytes as text without control characters but white space; a character that was cut in half is left out.
fn readable(bytes: &[u8], cut: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(printable).then_some(text)
}

/// The bytes in hexadecimal, without separators.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_and_bytes_in_hexadecimal() {
        let raw = |bytes: &[u8], limit| Raw::new(bytes, bytes.len() as u64, limit);
        assert_eq!(
            raw("{\"名\":1}\n".as_bytes(), 99).text.as_deref(),
            Some("{\"名\":1}\n")
        );
        assert_eq!(raw(&[0x01, 0x75], 99).hex.as_deref(), Some("0175"));
        assert_eq!(
            raw(b"\x1b[2J", 99).hex.as_deref(),
            Some("1b5b324a"),
            "nothing steers a terminal"
        );
        let cut = raw("a名".as_bytes(), 2);
        assert_eq!((cut.text.as_deref(), cut.bytes), (Some("a"), 4));
        assert_eq!(
            raw(&[0xe5], 99).hex.as_deref(),
            Some("e5"),
            "half a character is no text"
        );
    }
}
