//! Decisions about unknown devices: what a client says, and what became of it.

use super::Text;
use crate::pipeline::{Decided as Done, NewDevice};
use linli_domain::estate::doc::PointDoc;
use linli_domain::id::{AssetId, DeviceId, ProfileId};
use linli_domain::measure::Measure;
use linli_domain::text::Text as DomainText;
use linli_domain::time::duration_text;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// A point that watches another asset than its device, or means something else here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PointBinding {
    /// What is measured, such as `leak.wet`.
    #[schema(value_type = String)]
    pub measure: Measure,
    /// Which of several; all of them when not given.
    #[serde(default)]
    pub instance: Option<String>,
    /// The asset it watches; that of the device when not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// What it measures here, where the profile cannot know: `input.state` of a dry contact becomes `door.open`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub becomes: Option<Measure>,
    /// Whether the state is the other way round: a normally closed contact.
    #[serde(default)]
    pub invert: bool,
}

/// "It is ours, and this is what it is."
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// How it speaks.
    #[schema(value_type = String)]
    pub profile: ProfileId,
    /// Its id in the estate; made out of its key when not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub device: Option<DeviceId>,
    /// Its name.
    pub name: Text,
    /// The asset its points watch.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// What it is used as, for profiles that can serve several ends: `bin`, `tank`, `leak` …
    #[serde(default)]
    pub role: Option<String>,
    /// Points that watch another asset, or mean something else here.
    #[serde(default)]
    pub points: Vec<PointBinding>,
    /// How often it reports when all is well, such as `6h`.
    #[serde(default, with = "duration_text::option")]
    #[schema(value_type = Option<String>)]
    pub expected_interval: Option<Duration>,
}

impl From<Accept> for NewDevice {
    fn from(accept: Accept) -> Self {
        let points = accept.points.into_iter().map(|point| PointDoc {
            measure: point.measure,
            instance: point.instance,
            asset: point.asset,
            becomes: point.becomes,
            invert: point.invert,
        });
        Self {
            profile: accept.profile,
            id: accept.device,
            name: DomainText {
                zh: accept.name.zh,
                en: accept.name.en,
            },
            asset: accept.asset,
            role: accept.role,
            points: points.collect(),
            expected_interval: accept.expected_interval,
        }
    }
}

/// What became of the messages that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// How many waited.
    pub messages: usize,
    /// Readings stored of them.
    pub readings: usize,
    /// Messages the profile could not use; they are among the rejects.
    pub refused: usize,
    /// Newest values that were too old to count as the present state: they are stored and not evaluated.
    pub stale: usize,
}

/// A decision that was made and is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    /// Number of the unknown device.
    pub id: i64,
    /// Its version; the last one when it is gone.
    pub version: u32,
    /// The device of the estate it has become.
    pub device: Option<String>,
    /// The version of the estate that has it.
    pub estate_version: Option<u32>,
    /// What became of the messages that waited.
    pub replayed: Replayed,
}

impl From<Done> for Decided {
    fn from(done: Done) -> Self {
        Self {
            id: done.id,
            version: done.version,
            device: done.device.map(|device| device.to_string()),
            estate_version: done.estate_version,
            replayed: Replayed {
                messages: done.replayed.messages,
                readings: done.replayed.readings,
                refused: done.replayed.refused,
                stale: done.replayed.stale,
            },
        }
    }
}
