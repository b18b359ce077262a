//! The engine's state and the only place that writes it.
//!
//! Every write goes through a setter that keeps the timers and the look-ups in step and, inside a batch, notes
//! what was there before. Rolling back replays those notes backwards through the same setters, so a batch that
//! cannot be committed leaves no trace.

mod alarms;
mod devices;
mod journal;
mod orders;

use super::PointDef;
use super::index::Index;
use super::state::{AlarmKey, BatchKey, Counters, NEVER, PointState, State, Track, Vital};
use crate::alarm::{Alarm, Serviced, Watch};
use crate::id::{AlarmId, AssetId, Class, Fault, OrderId, PointKey};
use crate::order::Order;
use crate::time::{Deadline, Timestamp};
use journal::{Journal, Undo};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a running delay belongs to. Watches come first: an order looks at them when both are due at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Watch(usize),
    Look(usize),
    Alarm(AlarmId),
    Service(Serviced),
    Flap(AlarmKey),
    /// Before what people are told of at the same time, which names the order.
    Gathering(BatchKey),
    Crowd,
    Order(OrderId),
}

#[derive(Debug)]
pub(super) struct Store {
    state: State,
    index: Index,
    timers: BTreeSet<(Deadline, Timer)>,
    live: FxHashMap<(AssetId, Class), AlarmId>,
    open: FxHashMap<(AssetId, Fault), OrderId>,
    /// Living alarms that may be the cause of others.
    causes: BTreeSet<AlarmId>,
    /// What a person has named as a cause, and of which alarm.
    named: BTreeSet<(AlarmId, AlarmId)>,
    /// How many watches have heard late readings that may go on.
    late: usize,
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
            causes: BTreeSet::new(),
            named: BTreeSet::new(),
            late: 0,
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
        let looks = self.state.tracks.iter().filter(|(_, track)| track.look < NEVER);
        self.late = self.state.tracks.values().filter(|t| t.late.is_some()).count();
        let alarms = self.state.alarms.values();
        let flaps = self.state.flaps.iter();
        let orders = self.state.orders.values();
        self.timers = watches
            .filter_map(|(n, w)| Some((w.deadline()?, Timer::Watch(n))))
            .chain(looks.map(|(n, track)| (track.look, Timer::Look(*n))))
            .chain(
                alarms
                    .clone()
                    .filter_map(|a| Some((a.deadline()?, Timer::Alarm(a.id)))),
            )
            .chain(
                self.state
                    .out_of_service
                    .iter()
                    .filter_map(|(what, out)| Some((out.until?, Timer::Service(what.clone())))),
            )
            .chain(flaps.map(|(key, flap)| (flap.look, Timer::Flap(key.clone()))))
            .chain(
                self.state
                    .gatherings
                    .iter()
                    .map(|(key, gathering)| (gathering.due, Timer::Gathering(key.clone()))),
            )
            .chain(self.state.crowd.look().map(|look| (look, Timer::Crowd)))
            .chain(
                orders
                    .clone()
                    .filter_map(|o| Some((o.deadline()?, Timer::Order(o.id)))),
            )
            .collect();
        self.causes = alarms
            .clone()
            .filter(|a| a.inhibits.is_some())
            .map(|a| a.id)
            .collect();
        self.named = alarms
            .clone()
            .filter_map(|a| {
                Some((
                    a.suppression.filter(|suppression| suppression.named)?.source,
                    a.id,
                ))
            })
            .collect();
        self.live = alarms
            .map(|a| ((a.asset.clone(), a.class.clone()), a.id))
            .collect();
        self.open = orders
            .flat_map(|o| o.assets().map(|a| ((a.clone(), o.fault.clone()), o.id)))
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
        self.timers.first().cloned()
    }
    pub(super) fn first_deadline(&self) -> Option<Deadline> {
        self.timers.first().map(|(deadline, _)| *deadline)
    }
    pub(super) fn drop_timer(&mut self, timer: &(Deadline, Timer)) {
        self.timers.remove(timer);
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

    /// Whether late readings of anything may go on.
    #[inline]
    pub(super) fn has_late(&self) -> bool {
        self.late > 0
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
    /// What else is kept of a watch; nothing is written when that is what is there.
    pub(super) fn set_track(&mut self, n: usize, track: Track) {
        let is_nothing = track == Track::default();
        let before = self.state.tracks.get(&n);
        let same = before.map_or(is_nothing, |before| **before == track);
        if same || n >= self.state.watches.len() {
            return;
        }
        self.put_track(n, (!is_nothing).then(|| Arc::new(track)));
    }
    fn put_track(&mut self, n: usize, track: Option<Arc<Track>>) {
        let is_late =
            |track: &Option<Arc<Track>>| usize::from(track.as_ref().is_some_and(|t| t.late.is_some()));
        self.late += is_late(&track);
        let look = |track: &Option<Arc<Track>>| track.as_ref().map(|t| t.look).filter(|look| *look < NEVER);
        let after = look(&track);
        let before = match track {
            Some(track) => self.state.tracks.insert(n, track),
            None => self.state.tracks.remove(&n),
        };
        self.late -= is_late(&before);
        let was = look(&before);
        if was != after {
            if let Some(deadline) = was {
                self.timers.remove(&(deadline, Timer::Look(n)));
            }
            if let Some(deadline) = after {
                self.timers.insert((deadline, Timer::Look(n)));
            }
        }
        self.note(|| Undo::Track(n, before));
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
}
