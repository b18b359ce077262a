//! The thread: takes arrivals, asks [`Pace`] when to commit, pays what is owed, seals when there is nothing to do.

use super::core::{Committed, Core, Uncommitted};
use super::door::{Arrival, Failed, Inbox, Request};
use super::pace::{Decision, Load, Pace};
use crate::field::{AckTicket, Done, Frame};
use linli_domain::id::CommitId;
use linli_domain::time::{Monotonic, Now};
use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Longest wait without looking at the clock.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Pause between two attempts while the storage fails. The inbox fills meanwhile and stops the field.
const STORAGE_RETRY: Duration = Duration::from_secs(1);
/// Snapshots are at least this far apart.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(600);
/// In a quiet estate the engine is told the time this often: after a reboot a delay resumes from the last it heard.
const QUIET_TICK: Duration = Duration::from_secs(60);
/// A sealing slice may hold up a commit for so long.
const SEAL_SLICE: Duration = Duration::from_millis(20);
/// Sealing is looked at this often.
const SEAL_EVERY: Duration = Duration::from_secs(5);
/// While there is more to seal and the inbox never empties, a slice is taken this often: a tenth of the time, without
/// which the stage would grow for as long as the load lasts.
const SEAL_BUSY: Duration = Duration::from_millis(200);

/// What the thread tells the outside after each commit.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The newest commit.
    pub commit: CommitId,
    /// Whether it added to the outbox.
    pub outbox: bool,
    /// The estate as it is.
    pub estate: std::sync::Arc<linli_domain::estate::Estate>,
    /// When, for the watchdog.
    pub at: Monotonic,
}

impl Progress {
    /// Before the first commit of this run.
    pub fn new(estate: &std::sync::Arc<linli_domain::estate::Estate>) -> Self {
        Self {
            commit: CommitId(0),
            outbox: true,
            estate: std::sync::Arc::clone(estate),
            at: Monotonic(0),
        }
    }
}

/// The running loop.
pub struct Loop {
    core: Core,
    inbox: Inbox,
    pace: Pace,
    progress: watch::Sender<Progress>,
    oldest: Option<Instant>,
    newest: Instant,
    committed: Instant,
    resumed: bool,
    snapshot: Monotonic,
    spoke: Monotonic,
    sealed: Instant,
    more_to_seal: bool,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    /// Frames that came while the storage failed, in order and with their inbox space, which bounds them. They are
    /// newer than those that failed and older than what still lies in the inbox.
    kept: VecDeque<Arrival>,
    /// Every door is gone.
    deserted: bool,
}

impl Loop {
    /// Puts the loop together.
    pub fn new(core: Core, inbox: Inbox, pace: Pace, progress: watch::Sender<Progress>) -> Self {
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

    fn next_arrival(&mut self) -> Result<Arrival, TryRecvError> {
        match self.kept.pop_front() {
            Some(arrival) => Ok(arrival),
            None => self.inbox.arrivals.try_recv(),
        }
    }

    fn load(&self, inbox_empty: bool) -> Load {
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
    fn patience(&self, most: Duration) -> Duration {
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
        most.min(wake).min(HEARTBEAT).max(SHORTEST)
    }

    fn tick(&mut self) {
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

    fn take(&mut self, arrival: Arrival) {
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
    fn hold(&mut self, permit: OwnedSemaphorePermit, arrived: Instant) {
        if !self.core.batch.is_empty() {
            self.oldest.get_or_insert(arrived);
            self.core.batch.permits.push(permit);
        }
    }

    fn request(&mut self, request: Request, now: &Now) {
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
            other => self.core.rows(other, now),
        }
    }

    fn commit(&mut self) {
        let load = self.load(true);
        match self.core.commit() {
            Ok(None) => {}
            Ok(Some(committed)) => {
                self.pay(committed);
                self.pace.committed(&load);
            }
            Err(failed) => self.recover(failed),
        }
        self.committed = Instant::now();
        self.resumed = false;
        self.oldest = None;
    }

    /// Pays what a commit owes: acknowledgements in one burst per connection, answers, news.
    fn pay(&mut self, committed: Committed) {
        pay(
            committed,
            &self.inbox,
            &self.progress,
            self.core.clock.now().monotonic,
        );
    }

    /// Does the frames of a failed batch again until they are stored. Nothing overtakes them.
    fn recover(&mut self, mut failed: Uncommitted) {
        tracing::error!(reason = %failed.reason, frames = failed.frames.len(), storage = failed.storage_failed, "commit failed");
        // Held until these frames are done, however often they fail: the inbox stays as full as it is.
        let _space = std::mem::take(&mut failed.permits);
        if failed.frames.is_empty() && (failed.storage_failed || !failed.asked) {
            // A delay of the engine that is over asks again at once.
            self.wait_for_storage();
        }
        while !failed.frames.is_empty() && self.stop.is_none() && !self.deserted {
            if failed.storage_failed {
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
            } else {
                let (inbox, progress) = (&self.inbox, &self.progress);
                let at = self.core.clock.now().monotonic;
                let mut done = |committed| pay(committed, inbox, progress, at);
                if let Err(again) = self.core.bisect(std::mem::take(&mut failed.frames), &mut done) {
                    failed = again;
                    if !failed.storage_failed {
                        // Not even a dead letter can be stored: no reason to ask a thousand times a second.
                        self.wait_for_storage();
                    }
                }
            }
        }
        self.announce_estate();
    }

    /// Waits between two attempts; requests are refused at once, a stop is heard, frames are kept for later.
    fn wait_for_storage(&mut self) {
        let until = Instant::now() + STORAGE_RETRY;
        while let Some(left) = until
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            // A full disk is no reason for the watchdog to end a program that waits for room.
            self.beat();
            match self.inbox.arrivals.recv_timeout(left) {
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

    /// Only the watchdog reads this one, so nobody is woken for it.
    fn beat(&self) {
        let at = self.core.clock.now().monotonic;
        self.progress.send_if_modified(|progress| {
            progress.at = at;
            false
        });
    }

    /// Nothing lies in the inbox: a good moment for the log of SQLite and for sealing.
    fn rest(&mut self) {
        self.beat();
        self.seal_if_due(true);
    }

    /// Seals between two batches, one slice after the other while there is nothing else to do.
    fn seal_if_due(&mut self, idle: bool) {
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

    fn seal(&mut self, last: bool) {
        let now = self.core.clock.now();
        let snapshot = last || now.monotonic.since(self.snapshot) >= SNAPSHOT_EVERY;
        match self.core.seal(SEAL_SLICE, snapshot) {
            Err(error) => {
                tracing::error!(%error, "sealing failed; it is tried again");
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

    fn announce_estate(&self) {
        let estate = std::sync::Arc::clone(self.core.engine.estate());
        self.progress.send_modify(|progress| progress.estate = estate);
    }
}

fn pay(committed: Committed, inbox: &Inbox, progress: &watch::Sender<Progress>, at: Monotonic) {
    let Committed { commit, batch } = committed;
    let mut acks: Vec<Vec<AckTicket>> = vec![Vec::new(); inbox.acks.len()];
    for frame in batch.frames {
        let Frame::Mqtt(message) = frame else { continue };
        match message.done {
            Done::Nothing => {}
            Done::Ack(ticket) => {
                if let Some(queue) = acks.get_mut(ticket.connection) {
                    queue.push(ticket);
                }
            }
            Done::Waiting(sender) => {
                let _ = sender.send(true);
            }
        }
    }
    for (queue, tickets) in inbox.acks.iter().zip(acks) {
        if !tickets.is_empty() {
            let _ = queue.send(tickets);
        }
    }
    for answer in batch.answers {
        answer(Ok(commit));
    }
    if inbox.live.receiver_count() > 0 {
        for news in batch.live {
            let _ = inbox.live.send(news);
        }
    }
    progress.send_modify(|progress| {
        progress.commit = commit;
        progress.outbox = !batch.deliveries.is_empty() || !batch.delivery_updates.is_empty();
        progress.at = at;
        if let Some(estate) = batch.estate {
            progress.estate = estate;
        }
    });
}

/// Nobody waits in vain: clients of the embedded broker are told, and repeat their messages.
fn release_waiting(frames: &mut [Frame]) {
    for frame in frames {
        if let Frame::Mqtt(message) = frame
            && let Done::Waiting(sender) = std::mem::replace(&mut message.done, Done::Nothing)
        {
            let _ = sender.send(false);
        }
    }
}

/// Seconds the oldest of these frames waited since it was received.
fn lag(frames: &[Frame], now: &Now) -> f64 {
    frames
        .first()
        .map_or(0.0, |frame| now.wall.since(frame.received()).as_secs_f64())
}
