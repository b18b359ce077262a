//! The engine's state and the only place that writes it.
//!
//! Every write goes through a setter that keeps the timers and the look-ups in step and, inside a batch, notes
//! what was there before. Rolling back replays those notes backwards through the same setters, so a batch that
//! cannot be committed leaves no trace.

use super::PointDef;
use super::index::Index;
use super::state::{Bridge, Counters, DeviceState, FlagKey, Heard, NEVER, PointState, State, Vital};
use crate::alarm::{Alarm, Watch};
use crate::health::Flag;
use crate::health::clock::DeviceClock;
use crate::health::rhythm::Rhythm;
use crate::id::{AlarmId, AssetId, Class, DeviceId, Fault, OrderId, PointKey};
use crate::order::{Order, OrderState};
use crate::time::{Deadline, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a running delay belongs to. Watches come first: an order looks at them when both are due at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Watch(usize),
    Order(OrderId),
}

/// One write, as it must be undone.
#[derive(Debug)]
enum Undo {
    Point(usize, PointState),
    PointAdded,
    Vital(usize, Vital),
    Device(usize, DeviceState),
    Flag(Box<(FlagKey, Option<Flag>)>),
    Away(usize, bool),
    Clock(DeviceId, Option<Box<DeviceClock>>),
    Through(DeviceId, Option<Arc<str>>),
    Bridge(Arc<str>, Option<Bridge>),
    Watch(usize, Watch),
    Alarm(AlarmId, Option<Arc<Alarm>>),
    Order(OrderId, Option<Arc<Order>>),
    /// With how many messages of devices had been noted before.
    Whole(Box<State>, usize),
}

/// One message of one device, as it must be undone.
#[derive(Debug, Clone, Copy)]
struct Message {
    device: u32,
    ever: bool,
    at: Timestamp,
    rhythm: Rhythm,
}

#[derive(Debug, Default)]
struct Journal {
    counters: Option<Counters>,
    undo: Vec<Undo>,
    /// Messages of devices: there is one with nearly every reading, and nothing else writes what they write. They can
    /// therefore be undone after the rest, oldest last.
    messages: Vec<Message>,
    /// Which points were noted in which batch: only the first write of a batch matters.
    noted: Vec<u64>,
    noted_vitals: Vec<u64>,
    noted_devices: Vec<u64>,
    batch: u64,
}

impl Journal {
    /// Whether a batch is open that has not yet noted what stands at `n`; from now on it has.
    fn is_first(noted: &mut [u64], n: usize, open: bool, batch: u64) -> bool {
        match noted.get_mut(n) {
            Some(noted) if open && *noted != batch => {
                *noted = batch;
                true
            }
            _ => false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Store {
    state: State,
    index: Index,
    timers: BTreeSet<(Deadline, Timer)>,
    live: FxHashMap<(AssetId, Class), AlarmId>,
    open: FxHashMap<(AssetId, Fault), OrderId>,
    /// Points whose readings are evidence somebody waits for.
    verifying: FxHashSet<PointKey>,
    journal: Journal,
}

impl Store {
    pub(super) fn new(state: State) -> Self {
        let mut store = Self {
            index: Index::default(),
            timers: BTreeSet::new(),
            live: FxHashMap::default(),
            open: FxHashMap::default(),
            verifying: FxHashSet::default(),
            journal: Journal::default(),
            state,
        };
        store.rebuild();
        store
    }

    /// Derives everything that can be derived. Watches the state lacks begin as unknown.
    fn rebuild(&mut self) {
        self.index = Index::new(&self.state.estate);
        for def in &self.state.defs {
            self.index.add_point(&self.state.estate, def);
        }
        self.state
            .watches
            .resize(self.index.watches.len(), Watch::INITIAL);
        self.journal.noted.resize(self.state.points.len(), 0);
        self.journal.noted_vitals.resize(self.state.points.len(), 0);
        self.journal.noted_devices.resize(self.state.devices.len(), 0);
        let watches = self.state.watches.iter().enumerate();
        let orders = self.state.orders.values();
        self.timers = watches
            .filter_map(|(n, w)| Some((w.deadline()?, Timer::Watch(n))))
            .chain(
                orders
                    .clone()
                    .filter_map(|o| Some((o.deadline()?, Timer::Order(o.id)))),
            )
            .collect();
        let alarms = self.state.alarms.values();
        self.live = alarms
            .map(|a| ((a.asset.clone(), a.class.clone()), a.id))
            .collect();
        self.open = orders
            .map(|o| ((o.asset.clone(), o.fault.clone()), o.id))
            .collect();
        self.refresh_verifying();
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }
    pub(super) fn index(&self) -> &Index {
        &self.index
    }
    pub(super) fn counters(&mut self) -> &mut Counters {
        &mut self.state.counters
    }
    pub(super) fn first_timer(&self) -> Option<(Deadline, Timer)> {
        self.timers.first().copied()
    }
    pub(super) fn drop_timer(&mut self, timer: (Deadline, Timer)) {
        self.timers.remove(&timer);
    }
    pub(super) fn live_alarm(&self, asset: &AssetId, class: &Class) -> Option<&Arc<Alarm>> {
        let id = self.live.get(&(asset.clone(), class.clone()))?;
        self.state.alarms.get(id)
    }
    pub(super) fn open_order(&self, asset: &AssetId, fault: &Fault) -> Option<&Arc<Order>> {
        let id = self.open.get(&(asset.clone(), fault.clone()))?;
        self.state.orders.get(id)
    }
    pub(super) fn is_verifying(&self, point: PointKey) -> bool {
        !self.verifying.is_empty() && self.verifying.contains(&point)
    }

    fn note(&mut self, undo: impl FnOnce() -> Undo) {
        if self.journal.counters.is_some() {
            self.journal.undo.push(undo());
        }
    }

    /// The state of a point, to be written.
    pub(super) fn point_mut(&mut self, n: usize) -> Option<&mut PointState> {
        let point = self.state.points.get_mut(n)?;
        let journal = &mut self.journal;
        if Journal::is_first(&mut journal.noted, n, journal.counters.is_some(), journal.batch) {
            journal.undo.push(Undo::Point(n, point.clone()));
        }
        Some(point)
    }
    /// What is known about the health of a point's values, to be written.
    pub(super) fn vital_mut(&mut self, n: usize) -> Option<&mut Vital> {
        let vital = self.state.vitals.get_mut(n)?;
        let journal = &mut self.journal;
        let open = journal.counters.is_some();
        if Journal::is_first(&mut journal.noted_vitals, n, open, journal.batch) {
            journal.undo.push(Undo::Vital(n, *vital));
        }
        Some(vital)
    }
    /// A message of a device came; whether that is news in itself, and none when it is the one that came last.
    #[inline]
    pub(super) fn hear(&mut self, n: usize, received: Timestamp) -> Option<bool> {
        let age = self.state.counters.age;
        let heard = self.state.heard.get_mut(n)?;
        if heard.at == received && heard.rhythm.last() == age && !heard.away {
            return None;
        }
        if self.journal.counters.is_some() {
            self.journal.messages.push(Message {
                device: u32::try_from(n).unwrap_or(u32::MAX),
                ever: heard.ever,
                at: heard.at,
                rhythm: heard.rhythm,
            });
        }
        heard.rhythm.heard(age, !heard.ever);
        heard.at = received;
        heard.ever = true;
        Some(heard.away)
    }
    /// Writes whether the next message of a device is news in itself.
    pub(super) fn set_away(&mut self, n: usize, away: bool) {
        if let Some(heard) = self.state.heard.get_mut(n)
            && heard.away != away
        {
            heard.away = away;
            self.note(|| Undo::Away(n, !away));
        }
    }
    fn unhear(heard: &mut [Heard], message: Message) {
        if let Some(heard) = heard.get_mut(message.device as usize) {
            heard.ever = message.ever;
            heard.at = message.at;
            heard.rhythm = message.rhythm;
        }
    }
    /// What else is known about a device, to be written.
    pub(super) fn device_mut(&mut self, n: usize) -> Option<&mut DeviceState> {
        let device = self.state.devices.get_mut(n)?;
        let journal = &mut self.journal;
        let open = journal.counters.is_some();
        if Journal::is_first(&mut journal.noted_devices, n, open, journal.batch) {
            journal.undo.push(Undo::Device(n, *device));
        }
        Some(device)
    }
    /// Raises a flag, or takes it down.
    pub(super) fn set_flag(&mut self, key: FlagKey, flag: Option<Flag>) {
        let before = put(&mut self.state.flags, key.clone(), flag);
        self.note(|| Undo::Flag(Box::new((key, before))));
    }
    /// Writes what is known about a device's clock.
    pub(super) fn set_clock(&mut self, device: DeviceId, clock: Option<DeviceClock>) {
        let before = put(&mut self.state.clocks, device.clone(), clock);
        self.note(|| Undo::Clock(device, before.map(Box::new)));
    }
    /// Writes which bridge a device speaks through.
    pub(super) fn set_through(&mut self, device: DeviceId, bridge: Option<Arc<str>>) {
        let before = put(&mut self.state.through, device.clone(), bridge);
        self.note(|| Undo::Through(device, before));
    }
    /// Writes what is known about a bridge.
    pub(super) fn set_bridge(&mut self, name: Arc<str>, bridge: Option<Bridge>) {
        let before = put(&mut self.state.bridges, name.clone(), bridge);
        self.note(|| Undo::Bridge(name, before));
    }
    pub(super) fn add_point(&mut self, def: PointDef) {
        self.note(|| Undo::PointAdded);
        self.index.add_point(&self.state.estate, &def);
        self.state
            .watches
            .resize(self.index.watches.len(), Watch::INITIAL);
        self.state.defs.push(Arc::new(def));
        self.state.points.push(PointState {
            latest: None,
            evaluated: Timestamp::from_millis(i64::MIN),
            silent_at: NEVER,
        });
        self.state.vitals.push(Vital::default());
        // A point added in this batch is undone as a whole.
        self.journal.noted.push(self.journal.batch);
        self.journal.noted_vitals.push(self.journal.batch);
    }
    fn remove_last_point(&mut self) {
        if let Some(def) = self.state.defs.pop() {
            self.state.points.pop();
            self.state.vitals.pop();
            self.journal.noted.pop();
            self.journal.noted_vitals.pop();
            self.index.remove_last_point(&self.state.estate, &def);
            self.state.watches.truncate(self.index.watches.len());
        }
    }
    pub(super) fn set_watch(&mut self, n: usize, watch: Watch) {
        let Some(slot) = self.state.watches.get_mut(n) else {
            return;
        };
        let before = std::mem::replace(slot, watch);
        if let Some(deadline) = before.deadline() {
            self.timers.remove(&(deadline, Timer::Watch(n)));
        }
        if let Some(deadline) = watch.deadline() {
            self.timers.insert((deadline, Timer::Watch(n)));
        }
        self.note(|| Undo::Watch(n, before));
    }
    /// Puts an alarm in, or takes it out.
    pub(super) fn set_alarm(&mut self, id: AlarmId, alarm: Option<Arc<Alarm>>) {
        let before = match &alarm {
            Some(alarm) => self.state.alarms.insert(id, alarm.clone()),
            None => self.state.alarms.remove(&id),
        };
        if let Some(before) = &before {
            self.live.remove(&(before.asset.clone(), before.class.clone()));
        }
        if let Some(alarm) = alarm {
            self.live.insert((alarm.asset.clone(), alarm.class.clone()), id);
        }
        self.note(|| Undo::Alarm(id, before));
    }
    /// Puts an order in, or takes it out.
    pub(super) fn set_order(&mut self, id: OrderId, order: Option<Arc<Order>>) {
        let before = match &order {
            Some(order) => self.state.orders.insert(id, order.clone()),
            None => self.state.orders.remove(&id),
        };
        if let Some(before) = &before {
            self.open.remove(&(before.asset.clone(), before.fault.clone()));
            if let Some(deadline) = before.deadline() {
                self.timers.remove(&(deadline, Timer::Order(id)));
            }
        }
        if let Some(order) = &order {
            self.open.insert((order.asset.clone(), order.fault.clone()), id);
            if let Some(deadline) = order.deadline() {
                self.timers.insert((deadline, Timer::Order(id)));
            }
        }
        let verifies = |o: &Option<Arc<Order>>| {
            o.as_ref()
                .is_some_and(|o| matches!(o.state, OrderState::PendingVerification(_)))
        };
        if verifies(&before) != verifies(&order) {
            self.refresh_verifying();
        }
        self.note(|| Undo::Order(id, before));
    }
    fn refresh_verifying(&mut self) {
        self.verifying.clear();
        for order in self.state.orders.values() {
            if matches!(order.state, OrderState::PendingVerification(_)) {
                let watches = self.index.of_fault(&order.asset, &order.fault);
                let points = watches.iter().filter_map(|w| self.index.watches.get(*w));
                self.verifying.extend(points.map(|w| w.point));
            }
        }
    }
    /// Changes the state as a whole: another estate, another boot.
    pub(super) fn replace(&mut self, change: impl FnOnce(&mut State)) {
        let before = self
            .journal
            .counters
            .is_some()
            .then(|| Box::new(self.state.clone()));
        change(&mut self.state);
        self.rebuild();
        if let Some(before) = before {
            let messages = self.journal.messages.len();
            self.journal.undo.push(Undo::Whole(before, messages));
            // What was noted about single points before lies below the whole.
            self.journal.batch += 1;
        }
    }

    /// Opens a batch. A batch that is still open is committed.
    pub(super) fn begin(&mut self) {
        self.commit();
        self.journal.batch += 1;
        self.journal.counters = Some(self.state.counters);
    }
    /// Keeps the batch.
    pub(super) fn commit(&mut self) {
        self.journal.counters = None;
        self.journal.undo.clear();
        self.journal.messages.clear();
    }
    /// Undoes the batch.
    pub(super) fn rollback(&mut self) {
        let Some(counters) = self.journal.counters.take() else {
            return;
        };
        let mut undo = std::mem::take(&mut self.journal.undo);
        while let Some(step) = undo.pop() {
            match step {
                Undo::Point(n, point) => {
                    if let Some(slot) = self.state.points.get_mut(n) {
                        *slot = point;
                    }
                }
                Undo::PointAdded => self.remove_last_point(),
                Undo::Vital(n, vital) => {
                    if let Some(slot) = self.state.vitals.get_mut(n) {
                        *slot = vital;
                    }
                }
                Undo::Device(n, device) => {
                    if let Some(slot) = self.state.devices.get_mut(n) {
                        *slot = device;
                    }
                }
                Undo::Flag(flag) => self.set_flag(flag.0, flag.1),
                Undo::Away(n, away) => self.set_away(n, away),
                Undo::Clock(device, clock) => self.set_clock(device, clock.map(|clock| *clock)),
                Undo::Through(device, bridge) => self.set_through(device, bridge),
                Undo::Bridge(name, bridge) => self.set_bridge(name, bridge),
                Undo::Watch(n, watch) => self.set_watch(n, watch),
                Undo::Alarm(id, alarm) => self.set_alarm(id, alarm),
                Undo::Order(id, order) => self.set_order(id, order),
                Undo::Whole(state, messages) => {
                    self.state = *state;
                    self.journal.messages.truncate(messages);
                    self.rebuild();
                }
            }
        }
        while let Some(message) = self.journal.messages.pop() {
            Self::unhear(&mut self.state.heard, message);
        }
        self.journal.undo = undo;
        self.state.counters = counters;
        self.refresh_verifying();
    }
}

/// Puts a value in, or takes it out; what stood there.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}
