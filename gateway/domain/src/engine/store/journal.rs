//! What a batch has written, and how it is undone: in the opposite order, through the same setters.

use super::super::state::{
    AlarmKey, BatchKey, Bridge, Counters, Crowd, DeviceState, FlagKey, Flap, Gathering, PointState, State,
    Track, Vital,
};
use super::Store;
use crate::alarm::{Alarm, OutOfService, Serviced, Watch};
use crate::health::Flag;
use crate::health::clock::DeviceClock;
use crate::health::rhythm::Rhythm;
use crate::id::{AlarmId, DeviceId, OrderId};
use crate::order::Order;
use crate::time::Timestamp;
use std::sync::Arc;

/// One write, as it must be undone.
#[derive(Debug)]
pub(super) enum Undo {
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
    Track(usize, Option<Arc<Track>>),
    Flap(AlarmKey, Option<Flap>),
    Crowd(Arc<Crowd>),
    OutOfService(Serviced, Option<Arc<OutOfService>>),
    Alarm(AlarmId, Option<Arc<Alarm>>),
    Order(OrderId, Option<Arc<Order>>),
    Gathering(BatchKey, Option<Gathering>),
    /// With how many messages of devices had been noted before.
    Whole(Box<State>, usize),
}

/// One message of one device, as it must be undone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) device: u32,
    pub(super) ever: bool,
    pub(super) at: Timestamp,
    pub(super) rhythm: Rhythm,
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) counters: Option<Counters>,
    pub(super) undo: Vec<Undo>,
    /// Messages of devices: there is one with nearly every reading, and nothing else writes what they write. They can
    /// therefore be undone after the rest, oldest last.
    pub(super) messages: Vec<Message>,
    /// Which points were noted in which batch: only the first write of a batch matters.
    pub(super) noted: Vec<u64>,
    pub(super) noted_vitals: Vec<u64>,
    pub(super) noted_devices: Vec<u64>,
    pub(super) batch: u64,
}

impl Journal {
    /// Whether a batch is open that has not yet noted what stands at `n`; from now on it has.
    pub(super) fn is_first(noted: &mut [u64], n: usize, open: bool, batch: u64) -> bool {
        match noted.get_mut(n) {
            Some(noted) if open && *noted != batch => {
                *noted = batch;
                true
            }
            _ => false,
        }
    }
}

impl Store {
    pub(super) fn note(&mut self, undo: impl FnOnce() -> Undo) {
        if self.journal.counters.is_some() {
            self.journal.undo.push(undo());
        }
    }

    /// Opens a batch. A batch that is still open is committed.
    pub(in crate::engine) fn begin(&mut self) {
        self.commit();
        self.journal.batch += 1;
        self.journal.counters = Some(self.state.counters);
    }
    /// Keeps the batch.
    pub(in crate::engine) fn commit(&mut self) {
        self.journal.counters = None;
        self.journal.undo.clear();
        self.journal.messages.clear();
    }
    /// Undoes the batch.
    pub(in crate::engine) fn rollback(&mut self) {
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
                Undo::Track(n, track) => self.put_track(n, track),
                Undo::Crowd(crowd) => self.set_crowd(crowd),
                Undo::Flap(key, flap) => self.set_flap(key, flap),
                Undo::OutOfService(what, out) => self.set_out_of_service(what, out),
                Undo::Alarm(id, alarm) => self.set_alarm(id, alarm),
                Undo::Order(id, order) => self.set_order(id, order),
                Undo::Gathering(key, gathering) => self.set_gathering(key, gathering),
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
