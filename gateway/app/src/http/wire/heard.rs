//! What was read of a message, what was noticed, and why there is nothing: for those who watch and those who look at
//! waiting messages.

use super::Text;
use super::point::{Quality, QualityReason, Value};
use super::raw::{Raw, hex};
use super::reject::{sentence, word};
use crate::pipeline::{Fate, HEAD_BYTES, Refused, Watched, WatchedValue};
use linli_decode::Diagnostic;
use linli_domain::reading::Quality as DomainQuality;
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One value of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeardValue {
    /// What was measured.
    pub measure: String,
    /// Which of several.
    pub instance: Option<String>,
    /// What was seen; null exactly when the quality is bad.
    pub value: Option<Value>,
    /// Its unit.
    pub unit: String,
    /// How far to trust it.
    pub quality: Quality,
    /// Why not fully.
    pub reason: Option<QualityReason>,
    /// When it was seen.
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Timestamp,
    /// Whether the device had stored it and sent it late.
    pub historical: bool,
}

impl From<&WatchedValue> for HeardValue {
    fn from(said: &WatchedValue) -> Self {
        let (quality, reason) = match said.quality {
            DomainQuality::Good => (Quality::Good, None),
            DomainQuality::Uncertain(reason) => (Quality::Uncertain, Some(reason.into())),
            DomainQuality::Bad(reason) => (Quality::Bad, Some(reason.into())),
        };
        Self {
            measure: said.measure.name().to_owned(),
            instance: said.instance.as_deref().map(str::to_owned),
            value: said.value.as_ref().map(Value::from),
            unit: said.measure.unit().symbol().to_owned(),
            quality,
            reason,
            observed_at: said.observed,
            historical: said.historical,
        }
    }
}

/// The application payload of a LoRaWAN frame: what the device itself sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationPayload {
    /// Its port.
    pub f_port: Option<u8>,
    /// Its bytes in hexadecimal.
    pub hex: String,
}

impl ApplicationPayload {
    /// These bytes of this port.
    pub fn new(f_port: Option<u8>, bytes: &[u8]) -> Self {
        Self {
            f_port,
            hex: hex(bytes),
        }
    }
}

/// Something worth showing about a message that was otherwise understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Noticed {
    /// The stable word.
    pub code: String,
    /// The same for people.
    pub text: Text,
}

impl From<&Diagnostic> for Noticed {
    fn from(diagnostic: &Diagnostic) -> Self {
        let facts = diagnostic.facts();
        let values: Vec<(&str, &str)> = facts
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Self {
            code: diagnostic.label().to_owned(),
            text: sentence("noticed", diagnostic.label(), &diagnostic.to_string(), &values),
        }
    }
}

/// Why a message could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// A word of a closed list.
    pub reason: String,
    /// The same for people.
    pub reason_text: Text,
    /// What exactly is wrong: offset, tag, what was expected.
    pub detail_text: Text,
    /// What to do about it.
    pub hint: Text,
}

impl From<&Refused> for Refusal {
    fn from(refused: &Refused) -> Self {
        let facts = refused.facts.iter();
        let values: Vec<(&str, &str)> = facts.map(|(name, value)| (*name, value.as_str())).collect();
        Self {
            reason: refused.reason.to_owned(),
            reason_text: word("reject", refused.reason),
            detail_text: sentence("reject_detail", refused.reason, &refused.detail, &values),
            hint: word("reject_hint", refused.reason),
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeardFate {
    /// It was read.
    Read,
    /// It came before.
    Repeated,
    /// Its device is not in the estate.
    Unknown,
    /// It says nothing about a sensor.
    Nothing,
    /// It was refused.
    Refused,
}

/// A message as it came and what was made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Heard {
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The connection it came over; `modbus` and `gateway` for what came over none.
    pub connection: String,
    /// Its topic, or the request it answers.
    pub origin: String,
    /// Who spoke: a device of the estate, or the key of another.
    pub device: Option<String>,
    /// What identifies the speaker on its connection.
    pub key: Option<String>,
    /// Whether the broker replayed it: its age is not known.
    pub retained: bool,
    /// The message, cut; the registers of a Modbus answer.
    pub payload: Raw,
    /// The application payload inside it, for LoRaWAN.
    pub application: Option<ApplicationPayload>,
    /// What became of it.
    pub fate: HeardFate,
    /// What was read of it.
    pub values: Vec<HeardValue>,
    /// What was noticed on the way.
    pub noticed: Vec<Noticed>,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
}

impl From<&Watched> for Heard {
    fn from(said: &Watched) -> Self {
        let (fate, refusal) = match &said.fate {
            Fate::Read => (HeardFate::Read, None),
            Fate::Repeated => (HeardFate::Repeated, None),
            Fate::Unknown => (HeardFate::Unknown, None),
            Fate::Nothing => (HeardFate::Nothing, None),
            Fate::Refused(refused) => (HeardFate::Refused, Some(refused.into())),
        };
        Self {
            at: said.at,
            connection: said.connection.clone(),
            origin: said.origin.clone(),
            device: said.device.clone(),
            key: said.key.clone(),
            retained: said.retained,
            payload: Raw::new(&said.head, said.bytes as u64, HEAD_BYTES),
            application: said
                .body
                .as_ref()
                .map(|(port, bytes)| ApplicationPayload::new(*port, bytes)),
            fate,
            values: said.values.iter().map(HeardValue::from).collect(),
            noticed: said.noticed.iter().map(Noticed::from).collect(),
            refusal,
        }
    }
}
