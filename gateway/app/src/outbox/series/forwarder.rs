//! The loop of one target: what is new, then a piece of what is missing, and pauses when the target is not well.
//!
//! Each target has a task and a reader of its own, so none slows another down or the intake. Limits: one request in
//! flight; [`feed::BATCH`] lines a request; at most [`LINGER`] between a commit and its line while all is well.

use super::cursor::{BackFill, Cursors, Place, Shown};
use super::feed::{self, Heads, Lines};
use super::sink::{Http, Sink};
use crate::chain::chain;
use crate::clock::SharedClock;
use crate::config::Forwarder;
use crate::metrics::Metrics;
use crate::pipeline::{Door, Progress};
use linli_domain::id::CommitId;
use linli_ledger::{Reader, SampleCursor, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Longest time a line waits for company.
const LINGER: Duration = Duration::from_millis(1_000);
/// Commits behind which new readings no longer wait for old ones, though some are being caught up already.
const FAR_BEHIND: u64 = 50;
/// Pause while the target refuses everything.
pub(super) const STOPPED: Duration = Duration::from_secs(30);
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
    /// Lent to a blocking thread while it reads.
    reader: Option<Reader>,
    heads: Option<Heads>,
    /// Where the back-fill stands within its point.
    sample: Option<SampleCursor>,
    pub(super) attempt: u32,
    pub(super) well: Option<bool>,
    pub(super) told_too_old: bool,
    /// Lines of one request at most: fewer after one that was not answered in time.
    pub(super) most: usize,
    /// Requests taken since that last changed.
    pub(super) steady: u32,
}

/// The pipeline or a blocking thread is gone: the program stops.
pub(super) struct Ended;

impl Worker {
    pub(super) fn new(target: Forwarder, around: Surroundings, sink: Arc<dyn Sink>, reader: Reader) -> Self {
        Self {
            target,
            around,
            sink,
            reader: Some(reader),
            heads: Some(Heads::default()),
            sample: None,
            attempt: 0,
            well: None,
            told_too_old: false,
            most: feed::BATCH,
            steady: 0,
        }
    }

    async fn run(mut self) {
        if let Err(said) = self.sink.look().await {
            tracing::warn!(forwarder = %self.target.name, said, "the target is not ready; it is tried all the same");
        }
        self.begin().await;
        let mut progress = self.around.progress.clone();
        loop {
            let last = progress.borrow_and_update().commit.0;
            let worked = self.round(last).await;
            match worked {
                Err(Ended) => return,
                Ok(Some(rest)) => tokio::time::sleep(rest).await,
                Ok(None) if progress.has_changed().unwrap_or(false) => {
                    // Wait for company: one request a second carries many lines.
                    tokio::time::sleep(LINGER).await;
                }
                Ok(None) => {
                    if progress.changed().await.is_err() {
                        return;
                    }
                    tokio::time::sleep(LINGER).await;
                }
            }
        }
    }

    fn place(&self) -> Place {
        let last = self.around.progress.borrow().commit;
        self.around
            .cursors
            .place(&self.target.name)
            .unwrap_or_else(|| Place::at(last, 0))
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Shown)) {
        self.around.cursors.update(&self.target.name, change);
    }

    /// Gives a new target its place, and one that was left behind the readings it has missed.
    async fn begin(&mut self) {
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
                        from: i64::MIN / 2,
                        to: now + EARLIER,
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
        let now = self.around.clock.now().wall.as_millis();
        tracing::warn!(forwarder = %self.target.name, commits = first - floor, "left behind by the log; filling in by time");
        let from = place
            .back_fill
            .map_or(place.at.saturating_sub(EARLIER), |fill| fill.from);
        place.back_fill = Some(BackFill {
            from,
            to: now + EARLIER,
            done: 0,
        });
        if place.missing.is_some() {
            place.caught_up(first);
        } else {
            place.live = first;
        }
    }

    /// One round: new readings, then a piece of the missing ones. `Some` is a pause that is due, `None` says that
    /// there is nothing to do.
    pub(super) async fn round(&mut self, last: u64) -> Result<Option<Duration>, Ended> {
        let mut place = self.place();
        let estate = Arc::clone(&self.around.progress.borrow().estate);
        let known = self.read(move |reader, heads| {
            heads.under(&estate);
            reader.oldest_logged()
        });
        let Some(oldest) = known.await? else {
            return Ok(Some(STOPPED));
        };
        let before = place;
        self.left_behind(&mut place, oldest, last);
        if last.saturating_sub(place.live) > FAR_BEHIND {
            place.split(last);
        }
        if place != before {
            self.sample = None;
            self.update(|shown| shown.place = Some(place));
        }
        self.show(last, &place);
        let mut busy = false;
        if place.live < last {
            match self
                .lane(place.live, last, |place, lines| place.live = lines.upto)
                .await?
            {
                Some(rest) => return Ok(Some(rest)),
                None => busy = true,
            }
            place = self.place();
            if place.live < last && place.missing.is_none() {
                // More than one request: what comes from here on does not wait behind it.
                place.split(last);
                self.update(|shown| shown.place = Some(place));
            }
        }
        if let Some((after, end)) = place.missing {
            match self
                .lane(after, end, |place, lines| place.caught_up(lines.upto))
                .await?
            {
                Some(rest) => return Ok(Some(rest)),
                None => busy = true,
            }
        } else if let Some(fill) = place.back_fill {
            match self.back_fill(fill).await? {
                Some(rest) => return Ok(Some(rest)),
                None => busy = true,
            }
        }
        // What is left goes on at once, the rest of a burst that was more than a request as well; only what is committed
        // from here on waits for company.
        let place = self.place();
        let more = place.live < last || place.missing.is_some() || place.back_fill.is_some();
        Ok((busy && more).then_some(Duration::ZERO))
    }

    async fn lane(
        &mut self,
        after: u64,
        upto: u64,
        advance: impl FnOnce(&mut Place, &Lines),
    ) -> Result<Option<Duration>, Ended> {
        let most = self.most;
        let read = self.read(move |reader, heads| feed::commits(reader, heads, (after, upto), most));
        let Some(lines) = read.await? else {
            return Ok(Some(STOPPED));
        };
        // What was there went meanwhile: the place stays, and `left_behind` sees to it.
        let Some(lines) = lines else {
            return Ok(None);
        };
        if let Some(rest) = self.deliver(&lines).await? {
            return Ok(Some(rest));
        }
        let now = self.around.clock.now().wall.as_millis();
        self.update(|shown| {
            if let Some(place) = &mut shown.place {
                let was_first = after == place.floor();
                advance(place, &lines);
                // What is missing since when is told by the lane that is behind.
                if was_first {
                    place.at = if lines.at > 0 { lines.at } else { now };
                }
            }
        });
        Ok(None)
    }

    async fn back_fill(&mut self, fill: BackFill) -> Result<Option<Duration>, Ended> {
        let cursor = self.sample;
        let read = self.read(move |reader, heads| {
            heads.learn(reader.points()?);
            let Some(point) = heads.after(fill.done) else {
                return Ok(None);
            };
            let (lines, next) = feed::samples(reader, heads, point, (fill.from, fill.to), cursor)?;
            Ok(Some((point, lines, next)))
        });
        let Some(read) = read.await? else {
            return Ok(Some(STOPPED));
        };
        let Some((point, lines, next)) = read else {
            self.update(|shown| {
                if let Some(place) = &mut shown.place {
                    place.back_fill = None;
                }
            });
            tracing::info!(forwarder = %self.target.name, "filled in what was missing");
            return Ok(None);
        };
        if let Some(rest) = self.deliver(&lines).await? {
            return Ok(Some(rest));
        }
        self.around
            .metrics
            .forwarder_back_filled
            .with_label_values(&[&self.target.name])
            .inc_by(lines.len() as u64);
        self.sample = next;
        if next.is_none() {
            self.update(|shown| {
                if let Some(fill) = shown.place.as_mut().and_then(|place| place.back_fill.as_mut()) {
                    fill.done = point.0;
                }
            });
        }
        Ok(None)
    }

    /// Reads on a blocking thread. `Ok(None)` is a read that failed; it is tried again.
    async fn read<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&Reader, &mut Heads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, Ended> {
        let (Some(reader), Some(mut heads)) = (self.reader.take(), self.heads.take()) else {
            return Err(Ended);
        };
        let task = tokio::task::spawn_blocking(move || {
            let outcome = read(&reader, &mut heads);
            (reader, heads, outcome)
        });
        let (reader, heads, outcome) = task.await.map_err(|_| Ended)?;
        (self.reader, self.heads) = (Some(reader), Some(heads));
        outcome.map(Some).or_else(|error| {
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
