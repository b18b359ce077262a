//! What questions have cost: how much of the file had to be unpacked for them.

use super::Reader;

/// What a reader has unpacked since it was opened. Time depends on the machine, this does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Chunks of which a column was unpacked.
    pub chunks: u64,
    /// Samples in them.
    pub samples: u64,
    /// Of those, how many were put in order one by one, because something else may lie between them.
    pub singly: u64,
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

    pub(super) fn taken_singly(&self, samples: usize) {
        let mut effort = self.effort.get();
        effort.singly += samples as u64;
        self.effort.set(effort);
    }

    pub(super) fn unpacked_sums(&self) {
        let mut effort = self.effort.get();
        effort.sums += 1;
        self.effort.set(effort);
    }
}
