//! The one writer: opens the file, commits batches, remembers what it needs to answer fast.
//!
//! The thread that owns the [`Ledger`] decides when to commit and when to seal; nothing here runs by itself.
//! Memory follows the file: it changes only after a transaction has committed.

use crate::audit::AuditHash;
use crate::batch::{Batch, Entry};
use crate::care;
use crate::error::{CommitError, Damage, Doing, OpenError, StoreError};
use crate::heads::{Heads, Latest};
use crate::lock;
use crate::once::ChunkTimes;
use crate::reader::Reader;
use crate::retain::Keep;
use crate::rollup::Older;
use crate::schema::{self, DATABASE_FILE};
use crate::seal::{Looked, Pass};
use crate::write::{self, StageRow};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::Timestamp;
use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much the ledger keeps where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Newest samples of all points together kept in memory; about 80 bytes each.
    pub head_samples: usize,
    /// Bytes of unsealed log that may be deleted once sealed; beyond it quiet points are sealed early.
    pub stage_target: u64,
    /// Bytes of log kept for cursors left behind; beyond it the oldest goes.
    pub stage_limit: u64,
    /// Age of log kept for cursors left behind.
    pub stage_keep: Duration,
    /// Samples at which a point is sealed; its chunks hold at most four times as many.
    pub seal_samples: usize,
    /// Age of its oldest unsealed sample at which a point is sealed.
    pub seal_age: Duration,
    /// How long readings are kept, by measure; the closest that fits holds. None fits: for good.
    pub keep: Vec<Keep>,
    /// Bytes of write-ahead log from which it is moved into the database when there is time.
    pub wal_target: u64,
    /// Largest size of the database file in bytes; commits beyond it fail as if the disk were full.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            head_samples: 65_536,
            stage_target: 32 << 20,
            stage_limit: 1 << 30,
            stage_keep: Duration::from_secs(7 * 86_400),
            seal_samples: 2_000,
            seal_age: Duration::from_secs(7 * 86_400),
            keep: vec![Keep::usual()],
            wal_target: 4_000 * 4_096,
            max_bytes: None,
        }
    }
}

/// What is remembered of a stage row that may hold unsealed samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSpan {
    pub(crate) commit: CommitId,
    pub(crate) total: u64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

/// The writer of one data folder. It can be sent to a thread but not shared between threads.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) conn: Connection,
    pub(crate) options: Options,
    pub(crate) heads: Heads,
    /// Rows that may hold unsealed samples, oldest first.
    pub(crate) rows: VecDeque<RowSpan>,
    pub(crate) last: CommitId,
    /// Bytes of log ever staged, counted since the stage was last empty at a start.
    pub(crate) total: u64,
    pub(crate) snapshot: CommitId,
    pub(crate) pass: Option<Pass>,
    pub(crate) looked: Looked,
    /// Readings committed since the start.
    pub(crate) readings: u64,
    pub(crate) pruned: Timestamp,
    pub(crate) chunk_times: RefCell<Option<ChunkTimes>>,
    pub(crate) audit: AuditHash,
    /// How far sums are made of what was sealed before there were any.
    pub(crate) older: Older,
    /// Points whose ages are still to be looked at.
    pub(crate) to_retain: Vec<(PointKey, String)>,
    pub(crate) retained: Timestamp,
    aside_at_open: Vec<CommitId>,
    stage: StageRow,
    dir: PathBuf,
    _lock: lock::Held,
}

impl Ledger {
    /// Opens the ledger in `dir`, made if it is not there (mode 0700), and takes its lock.
    ///
    /// Brings an older file to the current format, refuses a newer one, and reads back what is unsealed.
    pub fn open(dir: &Path, options: &Options) -> Result<Ledger, OpenError> {
        lock::ensure_folder(dir)?;
        let held = lock::take(dir)?;
        care::refuse_unfinished(dir)?;
        let path = dir.join(DATABASE_FILE);
        let conn = schema::open_writer(&path, options.max_bytes)?;
        let mut ledger = Ledger {
            conn,
            options: options.clone(),
            heads: Heads::new(options.head_samples),
            rows: VecDeque::new(),
            last: CommitId(0),
            total: 0,
            snapshot: CommitId(0),
            pass: None,
            looked: Looked::default(),
            readings: 0,
            pruned: Timestamp::default(),
            chunk_times: RefCell::new(None),
            audit: [0; 32],
            stage: StageRow::default(),
            older: Older::default(),
            to_retain: Vec::new(),
            retained: Timestamp::default(),
            aside_at_open: Vec::new(),
            dir: dir.to_owned(),
            _lock: held,
        };
        ledger.remember_what_is_whole().map_err(|error| match error {
            StoreError::Sqlite { doing, source } => OpenError::Sqlite { doing, path, source },
            StoreError::Damaged { source, .. } => OpenError::Damaged { path, source },
        })?;
        Ok(ledger)
    }

    /// Reads back what is unsealed; damaged logs that the engine does not need are set aside first.
    fn remember_what_is_whole(&mut self) -> Result<(), StoreError> {
        match self.remember() {
            Err(StoreError::Damaged {
                source: Damage::Stage { .. },
                ..
            }) => {}
            other => return other,
        }
        let at = self
            .conn
            .query_row("SELECT coalesce(max(at), 0) FROM stage", [], |row| row.get(0))
            .doing("read when the last commit was made")?;
        self.aside_at_open = self.set_aside_logs(Timestamp::from_millis(at))?;
        self.heads = Heads::new(self.options.head_samples);
        self.rows.clear();
        self.remember()
    }

    /// Commits whose damaged logs were set aside when this ledger was opened: their unsealed readings are missing.
    pub fn aside_at_open(&self) -> &[CommitId] {
        &self.aside_at_open
    }

    /// The last committed batch; 0 before the first.
    pub fn last_commit(&self) -> CommitId {
        self.last
    }

    /// Commits a batch as one durable transaction and returns its id.
    ///
    /// On an error nothing of it is stored, and the ledger can be used on.
    pub fn commit(&mut self, batch: &Batch<'_>) -> Result<CommitId, CommitError> {
        let commit = CommitId(self.last.0 + 1);
        self.stage.fill(commit, batch);
        let total = self.total + self.stage.bytes();
        let written = begin(&self.conn)
            .and_then(|()| self.stage.insert(&self.conn, commit, batch.at.wall, total))
            .and_then(|()| write::rows(&self.conn, commit, batch, self.audit))
            .and_then(|audit| end(&self.conn).map(|()| audit));
        match written {
            Ok(audit) => self.audit = audit,
            Err((doing, source)) => {
                roll_back(&self.conn);
                return Err(CommitError::from_sqlite(doing, source));
            }
        }
        (self.last, self.total) = (commit, total);
        self.readings += self.stage.readings as u64;
        if let Some((first, last)) = self.stage.span {
            self.rows.push_back(RowSpan {
                commit,
                total,
                first,
                last,
            });
        }
        for entry in batch.entries {
            if let Entry::Reading { reading, evaluated } = entry {
                self.heads.push(commit, batch.at.wall, reading, *evaluated);
            }
        }
        Ok(commit)
    }

    /// Bytes of the database that hold something.
    pub fn used_bytes(&self) -> Result<u64, StoreError> {
        self.conn
            .query_row(
                "SELECT (page_count - freelist_count) * page_size
                 FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
                [],
                |row| row.get::<_, i64>(0),
            )
            .map(|bytes| bytes as u64)
            .doing("read the size of the database")
    }

    /// A reader with a connection of its own, for use on any thread.
    pub fn reader(&self) -> Result<Reader, OpenError> {
        Reader::open(&self.dir)
    }

    /// The folder of this ledger.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The newest sample of a point, from memory.
    pub fn latest(&self, point: PointKey) -> Option<&Latest> {
        self.heads.get(point).map(|series| &series.latest)
    }

    /// The newest sample of every point that has one, from memory, in no order.
    pub fn latest_all(&self) -> impl Iterator<Item = &Latest> {
        self.heads.iter().map(|series| &series.latest)
    }

    /// The greatest observed time of a point, whether it was evaluated or not, from memory.
    pub fn last_observed(&self, point: PointKey) -> Option<Timestamp> {
        self.heads.get(point).map(|series| series.last_observed)
    }

    /// Moves the write-ahead log into the database when it has grown past [`Options::wal_target`], and gives a little
    /// free space back to the disk. Call it when idle; it does not wait for readers. Returns whether it did something.
    pub fn checkpoint_if_large(&mut self) -> Result<bool, StoreError> {
        let wal = self.dir.join(format!("{DATABASE_FILE}-wal"));
        let large = std::fs::metadata(wal).is_ok_and(|file| file.len() >= self.options.wal_target);
        if !large {
            return Ok(false);
        }
        let doing = "move the write-ahead log into the database";
        // RESTART makes the next commit begin the log anew; it only waits for readers of old pages, so do not wait.
        self.conn.busy_timeout(Duration::ZERO).doing(doing)?;
        let done = self
            .conn
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        self.conn.busy_timeout(Duration::from_secs(5)).doing(doing)?;
        match done {
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == rusqlite::ErrorCode::DatabaseBusy => {}
            other => other.doing(doing)?,
        }
        self.give_back_space()?;
        Ok(true)
    }

    /// Returns some free pages to the disk when there are many; a few are kept for the next commits.
    fn give_back_space(&self) -> Result<(), StoreError> {
        const MANY_PAGES: i64 = 16_384;
        let doing = "give free space back to the disk";
        let free: i64 = self
            .conn
            .pragma_query_value(None, "freelist_count", |row| row.get(0))
            .doing(doing)?;
        if free <= MANY_PAGES {
            return Ok(());
        }
        self.conn
            .execute_batch("PRAGMA incremental_vacuum(1024)")
            .doing(doing)
    }
}

pub(crate) fn begin(conn: &Connection) -> Result<(), write::Failed> {
    statement(conn, "BEGIN IMMEDIATE", "begin a transaction")
}

pub(crate) fn end(conn: &Connection) -> Result<(), write::Failed> {
    statement(conn, "COMMIT", "commit the transaction")
}

/// Ends a failed transaction; SQLite may have done so already.
pub(crate) fn roll_back(conn: &Connection) {
    if !conn.is_autocommit() {
        // A rollback that fails leaves the transaction open; the next `begin` reports it.
        let _ = conn.execute_batch("ROLLBACK");
    }
}

fn statement(conn: &Connection, sql: &'static str, doing: &'static str) -> Result<(), write::Failed> {
    let done = conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]));
    done.map(drop).map_err(|source| (doing, source))
}
