//! Bytes from an interrupt to the loop, without locks and without a panic path.
//!
//! Not responsible for: more than one producer or consumer.

use core::sync::atomic::{AtomicU8, Ordering};

/// 255 bytes; the longest frame has 256, and the loop empties the ring every millisecond. What comes while it is full
/// is dropped, and the checksum of its frame tells.
pub(crate) struct Ring {
    bytes: [AtomicU8; 256],
    head: AtomicU8,
    tail: AtomicU8,
}

impl Ring {
    pub(crate) const fn new() -> Ring {
        Ring {
            bytes: [const { AtomicU8::new(0) }; 256],
            head: AtomicU8::new(0),
            tail: AtomicU8::new(0),
        }
    }

    /// For the interrupt.
    pub(crate) fn push(&self, byte: u8) {
        let head = self.head.load(Ordering::Relaxed);
        let next = head.wrapping_add(1);
        if next == self.tail.load(Ordering::Acquire) {
            return;
        }
        if let Some(slot) = self.bytes.get(usize::from(head)) {
            slot.store(byte, Ordering::Relaxed);
        }
        self.head.store(next, Ordering::Release);
    }

    /// For the loop.
    pub(crate) fn pop(&self) -> Option<u8> {
        let tail = self.tail.load(Ordering::Relaxed);
        if tail == self.head.load(Ordering::Acquire) {
            return None;
        }
        let byte = self
            .bytes
            .get(usize::from(tail))
            .map(|slot| slot.load(Ordering::Relaxed));
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        byte
    }
}
