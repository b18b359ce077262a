//! Once: whether a message was seen before (DESIGN decision 6), kept in memory and committed with the readings.
//!
//! Three identities, in this order. LoRaWAN: device, port, frame counter and payload within 24 hours, across
//! network servers. Own time: point and observed time, answered by the ledger and not here. Neither: the DUP flag
//! together with session, packet id, topic and payload of the last message that used the packet id; a broker does
//! not reuse an id before it is acknowledged, so the last one is enough.
//!
//! That last one must be recent, too. A message is repeated only while it is unacknowledged, and acknowledgements go
//! out in the order of the messages; so once its session has delivered a whole window of later messages, it was
//! acknowledged, and an equal message under the same id is another one whose first delivery got lost on the way. Ids
//! come round after 65,535 messages and sensors repeat themselves, so this happens. What remains: a client that uses
//! one id over and over (the embedded broker has such) and loses a connection between two equal messages.
//!
//! What a batch adds is taken back when its commit fails.

use linli_decode::LorawanIdentity;
use linli_domain::time::Timestamp;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a LoRaWAN frame is remembered.
pub(super) const LORAWAN_MEMORY: Duration = Duration::from_secs(24 * 3600);
/// Most LoRaWAN frames remembered; past it the oldest are forgotten, which can only store a repeat twice.
pub(super) const LORAWAN_LIMIT: usize = 500_000;
/// Most deliveries whose packet ids are remembered, over all sessions; past it the oldest is forgotten. A broker
/// repeats at most the window it had open, so this is room for dozens of brokers or thousands of devices.
pub(super) const PACKET_LIMIT: usize = 1 << 16;

/// A message can be a repeat of one so many deliveries ago in its session: more than any receive maximum that is
/// allowed, and less than it takes for packet ids to come round.
pub(super) const REPEAT_WINDOW: u64 = 1 << 15;

/// A packet id of one session.
pub(super) type PacketKey = (u64, u16);

/// The last message under a packet id: its hash, which delivery it was of all, and which of its session.
#[derive(Debug, Clone, Copy)]
struct Mark {
    hash: u64,
    delivery: u64,
    of_session: u64,
}

/// What is counted of a session.
#[derive(Debug, Clone, Copy, Default)]
struct Session {
    deliveries: u64,
    /// Packet ids that are remembered; without any the session is forgotten.
    marks: u32,
}

/// What the gateway has seen, and what the running batch adds.
#[derive(Debug, Default)]
pub struct Once {
    lorawan: FxHashMap<u128, Timestamp>,
    packets: FxHashMap<PacketKey, Mark>,
    /// Packet ids in the order of their deliveries, the newest last; one that was used again stands there twice.
    delivered: VecDeque<(PacketKey, u64)>,
    deliveries: u64,
    sessions: FxHashMap<u64, Session>,
    added_lorawan: Vec<(u128, Timestamp)>,
    added_packets: Vec<(PacketKey, u64, Option<Mark>)>,
}

impl Once {
    /// Takes what the ledger remembers; packet ids oldest first.
    pub fn load(
        lorawan: impl IntoIterator<Item = (u128, Timestamp)>,
        packets: impl IntoIterator<Item = (PacketKey, u64)>,
    ) -> Self {
        let mut once = Self {
            lorawan: lorawan.into_iter().collect(),
            ..Self::default()
        };
        for (key, hash) in packets {
            once.remember(key, hash);
        }
        once.commit();
        once
    }

    /// Whether this LoRaWAN frame came before; remembers it when not. `joins` says how often the device has joined its
    /// network: its counter starts over each time, and so do its frames.
    pub fn lorawan_seen(
        &mut self,
        frame: &LorawanIdentity,
        joins: u32,
        payload: &[u8],
        at: Timestamp,
    ) -> bool {
        let mut head = Fnv::default();
        head.write(&frame.dev_eui.to_le_bytes());
        head.write(&[frame.f_port]);
        head.write(&frame.f_cnt.to_le_bytes());
        if joins > 0 {
            head.write(&joins.to_le_bytes());
        }
        let key = (u128::from(head.0) << 64) | u128::from(fnv(&[payload]));
        if self.lorawan.get(&key).is_some_and(|expires| *expires > at) {
            return true;
        }
        if self.lorawan.len() >= LORAWAN_LIMIT {
            self.forget_expired(at);
        }
        let expires = at.plus(LORAWAN_MEMORY);
        self.lorawan.insert(key, expires);
        self.added_lorawan.push((key, expires));
        false
    }

    /// Whether the broker repeats a message whose first delivery is already committed (or in this batch).
    pub fn packet_seen(&mut self, key: PacketKey, duplicate: bool, topic: &str, payload: &[u8]) -> bool {
        let hash = fnv(&[topic.as_bytes(), b"\0", payload]);
        if duplicate && self.is_repeat(key, hash) {
            return true;
        }
        self.remember(key, hash);
        false
    }

    fn is_repeat(&self, key: PacketKey, hash: u64) -> bool {
        let Some(mark) = self.packets.get(&key).filter(|mark| mark.hash == hash) else {
            return false;
        };
        let now = self.sessions.get(&key.0).map_or(0, |session| session.deliveries);
        now - mark.of_session < REPEAT_WINDOW
    }

    fn remember(&mut self, key: PacketKey, hash: u64) {
        self.deliveries += 1;
        let session = self.sessions.entry(key.0).or_default();
        session.deliveries += 1;
        let mark = Mark {
            hash,
            delivery: self.deliveries,
            of_session: session.deliveries,
        };
        let old = self.packets.insert(key, mark);
        session.marks += u32::from(old.is_none());
        self.delivered.push_back((key, self.deliveries));
        self.added_packets.push((key, hash, old));
    }

    fn forget(&mut self, key: PacketKey) {
        if self.packets.remove(&key).is_none() {
            return;
        }
        if let Some(session) = self.sessions.get_mut(&key.0) {
            session.marks -= 1;
            if session.marks == 0 {
                self.sessions.remove(&key.0);
            }
        }
    }

    /// What the running batch must store: LoRaWAN frames with their expiry.
    pub fn added_lorawan(&self) -> &[(u128, Timestamp)] {
        &self.added_lorawan
    }

    /// What the running batch must store: packet ids with the hash of their message.
    pub fn added_packets(&self) -> impl Iterator<Item = (PacketKey, u64)> {
        self.added_packets.iter().map(|(key, hash, _)| (*key, *hash))
    }

    /// The batch is durable.
    pub fn commit(&mut self) {
        self.added_lorawan.clear();
        self.added_packets.clear();
        // Only now: what a batch pushed out could not be brought back by a rollback.
        while self.delivered.len() > PACKET_LIMIT
            && let Some((key, delivery)) = self.delivered.pop_front()
        {
            if self
                .packets
                .get(&key)
                .is_some_and(|mark| mark.delivery == delivery)
            {
                self.forget(key);
            }
        }
    }

    /// The batch failed: what it added was never seen.
    pub fn rollback(&mut self) {
        for (key, _) in self.added_lorawan.drain(..) {
            self.lorawan.remove(&key);
        }
        let mut added = std::mem::take(&mut self.added_packets);
        for (key, _, old) in added.drain(..).rev() {
            self.delivered.pop_back();
            if let Some(session) = self.sessions.get_mut(&key.0) {
                session.deliveries -= 1;
            }
            match old {
                Some(mark) => drop(self.packets.insert(key, mark)),
                None => self.forget(key),
            }
        }
        self.added_packets = added;
    }

    /// Drops expired frames, and the older half when none was expired.
    fn forget_expired(&mut self, at: Timestamp) {
        self.lorawan.retain(|_, expires| *expires > at);
        if self.lorawan.len() >= LORAWAN_LIMIT {
            let mut times: Vec<Timestamp> = self.lorawan.values().copied().collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            self.lorawan.retain(|_, expires| *expires > median);
        }
    }
}

/// FNV-1a, 64 bits: stable across versions of everything, because its values are stored.
#[derive(Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The stable 64-bit hash of `parts` in order; also numbers sessions.
pub fn fnv(parts: &[&[u8]]) -> u64 {
    let mut hash = Fnv::default();
    for part in parts {
        hash.write(part);
    }
    hash.0
}

#[cfg(test)]
#[path = "once_tests.rs"]
mod tests;
