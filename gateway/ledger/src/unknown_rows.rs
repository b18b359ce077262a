//! The rows of devices that speak and are not in the estate. Which are kept, and for how long, is decided elsewhere.

use linli_domain::time::Timestamp;
use std::sync::Arc;

/// What was decided about an unknown device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnknownState {
    /// Nothing yet.
    New,
    /// It is not ours: its messages are counted and not kept.
    Ignored,
}

impl UnknownState {
    /// The word in the file.
    pub fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ignored => "ignored",
        }
    }
    /// The state with this word.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::New, Self::Ignored]
            .into_iter()
            .find(|s| s.label() == label)
    }
}

/// A device that speaks and is not in the estate. Its connection and key are taken once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRow {
    /// Its number, never given twice.
    pub id: i64,
    /// The connection it is heard on.
    pub connection: String,
    /// How its messages are wrapped.
    pub family: String,
    /// What identifies it there.
    pub key: String,
    /// What was decided.
    pub state: UnknownState,
    /// Counts decisions.
    pub version: u32,
    /// When it was first heard.
    pub first_seen: Timestamp,
    /// When it was last heard.
    pub last_seen: Timestamp,
    /// Messages heard.
    pub heard: u64,
    /// Who made it, as its bridge says.
    pub vendor: Option<String>,
    /// Its model, as its bridge says.
    pub model: Option<String>,
}

/// One message of an unknown device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPayload {
    /// Its number within the device; later messages have higher ones.
    pub number: u64,
    /// When it was received.
    pub at: Timestamp,
    /// Its topic.
    pub topic: Arc<str>,
    /// Whether the broker replayed it: its age is not known.
    pub retained: bool,
    /// Its bytes.
    pub payload: Arc<[u8]>,
}

/// What a batch changes about one unknown device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownChange {
    /// Its number.
    pub id: i64,
    /// The device as it is after the batch; `None` removes it with its messages.
    pub row: Option<UnknownRow>,
    /// Numbers of messages that are let go.
    pub dropped: Vec<u64>,
    /// Messages that are kept from now on; one takes the place of another with its number.
    pub added: Vec<UnknownPayload>,
}
