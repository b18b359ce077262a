//! Looks at every page, row and blob of a ledger and says what does not hold.
//!
//! A finding is told, never mended here. Rows are read in pieces of their own, so a running gateway beside it is held
//! up by nothing but the disk.

use crate::codec::chunk;
use crate::codec::log::Decoder;
use crate::error::{Damage, Doing, StoreError};
use crate::reader::Reader;
use crate::rollup;
use crate::stage;
use crate::summary::Summary;
use crate::write::StageRow;
use linli_domain::id::{CommitId, PointKey};
use rusqlite::{OptionalExtension, params};

/// Findings told at most; the rest is counted.
const MAX_FINDINGS: usize = 200;
/// Chunks read in one piece.
const PIECE: i64 = 256;

/// Something in the file that does not hold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// A page, a row or an index of the database; what SQLite says about it.
    Database {
        /// The table, when it is known.
        table: String,
        /// SQLite's words.
        said: String,
        /// Only an index is wrong: it can be made anew from the rows.
        index_only: bool,
    },
    /// The log of a commit, with whether the engine's snapshot holds everything the engine needs of it.
    Log {
        /// What is damaged.
        damage: Damage,
        /// The commit.
        commit: CommitId,
        /// Whether it is older than the engine's snapshot.
        covered: bool,
    },
    /// What stands beside the log of a commit, so that questions find it, is not what is in it.
    BesideLog {
        /// The commit.
        commit: CommitId,
    },
    /// A chunk of samples.
    Chunk {
        /// What is damaged.
        damage: Damage,
        /// Row of the chunk.
        chunk: i64,
    },
    /// Sums of a point per minute, hour or day.
    Rollup {
        /// What is damaged.
        damage: Damage,
        /// Row of the sums.
        rollup: i64,
    },
    /// Anything else that is damaged: the audit's chain, the snapshot, a row.
    Other(Damage),
}

/// What an examination saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Examination {
    /// Format of the file.
    pub format: u32,
    /// The last commit.
    pub last_commit: u64,
    /// Commits in the log.
    pub commits: u64,
    /// Chunks.
    pub chunks: u64,
    /// Samples in chunks.
    pub samples: u64,
    /// Rows of the audit.
    pub audit_rows: i64,
    /// Pieces that were set aside earlier.
    pub set_aside: u64,
    /// What does not hold, at most 200.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
}

impl Examination {
    /// Whether the database itself is broken, so that its rows cannot be relied upon.
    pub fn is_torn(&self) -> bool {
        self.findings.iter().any(|finding| {
            matches!(
                finding,
                Finding::Database {
                    index_only: false,
                    ..
                }
            )
        })
    }

    fn found(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }
}

impl Reader {
    /// Looks at everything. `progress` is told the share that is done, from 0 to 1, now and then.
    ///
    /// An error means that the looking itself failed; damage is in the answer.
    pub fn examine(&self, progress: &mut dyn FnMut(f64)) -> Result<Examination, StoreError> {
        let mut seen = Examination {
            format: self.format()?,
            ..Examination::default()
        };
        self.database(&mut seen, &mut |share| progress(share * 0.4))?;
        if seen.is_torn() {
            // The rows cannot be relied upon; what they say would only be noise beside it.
            progress(1.0);
            return Ok(seen);
        }
        seen.last_commit = self.last_commit()?;
        let step = |outcome: Result<(), StoreError>| match outcome {
            Err(StoreError::Damaged { source, .. }) => Ok(Some(Finding::Other(source))),
            Err(error) => Err(error),
            Ok(()) => Ok(None),
        };
        let audit = self.verify_audit().map(|end| seen.audit_rows = end.rows);
        let snapshot = self.load_snapshot();
        let covered = match &snapshot {
            Ok(snapshot) => snapshot.as_ref().map_or(CommitId(0), |snapshot| snapshot.commit),
            Err(_) => CommitId(0),
        };
        let own = crate::remember::own_numbers(&self.conn).map(drop);
        for outcome in [audit, snapshot.map(drop), self.latest_rows(), own] {
            if let Some(finding) = step(outcome)? {
                seen.found(finding);
            }
        }
        self.logs(covered, &mut seen)?;
        progress(0.5);
        self.chunk_rows(&mut seen, &mut |share| progress(0.5 + share * 0.4))?;
        self.rollup_rows(&mut seen)?;
        seen.set_aside = self
            .conn
            .query_row("SELECT count(*) FROM set_aside", [], |row| row.get::<_, i64>(0))
            .optional()
            .unwrap_or_default()
            .unwrap_or(0) as u64;
        progress(1.0);
        Ok(seen)
    }

    /// Format of the file; 0 when it holds no ledger.
    pub fn format(&self) -> Result<u32, StoreError> {
        self.conn
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .doing("read the format")
    }

    /// SQLite's own check, table by table, so that no read lasts as long as the whole file takes.
    fn database(&self, seen: &mut Examination, progress: &mut dyn FnMut(f64)) -> Result<(), StoreError> {
        let doing = "check the database";
        let tables = self
            .conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .and_then(|mut query| {
                query
                    .query_map([], |row| row.get(0))?
                    .collect::<Result<Vec<String>, _>>()
            });
        let tables = match tables {
            Ok(tables) => tables,
            Err(error) => return database_error(seen, "", error).doing(doing),
        };
        for (n, table) in tables.iter().enumerate() {
            let lines = self
                .conn
                .prepare(&format!("PRAGMA integrity_check('{table}')"))
                .and_then(|mut query| {
                    query
                        .query_map([], |row| row.get(0))?
                        .collect::<Result<Vec<String>, _>>()
                });
            match lines {
                Ok(lines) => {
                    for said in lines.into_iter().filter(|line| line != "ok") {
                        let index_only =
                            said.contains("missing from index") || said.contains("entries in index");
                        let table = table.clone();
                        seen.found(Finding::Database {
                            table,
                            said,
                            index_only,
                        });
                    }
                }
                Err(error) => database_error(seen, table, error).doing(doing)?,
            }
            progress((n + 1) as f64 / tables.len() as f64);
        }
        Ok(())
    }

    fn last_commit(&self) -> Result<u64, StoreError> {
        let sql = "SELECT max(coalesce((SELECT value FROM meta WHERE name = 'last_commit'), 0),
                   coalesce((SELECT max(id) FROM stage), 0))";
        self.conn
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map(|last| last as u64)
            .doing("read the last commit")
    }

    fn latest_rows(&self) -> Result<(), StoreError> {
        let doing = "read the newest samples";
        let mut query = self
            .conn
            .prepare("SELECT latest, sealed FROM series")
            .doing(doing)?;
        let mut rows = query.query([]).doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let bytes = row.get_ref(0).doing(doing)?.as_blob().unwrap_or_default();
            let sealed = CommitId(row.get::<_, i64>(1).doing(doing)? as u64);
            crate::remember::read_latest(bytes, sealed).doing(doing)?;
        }
        Ok(())
    }

    fn logs(&self, covered: CommitId, seen: &mut Examination) -> Result<(), StoreError> {
        stage::rows(&self.conn, CommitId(0), None, &mut |row| {
            seen.commits += 1;
            let commit = row.commit;
            match StageRow::of_log(commit, row.log) {
                Err(damage) => seen.found(Finding::Log {
                    damage,
                    commit,
                    covered: commit <= covered,
                }),
                Ok(whole) if !row.is_beside(&whole) => seen.found(Finding::BesideLog { commit }),
                Ok(_) => {}
            }
            Ok(std::ops::ControlFlow::Continue(()))
        })
    }

    fn chunk_rows(&self, seen: &mut Examination, progress: &mut dyn FnMut(f64)) -> Result<(), StoreError> {
        let doing = "read the chunks";
        let last: i64 = self
            .conn
            .query_row("SELECT coalesce(max(id), 0) FROM chunk", [], |row| row.get(0))
            .doing(doing)?;
        let sql = "SELECT id, point, data, n, numeric, min, max, sum, first, last, t0, t1 FROM chunk
                   WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut after = 0i64;
        loop {
            let mut query = self.conn.prepare_cached(sql).doing(doing)?;
            let mut rows = query.query(params![after, PIECE]).doing(doing)?;
            let mut read = 0;
            while let Some(row) = rows.next().doing(doing)? {
                let (id, point): (i64, u32) = (row.get(0).doing(doing)?, row.get(1).doing(doing)?);
                (after, read) = (id, read + 1);
                let point = PointKey(point);
                let beside = Summary::beside(row, 3).doing(doing)?;
                seen.chunks += 1;
                seen.samples += beside.samples;
                let data = row.get_ref(2).doing(doing)?.as_blob().unwrap_or_default();
                let ends = (row.get(10).doing(doing)?, row.get(11).doing(doing)?);
                if let Err(what) = whole_chunk(point, data, &beside, ends) {
                    let damage = Damage::Chunk {
                        point,
                        chunk: id,
                        what,
                    };
                    seen.found(Finding::Chunk { damage, chunk: id });
                }
            }
            progress(if last == 0 {
                1.0
            } else {
                after as f64 / last as f64
            });
            if read < PIECE {
                return Ok(());
            }
        }
    }
}

impl Reader {
    fn rollup_rows(&self, seen: &mut Examination) -> Result<(), StoreError> {
        let doing = "read the rollups";
        let sql = format!("{} WHERE id > ?1 ORDER BY id LIMIT ?2", rollup::ROW);
        let mut after = i64::MIN;
        loop {
            let mut query = self.conn.prepare_cached(&sql).doing(doing)?;
            let mut rows = query.query(params![after, PIECE]).doing(doing)?;
            let mut read = 0;
            while let Some(row) = rows.next().doing(doing)? {
                (after, read) = (row.get(0).doing(doing)?, read + 1);
                if let Err(damage) = rollup::whole_row(row).doing(doing)? {
                    let rollup = after;
                    seen.found(Finding::Rollup { damage, rollup });
                }
            }
            if read < PIECE {
                return Ok(());
            }
        }
    }
}

/// A failure of the check itself: corruption is a finding, anything else an error.
fn database_error(seen: &mut Examination, table: &str, error: rusqlite::Error) -> rusqlite::Result<()> {
    match &error {
        rusqlite::Error::SqliteFailure(failure, said)
            if matches!(
                failure.code,
                rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase
            ) =>
        {
            let said = said.clone().unwrap_or_else(|| failure.to_string());
            let table = table.to_owned();
            seen.found(Finding::Database {
                table,
                said,
                index_only: false,
            });
            Ok(())
        }
        _ => Err(error),
    }
}

/// Whether every entry of a log can be read.
pub(crate) fn whole_log(commit: CommitId, log: &[u8]) -> Result<(), Damage> {
    let mut decoder = Decoder::new(commit, log)?;
    while decoder.next()?.is_some() {}
    Ok(())
}

/// Whether a chunk can be read and is what its row says about it.
pub(crate) fn whole_chunk(
    point: PointKey,
    data: &[u8],
    beside: &Summary,
    ends: (i64, i64),
) -> Result<(), &'static str> {
    let columns = chunk::decode(point, data)?;
    let summary = Summary::of(columns.numeric().map(|(_, value)| value));
    if !columns.observed.is_sorted() {
        return Err("its samples are out of order");
    }
    if (
        columns.observed.first().copied(),
        columns.observed.last().copied(),
    ) != (Some(ends.0), Some(ends.1))
    {
        return Err("the times beside it are not those of its samples");
    }
    if summary.samples != beside.samples
        || summary.numeric != beside.numeric
        || (summary.min, summary.max, summary.first, summary.last)
            != (beside.min, beside.max, beside.first, beside.last)
        // One that is no number is not kept.
        || summary.sum != beside.sum && !summary.sum.is_nan()
    {
        return Err("the sums beside it are not those of its samples");
    }
    Ok(())
}
