//! The loops of one target, a [`Lane`] each: what is new, and beside it what is missing. A lane rests when its lines do not
//! go through; both do when it is the target that takes nothing.
//!
//! Each target has a task and a reader of its own, so none slows another down or the intake. Limits: one request of each
//! lane in flight; [`feed::BATCH`](super::feed::BATCH) lines a request; at most [`LINGER`] between a commit and its line
//! while all is well.

use super::cursor::{Cursors, Place, Shown};
use super::feed::Heads;
use super::health::Health;
use super::lane::{Lane, Which};
use super::sink::{Http, Sink};
use crate::chain::chain;
use crate::clock::SharedClock;
use crate::config::Forwarder;
use crate::metrics::Metrics;
use crate::pipeline::{Door, Progress};
use linli_domain::time::BootId;
use linli_ledger::{Reader, StoreError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// From one request with new readings to the next while all is well: what comes in between waits for company.
const LINGER: Duration = Duration::from_millis(1_000);
/// Pause while the target refuses everything.
pub(super) const STOPPED: Duration = Duration::from_secs(30);

/// What a forwarder works in.
#[derive(Clone)]
pub struct Surroundings {
    /// The data folder.
    pub data: PathBuf,
    /// Into the pipeline: parked lines and facts.
    pub door: Door,
    /// The newest commit and the estate.
    pub progress: watch::Receiver<Progress>,
    /// The places of all targets.
    pub cursors: Arc<Cursors>,
    /// The time.
    pub clock: SharedClock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// Runs until stopped. A target that cannot be used is named in the log and shown with its trouble.
pub async fn run(target: Forwarder, around: Surroundings) {
    let stop = around.stop.clone();
    let name = target.name.clone();
    let sink: Arc<dyn Sink> = match Http::new(&target) {
        Ok(sink) => Arc::new(sink),
        Err(error) => {
            tracing::error!(forwarder = %name, error = %chain(&error), "the target cannot be used");
            around
                .cursors
                .update(&name, |shown| shown.trouble = Some(error.to_string()));
            return;
        }
    };
    let data = around.data.clone();
    let reader = match tokio::task::spawn_blocking(move || Reader::open(&data)).await {
        Ok(Ok(reader)) => reader,
        Ok(Err(error)) => {
            tracing::error!(forwarder = %name, error = %chain(&error), "the forwarder cannot read the ledger");
            return;
        }
        Err(_) => return,
    };
    let worker = Worker::new(target, around, sink, reader);
    stop.run_until_cancelled(worker.run()).await;
}

pub(super) struct Worker {
    pub(super) target: Forwarder,
    pub(super) around: Surroundings,
    pub(super) sink: Arc<dyn Sink>,
    /// Read by one lane at a time, on a blocking thread; every read is short.
    source: Arc<Mutex<(Reader, Heads)>>,
    pub(super) health: Mutex<Health>,
    pub(super) told_too_old: AtomicBool,
    /// Requests that were taken, of both lanes.
    pub(super) takes: AtomicU64,
    /// Lines refused one by one since then, over however many requests.
    pub(super) refused: AtomicUsize,
    /// Until when the target wants to be left alone.
    held: Mutex<Option<Instant>>,
    /// The other lane goes through again: the live lane need not wait out its pause.
    live_again: Notify,
    /// Likewise for the lane of what is behind.
    behind_again: Notify,
    /// Something is missing: the lane of what is behind has work.
    missed: Notify,
    /// How often a back-fill was begun or made wider: what was done of an earlier one is not done of this.
    pub(super) fills: AtomicU64,
    /// What the wall clock showed less the time the machine had run, when it was last set.
    pub(super) clock_of: Mutex<Option<(BootId, i64)>>,
}

/// The pipeline or a blocking thread is gone: the program stops.
pub(super) struct Ended;

impl Worker {
    pub(super) fn new(target: Forwarder, around: Surroundings, sink: Arc<dyn Sink>, reader: Reader) -> Self {
        Self {
            target,
            around,
            sink,
            source: Arc::new(Mutex::new((reader, Heads::default()))),
            health: Mutex::default(),
            told_too_old: AtomicBool::new(false),
            takes: AtomicU64::new(0),
            refused: AtomicUsize::new(0),
            held: Mutex::new(None),
            live_again: Notify::new(),
            behind_again: Notify::new(),
            missed: Notify::new(),
            fills: AtomicU64::new(0),
            clock_of: Mutex::new(None),
        }
    }

    pub(super) async fn run(&self) {
        if let Err(said) = self.sink.look().await {
            tracing::warn!(forwarder = %self.target.name, said, "the target is not ready; it is tried all the same");
        }
        self.begin().await;
        // Each goes on until the program stops.
        tokio::select! {
            Err(Ended) = self.what_is_new() => {}
            Err(Ended) = self.what_is_missing() => {}
        }
    }

    async fn what_is_new(&self) -> Result<(), Ended> {
        let mut lane = Lane::new(Which::Live);
        let mut progress = self.around.progress.clone();
        loop {
            self.rest_while_held().await;
            let last = progress.borrow_and_update().commit.0;
            let begun = Instant::now();
            match self.live(&mut lane, last).await? {
                Some(rest) => self.rest(lane.which, rest).await,
                None => {
                    progress.changed().await.map_err(|_| Ended)?;
                    // After some quiet at once; otherwise one request a second carries many lines.
                    tokio::time::sleep_until(begun + LINGER).await;
                }
            }
        }
    }

    async fn what_is_missing(&self) -> Result<(), Ended> {
        let mut lane = Lane::new(Which::Behind);
        loop {
            self.rest_while_held().await;
            let last = self.around.progress.borrow().commit.0;
            match self.behind(&mut lane, last).await? {
                Some(rest) => self.rest(lane.which, rest).await,
                None => self.missed.notified().await,
            }
        }
    }

    /// A pause of one lane.
    async fn rest(&self, lane: Which, pause: Duration) {
        let again = match lane {
            Which::Live => &self.live_again,
            Which::Behind => &self.behind_again,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = again.notified() => {}
        }
    }

    /// A lane goes through that did not, or had nothing to carry. The other may be about to rest: then it does not.
    pub(super) fn goes_through_again(&self, lane: Which) {
        match lane {
            Which::Live => self.behind_again.notify_one(),
            Which::Behind => self.live_again.notify_one(),
        }
    }

    /// Leaves the target alone for a while, with both lanes.
    pub(super) fn hold(&self, rest: Duration) {
        let until = Instant::now() + rest;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(held.map_or(until, |earlier| earlier.max(until)));
    }

    async fn rest_while_held(&self) {
        let until = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    pub(super) fn place(&self) -> Place {
        let last = self.around.progress.borrow().commit;
        self.around
            .cursors
            .place(&self.target.name)
            .unwrap_or_else(|| Place::at(last, 0))
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Shown)) {
        self.around.cursors.update(&self.target.name, change);
    }

    /// Moves the place as it is now: the other lane may have moved it since somebody looked.
    pub(super) fn advance(&self, change: impl FnOnce(&mut Place)) {
        self.update(|shown| {
            if let Some(place) = &mut shown.place {
                change(place);
            }
        });
    }

    /// What is new. `Some` is a pause that is due, `None` says that there is nothing to do.
    pub(super) async fn live(&self, lane: &mut Lane, last: u64) -> Result<Option<Duration>, Ended> {
        let Some(place) = self.survey(lane, last).await? else {
            return Ok(Some(STOPPED));
        };
        if place.live < last
            && let Some(rest) = self.commits(lane, (place.live, last)).await?
        {
            self.wake_behind();
            return Ok(Some(rest));
        }
        let mut more = false;
        self.advance(|place| {
            more = place.live < last;
            if place.missing.is_none() {
                // More than one request: what comes from here on does not wait behind it.
                place.split(last);
            }
        });
        self.wake_behind();
        // What was committed during that request does not wait for company.
        Ok(more.then_some(Duration::ZERO))
    }

    /// A piece of what is missing.
    pub(super) async fn behind(&self, lane: &mut Lane, last: u64) -> Result<Option<Duration>, Ended> {
        let Some(place) = self.survey(lane, last).await? else {
            return Ok(Some(STOPPED));
        };
        let rest = if let Some(range) = place.missing {
            self.commits(lane, range).await?
        } else if let Some(fill) = place.back_fill {
            self.back_fill(lane, fill).await?
        } else {
            lane.fresh = true;
            self.recovered(lane.which).await;
            return Ok(None);
        };
        Ok(Some(rest.unwrap_or_default()))
    }

    fn wake_behind(&self) {
        let place = self.place();
        if place.missing.is_some() || place.back_fill.is_some() {
            self.missed.notify_one();
        }
    }

    /// Reads on a blocking thread. `Ok(None)` is a read that failed; it is tried again.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader, &mut Heads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, Ended> {
        let source = Arc::clone(&self.source);
        let task = tokio::task::spawn_blocking(move || {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            let (reader, heads) = &mut *source;
            read(reader, heads)
        });
        task.await.map_err(|_| Ended)?.map(Some).or_else(|error| {
            tracing::error!(forwarder = %self.target.name, error = %chain(&error), "the forwarder cannot read the ledger; it tries again");
            if let Some(piece) = error.damaged_piece() {
                self.around.door.damaged(piece);
            }
            Ok(None)
        })
    }
}
