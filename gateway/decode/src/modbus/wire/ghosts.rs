//! Questions that were given up and whose answers may still come: as long as one is remembered, nothing is asked
//! whose answer could be taken for its.

use super::pdu::{Judged, Shape};
use linli_domain::time::Monotonic;

/// Most questions remembered of one line. With this many nothing more is asked of the line until the oldest one can
/// no longer be answered: forgetting one would be the first step to believing its answer.
pub(super) const MAX: usize = 64;

/// One question that nobody waits for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ghost {
    /// Its transaction number on Modbus TCP; 0 on RTU.
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) shape: Shape,
    /// The last moment at which its answer may come, by the device's stated lateness.
    pub(super) until: Monotonic,
}

/// The ghosts of one line.
#[derive(Debug, Clone, Default)]
pub(super) struct Ghosts(Vec<Ghost>);

impl Ghosts {
    /// Forgets those whose time is over.
    pub(super) fn prune(&mut self, now: Monotonic) {
        if !self.0.is_empty() {
            self.0.retain(|ghost| now <= ghost.until);
        }
    }

    /// `false`: there was no room; on this connection nothing can be trusted any more.
    pub(super) fn add(&mut self, ghost: Ghost, now: Monotonic) -> bool {
        self.prune(now);
        if ghost.until < now {
            return true;
        }
        if self.0.len() >= MAX {
            return false;
        }
        self.0.push(ghost);
        true
    }

    /// From when on a question of this shape can be asked of `unit`; `None` at once.
    pub(super) fn blocked_until(&self, unit: u8, shape: Shape, now: Monotonic) -> Option<Monotonic> {
        let live = || self.0.iter().filter(|ghost| now <= ghost.until);
        let after = |until: Monotonic| Monotonic(until.0.saturating_add(1));
        let same = live()
            .filter(|ghost| ghost.unit == unit && ghost.shape == shape)
            .map(|ghost| after(ghost.until))
            .max();
        let full = || {
            (live().count() >= MAX)
                .then(|| live().map(|ghost| after(ghost.until)).min())
                .flatten()
        };
        same.or_else(full)
    }

    /// Whether a question with this transaction number is remembered.
    pub(super) fn has_transaction(&self, transaction: u16, now: Monotonic) -> bool {
        self.0
            .iter()
            .any(|ghost| ghost.transaction == transaction && now <= ghost.until)
    }

    /// Whether a whole reply of `unit` may be the answer to one of them.
    pub(super) fn may_answer(&self, unit: u8, pdu: &[u8], now: Monotonic) -> bool {
        self.0
            .iter()
            .any(|g| g.unit == unit && now <= g.until && g.shape.judge(pdu) != Judged::Other)
    }

    /// Forgets all: the answers cannot reach this line any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
