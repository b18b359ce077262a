//! One unknown device: its counts, and which of its messages are kept.
//!
//! The newest message is always kept, because it says how things are now. The ones before it are kept until there are
//! [`MAX_PAYLOADS`]; from then on one in [`SPACING`], so that a device that speaks all the time shows a stretch of its
//! life and not its last second.

use linli_domain::time::Timestamp;
use linli_ledger::{UnknownPayload, UnknownRow, UnknownState};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Messages kept of one device; past it the oldest goes.
pub(super) const MAX_PAYLOADS: usize = 16;
/// Largest message kept, in bytes: a larger one is counted only, because a part of it could not be decoded later.
pub(super) const MAX_PAYLOAD_BYTES: usize = 8 * 1024;
/// Least time between two kept messages of a device that has [`MAX_PAYLOADS`] of them.
pub(super) const SPACING: Duration = Duration::from_secs(10);

/// A message as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard<'a> {
    /// Its topic.
    pub(crate) topic: &'a str,
    /// Its bytes.
    pub(crate) payload: &'a [u8],
    /// Whether the broker replayed it.
    pub(crate) retained: bool,
    /// When it was received.
    pub(crate) at: Timestamp,
}

/// A device that speaks and is not in the estate.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) row: UnknownRow,
    /// Oldest first; their numbers rise. Shared with what the device was before the batch.
    pub(super) kept: VecDeque<Arc<UnknownPayload>>,
    /// Number of the next message.
    next: u64,
    /// The open batch has changed it, and what it was before is remembered.
    pub(super) touched: bool,
    /// When it was last heard, as the ledger knows.
    pub(super) written: Timestamp,
}

impl Device {
    /// A device that has not been heard yet.
    pub(super) fn new(id: i64, connection: &str, family: &str, key: &str, at: Timestamp) -> Self {
        Self::load(
            UnknownRow {
                id,
                connection: connection.to_owned(),
                family: family.to_owned(),
                key: key.to_owned(),
                state: UnknownState::New,
                version: 1,
                first_seen: at,
                last_seen: at,
                heard: 0,
                vendor: None,
                model: None,
            },
            Vec::new(),
        )
    }

    /// A device as the ledger remembers it, with its messages oldest first.
    pub(super) fn load(row: UnknownRow, kept: Vec<UnknownPayload>) -> Self {
        Self {
            next: kept.last().map_or(1, |newest| newest.number + 1),
            kept: kept.into_iter().map(Arc::new).collect(),
            touched: false,
            written: row.last_seen,
            row,
        }
    }

    /// Counts a message, and keeps it unless it is too large. Whether it was kept.
    pub(super) fn hear(&mut self, heard: Heard<'_>) -> bool {
        self.row.heard += 1;
        self.row.last_seen = self.row.last_seen.max(heard.at);
        if self.row.state == UnknownState::Ignored || heard.payload.len() > MAX_PAYLOAD_BYTES {
            return false;
        }
        let full = self.kept.len() >= MAX_PAYLOADS;
        let replaced = if full && self.newest_is_close() {
            self.kept.pop_back().map(|newest| newest.number)
        } else {
            if full {
                self.kept.pop_front();
            }
            None
        };
        // A message that takes the place of another takes its number too: in the ledger one row changes.
        let number = replaced.unwrap_or(self.next);
        self.next = self.next.max(number + 1);
        self.kept.push_back(Arc::new(UnknownPayload {
            number,
            at: heard.at,
            topic: Arc::from(heard.topic),
            retained: heard.retained,
            payload: Arc::from(heard.payload),
        }));
        true
    }

    /// Whether the newest kept message came so soon after the one before that it makes room for the next.
    fn newest_is_close(&self) -> bool {
        let mut newest = self.kept.iter().rev();
        match (newest.next(), newest.next()) {
            (Some(last), Some(before)) => last.at.since(before.at) < SPACING,
            _ => false,
        }
    }

    /// It is not ours: its messages go, and no more are kept.
    pub(super) fn ignore(&mut self) {
        self.row.state = UnknownState::Ignored;
        self.row.version += 1;
        self.kept.clear();
    }

    /// Bytes of the kept messages.
    pub(super) fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.payload.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn device() -> Device {
        Device::new(1, "main", "json", "d1", at(0))
    }

    fn hear(device: &mut Device, seconds: i64) -> bool {
        let payload = seconds.to_string();
        device.hear(Heard {
            topic: "site/d1",
            payload: payload.as_bytes(),
            retained: false,
            at: at(seconds),
        })
    }

    fn kept(device: &Device) -> Vec<i64> {
        device
            .kept
            .iter()
            .map(|kept| std::str::from_utf8(&kept.payload).unwrap().parse().unwrap())
            .collect()
    }

    #[test]
    fn a_quiet_device_keeps_its_last_messages() {
        let mut device = device();
        for hour in 0..30 {
            assert!(hear(&mut device, hour * 3600));
        }
        let expected: Vec<i64> = (14..30).map(|hour| hour * 3600).collect();
        assert_eq!(kept(&device), expected);
        assert_eq!((device.row.heard, device.row.last_seen), (30, at(29 * 3600)));
    }

    #[test]
    fn a_chatty_device_shows_a_stretch_of_its_life_and_always_its_last_word() {
        let mut device = device();
        for second in 0..1000 {
            hear(&mut device, second);
            assert_eq!(kept(&device).last(), Some(&second), "the newest is always there");
        }
        let times = kept(&device);
        assert_eq!(times.len(), MAX_PAYLOADS);
        assert!(times[0] < 900, "not only its last seconds: {times:?}");
        assert!(device.kept.iter().is_sorted_by(|a, b| a.number < b.number));
    }

    #[test]
    fn a_message_that_is_too_large_is_counted_only_and_an_ignored_device_keeps_nothing() {
        let mut device = device();
        let large = vec![0; MAX_PAYLOAD_BYTES + 1];
        let kept = device.hear(Heard {
            topic: "t",
            payload: &large,
            retained: false,
            at: at(1),
        });
        assert_eq!((kept, device.row.heard, device.bytes()), (false, 1, 0));
        hear(&mut device, 2);
        device.ignore();
        assert!(!hear(&mut device, 3));
        assert_eq!((device.row.heard, device.bytes(), device.row.version), (3, 0, 2));
    }
}
