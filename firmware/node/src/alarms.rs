//! Latched alarms: what came and went between two polls still stands here until it is acknowledged.
//!
//! Not responsible for: the conditions; each bit's [`Gate`](crate::Gate) is.

use linli_registers::meaning::alarm;

use crate::State;

/// The bits of `ALARMS_LATCHED`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latch(u16);

impl Latch {
    /// A fresh start is itself something to acknowledge.
    pub(crate) const fn after_restart() -> Latch {
        Latch(alarm::RESTARTED)
    }

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    pub(crate) fn follow(&mut self, bit: u16, state: State) {
        if state == State::On {
            self.0 |= bit;
        }
    }

    /// Clears the bits in `mask`, except those in `standing`: a condition that is not known to be over.
    pub(crate) fn acknowledge(&mut self, mask: u16, standing: u16) {
        self.0 &= !mask | standing;
    }
}
