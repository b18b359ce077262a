//! Unknown devices as the API shows them: who speaks, what it may be, and what waits.

use super::Text;
use super::heard::{ApplicationPayload, HeardValue, Noticed, Refusal};
use super::raw::Raw;
use super::reject::word;
use crate::ops::recognise::Preview;
use crate::profiles::ANNOUNCED;
use linli_decode::{Because, Guess};
use linli_domain::time::Timestamp;
use linli_ledger::{UnknownPayload, UnknownRow, UnknownState as State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most bytes of a waiting message that are shown.
const SHOWN_BYTES: usize = 4 * 1024;

/// What was decided about an unknown device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownState {
    /// Nothing yet.
    New,
    /// It is not ours: its messages are counted and not kept.
    Ignored,
}

impl From<State> for UnknownState {
    fn from(state: State) -> Self {
        match state {
            State::New => Self::New,
            State::Ignored => Self::Ignored,
        }
    }
}

impl From<UnknownState> for State {
    fn from(state: UnknownState) -> Self {
        match state {
            UnknownState::New => Self::New,
            UnknownState::Ignored => Self::Ignored,
        }
    }
}

/// A profile that may be the device's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileGuess {
    /// The profile.
    pub profile: String,
    /// Name of the device type.
    pub title: String,
    /// How likely it is the right one, 0 to 1.
    pub confidence: f64,
    /// Why: a word of a closed list.
    pub because: String,
    /// The same for people.
    pub because_text: Text,
    /// Different waiting messages it reads.
    pub decoded: usize,
    /// Different waiting messages it does not read.
    pub failed: usize,
    /// Values it reads of them.
    pub values: usize,
    /// Why it does not read the first of the others.
    pub error: Option<String>,
}

impl From<&Guess> for ProfileGuess {
    fn from(guess: &Guess) -> Self {
        // What a device says of itself has no name in the catalogue.
        let profile = match guess.because {
            Because::Announced => ANNOUNCED.to_owned(),
            _ => guess.profile.id().to_string(),
        };
        Self {
            profile,
            title: guess.profile.title().to_owned(),
            confidence: (guess.confidence * 100.0).round() / 100.0,
            because: guess.because.label().to_owned(),
            because_text: word("guess", guess.because.label()),
            decoded: guess.decoded,
            failed: guess.failed,
            values: guess.values,
            error: guess.error.as_ref().map(ToString::to_string),
        }
    }
}

/// A device that spoke or was announced, and is not in the estate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UnknownDevice {
    /// Its number.
    pub id: i64,
    /// The connection it is heard on.
    pub connection: String,
    /// How its messages are wrapped.
    pub family: String,
    /// What identifies it there: DevEUI, friendly name, part of the topic.
    pub key: String,
    /// What was decided.
    pub state: UnknownState,
    /// Counts decisions: the `If-Match` of the next one.
    pub version: u32,
    /// When it was first heard or announced.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen_at: Timestamp,
    /// When it was last heard.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Timestamp,
    /// Messages heard; 0 for one that was only announced.
    pub heard: u64,
    /// Messages that wait.
    pub waiting: usize,
    /// Who made it, as its bridge says.
    pub vendor: Option<String>,
    /// Its model, as its bridge says.
    pub model: Option<String>,
    /// What it may be, the most likely first; empty when the catalogue does not know it.
    pub guesses: Vec<ProfileGuess>,
}

impl UnknownDevice {
    /// The device with what waits and what it may be.
    pub fn new(row: UnknownRow, waiting: usize, guesses: &[Guess]) -> Self {
        Self {
            id: row.id,
            connection: row.connection,
            family: row.family,
            key: row.key,
            state: row.state.into(),
            version: row.version,
            first_seen_at: row.first_seen,
            last_seen_at: row.last_seen,
            heard: row.heard,
            waiting,
            vendor: row.vendor,
            model: row.model,
            guesses: guesses.iter().map(ProfileGuess::from).collect(),
        }
    }
}

/// One message that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WaitingMessage {
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// Its topic.
    pub topic: String,
    /// Whether the broker replayed it: its age is not known.
    pub retained: bool,
    /// The message.
    pub payload: Raw,
    /// The application payload inside it, for LoRaWAN.
    pub application: Option<ApplicationPayload>,
    /// What the profile makes of it.
    pub values: Vec<HeardValue>,
    /// What was noticed on the way.
    pub noticed: Vec<Noticed>,
    /// Why the profile cannot use it.
    pub refusal: Option<Refusal>,
}

impl WaitingMessage {
    /// The message, and what is made of it.
    pub fn new(message: &UnknownPayload, preview: &Preview) -> Self {
        let payload = &message.payload;
        Self {
            received_at: message.at,
            topic: message.topic.to_string(),
            retained: message.retained,
            payload: Raw::new(payload, payload.len() as u64, SHOWN_BYTES),
            application: preview
                .body
                .as_ref()
                .map(|(port, bytes)| ApplicationPayload::new(*port, bytes)),
            values: preview.values.iter().map(HeardValue::from).collect(),
            noticed: preview.noticed.iter().map(Noticed::from).collect(),
            refusal: preview.refused.as_ref().map(Refusal::from),
        }
    }
}

/// An unknown device with everything that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UnknownDetail {
    /// The device.
    #[serde(flatten)]
    pub device: UnknownDevice,
    /// The profile its messages are shown with: the one that was asked for, or the best guess.
    pub shown_with: Option<String>,
    /// Its messages, oldest first.
    pub messages: Vec<WaitingMessage>,
}
