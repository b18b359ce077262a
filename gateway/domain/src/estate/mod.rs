//! The estate: places, assets, devices and rules, with every reference resolved once.
//!
//! [`doc::EstateDoc`] is what a file says; [`Estate`] is what the program uses: it exists only when the document
//! makes sense, and finds a device by its address without allocating. Points are not here: a device says what it
//! measures by speaking, so the engine adds them as they are first heard, and this module only says which asset
//! such a point watches.

pub mod advice;
pub mod builtin;
mod check;
mod check_when;
pub mod doc;
mod profile;
mod resolve;
mod rule_doc;

pub use check::Problem;
pub use doc::{BinGeometry, EstateDoc, HealthDoc, Silence};
pub use profile::{ProfileFacts, Profiles};
pub(crate) use resolve::MAX_POINTS_PER_DEVICE;

use crate::id::{AssetId, BusId, DeviceId, EstateId, PlaceId, ProfileId, RuleId};
use crate::measure::Measure;
use crate::order::{OrderProfile, OrderRole};
use crate::rule::Rule;
use crate::text::Text;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// What an asset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetKind {
    /// 垃圾桶.
    Bin,
    /// 车位.
    ParkingBay,
    /// 消防通道.
    FireLane,
    /// 管段.
    PipeZone,
    /// 水泵房.
    PumpRoom,
    /// 集水井.
    Sump,
    /// 网关: this program and its box.
    Gateway,
    /// Anything else.
    Other,
}

/// Where a place stands in [`Estate::places`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaceIndex(pub(crate) u32);
/// Where an asset stands in [`Estate::assets`]. Valid for one version of the estate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetIndex(pub(crate) u32);
/// Where a device stands in [`Estate::devices`]. Valid for one version of the estate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceIndex(pub(crate) u32);

impl DeviceIndex {
    /// The position as a number, for tables kept beside the estate.
    pub fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// A place.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Its id.
    pub id: PlaceId,
    /// The place around it.
    pub parent: Option<PlaceIndex>,
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: Text,
    /// The names from the root down to it, for messages.
    pub path: Text,
}

/// An asset.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// What it is.
    pub kind: AssetKind,
    /// Where it is; none for the gateway itself.
    pub place: Option<PlaceIndex>,
    /// Its name.
    pub name: Text,
    /// Its geometry, if it is a bin with one.
    pub bin: Option<BinGeometry>,
    /// Its geometry, if it holds water and has one.
    pub tank: Option<BinGeometry>,
    /// The asset it branches off.
    pub branch_of: Option<AssetIndex>,
    /// The asset that feeds it with power.
    pub fed_by: Option<AssetIndex>,
}

/// Where a device is heard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// Over MQTT.
    Mqtt {
        /// Name of the connection.
        connection: Arc<str>,
        /// What identifies the device on it.
        key: Arc<str>,
        /// Further connections on which it is heard under the same key.
        also: Arc<[Arc<str>]>,
    },
    /// On a Modbus bus.
    Bus {
        /// Name of the bus.
        bus: BusId,
        /// Unit number.
        unit: u8,
    },
}

/// A point that watches another asset than its device does.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// What is measured.
    pub measure: Measure,
    /// Which of several; none speaks for all.
    pub instance: Option<Arc<str>>,
    /// The asset it watches; that of the device when none is given.
    pub asset: Option<AssetIndex>,
    /// What it measures here: an input that watches a door. Of the same unit as `measure`.
    pub becomes: Option<Measure>,
    /// Whether the state is the other way round: a normally closed contact.
    pub invert: bool,
}

/// A device.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// How its type speaks.
    pub profile: ProfileId,
    /// Its name.
    pub name: Text,
    /// Where it is heard; none for the gateway itself.
    pub address: Option<Address>,
    /// The asset its points watch.
    pub asset: Option<AssetIndex>,
    /// Points with an asset of their own.
    pub bindings: Vec<Binding>,
    /// How often it reports when all is well, by its document or else by its profile.
    pub expected_interval: Option<Duration>,
    /// How long it may be silent before what it said is stale.
    pub stale_limit: Duration,
    /// How long it may be silent before its points are unknown.
    pub silence_limit: Duration,
    /// Whether it sleeps between messages, so that going offline is no fault.
    pub sleeps: bool,
    /// Limits of its health that differ from those of its measures.
    pub health: HealthDoc,
    /// What it is used as.
    pub role: Option<Arc<str>>,
    /// The asset that feeds it with power.
    pub fed_by: Option<AssetIndex>,
}

impl Device {
    /// Whether its document says that it measures this on an asset.
    pub fn is_bound_to(&self, measure: Measure, asset: AssetIndex) -> bool {
        let of_measure = |b: &&Binding| b.becomes.unwrap_or(b.measure) == measure;
        self.bindings
            .iter()
            .filter(of_measure)
            .any(|b| b.asset == Some(asset))
    }
    /// The asset a point of this device watches.
    pub fn asset_of(&self, measure: Measure, instance: Option<&str>) -> Option<AssetIndex> {
        let of_measure = || {
            self.bindings
                .iter()
                .filter(|b| b.becomes.unwrap_or(b.measure) == measure)
        };
        of_measure()
            .find(|b| b.instance.as_deref() == instance)
            .or_else(|| of_measure().find(|b| b.instance.is_none()))
            .and_then(|b| b.asset)
            .or(self.asset)
    }
}

/// The order a rule opens, with its profile resolved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderPlan {
    /// Who it is dispatched to.
    pub role: OrderRole,
    /// How it is verified and closed.
    pub profile: Arc<OrderProfile>,
    /// Whether alarms of the rule's class share an order, with a task for each asset.
    pub batch: bool,
}

/// A checked estate.
#[derive(Debug, Clone)]
pub struct Estate {
    pub(crate) doc: Arc<EstateDoc>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) places: Vec<Place>,
    pub(crate) assets: Vec<Asset>,
    pub(crate) devices: Vec<Device>,
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) assets_by_id: FxHashMap<AssetId, AssetIndex>,
    pub(crate) devices_by_id: FxHashMap<DeviceId, DeviceIndex>,
    pub(crate) by_mqtt: FxHashMap<Arc<str>, FxHashMap<Arc<str>, DeviceIndex>>,
    pub(crate) by_bus: FxHashMap<BusId, FxHashMap<u8, DeviceIndex>>,
}

impl Estate {
    /// Checks a document and resolves every reference in it, or says everything that is wrong with it.
    pub fn resolve(doc: Arc<EstateDoc>) -> Result<Self, Vec<Problem>> {
        Self::resolve_with(doc, Arc::default())
    }
    /// The same, with what the profiles of the catalogue say about their devices.
    pub fn resolve_with(doc: Arc<EstateDoc>, profiles: Arc<Profiles>) -> Result<Self, Vec<Problem>> {
        resolve::resolve(doc, profiles)
    }
    /// The document it came from.
    pub fn doc(&self) -> &Arc<EstateDoc> {
        &self.doc
    }
    /// What the profiles say about their devices.
    pub fn profiles(&self) -> &Arc<Profiles> {
        &self.profiles
    }
    /// The estate's id.
    pub fn id(&self) -> &EstateId {
        &self.doc.id
    }
    /// The estate's name.
    pub fn name(&self) -> &Text {
        &self.doc.name
    }
    /// Every place, parents not necessarily first.
    pub fn places(&self) -> &[Place] {
        &self.places
    }
    /// Every asset, the gateway included.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }
    /// Every device, the gateway included.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }
    /// Every rule, the built-in ones included.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }
    /// Whether a rule of the estate takes the place of a shipped one on an asset: one of the same class that looks at the
    /// same measure. What another sensor says about the fault is still looked at.
    pub fn is_replaced(&self, rule: &Rule, asset: &Asset) -> bool {
        let takes = |own: &&Arc<Rule>| {
            !own.shipped
                && (&own.class, own.measure) == (&rule.class, rule.measure)
                && own.applies_to.covers(&asset.id, asset.kind)
        };
        rule.shipped && self.rules.iter().any(|own| takes(&own))
    }
    /// The place at an index.
    pub fn place(&self, index: PlaceIndex) -> Option<&Place> {
        self.places.get(index.0 as usize)
    }
    /// The asset at an index.
    pub fn asset(&self, index: AssetIndex) -> Option<&Asset> {
        self.assets.get(index.0 as usize)
    }
    /// The device at an index.
    pub fn device(&self, index: DeviceIndex) -> Option<&Device> {
        self.devices.get(index.0 as usize)
    }
    /// The asset with an id.
    pub fn asset_by_id(&self, id: &AssetId) -> Option<(AssetIndex, &Asset)> {
        let index = *self.assets_by_id.get(id)?;
        Some((index, self.asset(index)?))
    }
    /// The assets a branch leads back to, the nearest first. Never endless: loops are refused.
    pub fn stems_of(&self, asset: AssetIndex) -> impl Iterator<Item = &Asset> {
        self.upwards(self.asset(asset).and_then(|a| a.branch_of), |a| a.branch_of)
    }
    /// The supplies behind a device, the nearest first. Never endless: loops are refused.
    pub fn feeds_of(&self, device: &Device) -> impl Iterator<Item = &Asset> {
        self.upwards(device.fed_by, |a| a.fed_by)
    }
    fn upwards(
        &self,
        first: Option<AssetIndex>,
        next: fn(&Asset) -> Option<AssetIndex>,
    ) -> impl Iterator<Item = &Asset> {
        let first = first.and_then(|index| self.asset(index));
        std::iter::successors(first, move |asset| {
            next(asset).and_then(|index| self.asset(index))
        })
    }
    /// The device with an id.
    pub fn device_by_id(&self, id: &DeviceId) -> Option<DeviceIndex> {
        self.devices_by_id.get(id).copied()
    }
    /// The device heard on an MQTT connection under a key.
    pub fn device_by_mqtt(&self, connection: &str, key: &str) -> Option<DeviceIndex> {
        self.by_mqtt.get(connection)?.get(key).copied()
    }
    /// The device at a unit number of a bus.
    pub fn device_by_bus(&self, bus: &BusId, unit: u8) -> Option<DeviceIndex> {
        self.by_bus.get(bus)?.get(&unit).copied()
    }
    /// The rule with an id.
    pub fn rule(&self, id: &RuleId) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|r| r.id == *id)
    }
    /// Name of an asset and the path of its place, for messages. An asset that has left the estate keeps its id.
    pub fn texts_of(&self, id: &AssetId) -> (Text, Text) {
        let Some((_, asset)) = self.asset_by_id(id) else {
            let text = || id.as_str().to_owned();
            return (
                Text {
                    zh: text(),
                    en: text(),
                },
                Text::default(),
            );
        };
        let place = asset.place.and_then(|p| self.place(p));
        (
            asset.name.clone(),
            place.map(|p| p.path.clone()).unwrap_or_default(),
        )
    }
}
