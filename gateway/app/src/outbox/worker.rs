//! The worker: reads what is due, makes attempts, and hands each result to the pipeline to be committed.
//!
//! One task owns everything; attempts fly beside it, a few per channel, one at a time to a group robot. It holds no
//! state that matters: after a crash what was in flight is still due in the ledger and is sent again under the same
//! id. While results cannot be committed nothing new is sent, so a full disk does not become a flood of
//! repetitions.
//!
//! Other systems hear what happened to one alarm or order in that order: of these, one attempt flies at a time.
//!
//! Limits: [`LOOK_AHEAD`] rows are looked at in one go, urgent ones first; each channel has its own few flights, so
//! that a slow receiver holds up nobody else; each attempt ends with its channel's timeout.

use super::Outcome;
use super::flights::landed;
use super::outlet::Outlet;
use super::outlived::outlived;
use super::policy::Schedule;
use super::queue::Parcel;
use crate::clock::{self, SharedClock};
use crate::config::Channel;
use crate::metrics::Metrics;
use crate::pipeline::{Door, Failed, Progress, Request};
use linli_domain::id::CommitId;
use linli_domain::time::{Monotonic, Now, Timestamp};
use linli_ledger::{Delivery, DeliveryUpdate, Reader, StoreError};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Due rows looked at in one go. Behind a longer queue, younger rows wait until it is shorter.
pub const LOOK_AHEAD: usize = 1_000;
/// Longest time without looking: a floor under lost wake-ups and clock jumps.
const IDLE: Duration = Duration::from_secs(30);
/// How soon to look again while something due is held up.
const HELD_UP: Duration = Duration::from_secs(1);
/// Pause after the ledger could not be read or a result could not be stored.
const TROUBLE: Duration = Duration::from_secs(5);
/// How often the gauges are brought up to date at most.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// Longer than any pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(27 * 3600);

/// Runs until `stop` is cancelled or the pipeline has ended. `saved` is the time of the last step before this start, by
/// which what waits was dated. A channel that cannot be built is named in the log and its deliveries become dead
/// letters, to be sent again once the configuration is mended.
#[allow(
    clippy::too_many_arguments,
    reason = "the parts of a task, handed over once by the composition root"
)]
pub async fn run(
    channels: Vec<Channel>,
    data: PathBuf,
    door: Door,
    progress: watch::Receiver<Progress>,
    clock: SharedClock,
    saved: Option<Now>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let reader = match tokio::task::spawn_blocking(move || Reader::open(&data)).await {
        Ok(Ok(reader)) => reader,
        Ok(Err(error)) => {
            tracing::error!(%error, "the outbox cannot read the ledger; nothing is delivered");
            return;
        }
        Err(_) => return,
    };
    let mut outlets = Vec::new();
    for channel in &channels {
        match Outlet::new(channel) {
            Ok(outlet) => outlets.push(outlet),
            Err(error) => tracing::error!(channel = %channel.id, %error, "the channel cannot be used"),
        }
    }
    let mut worker = Worker::new(reader, door, progress, clock, metrics, outlets);
    worker.looked = saved;
    worker.run(stop).await;
}

/// An attempt under way.
pub(super) struct Flight {
    pub(super) outlet: usize,
    pub(super) parcel: Arc<Parcel>,
}

/// The task's state; [`super::flights`] holds the half that deals with attempts.
pub(super) struct Worker {
    pub(super) reader: Arc<Mutex<Reader>>,
    pub(super) door: Door,
    /// Says that the outbox has grown; the pipeline holds the other half.
    pub(super) progress: watch::Receiver<Progress>,
    /// The newest commit that has been looked at.
    pub(super) seen: CommitId,
    pub(super) clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
    /// The time at the last look; after a start, that of the last step before it.
    pub(super) looked: Option<Now>,
    /// When the gauges were last brought up to date.
    pub(super) counted: Option<Monotonic>,
    pub(super) outlets: Vec<Outlet>,
    pub(super) flights: JoinSet<Outcome>,
    pub(super) flying: HashMap<Id, Flight>,
    /// Results that are not committed yet.
    pub(super) results: Vec<DeliveryUpdate>,
    /// Deliveries under way or with an uncommitted result: still due in the ledger, not to be taken again.
    pub(super) taken: HashSet<i64>,
}

/// What is due, which of it is outlived, and when the next of the others is.
type Due = (Vec<Delivery>, HashSet<i64>, Option<Timestamp>);

/// Why the worker goes on.
enum Woken {
    Stop,
    Look,
    Landed(Id, Outcome),
}

impl Worker {
    pub(super) fn new(
        reader: Reader,
        door: Door,
        progress: watch::Receiver<Progress>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        outlets: Vec<Outlet>,
    ) -> Self {
        Self {
            reader: Arc::new(Mutex::new(reader)),
            door,
            progress,
            seen: CommitId(0),
            clock,
            looked: None,
            metrics,
            counted: None,
            outlets,
            flights: JoinSet::new(),
            flying: HashMap::new(),
            results: Vec::new(),
            taken: HashSet::new(),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = match self.look().await {
                Ok(pause) => pause,
                Err(Failed::Stopping) => return,
                Err(error) => {
                    tracing::warn!(%error, "the outbox waits for the ledger");
                    TROUBLE
                }
            };
            match self.wait(&stop, pause).await {
                Woken::Stop => break,
                Woken::Look => {}
                Woken::Landed(id, outcome) => self.land(id, &outcome),
            }
            while let Some(joined) = self.flights.try_join_next_with_id() {
                let (id, outcome) = landed(joined);
                self.land(id, &outcome);
            }
        }
        self.last_call().await;
    }

    /// Commits results, then starts what is due. Returns how long nothing needs to be done.
    async fn look(&mut self) -> Result<Duration, Failed> {
        self.report().await?;
        let now = self.clock.now();
        self.follow_clock(&now).await?;
        self.seen = self.progress.borrow_and_update().commit;
        let (due, outlived, next) = self.read(&now).await?;
        let held_up = self.start(due, &outlived, &now);
        // Channels that are gone have results already.
        self.report().await?;
        if held_up {
            return Ok(HELD_UP);
        }
        Ok(next
            .map_or(IDLE, |next| next.since(now.wall))
            .clamp(Duration::from_millis(1), IDLE))
    }

    async fn wait(&mut self, stop: &CancellationToken, pause: Duration) -> Woken {
        tokio::select! {
            biased;
            () = stop.cancelled() => Woken::Stop,
            Some(joined) = self.flights.join_next_with_id() => {
                let (id, outcome) = landed(joined);
                Woken::Landed(id, outcome)
            }
            () = grown(&mut self.progress, &mut self.seen) => Woken::Look,
            () = clock::rest(&self.clock, pause) => Woken::Look,
        }
    }

    /// Hands the results to the pipeline; they are dropped here once they are committed.
    pub(super) async fn report(&mut self) -> Result<(), Failed> {
        if self.results.is_empty() {
            return Ok(());
        }
        let results = self.results.clone();
        self.door
            .ask(|reply| Request::Deliveries(results, reply))
            .await??;
        for result in self.results.drain(..) {
            self.taken.remove(&result.id);
        }
        Ok(())
    }

    /// What is due, which of it nobody needs any more, and when the first of the others will be.
    async fn read(&mut self, now: &Now) -> Result<Due, Failed> {
        let (reader, wall) = (Arc::clone(&self.reader), now.wall);
        let count = self
            .counted
            .is_none_or(|at| now.monotonic.since(at) >= COUNT_EVERY);
        let metrics = count.then(|| Arc::clone(&self.metrics));
        let groups = self
            .outlets
            .iter()
            .filter(|outlet| outlet.schedule == Schedule::Robot);
        let people: HashSet<String> = groups.map(|outlet| outlet.name.clone()).collect();
        let read = move || {
            let Ok(reader) = reader.lock() else {
                return Ok(Due::default());
            };
            if let Some(metrics) = metrics {
                let counts = reader.counts()?;
                metrics
                    .outbox_pending
                    .set(i64::try_from(counts.pending_deliveries).unwrap_or(i64::MAX));
                metrics
                    .outbox_dead
                    .set(i64::try_from(counts.dead_deliveries).unwrap_or(i64::MAX));
            }
            let due = reader.due_deliveries(wall, LOOK_AHEAD)?;
            let next = if due.is_empty() {
                reader.next_delivery_at()?
            } else {
                None
            };
            let (due, next) = match next {
                // No pause is that long: the row was written while the clock was wrong, so it is due.
                Some(next) if next.since(wall) > LONGEST_PAUSE => {
                    (reader.due_deliveries(next, LOOK_AHEAD)?, None)
                }
                next => (due, next),
            };
            let outlived = outlived(&reader, &due, &people, wall)?;
            Ok::<_, StoreError>((due, outlived, next))
        };
        let read = tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| Failed::Stopping)?;
        if count {
            self.counted = Some(now.monotonic);
        }
        read.map_err(|error| Failed::Store(error.to_string()))
    }
}

/// Waits until a commit after `seen` has added to the outbox. A watch keeps only the newest commit, so a gap in the
/// numbers counts as one that did.
async fn grown(progress: &mut watch::Receiver<Progress>, seen: &mut CommitId) {
    // Once the pipeline has ended nothing changes any more; the next look finds the door closed.
    while progress.changed().await.is_ok() {
        let newest = progress.borrow_and_update();
        if newest.outbox || newest.commit.0 > seen.0 + 1 {
            return;
        }
        *seen = newest.commit;
    }
    std::future::pending().await
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
