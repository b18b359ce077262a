//! Which points a pass takes, and the walk over the log that collects their samples.

use super::{Collected, PASS_SAMPLES, Pass};
use crate::codec::columns::Columns;
use crate::codec::log::{Decoded, Decoder};
use crate::error::{Doing, StoreError};
use crate::heads::Unsealed;
use crate::ledger::Ledger;
use crate::stage;
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::Timestamp;
use rustc_hash::FxHashMap;
use std::ops::ControlFlow;
use std::time::Instant;

impl Ledger {
    /// Chooses the points of the next pass: those that are full, old, or in the way of letting go of log.
    pub(super) fn next_pass(&mut self, now: Timestamp, deletable: CommitId) -> Option<Pass> {
        let old = now.minus(self.options.seal_age);
        let in_the_way = self.in_the_way(deletable);
        let (full, portion) = (self.options.seal_samples, self.portion());
        let mut due: Vec<(u64, PointKey, usize)> = self
            .heads
            .iter()
            .map(|series| (series.latest.point, series.unsealed))
            .filter(|(_, unsealed)| {
                let pressed = unsealed.first <= in_the_way.0;
                unsealed.samples >= full || unsealed.samples > 0 && (unsealed.since <= old || pressed)
            })
            .map(|(point, unsealed)| (unsealed.first, point, unsealed.samples))
            .collect();
        due.sort_unstable();
        let first = due.first()?.0;
        let mut pass = Pass {
            upto: self.last,
            scanned: CommitId(first - 1),
            points: FxHashMap::default(),
            leaves_some: false,
        };
        let mut samples = 0;
        for (_, point, count) in due {
            let takes = count.min(portion);
            samples += takes;
            if samples > PASS_SAMPLES && !pass.points.is_empty() {
                pass.leaves_some = true;
                break;
            }
            if let Some(series) = self.heads.get_mut(point) {
                series.since_pass = Some(Unsealed::default());
                let collected = Collected {
                    sealed: series.sealed,
                    columns: Columns::with_room(takes),
                    last: series.sealed,
                    cut: None,
                };
                pass.points.insert(point, collected);
            }
        }
        Some(pass)
    }

    /// The commit up to which everything should be sealed so that the stage shrinks to half its target.
    fn in_the_way(&self, deletable: CommitId) -> CommitId {
        let within = self.rows.partition_point(|row| row.commit <= deletable);
        let Some((front, back)) = self.rows.front().zip(self.rows.get(within.wrapping_sub(1))) else {
            return CommitId(0);
        };
        if back.total - front.total <= self.options.stage_target {
            return CommitId(0);
        }
        let keep_from = back.total - self.options.stage_target / 2;
        let cut = self.rows.partition_point(|row| row.total <= keep_from);
        self.rows
            .get(cut.wrapping_sub(1))
            .map_or(CommitId(0), |row| row.commit)
    }

    /// Samples of one point that a pass takes, about: four chunks are encoded within a slice.
    pub(crate) fn portion(&self) -> usize {
        self.options.seal_samples.saturating_mul(4)
    }

    /// Collects the samples of the pass's points until the deadline; true when the whole range was walked.
    pub(super) fn scan(&mut self, deadline: Instant) -> Result<bool, StoreError> {
        let doing = "collect samples to seal";
        let portion = self.portion();
        let Some(pass) = &mut self.pass else {
            return Ok(false);
        };
        let (points, scanned, leaves_some) = (&mut pass.points, &mut pass.scanned, &mut pass.leaves_some);
        let mut in_time = true;
        stage::rows(&self.conn, *scanned, Some(pass.upto), &mut |row| {
            let mut log = Decoder::new(row.commit, row.log).doing(doing)?;
            while let Some(entry) = log.next().doing(doing)? {
                let Decoded::Reading { reading, .. } = entry else {
                    continue;
                };
                let Some(point) = points.get_mut(&reading.point) else {
                    continue;
                };
                if row.commit <= point.sealed || point.cut.is_some() {
                    continue;
                }
                if row.commit > point.last && point.columns.len() >= portion {
                    point.cut = Some(point.last);
                    *leaves_some = true;
                    continue;
                }
                point.last = row.commit;
                point.columns.push(
                    reading.observed,
                    reading.received,
                    reading.value.as_ref(),
                    reading.quality,
                );
            }
            *scanned = row.commit;
            in_time = Instant::now() < deadline;
            Ok(if in_time {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        if in_time {
            pass.scanned = pass.upto;
        }
        Ok(pass.scanned >= pass.upto)
    }
}
