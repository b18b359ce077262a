//! The loops of one target, a [`Lane`] each: what is new, and beside it what is missing. A lane rests when its lines do not
//! go through; both do when it is the target that takes nothing.
//!
//! Each target has a task and a reader of its own, so none slows another down or the intake. Limits: one request of each
//! lane in flight; [`feed::BATCH`](super::feed::BATCH) lines a request; at most [`LINGER`] between a commit and its line
//! while all is well.

use super::cursor::{BackFill, Cursors, EVER, Place, Shown};
use super::feed::Heads;
use super::health::Health;
use super::lane::{Lane, Which};
use super::sink::{Http, Sink};
use crate::chain::chain;
use crate::clock::SharedClock;
use crate::config::Forwarder;
use crate::metrics::Metrics;
use crate::pipeline::{Door, Progress};
use linli_domain::id::CommitId;
use linli_domain::time::{BootId, Now};
use linli_ledger::{Reader, StoreError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest time a line waits for company.
const LINGER: Duration = Duration::from_millis(1_000);
/// Commits behind which new readings no longer wait for old ones, though some are being caught up already.
const FAR_BEHIND: u64 = 50;
/// Commits among these that still go at once; not every commit holds a reading.
const NEWEST: u64 = 10;
/// Pause while the target refuses everything.
pub(super) const STOPPED: Duration = Duration::from_secs(30);
/// A clock that moved this much against the monotonic one was set, in milliseconds.
const SET: u64 = 5_000;
/// Readings observed so long before an outage are filled in as well: devices send late.
const EARLIER: i64 = 3_600_000;

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
    clock_of: Mutex<Option<(BootId, i64)>>,
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
            match self.live(&mut lane, last).await? {
                Some(rest) => self.rest(lane.which, rest).await,
                None => {
                    progress.changed().await.map_err(|_| Ended)?;
                    // Wait for company: one request a second carries many lines.
                    tokio::time::sleep(LINGER).await;
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

    /// Gives a new target its place, and one that was left behind the readings it has missed.
    async fn begin(&self) {
        // The first commit of this run says where the ledger stands.
        let mut progress = self.around.progress.clone();
        if progress
            .wait_for(|progress| progress.commit > CommitId(0))
            .await
            .is_err()
        {
            return;
        }
        let last = progress.borrow().commit;
        let now = self.around.clock.now().wall.as_millis();
        let mut place = match self.around.cursors.place(&self.target.name) {
            Some(place) => place,
            None => {
                let mut place = Place::at(last, now);
                if self.target.from_history {
                    place.back_fill = Some(BackFill {
                        from: EVER.0,
                        to: EVER.1,
                        done: 0,
                    });
                }
                place
            }
        };
        // A ledger that was restored may be behind the place.
        place.live = place.live.min(last.0);
        self.update(|shown| shown.place = Some(place));
    }

    /// What is gone from the log is filled in by point and time.
    fn left_behind(&self, place: &mut Place, oldest: Option<CommitId>, last: u64) {
        let first = oldest.map_or(last, |oldest| oldest.0.saturating_sub(1));
        let floor = place.floor();
        if floor >= first {
            return;
        }
        tracing::warn!(forwarder = %self.target.name, commits = first - floor, "left behind by the log; filling in by time");
        let from = place
            .back_fill
            .map_or(place.at.saturating_sub(EARLIER), |fill| fill.from);
        place.back_fill = Some(BackFill {
            from,
            to: EVER.1,
            done: 0,
        });
        self.fills.fetch_add(1, Ordering::Relaxed);
        if place.missing.is_some() {
            place.caught_up(first);
        } else {
            place.live = first;
        }
    }

    /// By how much a clock that is believed was set back since somebody looked, in milliseconds.
    fn set_back(&self, now: &Now) -> i64 {
        if !now.trusted {
            return 0;
        }
        let ran = i64::try_from(now.monotonic.0).unwrap_or(i64::MAX);
        let offset = now.wall.as_millis().saturating_sub(ran);
        let mut clock = self.clock_of.lock().unwrap_or_else(PoisonError::into_inner);
        match *clock {
            Some((boot, before)) if boot == now.boot && before.abs_diff(offset) < SET => 0,
            Some((boot, before)) if boot == now.boot => {
                *clock = Some((boot, offset));
                before.saturating_sub(offset).max(0)
            }
            _ => {
                *clock = Some((now.boot, offset));
                0
            }
        }
    }

    /// Sees what has gone from the log, and what the live lane no longer waits for. `None` when the ledger cannot be read.
    async fn survey(&self, which: Which, last: u64) -> Result<Option<Place>, Ended> {
        let estate = Arc::clone(&self.around.progress.borrow().estate);
        let known = self.read(move |reader, heads| {
            heads.under(&estate);
            reader.oldest_logged()
        });
        let Some(oldest) = known.await? else {
            return Ok(None);
        };
        let now = self.around.clock.now();
        let back = self.set_back(&now);
        self.advance(|place| {
            // A clock that is not believed puts nothing right.
            if now.trusted && place.not_ahead_of(now.wall.as_millis(), back) {
                self.fills.fetch_add(1, Ordering::Relaxed);
            }
            self.left_behind(place, oldest, last);
            if which == Which::Live && last.saturating_sub(place.live) > FAR_BEHIND {
                // The newest go at once.
                place.split(last.saturating_sub(NEWEST));
            }
        });
        let place = self.place();
        self.show(last, &place);
        Ok(Some(place))
    }

    /// What is new. `Some` is a pause that is due, `None` says that there is nothing to do.
    pub(super) async fn live(&self, lane: &mut Lane, last: u64) -> Result<Option<Duration>, Ended> {
        let Some(place) = self.survey(lane.which, last).await? else {
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
        let Some(place) = self.survey(lane.which, last).await? else {
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

    #[allow(
        clippy::cast_possible_wrap,
        reason = "commits and seconds stay far below the limit"
    )]
    fn show(&self, last: u64, place: &Place) {
        let name = [self.target.name.as_str()];
        let metrics = &self.around.metrics;
        let behind = last.saturating_sub(place.floor());
        metrics
            .forwarder_behind
            .with_label_values(&name)
            .set(behind as i64);
        let now = self.around.clock.now().wall.as_millis();
        let lag = if behind == 0 {
            0
        } else {
            (now - place.at).max(0) / 1_000
        };
        metrics.forwarder_lag.with_label_values(&name).set(lag);
    }
}
