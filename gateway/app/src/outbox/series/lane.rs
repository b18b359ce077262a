//! A lane to a target: what is new, or what is missing. Each has a pace and pauses of its own, so that old lines which do
//! not go through hold up no new ones.

use super::cursor::{BackFill, Place};
use super::feed;
use super::forwarder::{Ended, STOPPED, Worker};
use linli_ledger::SampleCursor;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Lines of one request at least, however slow a target is.
const FEWEST: usize = 50;
/// Requests in a row that are taken before more lines are tried again.
const STEADY: u32 = 32;

/// Which lines a lane carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// What is committed now.
    Live,
    /// What was missed.
    Behind,
}

/// How a lane gets on.
pub(super) struct Lane {
    pub(super) which: Which,
    /// Requests in a row that did not go through.
    pub(super) attempt: u32,
    /// Lines are refused one by one and none taken: how many requests of both lanes were taken when that began.
    pub(super) refusing: Option<u64>,
    /// Nothing of it was taken yet since it has had something to carry.
    pub(super) fresh: bool,
    /// Lines of one request at most: fewer after one that was not answered in time.
    pub(super) most: usize,
    /// Requests taken since that last changed.
    steady: u32,
    /// Where a back-fill stands within its point, and which one it is.
    sample: Option<(u64, SampleCursor)>,
}

impl Lane {
    pub(super) fn new(which: Which) -> Self {
        Self {
            which,
            attempt: 0,
            refusing: None,
            fresh: true,
            most: feed::BATCH,
            steady: 0,
            sample: None,
        }
    }

    /// A request came through in time: after some of them, more lines are tried.
    pub(super) fn in_time(&mut self) {
        self.steady += 1;
        if self.steady >= STEADY && self.most < feed::BATCH {
            (self.most, self.steady) = ((self.most * 2).min(feed::BATCH), 0);
        }
    }

    /// Over a thin line as many lines would never come through.
    pub(super) fn too_slow(&mut self) {
        (self.most, self.steady) = ((self.most / 2).max(FEWEST), 0);
    }
}

impl Worker {
    /// Lines of commits. `Some` is a pause after which they are sent again.
    pub(super) async fn commits(
        &self,
        lane: &mut Lane,
        (after, upto): (u64, u64),
    ) -> Result<Option<Duration>, Ended> {
        let most = lane.most;
        let read = self.read(move |reader, heads| feed::commits(reader, heads, (after, upto), most));
        let Some(lines) = read.await? else {
            return Ok(Some(STOPPED));
        };
        // What was there went meanwhile: the place stays, and `left_behind` sees to it.
        let Some(lines) = lines else {
            return Ok(Some(Duration::ZERO));
        };
        if let Some(rest) = self.deliver(lane, &lines).await? {
            return Ok(Some(rest));
        }
        self.advance(|place: &mut Place| {
            let was_first = after == place.floor();
            match lane.which {
                Which::Live => place.live = place.live.max(lines.upto),
                Which::Behind => place.caught_up(lines.upto),
            }
            // What is missing since when is told by the lane that is behind. Commits that do not say when they were made
            // say nothing of what comes after them either.
            if was_first && lines.at > 0 {
                place.at = lines.at;
            }
        });
        Ok(None)
    }

    /// Lines of the samples of a point. `Some` is a pause after which they are sent again.
    pub(super) async fn back_fill(&self, lane: &mut Lane, fill: BackFill) -> Result<Option<Duration>, Ended> {
        let which = self.fills.load(Ordering::Relaxed);
        let cursor = lane
            .sample
            .take()
            .filter(|(of, _)| *of == which)
            .map(|(_, cursor)| cursor);
        let read = self.read(move |reader, heads| {
            heads.learn(reader.points()?);
            let Some(point) = heads.after(fill.done) else {
                return Ok(None);
            };
            let (lines, next) = feed::samples(reader, heads, point, (fill.from, fill.to), cursor)?;
            Ok(Some((point, lines, next)))
        });
        let Some(read) = read.await? else {
            lane.sample = cursor.map(|cursor| (which, cursor));
            return Ok(Some(STOPPED));
        };
        // When more was left behind meanwhile, what was done begins again.
        let goes_on = || self.fills.load(Ordering::Relaxed) == which;
        let Some((point, lines, next)) = read else {
            self.advance(|place| {
                if goes_on() {
                    place.back_fill = None;
                }
            });
            tracing::info!(forwarder = %self.target.name, "filled in what was missing");
            return Ok(None);
        };
        if let Some(rest) = self.deliver(lane, &lines).await? {
            lane.sample = cursor.map(|cursor| (which, cursor));
            return Ok(Some(rest));
        }
        self.around
            .metrics
            .forwarder_back_filled
            .with_label_values(&[&self.target.name])
            .inc_by(lines.len() as u64);
        lane.sample = next.map(|next| (which, next));
        if next.is_none() {
            self.advance(|place| {
                if let Some(fill) = place.back_fill.as_mut().filter(|_| goes_on()) {
                    fill.done = point.0;
                }
            });
        }
        Ok(None)
    }
}
