//! ChirpStack v4 events: protobuf messages in their JSON form, where members equal to 0, "" or false are left out.
//!
//! A missing member therefore is its default, with one exception: no `data` means no application payload. The decoded
//! `object` is not used: it is the vendor's vocabulary without units.
//! Source: chirpstack/chirpstack-docs `src/chirpstack/integrations/events.md`.

use crate::frame::{Body, Event, Frame, LorawanIdentity, Opened};
use crate::observation::{OWN, Observation};
use crate::refusal::{JsonFault, Rejection};
use crate::topic::Captures;
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

/// Most gateways considered of one uplink; the rest cannot be much stronger.
const MAX_GATEWAYS: usize = 64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Uplink<'a> {
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    device_info: Option<DeviceInfo<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    f_cnt: u32,
    #[serde(default, deserialize_with = "or_default")]
    f_port: u8,
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    rx_info: Vec<Gateway>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    device_info: Option<DeviceInfo<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    margin: f64,
    #[serde(default, deserialize_with = "or_default")]
    battery_level: f64,
    #[serde(default, deserialize_with = "or_default")]
    battery_level_unavailable: bool,
    #[serde(default, deserialize_with = "or_default")]
    external_power_source: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo<'a> {
    #[serde(borrow)]
    dev_eui: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Gateway {
    #[serde(default, deserialize_with = "or_default")]
    rssi: f64,
    #[serde(default, deserialize_with = "or_default")]
    snr: f64,
}

/// Opens an event; its kind is the `{event}` level of the topic. A pattern without that level subscribes to uplinks only.
pub(super) fn open<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    match captures.event.unwrap_or("up") {
        "up" => uplink(captures.device, frame),
        "status" => status(captures.device, frame),
        "join" => {
            let join: Status<'a> = parse(frame.payload)?;
            let mut opened = attributed(captures.device, join.device_info, Event::Join, frame)?.0;
            opened.observed = time(join.time);
            Ok(opened)
        }
        _ => Ok(Opened::of(
            lower_case(Cow::Borrowed(captures.device)),
            Event::Ignored,
            frame,
        )),
    }
}

fn uplink<'a>(topic_device: &'a str, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let up: Uplink<'a> = parse(frame.payload)?;
    let (mut opened, dev_eui) = attributed(topic_device, up.device_info, Event::Uplink, frame)?;
    opened.observed = time(up.time);
    opened.identity = Some(LorawanIdentity {
        dev_eui,
        f_port: up.f_port,
        f_cnt: up.f_cnt,
    });
    if let Some(data) = up.data.filter(|data| !data.0.is_empty()) {
        opened.body = Body::Bytes {
            f_port: (up.f_port != 0).then_some(up.f_port),
            bytes: Cow::Owned(application_payload(&data.0)?),
        };
    }
    let strongest = up
        .rx_info
        .iter()
        .take(MAX_GATEWAYS)
        .reduce(|a, b| if b.rssi > a.rssi { b } else { a });
    if let Some(gateway) = strongest {
        report(&mut opened, OWN.rssi, Value::number(gateway.rssi));
        report(&mut opened, OWN.snr, Value::number(gateway.snr));
    }
    Ok(opened)
}

fn status<'a>(topic_device: &'a str, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let status: Status<'a> = parse(frame.payload)?;
    let (mut opened, _) = attributed(topic_device, status.device_info, Event::Status, frame)?;
    opened.observed = time(status.time);
    report(
        &mut opened,
        OWN.mains,
        Some(Value::State(status.external_power_source)),
    );
    if status.battery_level_unavailable {
        report(&mut opened, OWN.battery, None);
    } else if !status.external_power_source {
        report(&mut opened, OWN.battery, Value::number(status.battery_level));
    }
    report(&mut opened, OWN.margin, Value::number(status.margin));
    Ok(opened)
}

fn parse<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Rejection> {
    serde_json::from_str(shallow_text(payload)?).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Rejection::WrongType {
            detail: error.to_string(),
        },
        _ => JsonFault::NotJson {
            detail: error.to_string(),
        }
        .into(),
    })
}

/// Attributes the message. Topic and payload must agree, or anybody could speak for any device.
fn attributed<'a>(
    topic_device: &'a str,
    info: Option<DeviceInfo<'a>>,
    event: Event,
    frame: &Frame<'a>,
) -> Result<(Opened<'a>, u64), Rejection> {
    let named = info.and_then(|info| info.dev_eui).map(|text| text.0);
    if let Some(named) = named
        .as_deref()
        .filter(|named| !named.eq_ignore_ascii_case(topic_device))
    {
        return Err(Rejection::IdentityConflict {
            topic: topic_device.chars().take(64).collect(),
            payload: named.chars().take(64).collect(),
        });
    }
    let address = lower_case(named.unwrap_or(Cow::Borrowed(topic_device)));
    let is_eui = address.len() == 16 && address.bytes().all(|b| b.is_ascii_hexdigit());
    match u64::from_str_radix(&address, 16) {
        Ok(dev_eui) if is_eui => Ok((Opened::of(address, event, frame), dev_eui)),
        _ => Err(Rejection::WrongType {
            detail: format!(
                "a DevEUI has 16 hexadecimal digits, not {:?}",
                address.chars().take(64).collect::<String>()
            ),
        }),
    }
}

fn lower_case(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        text
    }
}

fn time(text: Option<Text<'_>>) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&text?.0)
}

fn application_payload(data: &str) -> Result<Vec<u8>, Rejection> {
    if data.len() / 4 * 3 > MAX_APPLICATION_BYTES {
        return Err(Rejection::TooLarge {
            what: "an application payload",
            bytes: data.len() / 4 * 3,
            limit: MAX_APPLICATION_BYTES,
        });
    }
    BASE64.decode(data).map_err(|error| Rejection::BadBase64 {
        field: "data",
        detail: error.to_string(),
    })
}

/// Adds what the envelope measured; no value means the device could not tell.
fn report(opened: &mut Opened<'_>, measure: Option<Measure>, value: Option<Value>) {
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
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A text borrowed from the message where it has no escapes; serde borrows no `Option<Cow<str>>` on its own.
struct Text<'a>(Cow<'a, str>);

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

#[cfg(test)]
#[path = "chirpstack_tests.rs"]
mod tests;
