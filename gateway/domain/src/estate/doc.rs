//! The estate as a file: a serde mirror of the TOML exchange format, checked by nobody yet.
//!
//! It says what was written, with every unknown key refused; [`Estate::resolve`](super::Estate::resolve) says
//! whether it makes sense. It is stored in binary too, so every optional part is a plain `Option` and every
//! "one of" is a struct of options that resolving narrows down.
//!
//! ```toml
//! id = "e1"
//! name = { zh = "锦园小区", en = "Jinyuan" }
//! timezone = "Asia/Shanghai"
//!
//! [[places]]
//! id = "b3"
//! kind = "building"
//! name = { zh = "3号楼", en = "Building 3" }
//!
//! [[assets]]
//! id = "b3-pipe"
//! kind = "pipe_zone"
//! place = "b3"
//! name = { zh = "3号楼管段", en = "B3 pipe zone" }
//!
//! [[devices]]
//! id = "rope-b3"
//! profile = "milesight-em300-zld"
//! name = { zh = "漏水绳", en = "Leak rope" }
//! address = { mqtt = "main", key = "24e124136b502217" }   # or { bus = "bus1", unit = 3 }
//! asset = "b3-pipe"
//! expected_interval = "10m"                                # how often it reports; otherwise its profile says so
//! # health = { battery_voltage = 3.2, stuck_after = "7d" }  # limits of its own, see `crate::health::limits`
//! # points = [
//! #     { measure = "leak.wet", instance = "DI3", asset = "b5-pipe" },
//! #     { measure = "input.state", instance = "DI5", becomes = "door.open", invert = true, asset = "b5-hatch" },
//! # ]
//!
//! [[rules]]
//! id = "leak"
//! class = "leak"
//! fault = "leak"
//! measure = "leak.wet"
//! applies_to = { kind = "pipe_zone" }                      # or { assets = ["b3-pipe"] }
//! when = { state = true }                                  # or { above = 90.0, clear = 70.0 } or { below = … }
//! on_delay = "5s"
//! off_delay = "10m"
//! latch = true
//! priority = "P1"
//! cause = { zh = "管道破损", en = "A pipe leaks" }
//! consequence = { zh = "地面积水", en = "Water stands on the floor" }
//! response = { zh = "关闭分段阀,找到漏点并处理。", en = "Close the section valve, find the leak, repair it." }
//! order = { role = "repair", profile = "leak" }
//!
//! [[order_profiles]]
//! id = "leak"
//! name = { zh = "漏水维修", en = "Leak repair" }
//! verify = { hold = "10m", grace = "15m" }
//! guards = { note_required = true }
//! ```

pub use super::rule_doc::{
    AppliesToDoc, DuringDoc, OrderPlanDoc, OrderProfileDoc, OverrideDoc, RuleDoc, WhenDoc,
};

use super::AssetKind;
pub use crate::health::limits::HealthDoc;
use crate::id::{AssetId, BusId, DeviceId, EstateId, PlaceId, ProfileId};
use crate::measure::Measure;
use crate::text::Text;
use crate::time::duration_text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstateDoc {
    /// The estate's id.
    pub id: EstateId,
    /// Its name.
    pub name: Text,
    /// IANA name of its time zone; `Asia/Shanghai` when not given.
    #[serde(default = "default_timezone")]
    pub timezone: String,
    /// When a point counts as silent.
    #[serde(default)]
    pub silence: Silence,
    /// The place tree.
    #[serde(default)]
    pub places: Vec<PlaceDoc>,
    /// What is looked after.
    #[serde(default)]
    pub assets: Vec<AssetDoc>,
    /// What measures.
    #[serde(default)]
    pub devices: Vec<DeviceDoc>,
    /// Whether assets are guarded by the shipped rules where no rule of the same class looks after them; yes when not
    /// given. The gateway always looks after itself.
    #[serde(default = "yes")]
    pub shipped_rules: bool,
    /// What is an alarm.
    #[serde(default)]
    pub rules: Vec<RuleDoc>,
    /// How orders are verified and closed.
    #[serde(default)]
    pub order_profiles: Vec<OrderProfileDoc>,
}

fn default_timezone() -> String {
    "Asia/Shanghai".into()
}

fn yes() -> bool {
    true
}

/// When nothing heard makes a point unknown: `factor` × the device's expected interval, but at least `at_least`;
/// `default` for a device without an expected interval, neither in its document nor in its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Silence {
    /// How many expected intervals may pass.
    pub factor: u32,
    /// The least silence that counts.
    #[serde(with = "duration_text")]
    pub at_least: Duration,
    /// The silence that counts for a device without an expected interval.
    #[serde(with = "duration_text")]
    pub default: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self {
            factor: 3,
            at_least: Duration::from_secs(15 * 60),
            default: Duration::from_secs(24 * 3600),
        }
    }
}

impl Silence {
    /// How long a device may be silent before its points are unknown.
    pub fn limit(&self, expected: Option<Duration>) -> Duration {
        expected.map_or(self.default, |interval| {
            interval.saturating_mul(self.factor).max(self.at_least)
        })
    }
    /// How long it may be silent before what it said is stale: the expected interval and a quarter, so that a device
    /// that is a little late is not. Without an expected interval nothing is stale before it is unknown.
    pub fn stale(&self, expected: Option<Duration>) -> Duration {
        let limit = self.limit(expected);
        expected.map_or(limit, |interval| interval.saturating_add(interval / 4).min(limit))
    }
}

/// One node of the place tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceDoc {
    /// Its id.
    pub id: PlaceId,
    /// The place around it; none at the root.
    #[serde(default)]
    pub parent: Option<PlaceId>,
    /// What it is: building, unit, floor, room, outdoor … free text for people.
    pub kind: String,
    /// Its name.
    pub name: Text,
}

/// One asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetDoc {
    /// Its id.
    pub id: AssetId,
    /// What it is.
    pub kind: AssetKind,
    /// Where it is.
    pub place: PlaceId,
    /// Its name.
    pub name: Text,
    /// The geometry of a bin, from which a distance becomes a fill level.
    #[serde(default)]
    pub bin: Option<BinGeometry>,
    /// The geometry of a sump or a tank, from which a distance or a depth becomes a fill level.
    #[serde(default)]
    pub tank: Option<BinGeometry>,
    /// The asset it branches off, as a riser does off the main: what happens there explains the same here.
    #[serde(default)]
    pub branch_of: Option<AssetId>,
    /// The asset that feeds it with power: a supply behind another supply.
    #[serde(default)]
    pub fed_by: Option<AssetId>,
}

/// Distances seen by a sensor that looks down from above: in the lid of a bin, over a sump.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinGeometry {
    /// Distance to the floor when it is empty.
    pub empty_distance_mm: f64,
    /// Distance to the surface when it is full.
    pub full_distance_mm: f64,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceDoc {
    /// Its id.
    pub id: DeviceId,
    /// How its type speaks.
    pub profile: ProfileId,
    /// Its name.
    pub name: Text,
    /// Where it is heard.
    #[serde(default)]
    pub address: Option<AddressDoc>,
    /// The asset all its points watch, unless `points` says otherwise.
    #[serde(default)]
    pub asset: Option<AssetId>,
    /// Points that watch another asset than the device's own.
    #[serde(default)]
    pub points: Vec<PointDoc>,
    /// How often it reports when all is well; what its profile says when not given.
    #[serde(default, with = "duration_text::option")]
    pub expected_interval: Option<Duration>,
    /// What it is used as, for profiles whose type can serve several ends (`bin`, `tank`, `leak` …).
    #[serde(default)]
    pub role: Option<String>,
    /// Limits of its health that differ from those of its measures.
    #[serde(default)]
    pub health: Option<HealthDoc>,
    /// The asset that feeds it with power: an alarm there that explains silence explains its silence.
    #[serde(default)]
    pub fed_by: Option<AssetId>,
}

/// Where a device is heard: `{ mqtt, key }` or `{ bus, unit }`. A LoRaWAN device that several network servers hear
/// names the connections of the others as `also`; its key is its DevEUI on all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressDoc {
    /// Name of the MQTT connection.
    #[serde(default)]
    pub mqtt: Option<String>,
    /// What identifies the device there: `dev_eui`, friendly name, captured topic part.
    #[serde(default)]
    pub key: Option<String>,
    /// Further MQTT connections on which it is heard under the same key.
    #[serde(default)]
    pub also: Vec<String>,
    /// Name of the Modbus bus.
    #[serde(default)]
    pub bus: Option<BusId>,
    /// Unit number on the bus.
    #[serde(default)]
    pub unit: Option<u8>,
}

/// One point bound to an asset of its own. Without an instance it speaks for every instance of the measure that
/// has no line of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointDoc {
    /// What is measured.
    pub measure: Measure,
    /// Which of several.
    #[serde(default)]
    pub instance: Option<String>,
    /// The asset it watches; that of the device when not given.
    #[serde(default)]
    pub asset: Option<AssetId>,
    /// What it measures here, where the profile cannot know: `input.state` of a dry contact becomes `door.open`.
    #[serde(default)]
    pub becomes: Option<Measure>,
    /// Whether the state is the other way round: a normally closed contact.
    #[serde(default)]
    pub invert: bool,
}
