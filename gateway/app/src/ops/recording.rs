//! Recorded frames: one JSON value a line, as `linli record` writes them down.
//!
//! They hold everything, and a packet id where there was one. Before the first of them stands what decoding remembered when
//! the recording began ([`Known`]), so that it can be understood without what came earlier. A line of `linli device watch --json` can be played too: it holds
//! the first kilobyte of a message; one that was longer is refused by name.

use crate::field::{Fact, Frame};
use crate::http::wire::raw::Raw;
use crate::ops::rig::Rig;
use crate::pipeline::Recorded;
use linli_decode::modbus::Read;
use linli_decode::{RegisterData, RegisterRequest};
use linli_domain::id::DeviceId;
use linli_domain::reading::{Reason, Value};
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Largest line in bytes; a longer one is refused.
pub const MAX_LINE_BYTES: usize = 4 << 20;

/// Most bytes of what a recording says decoding knew.
pub const MAX_KNOWN_BYTES: usize = 64 << 20;

/// One recorded frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// When it was received, by the gateway's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The connection; `modbus` and `gateway` for what came over none.
    pub connection: String,
    /// Its topic, or the request it answers.
    pub origin: String,
    /// Whether the broker replayed it from its store.
    #[serde(default)]
    pub retained: bool,
    /// Its bytes.
    pub payload: Raw,
    /// Packet id, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<u16>,
    /// Whether the broker said that it may have sent it before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
    /// What a fact of the gateway says, and why a slave did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Said>,
}

/// One value of a line, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Said {
    /// What.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// Why there is no value.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

impl From<&Recorded> for Line {
    fn from(frame: &Recorded) -> Self {
        let said = frame.said.as_ref().map(|said| match said {
            Ok(value) => Said {
                value: Some(match value {
                    Value::Number(number) => (*number).into(),
                    Value::State(state) => (*state).into(),
                    Value::Text(text) => text.as_ref().into(),
                }),
                reason: None,
            },
            Err(reason) => Said {
                value: None,
                reason: Some(*reason),
            },
        });
        Self {
            at: frame.at,
            connection: frame.connection.to_string(),
            origin: frame.origin.to_string(),
            retained: frame.retained,
            payload: Raw::new(&frame.payload, frame.bytes as u64, frame.payload.len()),
            packet: frame.packet,
            duplicate: frame.duplicate,
            values: said.into_iter().collect(),
        }
    }
}

/// One thing that decoding remembered when the recording began: a birth, an announcement, an entry of an inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Its name in the ledger.
    pub known: String,
    /// How it is stored there.
    pub payload: Raw,
}

impl Known {
    /// What is stored under a name.
    pub fn new(name: String, bytes: &[u8]) -> Self {
        Self {
            known: name,
            payload: Raw::new(bytes, bytes.len() as u64, bytes.len()),
        }
    }

    /// Its name and how it is stored.
    pub fn stored(self) -> Result<(String, Vec<u8>), Unusable> {
        let bytes = bytes(&self.payload)?;
        Ok((self.known, bytes))
    }
}

/// What one line of a recording is.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// What decoding knew.
    Known(Known),
    /// A frame.
    Frame(Line),
}

impl Entry {
    /// Reads a line.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        // Only one of the two has such a member, and no member of a frame is written before `at`.
        if text.starts_with("{\"known\":") {
            let known = serde_json::from_str(text);
            return known
                .map(Self::Known)
                .map_err(|error| Unusable::Unreadable(error.to_string()));
        }
        Line::parse(text).map(Self::Frame)
    }
}

/// Why a line cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not a line of a recording.
    #[error("not a recorded frame: {0}")]
    Unreadable(String),
    /// Only its beginning was recorded.
    #[error(
        "only {kept} of {bytes} bytes were recorded; a watch keeps the first kilobyte, the gateway the head of one that is too large"
    )]
    Cut {
        /// Bytes there are.
        kept: usize,
        /// Bytes there were.
        bytes: u64,
    },
    /// The payload is neither text nor hexadecimal digits.
    #[error("the payload is neither text nor hexadecimal digits")]
    Payload,
    /// More was known than a recording may begin with.
    #[error("more was known than {} MiB", MAX_KNOWN_BYTES >> 20)]
    TooMuchKnown,
    /// What was known comes after the first frame, as where two recordings were put together.
    #[error("what the gateway knew is read before the first frame only; play each recording by itself")]
    KnownLate,
    /// It answers a request nobody would ask today.
    #[error("{0}: no device of the estate is asked that")]
    NotAsked(String),
    /// Its time is far from that of the lines around it.
    #[error("dated {0}, more than a day away from the frames before and after it")]
    Astray(Timestamp),
}

impl Unusable {
    /// The reason's name; its sentence in every language is in the catalogues.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Cut { .. } => "cut",
            Self::Payload => "payload",
            Self::TooMuchKnown => "too_much_known",
            Self::KnownLate => "known_late",
            Self::NotAsked(_) => "not_asked",
            Self::Astray(_) => "astray",
        }
    }
    /// The values of the sentence.
    pub fn facts(&self) -> BTreeMap<&'static str, String> {
        match self {
            Self::Unreadable(found) => BTreeMap::from([("found", found.clone())]),
            Self::Cut { kept, bytes } => {
                BTreeMap::from([("kept", kept.to_string()), ("bytes", bytes.to_string())])
            }
            Self::TooMuchKnown => BTreeMap::from([("limit", (MAX_KNOWN_BYTES >> 20).to_string())]),
            Self::NotAsked(request) => BTreeMap::from([("request", request.clone())]),
            Self::Astray(at) => BTreeMap::from([("at", at.to_string())]),
            Self::Payload | Self::KnownLate => BTreeMap::new(),
        }
    }
}

impl Line {
    /// A message of a broker.
    pub fn message(at: Timestamp, connection: &str, topic: &str, payload: &[u8]) -> Self {
        Self {
            at,
            connection: connection.to_owned(),
            origin: topic.to_owned(),
            retained: false,
            payload: Raw::new(payload, payload.len() as u64, payload.len()),
            packet: None,
            duplicate: false,
            values: Vec::new(),
        }
    }

    /// The answer of a slave to a request, or its absence.
    pub fn answer(at: Timestamp, device: &str, request: &RegisterRequest, words: Option<&[u16]>) -> Self {
        let bytes: Vec<u8> = words
            .unwrap_or_default()
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect();
        let RegisterRequest {
            function,
            start,
            count,
        } = request;
        let origin = format!("{device} function {function} address {start} count {count}");
        let missing = words.is_none().then_some(Said {
            value: None,
            reason: Some(Reason::CommTimeout),
        });
        Self {
            payload: Raw {
                bytes: bytes.len() as u64,
                text: None,
                hex: Some(crate::http::wire::raw::hex(&bytes)),
            },
            values: missing.into_iter().collect(),
            ..Self::message(at, "modbus", &origin, &[])
        }
    }

    /// A fact of the gateway: a connection is there, or not.
    pub fn connection(at: Timestamp, connection: &str, up: bool) -> Self {
        Self {
            values: vec![Said {
                value: Some(up.into()),
                reason: None,
            }],
            ..Self::message(
                at,
                "gateway",
                &format!("gateway.broker_connected {connection}"),
                &[],
            )
        }
    }

    /// Reads a line.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        serde_json::from_str(text).map_err(|error| Unusable::Unreadable(error.to_string()))
    }

    fn bytes(&self) -> Result<Vec<u8>, Unusable> {
        bytes(&self.payload)
    }

    /// The frame it was, for a bench that stands at its time.
    pub fn frame(&self, rig: &Rig) -> Result<Frame, Unusable> {
        let bytes = self.bytes()?;
        match self.connection.as_str() {
            "modbus" => self.slave(rig, &bytes),
            "gateway" => self.fact(rig),
            _ => {
                let mut message = rig.message(&self.connection, &self.origin, &bytes);
                message.retained = self.retained;
                message.packet = self.packet;
                message.duplicate = self.duplicate;
                Ok(Frame::Mqtt(message))
            }
        }
    }

    fn slave(&self, rig: &Rig, bytes: &[u8]) -> Result<Frame, Unusable> {
        let not_asked = || Unusable::NotAsked(self.origin.clone());
        let (device, request) = request(&self.origin).ok_or_else(not_asked)?;
        let (profile, read) = asked(rig, &device, &request).ok_or_else(not_asked)?;
        let missing = self.values.first().and_then(|said| said.reason);
        let answer = match (bytes.is_empty(), missing) {
            (true, reason) => Err(reason.unwrap_or(Reason::CommTimeout)),
            (false, _) if request.is_bits() => {
                Ok(RegisterData::Bits(bytes.iter().map(|bit| *bit != 0).collect()))
            }
            (false, _) => Ok(RegisterData::Words(
                bytes
                    .chunks_exact(2)
                    .map(|pair| pair.iter().fold(0, |word, byte| word << 8 | u16::from(*byte)))
                    .collect(),
            )),
        };
        Ok(Frame::Modbus(rig.answer(device, profile, read, answer)))
    }

    fn fact(&self, rig: &Rig) -> Result<Frame, Unusable> {
        let not_asked = || Unusable::NotAsked(self.origin.clone());
        let (measure, instance) = self.origin.split_once(' ').ok_or_else(not_asked)?;
        let measure = measure.parse().map_err(|_| not_asked())?;
        let said = self
            .values
            .first()
            .and_then(|said| said.value.as_ref())
            .ok_or_else(not_asked)?;
        let value = match said {
            serde_json::Value::Bool(state) => Value::State(*state),
            serde_json::Value::Number(number) => Value::Number(number.as_f64().ok_or_else(not_asked)?),
            _ => return Err(not_asked()),
        };
        Ok(Frame::Fact(Fact {
            measure,
            instance: instance.into(),
            value,
            received: rig.now(),
        }))
    }
}

/// The whole bytes.
fn bytes(payload: &Raw) -> Result<Vec<u8>, Unusable> {
    let bytes = match (&payload.text, &payload.hex) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(hex)) => from_hex(hex).ok_or(Unusable::Payload)?,
        (None, None) => Vec::new(),
    };
    if (bytes.len() as u64) < payload.bytes {
        return Err(Unusable::Cut {
            kept: bytes.len(),
            bytes: payload.bytes,
        });
    }
    Ok(bytes)
}

/// `meter-1 function 4 address 32 count 7`, as frames say where they come from.
fn request(origin: &str) -> Option<(DeviceId, RegisterRequest)> {
    let mut words = origin.split(' ');
    let device = DeviceId::new(words.next()?).ok()?;
    let mut number = |name: &str| {
        (words.next()? == name).then_some(())?;
        words.next()?.parse::<u16>().ok()
    };
    let function = u8::try_from(number("function")?).ok()?;
    let (start, count) = (number("address")?, number("count")?);
    Some((
        device,
        RegisterRequest {
            function,
            start,
            count,
        },
    ))
}

/// The read that asks this of the device today.
fn asked(
    rig: &Rig,
    device: &DeviceId,
    request: &RegisterRequest,
) -> Option<(Arc<linli_decode::Profile>, Read)> {
    let estate = rig.core.engine.estate();
    let known = estate
        .device_by_id(device)
        .and_then(|index| estate.device(index))?;
    let profile = rig.core.understanding.catalogue().get(&known.profile)?;
    let reads = profile.modbus()?.plan().reads.iter();
    let read = reads.clone().find(|read| read.request == *request)?.clone();
    Some((profile, read))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let digit = |at: usize| {
        text.get(at..at + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    (0..text.len()).step_by(2).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_watch_is_a_line_of_a_recording() {
        let text = r#"{"at":"2026-03-01T12:00:00.000Z","connection":"main","origin":"zigbee2mqtt/leak","device":"leak","key":"leak",
            "retained":false,"payload":{"bytes":19,"text":"{\"water_leak\":true}","hex":null},"application":null,"fate":"read",
            "values":[{"measure":"leak.wet","instance":null,"value":true,"unit":"","quality":"good","reason":null,
            "observed_at":"2026-03-01T12:00:00.000Z","historical":false}],"noticed":[],"refusal":null}"#;
        let line = Line::parse(text).unwrap();
        assert_eq!(line.bytes().unwrap(), b"{\"water_leak\":true}");
        assert_eq!(Line::parse(&serde_json::to_string(&line).unwrap()).unwrap(), line);
    }

    #[test]
    fn a_message_that_was_cut_is_refused_by_name() {
        let at = Timestamp::from_millis(0);
        let mut line = Line::message(at, "main", "a", b"0123456789");
        line.payload.bytes = 2_000;
        assert_eq!(
            line.bytes(),
            Err(Unusable::Cut {
                kept: 10,
                bytes: 2_000
            })
        );
        line.payload = Raw {
            bytes: 1,
            text: None,
            hex: Some("0g".into()),
        };
        assert_eq!(line.bytes(), Err(Unusable::Payload));
        assert!(matches!(Line::parse("{}"), Err(Unusable::Unreadable(_))));
    }

    #[test]
    fn bytes_that_are_no_text_come_back_as_they_were() {
        let bytes: Vec<u8> = (0..=255).collect();
        let line = Line::message(Timestamp::from_millis(7), "main", "a/b", &bytes);
        assert_eq!(line.bytes().unwrap(), bytes);
    }

    #[test]
    fn what_was_known_and_a_frame_are_told_apart_and_come_back_as_they_were() {
        for stored in [&b"{\"vendor\":\"Tuya\"}"[..], &[0, 159, 146, 150]] {
            let known = Known::new("inventory\nmain\nflat45".into(), stored);
            let text = serde_json::to_string(&known).unwrap();
            let Entry::Known(back) = Entry::parse(&text).unwrap() else {
                panic!("{text}");
            };
            let (name, bytes) = back.stored().unwrap();
            assert_eq!((name.as_str(), &bytes[..]), ("inventory\nmain\nflat45", stored));
        }
        let line = Line::message(Timestamp::from_millis(7), "main", "known", b"{\"known\":1}");
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(Entry::parse(&text), Ok(Entry::Frame(line)));
        assert!(matches!(
            Entry::parse("{\"known\":"),
            Err(Unusable::Unreadable(_))
        ));
    }

    #[test]
    fn an_origin_says_which_request_was_answered() {
        let asked = RegisterRequest {
            function: 4,
            start: 32,
            count: 2,
        };
        let line = Line::answer(Timestamp::from_millis(0), "leak-3", &asked, Some(&[1, 0x0102]));
        let (device, back) = request(&line.origin).unwrap();
        assert_eq!((device.as_str(), back), ("leak-3", asked));
        assert_eq!(line.bytes().unwrap(), [0, 1, 1, 2]);
        for wrong in [
            "",
            "leak-3",
            "leak-3 function 4",
            "leak-3 function 900 address 1 count 1",
            "leak-3 address 1",
        ] {
            assert_eq!(request(wrong), None, "{wrong}");
        }
    }
}
