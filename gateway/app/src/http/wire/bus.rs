//! Buses as the API shows them: scans of a line, and writes of a register.

use crate::field::modbus::errand::{ScanJob, ScanState as State, WriteOutcome as Outcome};
use crate::field::modbus::scan::{Found, Guess};
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A scan to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScan {
    /// The bus.
    pub bus: String,
    /// The units, such as `1-32` or `1-8,20`.
    pub units: String,
}

/// A scan and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scan {
    /// Its number.
    pub id: u64,
    /// The bus.
    pub bus: String,
    /// What it is doing.
    pub state: ScanState,
    /// Units that are done.
    pub done: usize,
    /// Units in all.
    pub total: usize,
    /// Who asked for it.
    pub asked_by: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Who is there, by address.
    pub found: Vec<FoundUnit>,
}

/// What a scan is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanState {
    /// It waits for the bus or is under way.
    Running,
    /// All units are done.
    Finished,
    /// Somebody ended it.
    Cancelled,
    /// The line cannot be used.
    Failed,
}

/// A unit that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundUnit {
    /// Its address.
    pub unit: u8,
    /// The device of the estate that has this address.
    pub device: Option<String>,
    /// The exception its first answer was; null when it was registers.
    pub exception: Option<u8>,
    /// What it says about itself (device identification, objects 0 to 2).
    pub identification: Option<UnitIdentification>,
    /// Profiles its registers fit, the best first. A guess is no proof: simple sensors look alike.
    pub guesses: Vec<ProfileGuess>,
}

/// What a device says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnitIdentification {
    /// Vendor.
    pub vendor: Option<String>,
    /// Product code.
    pub product: Option<String>,
    /// Revision.
    pub revision: Option<String>,
}

/// A profile that a unit's registers fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProfileGuess {
    /// The profile.
    pub profile: String,
    /// What it is called.
    pub title: String,
    /// Values that are plausible, of so many.
    pub plausible: usize,
    /// Values the profile reads.
    pub values: usize,
}

/// A register to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWrite {
    /// The name its profile gives it.
    pub name: String,
    /// The value: a number in the unit of its readings, or `true` and `false`.
    #[schema(value_type = Object)]
    pub value: WriteValue,
}

/// A value to be written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WriteValue {
    /// A state; 0 and 1 on the wire.
    State(bool),
    /// A number.
    Number(f64),
}

impl WriteValue {
    /// As a number.
    pub fn number(self) -> f64 {
        match self {
            Self::State(state) => f64::from(u8::from(state)),
            Self::Number(number) => number,
        }
    }
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WriteDone {
    /// The device.
    pub device: String,
    /// What was written.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Whether the device took it.
    pub outcome: WriteOutcome,
    /// The exception it refused with.
    pub exception: Option<u8>,
    /// Why it was not sent.
    pub reason: Option<String>,
    /// The value read back; null when it could not be read.
    pub read_back: Option<f64>,
    /// Whether what was read back is what was written.
    pub confirmed: bool,
}

/// Whether a device took a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteOutcome {
    /// It said yes.
    Accepted,
    /// It said no.
    Refused,
    /// Nothing was heard: it may have been done or not; look at `read_back`.
    Unknown,
    /// It was not sent.
    NotSent,
}

impl WriteOutcome {
    /// The word in the audit and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::NotSent => "not_sent",
        }
    }
}

impl From<&Outcome> for WriteOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Refused(_) => Self::Refused,
            Outcome::Unknown => Self::Unknown,
            Outcome::NotSent(_) => Self::NotSent,
        }
    }
}

impl Scan {
    /// The scan as it is now; `device_at` names the device of an address.
    pub fn new(job: &ScanJob, device_at: impl Fn(u8) -> Option<String>) -> Self {
        let progress = job.progress();
        Self {
            id: job.id,
            bus: job.bus.to_string(),
            state: match progress.state {
                State::Running => ScanState::Running,
                State::Finished => ScanState::Finished,
                State::Cancelled => ScanState::Cancelled,
                State::Failed => ScanState::Failed,
            },
            done: progress.done,
            total: job.units.len(),
            asked_by: job.asked_by.clone(),
            started_at: job.started,
            found: progress
                .found
                .into_iter()
                .map(|found| FoundUnit::new(found, &device_at))
                .collect(),
        }
    }
}

impl FoundUnit {
    fn new(found: Found, device_at: impl Fn(u8) -> Option<String>) -> Self {
        let identification = found.identification.as_ref().map(|said| {
            let object = |id| said.object(id).map(str::to_owned);
            UnitIdentification {
                vendor: object(0),
                product: object(1),
                revision: object(2),
            }
        });
        Self {
            unit: found.unit,
            device: device_at(found.unit),
            exception: found.exception,
            identification,
            guesses: found.guesses.into_iter().map(ProfileGuess::from).collect(),
        }
    }
}

impl From<Guess> for ProfileGuess {
    fn from(guess: Guess) -> Self {
        Self {
            profile: guess.profile.to_string(),
            title: guess.title,
            plausible: guess.plausible,
            values: guess.values,
        }
    }
}
