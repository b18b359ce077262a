//! Moves what is damaged out of the way, with a note of what it was, so that the rest can be served.
//!
//! The bytes are kept. A chunk goes with its samples; a row of the log only when the engine's snapshot holds what the
//! engine needs of it, because an engine that misses an input would decide differently without anybody noticing.

use super::Finding;
use super::examine::{whole_chunk, whole_log};
use crate::error::{Doing, Piece, StoreError};
use crate::ledger::{Ledger, begin, end, roll_back};
use crate::reader::Reader;
use crate::rollup;
use crate::summary::Summary;
use crate::write::StageRow;
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::Timestamp;
use rusqlite::{OptionalExtension, params};

/// What was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsideKind {
    /// A chunk of samples.
    Chunk,
    /// The log of a commit.
    Log,
    /// Sums of a point per minute, hour or day.
    Rollup,
}

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Aside {
    /// Its number.
    pub id: i64,
    /// When it was set aside.
    pub at: Timestamp,
    /// What it was.
    pub kind: AsideKind,
    /// Row of the chunk or the sums, or number of the commit.
    pub row: i64,
    /// The point whose samples or sums are missing; none for a log.
    pub point: Option<PointKey>,
    /// Observed times of the first and last missing sample.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many samples are missing.
    pub samples: u64,
    /// What was wrong.
    pub what: String,
}

/// What mending did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mended {
    /// Chunks set aside.
    pub chunks: u64,
    /// Logs set aside, or noted anew.
    pub logs: u64,
    /// Rows of sums set aside and made anew from the samples that are left.
    pub rollups: u64,
    /// Samples that are missing now.
    pub samples: u64,
    /// Indexes made anew.
    pub reindexed: bool,
    /// What is left as it is: it needs a backup.
    pub left: Vec<Finding>,
}

impl Reader {
    /// What was set aside, newest first, at most `limit`.
    pub fn set_aside(&self, limit: usize) -> Result<Vec<Aside>, StoreError> {
        let doing = "list what was set aside";
        let sql = "SELECT id, at, kind, row, point, t0, t1, n, what FROM set_aside ORDER BY id DESC LIMIT ?1";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let rows = query
            .query_map([limit.min(crate::reader::MAX_PAGE) as i64], |row| {
                let (t0, t1): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
                let kind: String = row.get(2)?;
                Ok(Aside {
                    id: row.get(0)?,
                    at: Timestamp::from_millis(row.get(1)?),
                    kind: match kind.as_str() {
                        "chunk" => AsideKind::Chunk,
                        "rollup" => AsideKind::Rollup,
                        _ => AsideKind::Log,
                    },
                    row: row.get(3)?,
                    point: row.get::<_, Option<u32>>(4)?.map(PointKey),
                    span: t0.map(Timestamp::from_millis).zip(t1.map(Timestamp::from_millis)),
                    samples: row.get::<_, i64>(7)? as u64,
                    what: row.get(8)?,
                })
            })
            .doing(doing)?;
        rows.collect::<Result<_, _>>().doing(doing)
    }
}

impl Ledger {
    /// Looks at a piece and sets it aside when it is damaged. Returns how many samples went, `None` when it is well.
    pub fn set_aside_piece(&mut self, piece: Piece, now: Timestamp) -> Result<Option<u64>, StoreError> {
        match piece {
            Piece::Chunk(chunk) => self.set_aside_chunk(chunk, now),
            Piece::Rollup(rollup) => self.set_aside_rollup(rollup, now),
        }
    }

    /// Sums are made anew from the samples that are left; those of samples that were let go are lost.
    fn set_aside_rollup(&mut self, rollup: i64, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let doing = "set damaged sums aside";
        let looked = self
            .conn
            .prepare_cached(&format!("{} WHERE id = ?1", rollup::ROW))
            .and_then(|mut query| {
                query
                    .query_row([rollup], |row| {
                        let place = (
                            PointKey(row.get(1)?),
                            row.get::<_, i64>(2)?,
                            row.get::<_, i64>(3)?,
                        );
                        Ok((place, rollup::whole_row(row)?.err()))
                    })
                    .optional()
            })
            .doing(doing)?;
        let Some(((point, width, t0), Some(damage))) = looked else {
            return Ok(None);
        };
        let wrong = |(doing, source)| StoreError::Sqlite { doing, source };
        begin(&self.conn).map_err(wrong)?;
        let moved = self
            .conn
            .execute(
                "INSERT INTO set_aside (at, kind, row, point, t0, t1, n, what, data)
                 SELECT ?2, 'rollup', id, point, t0, t1, 0, ?3, data FROM rollup WHERE id = ?1",
                params![rollup, now.as_millis(), damage.to_string()],
            )
            .and_then(|_| self.conn.execute("DELETE FROM rollup WHERE id = ?1", [rollup]))
            .doing(doing)
            .and_then(|_| rollup::remake_row(&self.conn, point, width, t0))
            .and_then(|()| end(&self.conn).map_err(wrong));
        if let Err(error) = moved {
            roll_back(&self.conn);
            return Err(error);
        }
        Ok(Some(0))
    }

    /// Looks at a chunk and sets it aside when it is damaged. Returns how many samples went, `None` when it is well.
    fn set_aside_chunk(&mut self, chunk: i64, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let doing = "set a damaged chunk aside";
        let sql =
            "SELECT point, data, n, numeric, min, max, sum, first, last, t0, t1 FROM chunk WHERE id = ?1";
        let looked = self
            .conn
            .prepare_cached(sql)
            .and_then(|mut query| {
                query
                    .query_row([chunk], |row| {
                        let (point, beside) = (PointKey(row.get(0)?), Summary::beside(row, 2)?);
                        let data = row.get_ref(1)?.as_blob().unwrap_or_default();
                        let ends = (row.get(9)?, row.get(10)?);
                        Ok((point, beside, whole_chunk(point, data, &beside, ends).err()))
                    })
                    .optional()
            })
            .doing(doing)?;
        let Some((point, beside, Some(what))) = looked else {
            return Ok(None);
        };
        self.in_transaction(doing, |conn| {
            conn.execute(
                "INSERT INTO set_aside (at, kind, row, point, t0, t1, n, what, data)
                 SELECT ?2, 'chunk', id, point, t0, t1, n, ?3, data FROM chunk WHERE id = ?1",
                params![chunk, now.as_millis(), what],
            )?;
            conn.execute("DELETE FROM chunk WHERE id = ?1", [chunk])?;
            conn.execute("UPDATE series SET last_chunk = 0 WHERE last_chunk = ?1", [chunk])
                .map(drop)
        })?;
        self.chunk_times.borrow_mut().take();
        // The next sealing pass begins a chunk of its own instead of growing the one that is gone.
        let newest = self.newest_chunk(point)?;
        if let Some(series) = self.heads.get_mut(point) {
            series.last_chunk = newest;
        }
        Ok(Some(beside.samples))
    }

    fn newest_chunk(&self, point: PointKey) -> Result<i64, StoreError> {
        self.conn
            .query_row(
                "SELECT coalesce(max(id), 0) FROM chunk WHERE point = ?1",
                [point.0],
                |row| row.get(0),
            )
            .doing("look for the newest chunk of a point")
    }

    /// Sets the damaged logs aside that the engine does not need, before anything else reads them.
    ///
    /// The row stays without readings, so commits go on counting.
    pub(crate) fn set_aside_logs(&mut self, now: Timestamp) -> Result<Vec<CommitId>, StoreError> {
        let doing = "set a damaged log aside";
        let covered = self.snapshot;
        let mut damaged: Vec<(CommitId, String)> = Vec::new();
        crate::stage::rows(&self.conn, CommitId(0), Some(covered), &mut |row| {
            if let Err(damage) = whole_log(row.commit, row.log) {
                damaged.push((row.commit, damage.to_string()));
            }
            Ok(std::ops::ControlFlow::Continue(()))
        })?;
        for (commit, what) in &damaged {
            let id = commit.0 as i64;
            self.in_transaction(doing, |conn| {
                conn.execute(
                    "INSERT INTO set_aside (at, kind, row, t0, t1, n, what, data)
                     SELECT ?2, 'log', id, first, last, n, ?3, data FROM stage WHERE id = ?1",
                    params![id, now.as_millis(), what],
                )?;
                let mut empty = Vec::new();
                crate::codec::log::encode(&mut empty, *commit, &[]);
                conn.execute(
                    "UPDATE stage SET data = ?2, points = x'', n = 0, first = NULL, last = NULL WHERE id = ?1",
                    params![id, empty],
                )
                .map(drop)
            })?;
        }
        Ok(damaged.into_iter().map(|(commit, _)| commit).collect())
    }

    /// Makes anew what stands beside the log of a commit.
    fn note_beside(&self, commit: CommitId) -> Result<(), StoreError> {
        let doing = "note what is in the log of a commit";
        let id = commit.0 as i64;
        let log: Vec<u8> = self
            .conn
            .query_row("SELECT data FROM stage WHERE id = ?1", [id], |row| row.get(0))
            .doing(doing)?;
        let whole = StageRow::of_log(commit, &log).doing(doing)?;
        let (first, last) = whole.span.unzip();
        self.in_transaction(doing, |conn| {
            conn.execute(
                "UPDATE stage SET n = ?2, first = ?3, last = ?4, points = ?5 WHERE id = ?1",
                params![
                    id,
                    whole.readings,
                    first.map(Timestamp::as_millis),
                    last.map(Timestamp::as_millis),
                    whole.points
                ],
            )
            .map(drop)
        })
    }

    /// Mends what an examination found as far as that loses nothing but the damaged bytes themselves.
    pub fn mend(&mut self, findings: &[Finding], now: Timestamp) -> Result<Mended, StoreError> {
        let mut mended = Mended::default();
        for finding in findings {
            match finding {
                Finding::Database { index_only: true, .. } => {
                    if !mended.reindexed {
                        self.conn
                            .execute_batch("REINDEX")
                            .doing("make the indexes anew")?;
                        mended.reindexed = true;
                    }
                }
                Finding::Chunk { chunk, .. } => {
                    if let Some(samples) = self.set_aside_chunk(*chunk, now)? {
                        mended.chunks += 1;
                        mended.samples += samples;
                    }
                }
                Finding::BesideLog { commit } => {
                    self.note_beside(*commit)?;
                    mended.logs += 1;
                }
                Finding::Rollup { rollup, .. } => {
                    mended.rollups += u64::from(self.set_aside_rollup(*rollup, now)?.is_some());
                }
                // Those that can be set aside went when the ledger was opened.
                Finding::Log { covered: true, .. } => mended.logs += 1,
                other => mended.left.push(other.clone()),
            }
        }
        Ok(mended)
    }

    /// Runs `work` in a transaction of its own.
    pub(crate) fn in_transaction(
        &self,
        doing: &'static str,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let wrong = |(doing, source)| StoreError::Sqlite { doing, source };
        begin(&self.conn).map_err(wrong)?;
        let done = work(&self.conn).doing(doing);
        if done.is_ok() {
            end(&self.conn)
                .map_err(wrong)
                .inspect_err(|_| roll_back(&self.conn))
        } else {
            roll_back(&self.conn);
            done
        }
    }
}
