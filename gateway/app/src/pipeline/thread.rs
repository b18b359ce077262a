//! The thread: takes arrivals, asks [`Pace`] when to commit, pays what is owed, seals when there is nothing to do.

use super::core::{Committed, Core, Uncommitted};
use super::door::{Arrival, Failed, Inbox, Request};
use super::pace::{Decision, Load, Pace};
use crate::field::{AckTicket, Done, Frame};
use linli_domain::id::CommitId;
use linli_domain::time::{Monotonic, Now};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use tokio::sync::watch;

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
/// Sealing is looked at this often when the inbox is empty.
const SEAL_EVERY: Duration = Duration::from_secs(5);

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
        }
    }

    /// Runs until told to stop or until every door is gone.
    pub fn run(mut self) {
        let now = self.core.clock.now();
        self.core.started(&now);
        self.commit();
        loop {
            self.tick();
            let arrival = self.inbox.arrivals.try_recv();
            let load = self.load(arrival.is_err());
            match (arrival, self.pace.decide(&load)) {
                (Ok(arrival), decision) => {
                    self.take(arrival);
                    if decision == Decision::Commit {
                        self.commit();
                    }
                }
                (Err(std::sync::mpsc::TryRecvError::Disconnected), _) => break self.commit(),
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
                self.commit();
                break;
            }
        }
        self.seal(true);
        if let Some(done) = self.stop.take() {
            let _ = done.send(());
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
        let now = self.core.clock.now();
        let wake = self
            .core
            .engine
            .next_wake()
            .map_or(HEARTBEAT, |deadline| deadline.at.since(now.monotonic));
        most.min(wake).min(HEARTBEAT).max(Duration::from_micros(200))
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
        self.spoke = self.core.clock.now().monotonic;
        let arrived = Instant::now();
        if !self.resumed {
            self.resumed = true;
            self.pace.resumed(arrived - self.committed);
        }
        self.newest = arrived;
        let now = self.core.clock.now();
        match arrival {
            Arrival::Frames(frames, permit) => {
                self.oldest.get_or_insert(arrived);
                self.core.metrics.ingest_lag_seconds.observe(lag(&frames, &now));
                for frame in frames {
                    self.core.frame(frame, &now);
                }
                self.core.batch.permits.push(permit);
            }
            Arrival::Request(request, permit) => {
                self.oldest.get_or_insert(arrived);
                self.request(request, &now);
                self.core.batch.permits.push(permit);
            }
            Arrival::Stop(done) => self.stop = Some(done),
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

    fn recover(&mut self, mut failed: Uncommitted) {
        tracing::error!(reason = %failed.reason, frames = failed.frames.len(), storage = failed.storage_failed, "commit failed");
        let _permits = std::mem::take(&mut failed.permits);
        while !failed.frames.is_empty() && self.stop.is_none() {
            if failed.storage_failed {
                failed.release_waiting();
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
                match self.core.bisect(std::mem::take(&mut failed.frames), &mut done) {
                    Ok(()) => {}
                    Err(again) => failed = again,
                }
            }
        }
        self.announce_estate();
    }

    /// Waits between two attempts; requests are refused at once, a stop is heard, frames stay in the inbox.
    fn wait_for_storage(&mut self) {
        let until = Instant::now() + STORAGE_RETRY;
        let mut kept = Vec::new();
        while let Some(left) = until
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            match self.inbox.arrivals.recv_timeout(left) {
                Ok(Arrival::Request(request, _)) => request.fail(&Failed::Store("the storage fails".into())),
                Ok(Arrival::Stop(done)) => {
                    self.stop = Some(done);
                    break;
                }
                Ok(frames @ Arrival::Frames(..)) => kept.push(frames),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for frames in kept {
            self.take(frames);
        }
    }

    /// Nothing lies in the inbox: a good moment for the log of SQLite and for sealing.
    fn rest(&mut self) {
        let at = self.core.clock.now().monotonic;
        // Only the watchdog reads this one, so nobody is woken for it.
        self.progress.send_if_modified(|progress| {
            progress.at = at;
            false
        });
        if self.core.batch.is_empty() && (self.more_to_seal || self.sealed.elapsed() >= SEAL_EVERY) {
            self.seal(false);
        }
    }

    fn seal(&mut self, last: bool) {
        self.sealed = Instant::now();
        let now = self.core.clock.now();
        let snapshot = last || now.monotonic.since(self.snapshot) >= SNAPSHOT_EVERY;
        match self.core.seal(SEAL_SLICE, snapshot) {
            Err(error) => tracing::error!(%error, "sealing failed; it is tried again"),
            Ok(more) => {
                self.more_to_seal = more;
                if snapshot {
                    self.snapshot = now.monotonic;
                }
            }
        }
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

/// Seconds the oldest of these frames waited since it was received.
fn lag(frames: &[Frame], now: &Now) -> f64 {
    frames
        .first()
        .map_or(0.0, |frame| now.wall.since(frame.received()).as_secs_f64())
}
