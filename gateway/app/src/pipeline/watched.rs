//! What a device said and what was made of it, as those who watch are told. Data only.

use super::refused::Refused;
use super::understood::Seen;
use linli_decode::Diagnostic;
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;
use std::sync::Arc;

/// Bytes of a message that are copied.
pub const HEAD_BYTES: usize = 1_024;

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It was read.
    Read,
    /// It came before.
    Repeated,
    /// Its device is not in the estate.
    Unknown,
    /// It says nothing about a sensor.
    Nothing,
    /// It was refused.
    Refused(Refused),
}

/// One value of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedValue {
    /// What was measured.
    pub measure: Measure,
    /// Which of several.
    pub instance: Option<Arc<str>>,
    /// What was seen.
    pub value: Option<Value>,
    /// How far to trust it.
    pub quality: Quality,
    /// When it was seen.
    pub observed: Timestamp,
    /// Whether the device had stored it.
    pub historical: bool,
}

impl From<&Seen> for WatchedValue {
    fn from(seen: &Seen) -> Self {
        Self {
            measure: seen.measure,
            instance: seen.instance.clone(),
            value: seen.value.clone(),
            quality: seen.quality,
            observed: seen.observed,
            historical: seen.historical,
        }
    }
}

/// A message as it came and what was made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// When it was received.
    pub at: Timestamp,
    /// The connection it came over.
    pub connection: String,
    /// Its topic, or the request it answers.
    pub origin: String,
    /// Who spoke: a device of the estate, or the key of another.
    pub device: Option<String>,
    /// What identifies the speaker on its connection.
    pub key: Option<String>,
    /// Whether the broker replayed it.
    pub retained: bool,
    /// Its first [`HEAD_BYTES`].
    pub head: Box<[u8]>,
    /// Its length.
    pub bytes: usize,
    /// The application payload of a LoRaWAN frame, with its port.
    pub body: Option<(Option<u8>, Box<[u8]>)>,
    /// What became of it.
    pub fate: Fate,
    /// What was read of it.
    pub values: Vec<WatchedValue>,
    /// What was noticed on the way.
    pub noticed: Vec<Diagnostic>,
}
