//! The estate as the API shows it: places, assets and devices with their names, and what an edit would change.
//!
//! The document itself (`GET /api/v1/estate/document`) is the exchange format of the estate file, in JSON; it has
//! its type in the core, where its format is documented.

use super::Text;
use linli_domain::estate::{Address, Estate as DomainEstate};
use linli_domain::id::DeviceId;
use linli_domain::time::{Timestamp, duration_text};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One place 位置.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// Its id.
    pub id: String,
    /// The place around it.
    pub parent: Option<String>,
    /// What it is: building, unit, floor, room …
    pub kind: String,
    /// Its name.
    pub name: Text,
    /// The names from the estate down to it.
    pub path: Text,
}

/// One asset 资产.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Asset {
    /// Its id.
    pub id: String,
    /// `bin`, `parking_bay`, `fire_lane`, `pipe_zone`, `pump_room`, `sump`, `gateway`, `other`.
    pub kind: String,
    /// Where it is; null for the gateway itself.
    pub place: Option<String>,
    /// Its name.
    pub name: Text,
}

/// One device 设备.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// How its type speaks.
    pub profile: String,
    /// Its name.
    pub name: Text,
    /// Where it is heard: `mqtt/<connection>/<key>` or `bus/<bus>/<unit>`.
    pub address: Option<String>,
    /// The asset its points watch unless they are bound to others.
    pub asset: Option<String>,
    /// How often it reports when all is well.
    pub expected_interval: Option<String>,
    /// When its newest value was received; null when there is none on any of its points.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen_at: Option<Timestamp>,
}

/// The estate 小区 with every name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Estate {
    /// Its id.
    pub id: String,
    /// Counts its edits: the `If-Match` of the next one.
    pub version: u32,
    /// Its name.
    pub name: Text,
    /// IANA name of its time zone.
    pub timezone: String,
    /// Every place.
    pub places: Vec<Place>,
    /// Every asset, the gateway included.
    pub assets: Vec<Asset>,
    /// Every device, the gateway included.
    pub devices: Vec<Device>,
}

impl Estate {
    /// The estate with its version, and when each device was last heard.
    pub fn new(estate: &DomainEstate, version: u32, last_seen: &FxHashMap<DeviceId, Timestamp>) -> Self {
        let place_id = |index| estate.place(index).map(|place| place.id.to_string());
        let asset_id = |index| estate.asset(index).map(|asset| asset.id.to_string());
        let places = estate.places().iter().map(|place| Place {
            id: place.id.to_string(),
            parent: place.parent.and_then(place_id),
            kind: place.kind.clone(),
            name: Text::from(&place.name),
            path: Text::from(&place.path),
        });
        let assets = estate.assets().iter().map(|asset| Asset {
            id: asset.id.to_string(),
            kind: word(&asset.kind),
            place: asset.place.and_then(place_id),
            name: Text::from(&asset.name),
        });
        let devices = estate.devices().iter().map(|device| Device {
            id: device.id.to_string(),
            profile: device.profile.to_string(),
            name: Text::from(&device.name),
            address: device.address.as_ref().map(|address| match address {
                Address::Mqtt { connection, key, .. } => format!("mqtt/{connection}/{key}"),
                Address::Bus { bus, unit } => format!("bus/{bus}/{unit}"),
            }),
            asset: device.asset.and_then(asset_id),
            expected_interval: device.expected_interval.map(duration_text::format),
            last_seen_at: last_seen.get(&device.id).copied(),
        });
        Self {
            id: estate.id().to_string(),
            version,
            name: Text::from(estate.name()),
            timezone: estate.doc().timezone.clone(),
            places: places.collect(),
            assets: assets.collect(),
            devices: devices.collect(),
        }
    }
}

/// The word a closed list is written with in documents.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// What an edit does to one part of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Changed,
}

/// One difference between two documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// `places`, `assets`, `devices`, `rules`, `order_profiles`, or the estate's own field.
    pub section: String,
    /// Id within the section; null for a field of the estate itself.
    pub id: Option<String>,
    /// What happens to it.
    pub change: ChangeKind,
    /// Which of its fields differ.
    pub fields: Vec<String>,
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentProblem {
    /// Where, such as `devices[3].asset`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

/// What a document would change, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EstateDiff {
    /// The version it was compared with.
    pub version: u32,
    /// Every difference.
    pub changes: Vec<Change>,
    /// Every problem; with one of them an import is refused.
    pub problems: Vec<DocumentProblem>,
}
