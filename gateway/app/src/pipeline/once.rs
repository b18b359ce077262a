//! Once: whether a message was seen before (DESIGN decision 6), kept in memory and committed with the readings.
//!
//! Three identities, in this order. LoRaWAN: device, port, frame counter and payload within 24 hours, across
//! network servers. Own time: point and observed time, answered by the ledger and not here. Neither: the DUP flag
//! together with session, packet id, topic and payload of the last message that used the packet id; a broker does
//! not reuse an id before it is acknowledged, so the last one is enough.
//!
//! What a batch adds is taken back when its commit fails.

use linli_domain::time::Timestamp;
use rustc_hash::FxHashMap;
use std::time::Duration;

/// How long a LoRaWAN frame is remembered.
pub(super) const LORAWAN_MEMORY: Duration = Duration::from_secs(24 * 3600);
/// Most LoRaWAN frames remembered; past it the oldest are forgotten, which can only store a repeat twice.
pub(super) const LORAWAN_LIMIT: usize = 500_000;
/// Most packet ids remembered over all sessions; past it new ones are not remembered until old sessions end.
pub(super) const PACKET_LIMIT: usize = 1 << 20;

/// A packet id of one session.
pub(super) type PacketKey = (u64, u16);

/// What the gateway has seen, and what the running batch adds.
#[derive(Debug, Default)]
pub struct Once {
    lorawan: FxHashMap<u128, Timestamp>,
    packets: FxHashMap<PacketKey, u64>,
    added_lorawan: Vec<(u128, Timestamp)>,
    added_packets: Vec<(PacketKey, u64, Option<u64>)>,
}

impl Once {
    /// Takes what the ledger remembers.
    pub fn load(
        lorawan: impl IntoIterator<Item = (u128, Timestamp)>,
        packets: impl IntoIterator<Item = (PacketKey, u64)>,
    ) -> Self {
        Self {
            lorawan: lorawan.into_iter().collect(),
            packets: packets.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Whether this LoRaWAN frame came before; remembers it when not.
    pub fn lorawan_seen(
        &mut self,
        device: u64,
        port: u8,
        counter: u32,
        payload: &[u8],
        at: Timestamp,
    ) -> bool {
        let mut head = Fnv::default();
        head.write(&device.to_le_bytes());
        head.write(&[port]);
        head.write(&counter.to_le_bytes());
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
        let old = self.packets.get(&key).copied();
        if duplicate && old == Some(hash) {
            return true;
        }
        if old.is_some() || self.packets.len() < PACKET_LIMIT {
            self.packets.insert(key, hash);
            self.added_packets.push((key, hash, old));
        }
        false
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
    }

    /// The batch failed: what it added was never seen.
    pub fn rollback(&mut self) {
        for (key, _) in self.added_lorawan.drain(..) {
            self.lorawan.remove(&key);
        }
        for (key, _, old) in self.added_packets.drain(..).rev() {
            match old {
                Some(hash) => self.packets.insert(key, hash),
                None => self.packets.remove(&key),
            };
        }
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
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn two_network_servers_hearing_one_uplink_give_one_reading() {
        let mut once = Once::default();
        assert!(!once.lorawan_seen(7, 1, 100, b"\x01", T));
        assert!(once.lorawan_seen(7, 1, 100, b"\x01", T.plus(Duration::from_secs(20 * 60))));
        assert!(
            !once.lorawan_seen(7, 1, 100, b"\x00", T),
            "another payload is another frame"
        );
        assert!(
            !once.lorawan_seen(7, 1, 100, b"\x01", T.plus(LORAWAN_MEMORY)),
            "a day later the counter may repeat"
        );
    }

    #[test]
    fn a_redelivery_needs_the_dup_flag_and_the_same_packet() {
        let mut once = Once::default();
        assert!(!once.packet_seen((1, 5), false, "bin/7", b"x"));
        assert!(
            !once.packet_seen((1, 6), false, "bin/7", b"x"),
            "equal readings are both kept"
        );
        assert!(once.packet_seen((1, 5), true, "bin/7", b"x"));
        assert!(!once.packet_seen((2, 5), true, "bin/7", b"x"), "another session");
        assert!(
            !once.packet_seen((1, 5), false, "bin/7", b"x"),
            "without DUP it is a new message"
        );
    }

    #[test]
    fn a_failed_batch_was_never_seen() {
        let mut once = Once::default();
        once.packet_seen((1, 5), false, "t", b"old");
        once.commit();
        once.packet_seen((1, 5), false, "t", b"new");
        once.packet_seen((1, 9), false, "t", b"new");
        once.lorawan_seen(7, 1, 1, b"", T);
        once.rollback();
        assert!(once.packet_seen((1, 5), true, "t", b"old"));
        assert!(!once.packet_seen((1, 9), true, "t", b"new"));
        assert!(!once.lorawan_seen(7, 1, 1, b"", T));
    }
}
