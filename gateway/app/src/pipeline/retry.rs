//! While commits fail: the same frames again, in the same order, with the inbox as full as it is.

use super::commit::Uncommitted;
use super::door::{Arrival, Failed, Request};
use super::pay::{pay, release_waiting};
use super::thread::Loop;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Pause between two attempts while the storage fails. The inbox fills meanwhile and stops the field.
const STORAGE_RETRY: Duration = Duration::from_secs(1);

impl Loop {
    /// Does the frames of a failed batch again until they are stored. Nothing overtakes them.
    pub(super) fn recover(&mut self, mut failed: Uncommitted) {
        tracing::error!(reason = %failed.reason, frames = failed.frames.len(), storage = ?failed.trouble, "commit failed");
        // Held until these frames are done, however often they fail: the inbox stays as full as it is.
        let _space = std::mem::take(&mut failed.permits);
        self.tell_trouble(&failed);
        if failed.frames.is_empty() && (failed.trouble.is_some() || !failed.asked) {
            // A delay of the engine that is over asks again at once.
            self.wait_for_storage();
        }
        while !failed.frames.is_empty() && self.stop.is_none() && !self.deserted {
            if failed.trouble.is_some() {
                release_waiting(&mut failed.frames);
                self.wait_for_storage();
                let now = self.core.clock.now();
                for frame in std::mem::take(&mut failed.frames) {
                    self.core.frame(frame, &now);
                }
                match self.core.commit() {
                    Ok(committed) => committed.into_iter().for_each(|c| self.pay(c)),
                    Err(again) => failed = again,
                }
                self.tell_trouble(&failed);
            } else {
                let (inbox, progress) = (&self.inbox, &self.progress);
                let at = self.core.clock.now().monotonic;
                let mut done = |committed| pay(committed, inbox, progress, at);
                if let Err(again) = self.core.bisect(std::mem::take(&mut failed.frames), &mut done) {
                    failed = again;
                    if failed.trouble.is_none() {
                        // Not even a dead letter can be stored: no reason to ask a thousand times a second.
                        self.wait_for_storage();
                    }
                }
            }
        }
        self.announce_estate();
    }

    /// People see what is wrong on the status page while nothing can be stored, not even an alarm about it.
    fn tell_trouble(&self, failed: &Uncommitted) {
        self.progress.send_if_modified(|progress| {
            let changed = failed.trouble.is_some() && progress.trouble != failed.trouble;
            if changed {
                progress.trouble = failed.trouble;
            }
            changed
        });
    }

    /// Waits between two attempts; requests are refused at once, a stop is heard, frames are kept for later.
    pub(super) fn wait_for_storage(&mut self) {
        let until = Instant::now() + STORAGE_RETRY;
        while let Some(left) = until
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            // A full disk is no reason for the watchdog to end a program that waits for room.
            self.beat();
            match self.inbox.arrivals.recv_timeout(left) {
                // The engine is as the last commit left it, and questions about it need no storage.
                Ok(Arrival::Request(Request::Look(look), _)) => {
                    look.ask(&self.core.engine, &self.core.clock.now());
                }
                Ok(Arrival::Request(request, _)) => request.fail(&Failed::Store("the storage fails".into())),
                Ok(Arrival::Stop(done)) => {
                    self.stop = Some(done);
                    break;
                }
                Ok(Arrival::Frames(mut frames, space)) => {
                    release_waiting(&mut frames);
                    self.kept.push_back(Arrival::Frames(frames, space));
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    self.deserted = true;
                    break;
                }
            }
        }
    }
}
