//! What is derived from the estate and the points, so that a reading finds its watches without searching.
//!
//! The watches of one point stand together, in the order of the rules; points stand in the order of their
//! numbers. The order depends on nothing else, so a restored engine has the same one.

use super::PointDef;
use super::state::NOT_AT_ALL;
use crate::estate::{Asset, AssetKind, Device, DeviceIndex, Estate};
use crate::health::limits::{CLOCK_SKEW, Check};
use crate::id::{AssetId, Class, Fault, PointKey};
use crate::measure::Measure;
use crate::rule::{AppliesTo, Rule, Vote};
use crate::time::{Deadline, Monotonic, Now};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// One rule looking at one point.
#[derive(Debug, Clone)]
pub(super) struct WatchDef {
    pub(super) rule: Arc<Rule>,
    pub(super) point: PointKey,
    pub(super) asset: AssetId,
}

/// A point of a device, found by what it measures.
#[derive(Debug, Clone)]
struct Slot {
    measure: Measure,
    instance: Option<Arc<str>>,
    key: PointKey,
}

/// What a point leads to. Looked at with every reading, so it is small.
#[derive(Debug, Clone, Copy)]
pub(super) struct PointLinks {
    first_watch: u32,
    end_of_watches: u32,
    /// Its device's place in the estate; [`NO_DEVICE`] for one that has left it.
    device: u32,
    /// Whether anything is looked for in its values.
    pub(super) checked: bool,
    /// Whether its last value holds for as long as its device is heard.
    pub(super) rests: bool,
    pub(super) silence_ms: u64,
}

const NO_DEVICE: u32 = u32::MAX;

impl PointLinks {
    /// The watches that look at it.
    pub(super) fn watches(&self) -> Range<usize> {
        self.first_watch as usize..self.end_of_watches as usize
    }
    /// When it would be silent if nothing were heard after now.
    pub(super) fn silent_at(&self, now: &Now) -> Deadline {
        match self.silence_ms {
            u64::MAX => NOT_AT_ALL,
            silence_ms => Deadline {
                at: Monotonic(now.monotonic.0.saturating_add(silence_ms)),
            },
        }
    }
    /// Its device's place in the estate.
    pub(super) fn device(&self) -> Option<usize> {
        (self.device != NO_DEVICE).then_some(self.device as usize)
    }
}

/// What a device's limits come to, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceLimits {
    pub(super) stale_ms: u64,
    pub(super) silence_ms: u64,
    pub(super) clock_skew: Duration,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) watches: Vec<WatchDef>,
    pub(super) points: Vec<PointLinks>,
    /// One for each point.
    pub(super) checks: Vec<Check>,
    /// One for each device.
    pub(super) devices: Vec<DeviceLimits>,
    slots: Vec<Vec<Slot>>,
    rules_by_measure: FxHashMap<Measure, Vec<Arc<Rule>>>,
    /// What the estate's own rules look after, so that shipped ones stay away.
    own_kinds: FxHashSet<(AssetKind, Class, Measure)>,
    own_assets: FxHashSet<(AssetId, Class, Measure)>,
    /// The devices that may look at an asset, where a rule wants several of them to agree.
    by_asset: FxHashMap<AssetId, Vec<DeviceIndex>>,
    by_class: FxHashMap<(AssetId, Class), Vec<usize>>,
    by_fault: FxHashMap<(AssetId, Fault), Vec<usize>>,
}

impl Index {
    pub(super) fn new(estate: &Estate) -> Self {
        let mut rules_by_measure: FxHashMap<Measure, Vec<Arc<Rule>>> = FxHashMap::default();
        for rule in estate.rules() {
            rules_by_measure
                .entry(rule.measure)
                .or_default()
                .push(rule.clone());
        }
        let (mut own_kinds, mut own_assets) = (FxHashSet::default(), FxHashSet::default());
        for rule in estate.rules().iter().filter(|rule| !rule.shipped) {
            match &rule.applies_to {
                AppliesTo::Kind(kind) => drop(own_kinds.insert((*kind, rule.class.clone(), rule.measure))),
                AppliesTo::Assets(assets) => {
                    let keys = assets.iter();
                    own_assets.extend(keys.map(|asset| (asset.clone(), rule.class.clone(), rule.measure)));
                }
            }
        }
        let limits = |device: &Device| DeviceLimits {
            stale_ms: millis(device.stale_limit),
            silence_ms: millis(device.silence_limit),
            clock_skew: device.health.clock_skew.unwrap_or(CLOCK_SKEW),
        };
        Self {
            slots: vec![Vec::new(); estate.devices().len()],
            devices: estate.devices().iter().map(limits).collect(),
            rules_by_measure,
            own_kinds,
            own_assets,
            by_asset: voters(estate),
            ..Self::default()
        }
    }
    /// Adds the next point and the watches that look at it.
    pub(super) fn add_point(&mut self, estate: &Estate, def: &PointDef) {
        let start = self.watches.len();
        let index = estate.device_by_id(&def.device);
        if let Some(index) = index
            && let Some(slots) = self.slots.get_mut(index.as_usize())
        {
            slots.push(Slot {
                measure: def.measure,
                instance: def.instance.clone(),
                key: def.key,
            });
        }
        let device = index.and_then(|d| estate.device(d));
        let asset = device
            .and_then(|d| d.asset_of(def.measure, def.instance.as_deref()))
            .and_then(|a| estate.asset(a));
        if let Some(asset) = asset {
            for rule in self.rules_by_measure.get(&def.measure).into_iter().flatten() {
                let replaced = rule.shipped && self.is_own(asset, rule);
                if let Some(rule) = rule.on(&asset.id, asset.kind).filter(|_| !replaced) {
                    let here = self.watches.len();
                    let class_key = (asset.id.clone(), rule.class.clone());
                    let fault_key = (asset.id.clone(), rule.fault.clone());
                    self.by_class.entry(class_key).or_default().push(here);
                    self.by_fault.entry(fault_key).or_default().push(here);
                    self.watches.push(WatchDef {
                        rule,
                        point: def.key,
                        asset: asset.id.clone(),
                    });
                }
            }
        }
        let check = device.map_or(Check::Nothing, |d| Check::of(def.measure, &d.health));
        self.points.push(PointLinks {
            first_watch: position(start),
            end_of_watches: position(self.watches.len()),
            device: index.map_or(NO_DEVICE, |d| d.0),
            checked: check != Check::Nothing,
            rests: def.measure.may_rest(),
            silence_ms: device.map_or(0, |d| millis(d.silence_limit)),
        });
        self.checks.push(check);
    }
    /// Whether a rule of the estate takes the place of a shipped one on an asset.
    fn is_own(&self, asset: &Asset, shipped: &Rule) -> bool {
        let (class, measure) = (&shipped.class, shipped.measure);
        self.own_kinds.contains(&(asset.kind, class.clone(), measure))
            || self
                .own_assets
                .contains(&(asset.id.clone(), class.clone(), measure))
    }
    /// Takes the last point out again.
    pub(super) fn remove_last_point(&mut self, estate: &Estate, def: &PointDef) {
        self.checks.pop();
        if let Some(links) = self.points.pop() {
            for here in links.watches().rev() {
                if let Some(watch) = self.watches.pop() {
                    let class_key = (watch.asset.clone(), watch.rule.class.clone());
                    let fault_key = (watch.asset, watch.rule.fault.clone());
                    if let Some(group) = self.by_class.get_mut(&class_key) {
                        group.retain(|w| *w != here);
                    }
                    if let Some(group) = self.by_fault.get_mut(&fault_key) {
                        group.retain(|w| *w != here);
                    }
                }
            }
        }
        if let Some(device) = estate.device_by_id(&def.device)
            && let Some(slots) = self.slots.get_mut(device.as_usize())
        {
            slots.retain(|s| s.key != def.key);
        }
    }
    /// The point of a device, by what it measures.
    pub(super) fn point(&self, device: usize, measure: Measure, instance: Option<&str>) -> Option<PointKey> {
        let slots = self.slots.get(device)?;
        slots
            .iter()
            .find(|s| s.measure == measure && s.instance.as_deref() == instance)
            .map(|s| s.key)
    }
    /// Whether a device was heard to measure this anywhere.
    fn has_measured(&self, device: DeviceIndex, measure: Measure) -> bool {
        let slots = self.slots.get(device.as_usize());
        slots.is_some_and(|slots| slots.iter().any(|slot| slot.measure == measure))
    }
    /// How many sensors of a rule on an asset were never heard, so that they have no point yet: devices there that are bound
    /// to its measure, or of the type and role of a sensor it has. What another device measures nobody knows until it speaks.
    pub(super) fn awaited(&self, estate: &Estate, def: &WatchDef) -> usize {
        let Some((asset, _)) = estate.asset_by_id(&def.asset) else {
            return 0;
        };
        let measure = def.rule.measure;
        let there = self.by_asset.get(&def.asset).map_or(&[][..], Vec::as_slice);
        let has_measured = |device: &&DeviceIndex| self.has_measured(**device, measure);
        let alike = |a: &Device, b: &Device| a.profile == b.profile && a.role == b.role;
        let is_awaited = |device: &Device| {
            device.is_bound_to(measure, asset)
                || device.asset_of(measure, None) == Some(asset)
                    && there
                        .iter()
                        .filter(has_measured)
                        .filter_map(|other| estate.device(*other))
                        .any(|other| alike(other, device))
        };
        let silent = there.iter().filter(|device| !has_measured(device));
        let silent = silent.filter_map(|device| estate.device(*device));
        silent.filter(|device| is_awaited(device)).count()
    }
    /// The points of a device, in the order in which they were first heard.
    pub(super) fn points_of(&self, device: usize) -> impl ExactSizeIterator<Item = PointKey> {
        let slots = self.slots.get(device).map_or(&[][..], Vec::as_slice);
        slots.iter().map(|slot| slot.key)
    }
    /// The watches of one alarm key.
    pub(super) fn of_class(&self, asset: &AssetId, class: &Class) -> &[usize] {
        let group = self.by_class.get(&(asset.clone(), class.clone()));
        group.map_or(&[], Vec::as_slice)
    }
    /// The watches of one order key.
    pub(super) fn of_fault(&self, asset: &AssetId, fault: &Fault) -> &[usize] {
        let group = self.by_fault.get(&(asset.clone(), fault.clone()));
        group.map_or(&[], Vec::as_slice)
    }
}

/// The devices of each asset, when some rule has sensors agree.
fn voters(estate: &Estate) -> FxHashMap<AssetId, Vec<DeviceIndex>> {
    let mut by_asset: FxHashMap<AssetId, Vec<DeviceIndex>> = FxHashMap::default();
    if estate.rules().iter().all(|rule| rule.vote == Vote::Any) {
        return by_asset;
    }
    for (n, device) in (0..).zip(estate.devices()) {
        let bound = device.bindings.iter().filter_map(|binding| binding.asset);
        let mut assets: Vec<_> = bound
            .chain(device.asset)
            .filter_map(|a| estate.asset(a))
            .collect();
        assets.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        assets.dedup_by(|a, b| a.id == b.id);
        for asset in assets {
            by_asset.entry(asset.id.clone()).or_default().push(DeviceIndex(n));
        }
    }
    by_asset
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn position(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
