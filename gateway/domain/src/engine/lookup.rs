//! What the engine can be asked about points, alarms and orders. It changes nothing.

use super::state::NEVER;
use super::{Engine, PointDef};
use crate::alarm::{Alarm, OutOfService, Serviced, Watch};
use crate::estate::{DeviceIndex, Estate};
use crate::id::{AlarmId, AssetId, Class, Fault, OrderId, PointKey, RuleId};
use crate::measure::Measure;
use crate::order::Order;
use crate::reading::Reading;
use crate::rule::Rule;
use std::sync::Arc;

/// One rule looking at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WatchView<'a> {
    /// The rule.
    pub rule: &'a Arc<Rule>,
    /// The point.
    pub point: PointKey,
    /// The asset the point watches.
    pub asset: &'a AssetId,
    /// What the rule knows about it.
    pub watch: Watch,
}

impl Engine {
    /// The number the next new point must have.
    pub fn next_point_key(&self) -> PointKey {
        PointKey(u32::try_from(self.store.state().defs.len()).unwrap_or(u32::MAX))
    }
    /// The point of a device, by what it measures. Does not allocate.
    pub fn point_of(
        &self,
        device: DeviceIndex,
        measure: Measure,
        instance: Option<&str>,
    ) -> Option<PointKey> {
        self.store.index().point(device.as_usize(), measure, instance)
    }
    /// What a point is.
    pub fn point(&self, key: PointKey) -> Option<&Arc<PointDef>> {
        self.store.state().defs.get(key.0 as usize)
    }
    /// Every point ever added, in the order of their numbers.
    pub fn points(&self) -> &[Arc<PointDef>] {
        &self.store.state().defs
    }
    /// The asset a point watches in the present estate.
    pub fn asset_of(&self, key: PointKey) -> Option<&AssetId> {
        let def = self.point(key)?;
        let estate = self.estate();
        let device = estate.device(estate.device_by_id(&def.device)?)?;
        let asset = device.asset_of(def.measure, def.instance.as_deref())?;
        estate.asset(asset).map(|a| &a.id)
    }
    /// The last reading of a point that was evaluated.
    pub fn latest(&self, key: PointKey) -> Option<&Reading> {
        self.store.state().points.get(key.0 as usize)?.latest.as_ref()
    }
    /// Whether a point that was heard has been silent for too long since.
    pub fn is_silent(&self, key: PointKey) -> bool {
        let point = self.store.state().points.get(key.0 as usize);
        point.is_some_and(|p| p.latest.is_some() && p.silent_at == NEVER)
    }
    /// The estate.
    pub fn estate(&self) -> &Arc<Estate> {
        &self.store.state().estate
    }
    /// Every living alarm, oldest first.
    pub fn alarms(&self) -> impl Iterator<Item = &Arc<Alarm>> {
        self.store.state().alarms.values()
    }
    /// A living alarm.
    pub fn alarm(&self, id: AlarmId) -> Option<&Arc<Alarm>> {
        self.store.state().alarms.get(&id)
    }
    /// The living alarm of a key.
    pub fn alarm_of(&self, asset: &AssetId, class: &Class) -> Option<&Arc<Alarm>> {
        self.store.live_alarm(asset, class)
    }
    /// What is out of service: assets first, then devices, by id.
    pub fn out_of_service(&self) -> impl Iterator<Item = (&Serviced, &Arc<OutOfService>)> {
        self.store.state().out_of_service.iter()
    }
    /// Every open order, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = &Arc<Order>> {
        self.store.state().orders.values()
    }
    /// An open order.
    pub fn order(&self, id: OrderId) -> Option<&Arc<Order>> {
        self.store.state().orders.get(&id)
    }
    /// The open order of a key.
    pub fn order_of(&self, asset: &AssetId, fault: &Fault) -> Option<&Arc<Order>> {
        self.store.open_order(asset, fault)
    }
    /// The version of a rule, gone ones included.
    pub fn rule_version(&self, id: &str) -> Option<u32> {
        let id = RuleId::new(id).ok()?;
        self.store.state().rule_versions.get(&id).copied()
    }
    /// What every rule knows about every point it looks at, in the order of the points.
    pub fn watches(&self) -> impl Iterator<Item = WatchView<'_>> {
        let watches = self.store.state().watches.iter();
        watches
            .zip(&self.store.index().watches)
            .map(|(watch, def)| WatchView {
                rule: &def.rule,
                point: def.point,
                asset: &def.asset,
                watch: *watch,
            })
    }
    /// How many rules look at how many points: the number of watches.
    pub fn watch_count(&self) -> usize {
        self.store.state().watches.len()
    }
}
