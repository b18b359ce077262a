//! The sealer: moves samples from the log into compressed chunks, a slice at a time, and lets go of old log.
//!
//! A pass takes a group of points that are due, walks once over the part of the log that holds them and collects
//! their samples (bounded, those of one point by what a slice can encode), then encodes point by point. Each slice commits on its own: a point moves from "in the
//! log" to "in chunks" in one transaction with its watermark, so a crash between slices loses and doubles nothing.
//! A row of the log goes when all its samples are sealed, the engine's snapshot covers it and no cursor needs it.

mod collect;
mod encode;
mod pieces;

use crate::codec::columns::Columns;
use crate::codec::crc::checksum;
use crate::error::{Doing, StoreError};
use crate::heads::{Series, Unsealed};
use crate::ledger::{Ledger, begin, end, roll_back};
use crate::stage::{self, Snapshot};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::Timestamp;
use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};

/// Samples a pass holds in memory, about: it begins no further point beyond them; about 26 bytes each, so 8 MB. What a pass
/// needs at its height the process keeps, but each walks the whole log: with half of them, the sealing of 20,000 readings
/// a second falls behind.
const PASS_SAMPLES: usize = 300_000;

/// What one call may use.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Wall time, for ages.
    pub now: Timestamp,
    /// How long the slice may take, apart from the final sync; 20 ms keeps commits prompt.
    pub slice: Duration,
}

/// What a slice did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Points sealed.
    pub points: usize,
    /// Samples moved into chunks.
    pub samples: usize,
    /// Rows of the log that went.
    pub rows: usize,
    /// Samples of a damaged chunk that was in the way and was set aside; sums that were are made anew.
    pub set_aside: u64,
    /// Whether there is more to do now.
    pub more: bool,
}

/// A pass under way.
#[derive(Debug)]
pub(crate) struct Pass {
    /// The last commit it looks at.
    upto: CommitId,
    /// The last commit it has looked at.
    scanned: CommitId,
    points: FxHashMap<PointKey, Collected>,
    /// Whether more points were due than fit.
    leaves_some: bool,
}

/// What a pass has collected of a point.
#[derive(Debug)]
struct Collected {
    /// Up to where it is sealed already.
    sealed: CommitId,
    columns: Columns,
    /// The last commit of which something was collected.
    last: CommitId,
    /// Where a point that has more than one slice can encode is cut: what follows is for another pass.
    cut: Option<CommitId>,
}

/// When the ledger last looked for points that are due: looking costs time per point, so not every call does.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    at: Timestamp,
    readings: u64,
    /// Whether the last slice left something to do.
    more: bool,
}

/// A point sealed in a transaction that has not committed yet.
struct Done {
    point: PointKey,
    /// Up to where.
    upto: CommitId,
    last_chunk: i64,
    samples: usize,
}

impl Ledger {
    /// Seals for one slice of time and deletes log that nobody needs any more. Call it when idle, and again at once
    /// while it says `more`.
    ///
    /// `cursors_floor` is the last commit that every forwarder has dealt with ([`Ledger::last_commit`] without any);
    /// cursors left behind by more than the stage's limits are not waited for. `snapshot` is stored in the same
    /// transaction. After an error nothing of the slice has happened.
    pub fn seal(
        &mut self,
        budget: Budget,
        cursors_floor: CommitId,
        snapshot: Option<&Snapshot>,
    ) -> Result<Sealed, StoreError> {
        if self.pass.is_none() && snapshot.is_none() && !self.worth_a_look(budget.now) {
            return Ok(Sealed::default());
        }
        let deadline = Instant::now() + budget.slice;
        let covered = snapshot.map_or(self.snapshot, |snapshot| snapshot.commit);
        let outcome = self.slice(budget, deadline, cursors_floor.min(self.last), covered, snapshot);
        match &outcome {
            Ok(sealed) => {
                self.looked = Looked {
                    at: budget.now,
                    readings: self.readings,
                    more: sealed.more,
                }
            }
            Err(error) => {
                roll_back(&self.conn);
                self.pass = None;
                self.heads.abandon_pass();
                // A damaged piece must not keep everything else from being sealed.
                if let Some(piece) = error.damaged_piece()
                    && let Some(samples) = self.set_aside_piece(piece, budget.now)?
                {
                    return Ok(Sealed {
                        set_aside: samples,
                        more: true,
                        ..Sealed::default()
                    });
                }
            }
        }
        outcome
    }

    fn slice(
        &mut self,
        budget: Budget,
        deadline: Instant,
        cursors: CommitId,
        covered: CommitId,
        snapshot: Option<&Snapshot>,
    ) -> Result<Sealed, StoreError> {
        if self.pass.is_none() {
            self.pass = self.next_pass(budget.now, self.waited_for(cursors).min(covered));
        }
        let scanned = self.scan(deadline)?;
        let doing = "seal samples";
        begin(&self.conn).map_err(|(doing, source)| StoreError::Sqlite { doing, source })?;
        let done = if scanned {
            self.encode(deadline)?
        } else {
            Vec::new()
        };
        if let Some(snapshot) = snapshot {
            stage::store_snapshot(&self.conn, snapshot).doing("store the snapshot")?;
        }
        let sealed_floor = self.sealed_floor(&done);
        let (rows, more_rows) = self.let_go(budget.now, sealed_floor, cursors, covered, deadline)?;
        let pruned = self.prune(budget.now).doing("let go of expired identities")?;
        if done.is_empty() && rows == 0 && snapshot.is_none() && !pruned {
            roll_back(&self.conn);
        } else {
            keep(&self.conn, "last_commit", self.last.0 as i64).doing(doing)?;
            keep(&self.conn, "sealed_floor", sealed_floor.0 as i64).doing(doing)?;
            keep(&self.conn, "check", check(self.last, sealed_floor)).doing(doing)?;
            end(&self.conn).map_err(|(doing, source)| StoreError::Sqlite { doing, source })?;
        }
        self.snapshot = covered;
        let leaves_some = self.apply(&done, sealed_floor);
        let to_roll = self.roll_up_older(deadline)?;
        Ok(Sealed {
            points: done.len(),
            samples: done.iter().map(|done| done.samples).sum(),
            rows,
            set_aside: 0,
            more: self.pass.is_some() || leaves_some || more_rows || to_roll,
        })
    }

    /// What cursors have dealt with, and what lies beyond the stage's limit: no cursor is waited for there, so quiet
    /// points must not keep it either.
    fn waited_for(&self, cursors: CommitId) -> CommitId {
        let heavy = self.total.saturating_sub(self.options.stage_limit);
        let beyond = self.rows.partition_point(|row| row.total <= heavy);
        let last = self.rows.get(beyond.wrapping_sub(1));
        cursors.max(last.map_or(CommitId(0), |row| row.commit))
    }

    /// Whether enough has happened since the last look: as many readings as fill a point, or a second.
    fn worth_a_look(&mut self, now: Timestamp) -> bool {
        let looked = &self.looked;
        let moved = now.as_millis().abs_diff(looked.at.as_millis()) >= 1_000;
        moved || self.readings - looked.readings >= self.options.seal_samples as u64 || looked.more
    }

    /// What is left of a point in the log once `done` has committed.
    fn left(&self, series: &Series, done: &Done) -> Unsealed {
        let whole = self.pass.as_ref().is_none_or(|pass| done.upto >= pass.upto);
        if whole {
            return series.since_pass.unwrap_or_default();
        }
        Unsealed {
            samples: series.unsealed.samples.saturating_sub(done.samples),
            // Nothing of it is earlier.
            first: done.upto.0 + 1,
            since: series.unsealed.since,
        }
    }

    /// The last commit whose samples are all in chunks once `done` has committed.
    fn sealed_floor(&self, done: &[Done]) -> CommitId {
        let done: FxHashMap<PointKey, &Done> = done.iter().map(|done| (done.point, done)).collect();
        let first = self.heads.iter().filter_map(|series| {
            let unsealed = match done.get(&series.latest.point) {
                Some(done) => self.left(series, done),
                None => series.unsealed,
            };
            (unsealed.samples > 0).then_some(unsealed.first)
        });
        first.min().map_or(self.last, |first| CommitId(first - 1))
    }

    /// Takes into memory what has committed. Returns whether a finished pass left something for another.
    fn apply(&mut self, done: &[Done], sealed_floor: CommitId) -> bool {
        for done in done {
            let left = self.heads.get(done.point).map(|series| self.left(series, done));
            if let Some((series, left)) = self.heads.get_mut(done.point).zip(left) {
                series.sealed = done.upto;
                series.last_chunk = done.last_chunk;
                series.unsealed = left;
                series.since_pass = None;
            }
        }
        while self.rows.front().is_some_and(|row| row.commit <= sealed_floor) {
            self.rows.pop_front();
        }
        let finished = self.pass.take_if(|pass| pass.points.is_empty());
        finished.is_some_and(|pass| pass.leaves_some)
    }
}

/// What the two numbers are checked by: one too great or too small would lose or double readings without a word.
pub(crate) fn check(last_commit: CommitId, sealed_floor: CommitId) -> i64 {
    i64::from(checksum(last_commit.0, &sealed_floor.0.to_le_bytes()))
}

fn keep(conn: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
    )?
    .execute(params![name, value])
    .map(drop)
}
