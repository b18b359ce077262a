//! The sealer: moves samples from the log into compressed chunks, a slice at a time, and lets go of old log.
//!
//! A pass takes a group of points that are due, walks once over the part of the log that holds them and collects
//! their samples (bounded), then encodes point by point. Each slice commits on its own: a point moves from "in the
//! log" to "in chunks" in one transaction with its watermark, so a crash between slices loses and doubles nothing.
//! A row of the log goes when all its samples are sealed, the engine's snapshot covers it and no cursor needs it.

use crate::codec::chunk;
use crate::codec::columns::Columns;
use crate::codec::log::{Decoded, Decoder};
use crate::error::{Damage, Doing, StoreError};
use crate::heads::{Latest, Unsealed};
use crate::ledger::{Ledger, begin, end, roll_back};
use crate::stage::{self, Snapshot};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::Timestamp;
use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Samples a pass holds in memory at most, unless a single point has more; about 26 bytes each.
const PASS_SAMPLES: usize = 300_000;
/// Longest chunk in samples.
const CHUNK_SAMPLES: usize = 4_000;

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
    points: FxHashMap<PointKey, Columns>,
    /// Whether more points were due than fit.
    leaves_some: bool,
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
            Err(_) => {
                roll_back(&self.conn);
                self.pass = None;
                self.heads.abandon_pass();
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
            self.pass = self.next_pass(budget.now, cursors.min(covered));
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
        let (rows, more_rows) = self.let_go(budget.now, sealed_floor, cursors, covered)?;
        let pruned = self.prune(budget.now).doing("let go of expired identities")?;
        if done.is_empty() && rows == 0 && snapshot.is_none() && !pruned {
            roll_back(&self.conn);
        } else {
            keep(&self.conn, "last_commit", self.last).doing(doing)?;
            keep(&self.conn, "sealed_floor", sealed_floor).doing(doing)?;
            end(&self.conn).map_err(|(doing, source)| StoreError::Sqlite { doing, source })?;
        }
        self.snapshot = covered;
        let leaves_some = self.apply(&done, sealed_floor);
        Ok(Sealed {
            points: done.len(),
            samples: done.iter().map(|done| done.samples).sum(),
            rows,
            more: self.pass.is_some() || leaves_some || more_rows,
        })
    }

    /// Whether enough has happened since the last look: as many readings as fill a point, or a second.
    fn worth_a_look(&mut self, now: Timestamp) -> bool {
        let looked = &self.looked;
        let moved = now.as_millis().abs_diff(looked.at.as_millis()) >= 1_000;
        moved || self.readings - looked.readings >= self.options.seal_samples as u64 || looked.more
    }

    /// Chooses the points of the next pass: those that are full, old, or in the way of letting go of log.
    fn next_pass(&mut self, now: Timestamp, deletable: CommitId) -> Option<Pass> {
        let old = now.minus(self.options.seal_age);
        let in_the_way = self.in_the_way(deletable);
        let full = self.options.seal_samples;
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
            samples += count;
            if samples > PASS_SAMPLES && !pass.points.is_empty() {
                pass.leaves_some = true;
                break;
            }
            pass.points.insert(point, Columns::default());
            if let Some(series) = self.heads.get_mut(point) {
                series.since_pass = Some(Unsealed::default());
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

    /// Collects the samples of the pass's points until the deadline; true when the whole range was walked.
    fn scan(&mut self, deadline: Instant) -> Result<bool, StoreError> {
        let doing = "collect samples to seal";
        let Some(pass) = &mut self.pass else {
            return Ok(false);
        };
        let (heads, points, scanned) = (&self.heads, &mut pass.points, &mut pass.scanned);
        let mut in_time = true;
        stage::rows(&self.conn, *scanned, Some(pass.upto), &mut |row| {
            let mut log = Decoder::new(row.commit, row.log).doing(doing)?;
            while let Some(entry) = log.next().doing(doing)? {
                if let Decoded::Reading { reading, .. } = entry
                    && let Some(columns) = points.get_mut(&reading.point)
                    && heads
                        .get(reading.point)
                        .is_some_and(|series| row.commit > series.sealed)
                {
                    columns.push(
                        reading.observed,
                        reading.received,
                        reading.value.as_ref(),
                        reading.quality,
                    );
                }
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

    /// Encodes collected points into the open transaction until the deadline, at least one.
    fn encode(&mut self, deadline: Instant) -> Result<Vec<Done>, StoreError> {
        let mut done = Vec::new();
        while let Some((point, columns)) = self.take_point() {
            done.push(self.encode_point(point, columns)?);
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(done)
    }

    fn take_point(&mut self) -> Option<(PointKey, Columns)> {
        let points = &mut self.pass.as_mut()?.points;
        let point = *points.keys().next()?;
        points.remove(&point).map(|columns| (point, columns))
    }

    fn encode_point(&self, point: PointKey, collected: Columns) -> Result<Done, StoreError> {
        let doing = "seal the samples of a point";
        let samples = collected.len();
        let upto = self.pass.as_ref().map_or(CommitId(0), |pass| pass.upto);
        let Some(series) = self.heads.get(point) else {
            return Ok(Done {
                point,
                last_chunk: 0,
                samples: 0,
            });
        };
        let (mut columns, replaced) = self.with_last_chunk(point, series.last_chunk, collected)?;
        columns.sort();
        if replaced {
            self.conn
                .prepare_cached("DELETE FROM chunk WHERE id = ?1")
                .and_then(|mut delete| delete.execute([series.last_chunk]))
                .doing(doing)?;
        }
        let mut last_chunk = series.last_chunk;
        for piece in columns.split(CHUNK_SAMPLES) {
            if piece.len() > 0 {
                last_chunk = insert_chunk(&self.conn, point, &piece)?;
            }
        }
        store_series(&self.conn, &series.latest, upto, last_chunk).doing(doing)?;
        Ok(Done {
            point,
            last_chunk,
            samples,
        })
    }

    /// Puts the collected samples behind those of the point's last chunk when that one is small.
    fn with_last_chunk(
        &self,
        point: PointKey,
        last: i64,
        collected: Columns,
    ) -> Result<(Columns, bool), StoreError> {
        let doing = "read the last chunk of a point";
        let small = |n: i64| {
            (n as usize) < self.options.seal_samples && n as usize + collected.len() <= CHUNK_SAMPLES
        };
        let n = self
            .conn
            .prepare_cached("SELECT n FROM chunk WHERE id = ?1")
            .and_then(|mut query| query.query_row([last], |row| row.get(0)));
        match n {
            Ok(n) if small(n) => {}
            Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows) => return Ok((collected, false)),
            Err(source) => return Err(StoreError::Sqlite { doing, source }),
        }
        let mut columns = chunk::decode(point, &self.chunk_bytes(last)?)
            .map_err(|what| Damage::Chunk {
                point,
                chunk: last,
                what,
            })
            .doing(doing)?;
        collected
            .samples()
            .for_each(|sample| columns.push_sample(&sample));
        Ok((columns, true))
    }

    /// The last commit whose samples are all in chunks once `done` has committed.
    fn sealed_floor(&self, done: &[Done]) -> CommitId {
        let points: rustc_hash::FxHashSet<PointKey> = done.iter().map(|done| done.point).collect();
        let first = self.heads.iter().filter_map(|series| {
            let sealed = points.contains(&series.latest.point);
            let unsealed = if sealed {
                series.since_pass.unwrap_or_default()
            } else {
                series.unsealed
            };
            (unsealed.samples > 0).then_some(unsealed.first)
        });
        first.min().map_or(self.last, |first| CommitId(first - 1))
    }

    /// Takes into memory what has committed. Returns whether a finished pass left points for another.
    fn apply(&mut self, done: &[Done], sealed_floor: CommitId) -> bool {
        let upto = self.pass.as_ref().map_or(CommitId(0), |pass| pass.upto);
        for done in done {
            if let Some(series) = self.heads.get_mut(done.point) {
                series.sealed = upto;
                series.last_chunk = done.last_chunk;
                series.unsealed = series.since_pass.take().unwrap_or_default();
            }
        }
        while self.rows.front().is_some_and(|row| row.commit <= sealed_floor) {
            self.rows.pop_front();
        }
        let finished = self.pass.take_if(|pass| pass.points.is_empty());
        finished.is_some_and(|pass| pass.leaves_some)
    }
}

fn insert_chunk(conn: &Connection, point: PointKey, columns: &Columns) -> Result<i64, StoreError> {
    let doing = "store a chunk";
    let data = chunk::encode(point, columns)
        .map_err(|_| Damage::Chunk {
            point,
            chunk: 0,
            what: "its samples cannot be compressed",
        })
        .doing(doing)?;
    let summary = crate::summary::Summary::of(columns.numeric().map(|(_, value)| value));
    let (t0, t1) = (columns.observed.first(), columns.observed.last());
    conn.prepare_cached(
        "INSERT INTO chunk (point, t0, t1, n, numeric, min, max, sum, first, last, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )
    .and_then(|mut insert| {
        insert.insert(params![
            point.0,
            t0,
            t1,
            columns.len() as i64,
            summary.numeric as i64,
            summary.min,
            summary.max,
            summary.sum,
            summary.first,
            summary.last,
            data
        ])
    })
    .doing(doing)
}

fn store_series(
    conn: &Connection,
    latest: &Latest,
    sealed: CommitId,
    last_chunk: i64,
) -> rusqlite::Result<()> {
    let bytes =
        postcard::to_stdvec(latest).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    conn.prepare_cached(
        "INSERT INTO series (point, sealed, last_chunk, latest) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (point) DO UPDATE SET sealed = ?2, last_chunk = ?3, latest = ?4",
    )?
    .execute(params![latest.point.0, sealed.0 as i64, last_chunk, bytes])
    .map(drop)
}

fn keep(conn: &Connection, name: &str, commit: CommitId) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
    )?
    .execute(params![name, commit.0 as i64])
    .map(drop)
}
