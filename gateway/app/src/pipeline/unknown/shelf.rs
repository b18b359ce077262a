//! Where the unknown devices stand: by connection and key, with their number and weight known at any time.

use super::device::Device;
use linli_ledger::UnknownState;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Connection and key of a device.
pub(super) type Address = (Arc<str>, Box<str>);

/// Devices by their address.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    devices: FxHashMap<Arc<str>, FxHashMap<Box<str>, Device>>,
    /// How many are new.
    pub(super) new: usize,
    /// How many are ignored.
    pub(super) ignored: usize,
    /// Bytes of the messages of all.
    pub(super) bytes: usize,
}

impl Shelf {
    pub(super) fn all(&self) -> impl Iterator<Item = &Device> {
        self.devices.values().flat_map(FxHashMap::values)
    }

    pub(super) fn find(&self, connection: &str, key: &str) -> Option<&Device> {
        self.devices.get(connection)?.get(key)
    }

    /// Changes a device; the counts follow.
    pub(super) fn change<T>(
        &mut self,
        connection: &str,
        key: &str,
        change: impl FnOnce(&mut Device) -> T,
    ) -> Option<T> {
        let device = self.devices.get_mut(connection)?.get_mut(key)?;
        let (bytes, state) = (device.bytes(), device.row.state);
        let done = change(device);
        self.bytes = self.bytes + device.bytes() - bytes;
        let now = device.row.state;
        *self.count(state) -= 1;
        *self.count(now) += 1;
        Some(done)
    }

    pub(super) fn put(&mut self, device: Device) {
        self.bytes += device.bytes();
        *self.count(device.row.state) += 1;
        let (connection, key) = (
            Arc::from(device.row.connection.as_str()),
            device.row.key.as_str().into(),
        );
        self.devices.entry(connection).or_default().insert(key, device);
    }

    pub(super) fn remove(&mut self, connection: &str, key: &str) -> Option<Device> {
        let device = self.devices.get_mut(connection)?.remove(key)?;
        self.bytes -= device.bytes();
        *self.count(device.row.state) -= 1;
        Some(device)
    }

    pub(super) fn address(&self, id: i64) -> Option<Address> {
        self.devices.iter().find_map(|(connection, devices)| {
            let (key, _) = devices.iter().find(|(_, device)| device.row.id == id)?;
            Some((Arc::clone(connection), key.clone()))
        })
    }

    /// The new device with the fewest messages, the oldest of those.
    pub(super) fn least(&self) -> Option<Address> {
        let new = self.all().filter(|device| device.row.state == UnknownState::New);
        let least = new.min_by_key(|device| (device.row.heard, device.row.id))?;
        self.address(least.row.id)
    }

    /// The device that holds most, among those that hold more than their newest message.
    pub(super) fn heaviest(&self) -> Option<Address> {
        let several = self.all().filter(|device| device.kept.len() > 1);
        let heaviest = several.max_by_key(|device| (device.bytes(), device.row.id))?;
        self.address(heaviest.row.id)
    }

    fn count(&mut self, state: UnknownState) -> &mut usize {
        match state {
            UnknownState::New => &mut self.new,
            UnknownState::Ignored => &mut self.ignored,
        }
    }
}
