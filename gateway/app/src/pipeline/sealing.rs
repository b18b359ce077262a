//! When to seal: between two batches, in short slices, with a snapshot of the engine now and then.

use super::thread::Loop;
use crate::chain::chain;
use std::time::{Duration, Instant};

/// Snapshots are at least this far apart.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(600);
/// A sealing slice may hold up a commit for so long.
const SEAL_SLICE: Duration = Duration::from_millis(20);
/// Sealing is looked at this often.
const SEAL_EVERY: Duration = Duration::from_secs(5);
/// While there is more to seal and the inbox never empties, a slice is taken this often: a tenth of the time, without
/// which the stage would grow for as long as the load lasts.
const SEAL_BUSY: Duration = Duration::from_millis(200);

impl Loop {
    /// Nothing lies in the inbox: a good moment for the log of SQLite and for sealing.
    pub(super) fn rest(&mut self) {
        self.beat();
        self.seal_if_due(true);
    }

    /// Seals between two batches, one slice after the other while there is nothing else to do.
    pub(super) fn seal_if_due(&mut self, idle: bool) {
        if !self.core.batch.is_empty() {
            return;
        }
        let pause = match (self.more_to_seal, idle) {
            (true, true) => Duration::ZERO,
            (true, false) => SEAL_BUSY,
            (false, _) => SEAL_EVERY,
        };
        if self.sealed.elapsed() >= pause {
            self.seal(false);
        }
    }

    pub(super) fn seal(&mut self, last: bool) {
        let now = self.core.clock.now();
        let snapshot = last || now.monotonic.since(self.snapshot) >= SNAPSHOT_EVERY;
        match self.core.seal(SEAL_SLICE, snapshot) {
            Err(error) => {
                tracing::error!(error = %chain(&error), "sealing failed; it is tried again");
                self.more_to_seal = false;
            }
            Ok(more) => {
                self.more_to_seal = more;
                if snapshot {
                    self.snapshot = now.monotonic;
                }
            }
        }
        self.sealed = Instant::now();
    }
}
