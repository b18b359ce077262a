//! What is derived from the estate and the points, so that a reading finds its watches without searching.
//!
//! The watches of one point stand together, in the order of the rules; points stand in the order of their
//! numbers. The order depends on nothing else, so a restored engine has the same one.

use super::PointDef;
use crate::estate::Estate;
use crate::id::{AssetId, Class, Fault, PointKey};
use crate::measure::Measure;
use crate::rule::Rule;
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::Arc;

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

/// What a point leads to.
#[derive(Debug, Clone, Default)]
pub(super) struct PointLinks {
    pub(super) watches: Range<usize>,
    pub(super) silence_ms: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) watches: Vec<WatchDef>,
    pub(super) points: Vec<PointLinks>,
    slots: Vec<Vec<Slot>>,
    rules_by_measure: FxHashMap<Measure, Vec<Arc<Rule>>>,
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
        Self {
            slots: vec![Vec::new(); estate.devices().len()],
            rules_by_measure,
            ..Self::default()
        }
    }
    /// Adds the next point and the watches that look at it.
    pub(super) fn add_point(&mut self, estate: &Estate, def: &PointDef) {
        let start = self.watches.len();
        let device = estate.device_by_id(&def.device);
        if let Some(index) = device
            && let Some(slots) = self.slots.get_mut(index.as_usize())
        {
            slots.push(Slot {
                measure: def.measure,
                instance: def.instance.clone(),
                key: def.key,
            });
        }
        let device = device.and_then(|d| estate.device(d));
        let asset = device
            .and_then(|d| d.asset_of(def.measure, def.instance.as_deref()))
            .and_then(|a| estate.asset(a));
        if let Some(asset) = asset {
            for rule in self.rules_by_measure.get(&def.measure).into_iter().flatten() {
                if rule.applies_to.covers(&asset.id, asset.kind) {
                    let here = self.watches.len();
                    let class_key = (asset.id.clone(), rule.class.clone());
                    let fault_key = (asset.id.clone(), rule.fault.clone());
                    self.by_class.entry(class_key).or_default().push(here);
                    self.by_fault.entry(fault_key).or_default().push(here);
                    self.watches.push(WatchDef {
                        rule: rule.clone(),
                        point: def.key,
                        asset: asset.id.clone(),
                    });
                }
            }
        }
        let silence = device.map_or(0, |d| d.silence_limit.as_millis());
        self.points.push(PointLinks {
            watches: start..self.watches.len(),
            silence_ms: u64::try_from(silence).unwrap_or(u64::MAX),
        });
    }
    /// Takes the last point out again.
    pub(super) fn remove_last_point(&mut self, estate: &Estate, def: &PointDef) {
        if let Some(links) = self.points.pop() {
            for here in links.watches.clone().rev() {
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
    /// How many points a device has.
    pub(super) fn points_of(&self, device: usize) -> usize {
        self.slots.get(device).map_or(0, Vec::len)
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
