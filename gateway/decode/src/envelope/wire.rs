//! What the network servers' JSON has in common: texts borrowed from the message, defaults, identities, base64.
//!
//! Both servers write protobuf messages in their JSON form, where members equal to 0, "" or false are left out.

use crate::frame::Opened;
use crate::observation::{OWN, Observation};
use crate::refusal::{JsonFault, Rejection};
use crate::walk::shallow_text;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use linli_domain::measure::Measure;
use linli_domain::reading::{Reason, Value};
use linli_domain::time::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Largest application payload in bytes. LoRaWAN allows 242.
const MAX_APPLICATION_BYTES: usize = 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a message; what is JSON of another shape is told apart from what is none.
pub(super) fn parse<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Rejection> {
    serde_json::from_str(shallow_text(payload)?).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Rejection::WrongType {
            detail: without_values(&error.to_string()),
        },
        _ => JsonFault::NotJson {
            detail: error.to_string(),
        }
        .into(),
    })
}

/// What a parser says, without the values it quotes: a message may hold somebody's telephone number, and its refusal is
/// logged.
fn without_values(said: &str) -> String {
    let quoted = said.find(['"', '`']).zip(said.rfind(", expected "));
    let around = quoted.filter(|(from, to)| from < to);
    let parts = around.and_then(|(from, to)| said.get(..from).zip(said.get(to..)));
    match parts {
        Some((before, after)) => format!("{}{after}", before.trim_end()),
        None => said.chars().take(256).collect(),
    }
}

/// The DevEUI in lower case and as a number.
pub(super) fn dev_eui(text: Cow<'_, str>) -> Result<(Cow<'_, str>, u64), Rejection> {
    let address = lower_case(text);
    let is_eui = address.len() == 16 && address.bytes().all(|b| b.is_ascii_hexdigit());
    match u64::from_str_radix(&address, 16) {
        Ok(dev_eui) if is_eui => Ok((address, dev_eui)),
        _ => Err(Rejection::WrongType {
            detail: format!(
                "a DevEUI has 16 hexadecimal digits, not {:?}",
                address.chars().take(64).collect::<String>()
            ),
        }),
    }
}

pub(super) fn lower_case(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        text
    }
}

/// A time, when it can be read.
pub(super) fn time(text: Option<Text<'_>>) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&text?.0)
}

/// The bytes of an application payload.
pub(super) fn application_payload(field: &'static str, data: &str) -> Result<Vec<u8>, Rejection> {
    if data.len() / 4 * 3 > MAX_APPLICATION_BYTES {
        return Err(Rejection::TooLarge {
            what: "an application payload",
            bytes: data.len() / 4 * 3,
            limit: MAX_APPLICATION_BYTES,
        });
    }
    BASE64.decode(data).map_err(|error| Rejection::BadBase64 {
        field,
        detail: error.to_string(),
    })
}

/// Adds what the envelope measured; no value means the device could not tell.
pub(super) fn report(opened: &mut Opened<'_>, measure: Option<Measure>, value: Option<Value>) {
    let Some(measure) = measure else { return };
    let mut observation = match value {
        Some(value) => Observation::good(measure, value),
        None => Observation::missing(measure, None, Reason::SensorNoReading),
    };
    if let Some(caution) = opened.caution {
        observation.distrust(caution);
    }
    opened.envelope_readings.push(observation);
}

/// In protobuf-JSON null, too, stands for the default.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A text borrowed from the message where it has no escapes; serde borrows no `Option<Cow<str>>` on its own.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// A place on the earth, as both servers write it.
#[derive(Deserialize)]
pub(super) struct Location {
    #[serde(default, deserialize_with = "or_default")]
    latitude: f64,
    #[serde(default, deserialize_with = "or_default")]
    longitude: f64,
}

impl Location {
    /// Adds the place to what the envelope says.
    pub(super) fn report(&self, opened: &mut Opened<'_>) {
        report(opened, OWN.latitude, Value::number(self.latitude));
        report(opened, OWN.longitude, Value::number(self.longitude));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_expected_and_not_what_somebody_wrote() {
        #[derive(Debug, Deserialize)]
        struct Message {
            #[allow(dead_code, reason = "only its kind counts")]
            level: f64,
        }
        let said = |payload: &str| parse::<Message>(payload.as_bytes()).unwrap_err().to_string();
        let text = said(r#"{"level":"phone 13800138000, expected at noon"}"#);
        assert!(text.contains("expected f64") && !text.contains("138"), "{text}");
        assert!(said("{}").contains("missing field `level`"));
    }
}
