//! How long what is kept, and what goes first when room is short.
//!
//! Samples and rollups of a point have ages of their own, by measure; samples without hours leave those behind as they
//! go. When the file must shrink before its time, log goes first that only cursors left behind still want, because chunks
//! hold the same; then the oldest samples of all points, then the oldest minutes, then hours; days, alarms, orders,
//! messages and the audit never. Everything goes in bounded portions, each a transaction, and is counted.

use crate::error::{Doing, StoreError};
use crate::ledger::{Ledger, begin, end, roll_back};
use crate::remember::own_numbers;
use crate::rollup::{DAY, HOUR, MINUTE};
use linli_domain::id::PointKey;
use linli_domain::time::Timestamp;
use rusqlite::params;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Chunks or rows of rollups that go in one portion.
const PORTION: i64 = 64;
/// Rows of the log that go in one portion.
const LOG_PORTION: i64 = 1_024;
/// How often ages are looked at.
const EVERY: Duration = Duration::from_secs(600);

/// How long something is kept; `None` is for good.
pub type Age = Option<Duration>;

/// How long readings of a measure are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// A measure such as `bin.fill`, the measures of a thing such as `bin.*`, or `*` for all.
    pub measure: String,
    /// The samples themselves.
    pub raw: Age,
    /// Sums per minute.
    pub minute: Age,
    /// Sums per hour.
    pub hour: Age,
    /// Sums per day.
    pub day: Age,
}

impl Keep {
    /// What holds for everything unless something else is said: samples for 400 days, minutes for 90, hours for five
    /// years, days for good.
    pub fn usual() -> Self {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        Self {
            measure: "*".into(),
            raw: days(400),
            minute: days(90),
            hour: days(5 * 366),
            day: None,
        }
    }

    /// Whether it speaks of this measure, and how closely: an exact name goes before a thing, a thing before all.
    fn fits(&self, measure: &str) -> Option<usize> {
        if self.measure == measure {
            return Some(usize::MAX);
        }
        let prefix = self.measure.strip_suffix('*')?;
        measure.starts_with(prefix).then_some(prefix.len())
    }
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LetGo {
    /// Chunks.
    pub chunks: u64,
    /// Samples in them.
    pub samples: u64,
    /// Rows of rollups.
    pub rollups: u64,
    /// Rows of the log that only cursors still wanted; their samples stay.
    pub log: u64,
    /// When the newest of the samples was observed; what is only filled in by time and begins before may miss them.
    pub newest: Option<Timestamp>,
    /// Whether there is more to do.
    pub more: bool,
}

impl Ledger {
    /// Lets go of what is older than its measure keeps, until the deadline, and looks at most every ten minutes.
    pub fn retain(&mut self, now: Timestamp, slice: Duration) -> Result<LetGo, StoreError> {
        if self.to_retain.is_empty() {
            if now.since(self.retained) < EVERY && self.retained <= now {
                return Ok(LetGo::default());
            }
            self.retained = now;
            self.to_retain = self.aged_points()?;
        }
        let deadline = Instant::now() + slice;
        let mut gone = LetGo::default();
        while let Some((point, measure)) = self.to_retain.pop() {
            let Some(keep) = self.keep_of(&measure) else {
                continue;
            };
            let one = self.transaction(|ledger| ledger.let_go_of_point(point, &keep, now));
            let one = self.past_damage(one, now)?;
            gone.chunks += one.chunks;
            gone.samples += one.samples;
            gone.rollups += one.rollups;
            gone.newest = gone.newest.max(one.newest);
            if one.more {
                self.to_retain.push((point, measure));
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        gone.more = !self.to_retain.is_empty();
        Ok(gone)
    }

    /// What holds for a measure: the closest that fits, the last of those.
    fn keep_of(&self, measure: &str) -> Option<Keep> {
        let fitting = self
            .options
            .keep
            .iter()
            .filter_map(|keep| Some((keep.fits(measure)?, keep)));
        fitting
            .max_by_key(|(closeness, _)| *closeness)
            .map(|(_, keep)| keep.clone())
    }

    fn aged_points(&self) -> Result<Vec<(PointKey, String)>, StoreError> {
        let doing = "list the points";
        let mut query = self
            .conn
            .prepare_cached(
                "SELECT p.key, p.measure FROM point p JOIN series s ON s.point = p.key WHERE s.rolled = 1",
            )
            .doing(doing)?;
        let rows = query
            .query_map([], |row| Ok((PointKey(row.get(0)?), row.get(1)?)))
            .doing(doing)?;
        rows.collect::<Result<_, _>>().doing(doing)
    }

    fn let_go_of_point(&self, point: PointKey, keep: &Keep, now: Timestamp) -> Result<LetGo, StoreError> {
        let doing = "let go of what is too old";
        let before = |age: Age| age.map(|age| now.minus(age).as_millis());
        let mut gone = LetGo::default();
        if let Some(before) = before(keep.raw) {
            let sql = "SELECT count(*), coalesce(sum(n), 0), coalesce(max(t1), 0) FROM
                       (SELECT n, t1 FROM chunk WHERE point = ?1 AND t1 < ?2 AND t0 < ?2 ORDER BY t0 LIMIT ?3)";
            let (chunks, samples, upto): (i64, i64, i64) = self
                .conn
                .prepare_cached(sql)
                .and_then(|mut query| {
                    query.query_row(params![point.0, before, PORTION], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })
                })
                .doing(doing)?;
            if chunks > 0 {
                self.keep_hours(point, upto)?;
                self.conn
                    .prepare_cached(
                        "DELETE FROM chunk WHERE id IN
                         (SELECT id FROM chunk WHERE point = ?1 AND t1 < ?2 AND t0 < ?2 ORDER BY t0 LIMIT ?3)",
                    )
                    .and_then(|mut delete| delete.execute(params![point.0, before, PORTION]))
                    .and_then(|_| self.note_raw_from(point, upto + 1))
                    .doing(doing)?;
                (gone.chunks, gone.samples) = (chunks as u64, samples as u64);
                gone.newest = Some(Timestamp::from_millis(upto));
                gone.more = chunks == PORTION;
            }
        }
        for (width, age) in [(MINUTE, keep.minute), (HOUR, keep.hour), (DAY, keep.day)] {
            if let Some(before) = before(age) {
                let deleted = self
                    .conn
                    .prepare_cached("DELETE FROM rollup WHERE point = ?1 AND width = ?2 AND t1 < ?3")
                    .and_then(|mut delete| delete.execute(params![point.0, width, before - width]))
                    .doing(doing)?;
                gone.rollups += deleted as u64;
            }
        }
        Ok(gone)
    }

    fn note_raw_from(&self, point: PointKey, from: i64) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("UPDATE series SET raw_from = max(coalesce(raw_from, ?2), ?2) WHERE point = ?1")?
            .execute(params![point.0, from])
            .map(drop)
    }

    /// Lets go of the oldest there is, one portion: log that is in chunks, then samples, then minutes, then hours.
    /// Nothing more to give is `more == false` with nothing gone.
    ///
    /// As long as the engine's snapshot covers more unsealed log than [`crate::Options::stage_target`] twice, it waits for
    /// the sealer instead of letting go of samples; the sealer must be told that no cursor is waited for.
    pub fn make_room(&mut self) -> Result<LetGo, StoreError> {
        let covered = self.rows.partition_point(|row| row.commit <= self.snapshot);
        let ends = self.rows.front().zip(self.rows.get(covered.wrapping_sub(1)));
        let unsealed = ends.map_or(0, |(first, last)| last.total.saturating_sub(first.total));
        let sealer_first = unsealed > self.options.stage_target.saturating_mul(2);
        let gone = self.transaction(|ledger| {
            let gone = ledger.oldest_log()?;
            if gone.log > 0 || sealer_first {
                return Ok(LetGo { more: true, ..gone });
            }
            let gone = ledger.oldest_chunks()?;
            if gone.chunks > 0 {
                return Ok(gone);
            }
            ledger.oldest_sums()
        });
        let gone = match gone {
            // It has no time of its own; the last commit's is close enough for the note.
            Err(error) if error.damaged_piece().is_some() => {
                let at = self.last_commit_at()?;
                self.past_damage(Err(error), at)?
            }
            other => other?,
        };
        if gone.more {
            self.conn
                .execute_batch("PRAGMA incremental_vacuum(4096)")
                .doing("give free space back to the disk")?;
        }
        Ok(gone)
    }

    /// Log that is in chunks and in the engine's snapshot.
    fn oldest_log(&self) -> Result<LetGo, StoreError> {
        // The note of the last pass, not what is sealed by now: the last commit is noted beside it.
        let (_, sealed) = own_numbers(&self.conn)?;
        let upto = sealed.min(self.snapshot).0 as i64;
        let deleted = self
            .conn
            .prepare_cached(
                "DELETE FROM stage WHERE id IN (SELECT id FROM stage WHERE id <= ?1 ORDER BY id LIMIT ?2)",
            )
            .and_then(|mut delete| delete.execute(params![upto, LOG_PORTION]))
            .doing("make room")?;
        Ok(LetGo {
            log: deleted as u64,
            ..LetGo::default()
        })
    }

    /// Minutes, then hours.
    fn oldest_sums(&self) -> Result<LetGo, StoreError> {
        for width in [MINUTE, HOUR] {
            let deleted = self
                .conn
                .prepare_cached(
                    "DELETE FROM rollup WHERE id IN
                     (SELECT id FROM rollup WHERE width = ?1 ORDER BY t0 LIMIT ?2)",
                )
                .and_then(|mut delete| delete.execute(params![width, PORTION]))
                .doing("make room")?;
            if deleted > 0 {
                return Ok(LetGo {
                    rollups: deleted as u64,
                    more: true,
                    ..LetGo::default()
                });
            }
        }
        Ok(LetGo::default())
    }

    /// What cannot be read is set aside instead: it must not keep everything else from its turn.
    fn past_damage(&mut self, gone: Result<LetGo, StoreError>, now: Timestamp) -> Result<LetGo, StoreError> {
        let Err(error) = gone else {
            return gone;
        };
        let piece = error.damaged_piece();
        match piece.map(|piece| self.set_aside_piece(piece, now)).transpose()? {
            Some(Some(_)) => Ok(LetGo {
                more: true,
                ..LetGo::default()
            }),
            _ => Err(error),
        }
    }

    fn last_commit_at(&self) -> Result<Timestamp, StoreError> {
        self.conn
            .query_row("SELECT coalesce(max(at), 0) FROM stage", [], |row| row.get(0))
            .map(Timestamp::from_millis)
            .doing("read when the last commit was made")
    }

    fn oldest_chunks(&self) -> Result<LetGo, StoreError> {
        let doing = "make room";
        // Only what the rollups hold already goes.
        let sql = "SELECT c.id, c.point, c.n, c.t1 FROM chunk c JOIN series s ON s.point = c.point
                   WHERE s.rolled = 1 ORDER BY c.t1 LIMIT ?1";
        let chunks: Vec<(i64, u32, i64, i64)> = self
            .conn
            .prepare_cached(sql)
            .and_then(|mut query| {
                query
                    .query_map([PORTION], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect::<Result<_, _>>()
            })
            .doing(doing)?;
        let mut gone = LetGo {
            more: !chunks.is_empty(),
            ..LetGo::default()
        };
        // They come in the order of their ends, so the last of a point is its latest.
        let ends: BTreeMap<u32, i64> = chunks.iter().map(|(_, point, _, t1)| (*point, *t1)).collect();
        for (point, upto) in ends {
            self.keep_hours(PointKey(point), upto)?;
        }
        for (id, point, samples, t1) in chunks {
            self.conn
                .prepare_cached("DELETE FROM chunk WHERE id = ?1")
                .and_then(|mut delete| delete.execute([id]))
                .and_then(|_| self.note_raw_from(PointKey(point), t1 + 1))
                .doing(doing)?;
            gone.chunks += 1;
            gone.samples += samples as u64;
            gone.newest = gone.newest.max(Some(Timestamp::from_millis(t1)));
        }
        Ok(gone)
    }

    fn transaction<T>(&mut self, work: impl FnOnce(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let wrong = |(doing, source)| StoreError::Sqlite { doing, source };
        begin(&self.conn).map_err(wrong)?;
        match work(self) {
            Ok(done) => {
                end(&self.conn)
                    .map_err(wrong)
                    .inspect_err(|_| roll_back(&self.conn))?;
                self.chunk_times.borrow_mut().take();
                Ok(done)
            }
            Err(error) => {
                roll_back(&self.conn);
                Err(error)
            }
        }
    }
}
