//! Writes what is known about devices and bridges.

use super::super::state::{Bridge, DeviceState, FlagKey, Heard};
use super::Store;
use super::journal::{Journal, Message, Undo};
use crate::health::Flag;
use crate::health::clock::DeviceClock;
use crate::id::DeviceId;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Store {
    /// A message of a device came; whether that is news in itself, and none when it is the one that came last.
    #[inline]
    pub(in crate::engine) fn hear(&mut self, n: usize, received: Timestamp) -> Option<bool> {
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
    pub(in crate::engine) fn set_away(&mut self, n: usize, away: bool) {
        if let Some(heard) = self.state.heard.get_mut(n)
            && heard.away != away
        {
            heard.away = away;
            self.note(|| Undo::Away(n, !away));
        }
    }
    pub(super) fn unhear(heard: &mut [Heard], message: Message) {
        if let Some(heard) = heard.get_mut(message.device as usize) {
            heard.ever = message.ever;
            heard.at = message.at;
            heard.rhythm = message.rhythm;
        }
    }
    /// What else is known about a device, to be written.
    pub(in crate::engine) fn device_mut(&mut self, n: usize) -> Option<&mut DeviceState> {
        let device = self.state.devices.get_mut(n)?;
        let journal = &mut self.journal;
        let open = journal.counters.is_some();
        if Journal::is_first(&mut journal.noted_devices, n, open, journal.batch) {
            journal.undo.push(Undo::Device(n, *device));
        }
        Some(device)
    }
    /// Raises a flag, or takes it down.
    pub(in crate::engine) fn set_flag(&mut self, key: FlagKey, flag: Option<Flag>) {
        let before = put(&mut self.state.flags, key.clone(), flag);
        self.note(|| Undo::Flag(Box::new((key, before))));
    }
    /// Writes what is known about a device's clock.
    pub(in crate::engine) fn set_clock(&mut self, device: DeviceId, clock: Option<DeviceClock>) {
        let before = put(&mut self.state.clocks, device.clone(), clock);
        self.note(|| Undo::Clock(device, before.map(Box::new)));
    }
    /// Writes which bridge a device speaks through.
    pub(in crate::engine) fn set_through(&mut self, device: DeviceId, bridge: Option<Arc<str>>) {
        let before = put(&mut self.state.through, device.clone(), bridge);
        self.note(|| Undo::Through(device, before));
    }
    /// Writes what is known about a bridge.
    pub(in crate::engine) fn set_bridge(&mut self, name: Arc<str>, bridge: Option<Bridge>) {
        let before = put(&mut self.state.bridges, name.clone(), bridge);
        self.note(|| Undo::Bridge(name, before));
    }
}

/// Puts a value in, or takes it out; what stood there.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}
