//! Where a target stands: its place at the start, what went from the log before it was taken, and what a clock that was set
//! back makes of the times beside it.

use super::cursor::{BackFill, EVER, Place};
use super::forwarder::{Ended, Worker};
use super::lane::{Lane, Which};
use crate::clock::{SET, boot_began};
use linli_domain::id::CommitId;
use linli_domain::time::Now;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Commits behind which new readings no longer wait for old ones, though some are being caught up already.
const FAR_BEHIND: u64 = 50;
/// Commits among these that still go at once; not every commit holds a reading.
const NEWEST: u64 = 10;
/// Readings observed so long before an outage are filled in as well: devices send late.
const EARLIER: i64 = 3_600_000;

impl Worker {
    /// Gives a new target its place, and one that was left behind the readings it has missed.
    pub(super) async fn begin(&self) {
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
        let offset = boot_began(now);
        let is_same = |before: i64| u128::from(before.abs_diff(offset)) < SET.as_millis();
        let mut clock = self.clock_of.lock().unwrap_or_else(PoisonError::into_inner);
        match *clock {
            Some((boot, before)) if boot == now.boot && is_same(before) => 0,
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
    pub(super) async fn survey(&self, lane: &Lane, last: u64) -> Result<Option<Place>, Ended> {
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
            // After requests that did not go through, the newest go first too: what has gathered meanwhile may be much, and
            // hold lines that are refused.
            let few = if lane.attempt > 0 { NEWEST } else { FAR_BEHIND };
            if lane.which == Which::Live && last.saturating_sub(place.live) > few {
                place.split(last.saturating_sub(NEWEST));
            }
        });
        let place = self.place();
        self.show(last, &place);
        Ok(Some(place))
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
