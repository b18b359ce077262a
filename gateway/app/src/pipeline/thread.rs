//! The thread: takes arrivals, asks [`Pace`] when to commit, pays what is owed, seals when there is nothing to do.

use super::commit::Committed;
use super::core::Core;
use super::door::{Arrival, Inbox, Request};
use super::pace::{Decision, Load, Pace};
use super::pay::{Progress, pay};
use crate::field::Frame;
use linli_domain::time::{Monotonic, Now};
use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Longest wait without looking at the clock.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// In a quiet estate the engine is told the time this often: after a reboot a delay resumes from the last it heard.
const QUIET_TICK: Duration = Duration::from_secs(60);

/// The running loop.
pub struct Loop {
    pub(super) core: Core,
    pub(super) inbox: Inbox,
    pub(super) pace: Pace,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) oldest: Option<Instant>,
    pub(super) newest: Instant,
    pub(super) committed: Instant,
    pub(super) resumed: bool,
    pub(super) snapshot: Monotonic,
    pub(super) spoke: Monotonic,
    pub(super) sealed: Instant,
    pub(super) more_to_seal: bool,
    pub(super) stop: Option<tokio::sync::oneshot::Sender<()>>,
    /// Frames that came while the storage failed, in order and with their inbox space, which bounds them. They are
    /// newer than those that failed and older than what still lies in the inbox.
    pub(super) kept: VecDeque<Arrival>,
    /// Every door is gone.
    pub(super) deserted: bool,
}

impl Loop {
    /// Puts the loop together.
    pub fn new(mut core: Core, inbox: Inbox, pace: Pace, progress: watch::Sender<Progress>) -> Self {
        core.tap = std::sync::Arc::clone(&inbox.tap);
        let started = Instant::now();
        let snapshot = core.clock.now().monotonic;
        Self {
            core,
            inbox,
            pace,
            progress,
            oldest: None,
            newest: started,
            committed: started,
            resumed: true,
            snapshot,
            spoke: snapshot,
            sealed: started,
            more_to_seal: false,
            stop: None,
            kept: VecDeque::new(),
            deserted: false,
        }
    }

    /// Runs until told to stop or until every door is gone.
    pub fn run(mut self) {
        let now = self.core.clock.now();
        self.core.started(&now);
        self.commit();
        loop {
            self.tick();
            let arrival = self.next_arrival();
            let load = self.load(arrival.is_err());
            match (arrival, self.pace.decide(&load)) {
                (Ok(arrival), decision) => {
                    self.take(arrival);
                    if decision == Decision::Commit {
                        self.commit();
                    }
                }
                (Err(TryRecvError::Disconnected), _) => break self.commit(),
                (Err(_), Decision::Commit | Decision::Gather) => self.commit(),
                (Err(_), Decision::Wait(most)) => {
                    self.rest();
                    match self.inbox.arrivals.recv_timeout(self.patience(most)) {
                        Ok(arrival) => self.take(arrival),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => break self.commit(),
                    }
                }
            }
            if self.stop.is_some() {
                // What was kept came before the stop.
                while let Some(arrival) = self.kept.pop_front() {
                    self.take(arrival);
                }
                self.commit();
                break;
            }
            self.seal_if_due(false);
        }
        self.seal(true);
        let done = self.stop.take();
        // Whoever waits for the stop may open the ledger again at once: its lock goes first.
        drop(self);
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    pub(super) fn next_arrival(&mut self) -> Result<Arrival, TryRecvError> {
        match self.kept.pop_front() {
            Some(arrival) => Ok(arrival),
            None => self.inbox.arrivals.try_recv(),
        }
    }

    pub(super) fn load(&self, inbox_empty: bool) -> Load {
        let batch = &self.core.batch;
        Load {
            messages: if batch.is_empty() {
                0
            } else {
                batch.frames.len().max(1)
            },
            unacknowledged: batch.unacknowledged,
            age: self.oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed()),
            silent: self.newest.elapsed(),
            inbox_empty,
            urgent: batch.urgent && !batch.is_empty(),
        }
    }

    /// How long to wait for an arrival: no longer than the batch, the engine or the heartbeat allow.
    pub(super) fn patience(&self, most: Duration) -> Duration {
        const SHORTEST: Duration = Duration::from_micros(200);
        if self.more_to_seal && self.core.batch.is_empty() {
            return SHORTEST;
        }
        let now = self.core.clock.now();
        let wake = self
            .core
            .engine
            .next_wake()
            .map_or(HEARTBEAT, |deadline| deadline.at.since(now.monotonic));
        self.core.clock.nap(most.min(wake).min(HEARTBEAT).max(SHORTEST))
    }

    pub(super) fn tick(&mut self) {
        let now = self.core.clock.now();
        let quiet = now.monotonic.since(self.spoke) >= QUIET_TICK;
        if quiet
            || self
                .core
                .engine
                .next_wake()
                .is_some_and(|deadline| deadline.is_due(&now))
        {
            self.spoke = now.monotonic;
            self.core.tick(&now);
            self.oldest.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn take(&mut self, arrival: Arrival) {
        let arrived = Instant::now();
        if !self.resumed {
            self.resumed = true;
            self.pace.resumed(arrived - self.committed);
        }
        self.newest = arrived;
        let now = self.core.clock.now();
        match arrival {
            Arrival::Frames(frames, permit) => {
                self.core.metrics.ingest_lag_seconds.observe(lag(&frames, &now));
                for frame in frames {
                    self.core.frame(frame, &now);
                }
                self.hold(permit, arrived);
            }
            Arrival::Request(request, permit) => {
                self.request(request, &now);
                self.hold(permit, arrived);
            }
            Arrival::Stop(done) => self.stop = Some(done),
        }
        if self.core.batch.logged_now == Some(now) {
            self.spoke = now.monotonic;
        }
    }

    /// Keeps the inbox space of an arrival until the commit. One that left nothing to commit gives it back at once,
    /// or refused requests would fill the inbox until something else is committed.
    pub(super) fn hold(&mut self, permit: OwnedSemaphorePermit, arrived: Instant) {
        if !self.core.batch.is_empty() {
            self.oldest.get_or_insert(arrived);
            self.core.batch.permits.push(permit);
        }
    }

    pub(super) fn request(&mut self, request: Request, now: &Now) {
        match request {
            Request::Command {
                command,
                idempotency,
                reply,
            } => self.core.command(command, idempotency, reply, now),
            Request::Dump(reply) => {
                // What the dump shows must be durable, so that a crash right after can be compared with it.
                self.commit();
                let _ = reply.send((self.core.ledger.last_commit(), self.core.engine.dump()));
            }
            // Between two commits: the piece goes in a transaction of its own.
            Request::Damaged(piece) => {
                self.commit();
                self.core.heal(piece);
            }
            // As for the dump: nobody is shown what a crash could take back.
            Request::Look(look) => self.commit_and(|core| look.ask(&core.engine, now)),
            Request::Profiles { catalogue, reply } => {
                // Between two batches, so that one that must be done again is decoded as it was before.
                self.commit();
                self.core.use_profiles(catalogue);
                let _ = reply.send(Ok(()));
            }
            other => self.core.rows(other, now),
        }
    }

    pub(super) fn commit(&mut self) {
        self.commit_and(|_| {});
    }

    /// Commits, and shows the core as it is after the last commit, whether this one was it or failed.
    fn commit_and(&mut self, show: impl FnOnce(&Core)) {
        let load = self.load(true);
        match self.core.commit() {
            Ok(None) => show(&self.core),
            Ok(Some(committed)) => {
                self.pay(committed);
                self.pace.committed(&load);
                show(&self.core);
            }
            Err(failed) => {
                show(&self.core);
                self.recover(failed);
            }
        }
        self.committed = Instant::now();
        self.resumed = false;
        self.oldest = None;
    }

    /// Pays what a commit owes: acknowledgements in one burst per connection, answers, news.
    pub(super) fn pay(&mut self, committed: Committed) {
        pay(
            committed,
            &self.inbox,
            &self.progress,
            self.core.clock.now().monotonic,
        );
    }

    /// Only the watchdog reads this one, so nobody is woken for it.
    pub(super) fn beat(&self) {
        let at = self.core.clock.now().monotonic;
        self.progress.send_if_modified(|progress| {
            progress.at = at;
            false
        });
    }

    pub(super) fn announce_estate(&self) {
        let estate = std::sync::Arc::clone(self.core.engine.estate());
        self.progress.send_modify(|progress| progress.estate = estate);
    }
}

/// Seconds the oldest of these frames waited since it was received.
fn lag(frames: &[Frame], now: &Now) -> f64 {
    frames
        .first()
        .map_or(0.0, |frame| now.wall.since(frame.received()).as_secs_f64())
}
