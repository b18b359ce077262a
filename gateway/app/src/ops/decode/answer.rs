//! What a message says, or why it says nothing.

use linli_decode::Observation;
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;
use serde::Serialize;

/// What the message says.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// Who spoke, when there was an envelope.
    pub address: Option<String>,
    /// What kind of message it is.
    pub event: String,
    /// Whether the envelope held nothing for a profile.
    pub nothing_for_the_profile: bool,
    /// Every value, those of the envelope first.
    pub values: Vec<Seen>,
    /// What was noticed on the way.
    pub noticed: Vec<Noticed>,
}

/// One value.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// What was measured.
    pub measure: &'static str,
    /// Which of several.
    pub instance: Option<String>,
    /// What was seen; none when it is bad.
    pub value: serde_json::Value,
    /// Its unit.
    pub unit: &'static str,
    /// How far to trust it, with the reason.
    pub quality: String,
    /// The device's or envelope's own time.
    pub time: Option<String>,
    /// Whether the device had stored it.
    pub historical: bool,
}

/// Something worth showing.
#[derive(Debug, Clone, Serialize)]
pub struct Noticed {
    /// Stable code.
    pub code: &'static str,
    /// The text.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// No such profile.
    #[error("find the profile {id:?}")]
    UnknownProfile {
        /// The wished id.
        id: String,
        /// The nearest one.
        near: Option<String>,
    },
    /// No such family.
    #[error("find the family {name:?}; the choices are {known}")]
    UnknownFamily {
        /// The wished name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// No such role.
    #[error("find the role {name:?}; the choices are {known}")]
    UnknownRole {
        /// The wished name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The topic pattern is none.
    #[error("read the topic pattern: {0}")]
    BadPattern(String),
    /// The family has no usual pattern.
    #[error("the family {0} has no usual topic pattern")]
    NeedsPattern(String),
    /// The topic is missing.
    #[error("the topic is missing")]
    NeedsTopic,
    /// The profile has no layout for messages.
    #[error("the profile {0} is read over Modbus")]
    ModbusOnly(String),
    /// Envelope or profile refuse the message.
    #[error("decode the message: {error}")]
    Undecodable {
        /// The reason in words.
        error: String,
        /// The stable label.
        code: &'static str,
    },
}

pub(super) fn seen(observation: &Observation, time: Option<Timestamp>) -> Seen {
    let value = match &observation.value {
        None => serde_json::Value::Null,
        Some(Value::State(state)) => (*state).into(),
        Some(Value::Number(number)) => (*number).into(),
        Some(Value::Text(text)) => text.to_string().into(),
    };
    let quality = match observation.quality {
        Quality::Good => "good".to_owned(),
        Quality::Uncertain(reason) => format!("uncertain: {}", word(&reason)),
        Quality::Bad(reason) => format!("bad: {}", word(&reason)),
    };
    Seen {
        measure: observation.measure.name(),
        instance: observation.instance.as_deref().map(str::to_owned),
        value,
        unit: observation.measure.unit().symbol(),
        quality,
        time: observation.observed.or(time).map(|time| time.to_string()),
        historical: observation.historical,
    }
}

/// The word of a reason as documents write it.
fn word(reason: &linli_domain::reading::Reason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(word)) => word,
        _ => format!("{reason:?}"),
    }
}
