//! The inbox of unknown devices: who speaks and is not in the estate, with their last messages, waiting for a decision.
//!
//! Everything is bounded. Past [`MAX_DEVICES`] the new device with the fewest messages goes first, the oldest of those;
//! one batch makes room for at most [`MAX_DISPLACED`] newcomers, further ones are only counted. Past [`MAX_BYTES`] the
//! device that holds most lets its oldest message go. What is ignored is never displaced, so it has a limit of its own,
//! at which a person has to forget something first. `device` says which messages of one device are kept.
//!
//! It is kept in memory and commits with the batch: [`UnknownDevices::changes`] is what the ledger must store, at most
//! one change for each device however often it spoke, and [`UnknownDevices::rollback`] takes a failed batch back. What
//! a message says is not looked at here: profiles are guessed when somebody asks.

mod changes;
mod device;
mod shelf;
#[cfg(test)]
mod tests;

pub(super) use device::Heard;

use device::Device;
use linli_decode::Announced;
use linli_domain::time::Timestamp;
use linli_ledger::{Page, Reader, StoreError, UnknownChange, UnknownPayload, UnknownRow, UnknownState};
use rustc_hash::FxHashMap;
use shelf::{Address, Shelf};
use std::sync::Arc;

/// New devices kept. Past it the one with the fewest messages goes first, the oldest of those.
pub(super) const MAX_DEVICES: usize = 1_000;
/// Ignored devices kept. Past it a device is not ignored before another is forgotten.
pub(super) const MAX_IGNORED: usize = 4_096;
/// Bytes of messages kept, over all devices. Past it the device that holds most lets its oldest message go.
pub(super) const MAX_BYTES: usize = 8 << 20;
/// Newcomers one batch makes room for when the inbox is full, so that a flood of names costs a batch little.
pub(super) const MAX_DISPLACED: usize = 64;
/// Longest vendor or model kept, in characters; the rest is cut.
const MAX_NAME: usize = 128;

// Even the newest message alone of every device fits, so letting older ones go always makes room.
const _: () = assert!(MAX_DEVICES * device::MAX_PAYLOAD_BYTES <= MAX_BYTES);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its device was not known before; it waits for a decision.
    First,
    /// It waits for a decision.
    Kept,
    /// It was counted only: too large to be kept.
    Counted,
    /// Its device is ignored.
    Ignored,
    /// There is no room for its device.
    TurnedAway,
}

impl Outcome {
    /// The label of its metric.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::First | Self::Kept => "kept",
            Self::Counted => "counted",
            Self::Ignored => "ignored",
            Self::TurnedAway => "turned_away",
        }
    }
}

/// The devices, and what the open batch did to them.
#[derive(Debug, Default)]
pub struct UnknownDevices {
    shelf: Shelf,
    last_id: i64,
    /// Devices that made room for another in the open batch.
    displaced: usize,
    /// What the open batch has changed, as it was before.
    before: FxHashMap<Address, Option<Device>>,
}

impl UnknownDevices {
    /// Reads what the ledger remembers.
    pub fn load(reader: &Reader) -> Result<Self, StoreError> {
        let mut all = Self {
            last_id: reader.last_unknown_device()?,
            ..Self::default()
        };
        let mut page = Page::newest(MAX_DEVICES);
        loop {
            let rows = reader.unknown_devices(None, page)?;
            let Some(last) = rows.last() else { return Ok(all) };
            page.before = Some(last.id);
            for row in rows {
                let kept = reader.unknown_payloads(row.id)?;
                all.shelf.put(Device::load(row, kept));
            }
        }
    }

    /// A device of this address was heard.
    pub(super) fn hear(
        &mut self,
        connection: &Arc<str>,
        family: &str,
        key: &str,
        heard: Heard<'_>,
    ) -> Outcome {
        if self.shelf.find(connection, key).is_none() && !self.make(connection, family, key, heard.at) {
            return Outcome::TurnedAway;
        }
        self.remember(connection, key);
        let kept = self.shelf.change(connection, key, |device| {
            let ignored = device.row.state == UnknownState::Ignored;
            match (device.hear(heard), ignored) {
                (true, _) if device.row.heard == 1 => Outcome::First,
                (true, _) => Outcome::Kept,
                (false, true) => Outcome::Ignored,
                (false, false) => Outcome::Counted,
            }
        });
        while self.shelf.bytes > MAX_BYTES && self.shrink() {}
        kept.unwrap_or(Outcome::TurnedAway)
    }

    /// A device was announced without having spoken: it waits for a decision like one that was heard.
    pub fn list(
        &mut self,
        connection: &Arc<str>,
        family: &str,
        key: &str,
        at: Timestamp,
        is: &Announced<'_>,
    ) {
        if self.shelf.find(connection, key).is_some() || self.make(connection, family, key, at) {
            self.describe(connection, key, is);
        }
    }

    /// Notes what a device says it is.
    pub fn describe(&mut self, connection: &Arc<str>, key: &str, is: &Announced<'_>) {
        let (vendor, model) = (cut(is.vendor), cut(is.model));
        let known = self.shelf.find(connection, key);
        let is_new = |device: &Device| (&device.row.vendor, &device.row.model) != (&vendor, &model);
        if known.is_some_and(is_new) {
            self.remember(connection, key);
            self.shelf.change(connection, key, |device| {
                (device.row.vendor, device.row.model) = (vendor, model)
            });
        }
    }

    /// The device with this number.
    pub fn get(&self, id: i64) -> Option<&UnknownRow> {
        self.shelf
            .all()
            .map(|device| &device.row)
            .find(|row| row.id == id)
    }

    /// Whether another device may be ignored.
    pub fn can_ignore(&self) -> bool {
        self.shelf.ignored < MAX_IGNORED
    }

    /// Its messages are counted and not kept from now on. The new version; `None` when there is no such device.
    pub fn ignore(&mut self, id: i64) -> Option<u32> {
        let (connection, key) = self.shelf.address(id)?;
        self.remember(&connection, &key);
        self.shelf.change(&connection, &key, |device| {
            device.ignore();
            device.row.version
        })
    }

    /// Forgets a device; gives back its messages, oldest first.
    pub fn take(&mut self, id: i64) -> Option<(UnknownRow, Vec<UnknownPayload>)> {
        let (connection, key) = self.shelf.address(id)?;
        self.remember(&connection, &key);
        let device = self.shelf.remove(&connection, &key)?;
        let kept = device.kept.into_iter().map(Arc::unwrap_or_clone);
        Some((device.row, kept.collect()))
    }

    /// Numbers of the devices whose address passes `known`, oldest first.
    pub fn among(&self, known: impl Fn(&str, &str) -> bool) -> Vec<i64> {
        let here = self.shelf.all().filter(|d| known(&d.row.connection, &d.row.key));
        let mut ids: Vec<i64> = here.map(|device| device.row.id).collect();
        ids.sort_unstable();
        ids
    }

    /// New devices, ignored devices, bytes of messages.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.shelf.new, self.shelf.ignored, self.shelf.bytes)
    }

    /// What the open batch must store.
    pub fn changes(&self) -> Vec<UnknownChange> {
        let of = |((connection, key), before): (&Address, &Option<Device>)| {
            changes::between(before.as_ref(), self.shelf.find(connection, key))
        };
        let mut changes: Vec<UnknownChange> = self.before.iter().flat_map(of).collect();
        changes.sort_unstable_by_key(|change| change.id);
        changes
    }

    /// The batch is durable. How many devices it displaced.
    pub fn commit(&mut self) -> usize {
        for ((connection, key), before) in std::mem::take(&mut self.before) {
            self.shelf.change(&connection, &key, |device| {
                if before.is_none_or(|before| !changes::can_wait(&before, device)) {
                    device.written = device.row.last_seen;
                }
                device.touched = false;
            });
        }
        std::mem::take(&mut self.displaced)
    }

    /// The batch failed: what it changed never happened.
    pub fn rollback(&mut self) {
        self.displaced = 0;
        for ((connection, key), before) in std::mem::take(&mut self.before) {
            self.shelf.remove(&connection, &key);
            before.into_iter().for_each(|device| self.shelf.put(device));
        }
    }

    /// Notes what a device was before the batch, once.
    fn remember(&mut self, connection: &Arc<str>, key: &str) {
        let before = self.shelf.change(connection, key, |device| {
            let before = (!device.touched).then(|| device.clone());
            device.touched = true;
            before
        });
        if let Some(Some(before)) = before {
            let address = (Arc::clone(connection), key.into());
            self.before.entry(address).or_insert(Some(before));
        }
    }

    /// Makes a device. `false`: there is no room for it.
    fn make(&mut self, connection: &Arc<str>, family: &str, key: &str, at: Timestamp) -> bool {
        if self.shelf.new >= MAX_DEVICES && !self.displace() {
            return false;
        }
        self.last_id += 1;
        let mut device = Device::new(self.last_id, connection, family, key, at);
        device.touched = true;
        let address = (Arc::clone(connection), key.into());
        self.before.entry(address).or_insert(None);
        self.shelf.put(device);
        true
    }

    fn displace(&mut self) -> bool {
        if self.displaced >= MAX_DISPLACED {
            return false;
        }
        let Some((connection, key)) = self.shelf.least() else {
            return false;
        };
        self.displaced += 1;
        self.remember(&connection, &key);
        self.shelf.remove(&connection, &key).is_some()
    }

    /// `false`: no device holds more than its newest message.
    fn shrink(&mut self) -> bool {
        let Some((connection, key)) = self.shelf.heaviest() else {
            return false;
        };
        self.remember(&connection, &key);
        let gone = self
            .shelf
            .change(&connection, &key, |device| device.kept.pop_front());
        gone.is_some()
    }
}

/// A name as far as it is kept; none when it is empty.
fn cut(text: &str) -> Option<String> {
    let text: String = text.trim().chars().take(MAX_NAME).collect();
    (!text.is_empty()).then_some(text)
}
