//! What questions have cost: how much of the file had to be unpacked for them.

use super::Reader;

/// What a reader has unpacked since it was opened. Time depends on the machine, this does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Chunks of which a column was unpacked.
    pub chunks: u64,
    /// Samples in them.
    pub samples: u64,
    /// Rows of sums.
    pub sums: u64,
}

impl Reader {
    /// What this reader has unpacked since it was opened.
    pub fn effort(&self) -> Effort {
        self.effort.get()
    }

    pub(super) fn unpacked(&self, samples: usize) {
        let mut effort = self.effort.get();
        effort.chunks += 1;
        effort.samples += samples as u64;
        self.effort.set(effort);
    }

    pub(super) fn unpacked_sums(&self) {
        let mut effort = self.effort.get();
        effort.sums += 1;
        self.effort.set(effort);
    }
}
