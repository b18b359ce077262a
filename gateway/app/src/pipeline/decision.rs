//! What a person decides about an unknown device, what became of it, and why it did not. Data only.

use linli_domain::estate::doc::PointDoc;
use linli_domain::id::{AssetId, DeviceId, ProfileId};
use linli_domain::text::Text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a person decides about an unknown device.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is ours: this is what it is.
    Accept(Box<NewDevice>),
    /// It is not ours: count its messages and keep none, for good.
    Ignore,
    /// Forget what was heard and decided; it appears again when it speaks.
    Forget,
}

impl Decision {
    /// A name for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept(_) => "device.accept",
            Self::Ignore => "device.ignore",
            Self::Forget => "device.forget",
        }
    }
}

/// A device of the estate, without its address.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDevice {
    /// How it speaks.
    pub profile: ProfileId,
    /// Its id; made out of its key when not given.
    pub id: Option<DeviceId>,
    /// Its name.
    pub name: Text,
    /// The asset its points watch.
    pub asset: Option<AssetId>,
    /// What it is used as.
    pub role: Option<String>,
    /// Points that watch another asset.
    pub points: Vec<PointDoc>,
    /// How often it reports when all is well.
    pub expected_interval: Option<Duration>,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Number of the unknown device.
    pub id: i64,
    /// Its version; that of the last state when it is gone.
    pub version: u32,
    /// The device of the estate it has become.
    pub device: Option<DeviceId>,
    /// The version of the estate that has it.
    pub estate_version: Option<u32>,
    /// What became of its waiting messages.
    pub replayed: Replayed,
}

/// What became of waiting messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Messages that waited.
    pub messages: usize,
    /// Readings stored of them.
    pub readings: usize,
    /// Messages that could not be used; they are among the rejects.
    pub refused: usize,
    /// Newest values that were too old to be evaluated.
    pub stale: usize,
}

/// Why nothing was decided. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// There is no such device.
    #[error("there is no unknown device {id}; it may have been accepted or displaced, list them again")]
    Gone {
        /// Its number.
        id: i64,
    },
    /// Somebody else decided in the meantime.
    #[error("the unknown device {id} is at version {current}; look again, then decide")]
    Version {
        /// Its number.
        id: i64,
        /// Its version now.
        current: u32,
    },
    /// Too many are ignored.
    #[error("{limit} devices are ignored already; forget one first, or subscribe to fewer topics")]
    TooManyIgnored {
        /// The limit.
        limit: usize,
    },
    /// The catalogue has no such profile.
    #[error("the catalogue has no profile {profile:?}{}", near.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    UnknownProfile {
        /// What was asked for.
        profile: String,
        /// The nearest there is.
        near: Option<String>,
    },
    /// It cannot have the profile `announced`.
    #[error(
        "{key} has not announced what it measures, or nothing we know; choose a profile of the catalogue"
    )]
    NotAnnounced {
        /// What identifies it.
        key: String,
    },
    /// The profile is not for this use.
    #[error("the profile does not know the role {role:?}; it has {known}")]
    Role {
        /// What was asked for.
        role: String,
        /// What there is.
        known: String,
    },
    /// No id could be made out of its key.
    #[error("no free id could be made out of its key; give it one")]
    NeedsId,
}
