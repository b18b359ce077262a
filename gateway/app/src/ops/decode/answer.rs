//! What a message says, or why it says nothing.

use linli_decode::{Body, Observation, Trace, TraceStep};
use linli_domain::measure::Measure;
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
    /// Why the profile refused the message; nothing of it is a value then.
    pub refused: Option<Noticed>,
    /// What the profile was given: bytes in hexadecimal, or the text.
    pub raw: Option<String>,
    /// What stood where and what was made of it, in the order of reading.
    pub trace: Vec<Step>,
}

/// One thing the decoder read.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Where it stood.
    pub at: String,
    /// As it stood there.
    pub raw: String,
    /// What the profile reads there.
    pub read_as: String,
    /// The values it gave.
    pub meaning: String,
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

/// The trace for a person.
pub(super) fn steps(trace: &Trace) -> Vec<Step> {
    let meaning = |(measure, value): &(Measure, Option<Value>)| match value {
        None => format!("{measure} -"),
        Some(Value::State(state)) => format!("{measure} {state}"),
        Some(Value::Number(number)) => format!("{measure} {number} {}", measure.unit()),
        Some(Value::Text(text)) => format!("{measure} {text:?}"),
    };
    let step = |step: &TraceStep| Step {
        at: step.place.to_string(),
        raw: step.raw.clone(),
        read_as: step.what.clone(),
        meaning: step.meant.iter().map(meaning).collect::<Vec<_>>().join(", "),
    };
    trace.steps.iter().map(step).collect()
}

/// What the profile was given, for a person; a long one is cut.
pub(super) fn raw(body: &Body<'_>) -> Option<String> {
    const SHOWN: usize = 1024;
    match body {
        Body::Bytes { bytes, .. } => Some(hex(bytes.get(..SHOWN).unwrap_or(bytes))),
        Body::Message { payload, .. } => {
            let shown = payload.get(..SHOWN).unwrap_or(payload);
            Some(match std::str::from_utf8(payload) {
                Ok(text) => text.chars().take(SHOWN).collect(),
                Err(_) => hex(shown),
            })
        }
        Body::Named(values) => {
            let named = values.iter().take(64).map(|value| value.name.as_ref());
            Some(named.collect::<Vec<_>>().join(", "))
        }
        Body::None => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// The word of a reason as documents write it.
fn word(reason: &linli_domain::reading::Reason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(word)) => word,
        _ => format!("{reason:?}"),
    }
}
