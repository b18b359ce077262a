//! Reading beside the writer: a connection of its own, read-only, for any thread.
//!
//! Every question is bounded by a page or goes in pieces, so no read transaction lasts long. A reader sees what has
//! committed and nothing else; it never waits for the writer and never makes it wait.

mod before;
mod effort;
mod estate;
mod fill;
mod history;
mod latest;
mod outbox;
#[cfg(test)]
mod plans;
mod samples;
mod rejects;
mod state;
mod stretches;
mod sweep;
mod unknown;

pub use effort::Effort;
pub use estate::{Counts, FileSizes, Kept};
pub use history::{AlarmTransition, AuditEnd, AuditEntry, Transition};
pub use rejects::{Reject, RejectCount, RejectFilter};
pub use samples::{SampleCursor, SamplePage};
pub use state::{AlarmFilter, OrderFilter, Page};
pub use stretches::{Span, Spans};

use crate::error::{Damage, Doing, OpenError, StoreError};
use crate::schema::{self, DATABASE_FILE};
use linli_domain::id::CommitId;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most rows of one page, whatever is asked for.
pub const MAX_PAGE: usize = 10_000;

/// A read-only view of a ledger. Send it to the thread that asks; open one per thread.
#[derive(Debug)]
pub struct Reader {
    pub(crate) conn: Connection,
    dir: PathBuf,
    effort: Cell<Effort>,
    /// Damaged pieces that were left out, when they are to be left out.
    left_out: Option<RefCell<BTreeSet<LeftOut>>>,
}

/// A damaged piece that a reader has left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LeftOut {
    Chunk(i64),
    Log(CommitId),
}

impl Reader {
    /// Opens the ledger in `dir` for reading, with or without a writer beside it.
    pub fn open(dir: &Path) -> Result<Reader, OpenError> {
        let conn = schema::open_reader(&dir.join(DATABASE_FILE))?;
        Ok(Reader {
            conn,
            dir: dir.to_owned(),
            effort: Cell::default(),
            left_out: None,
        })
    }

    /// Opens a backup, or any other file that holds a ledger, for reading.
    pub fn open_file(path: &Path) -> Result<Reader, OpenError> {
        Ok(Reader {
            conn: schema::open_reader(path)?,
            dir: path.parent().unwrap_or(Path::new(".")).to_owned(),
            effort: Cell::default(),
            left_out: None,
        })
    }

    /// From now on samples that cannot be read are left out and counted: for whoever saves what can be saved from a file
    /// that nobody mends.
    pub fn leave_out_damage(&mut self) {
        self.left_out.get_or_insert_default();
    }

    /// How many damaged pieces were left out.
    pub fn damage_left_out(&self) -> usize {
        self.left_out.as_ref().map_or(0, |pieces| pieces.borrow().len())
    }

    /// Whether to go on without a piece.
    fn leaves_out(&self, piece: LeftOut) -> bool {
        let noted = self
            .left_out
            .as_ref()
            .map(|pieces| pieces.borrow_mut().insert(piece));
        noted.is_some()
    }

    /// All rows of a query, each made by `make`.
    fn all<T>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl Params,
        make: impl Fn(&Row<'_>) -> Result<T, Wrong>,
    ) -> Result<Vec<T>, StoreError> {
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let mut rows = query.query(params).doing(doing)?;
        let mut made = Vec::new();
        while let Some(row) = rows.next().doing(doing)? {
            made.push(make(row).map_err(|wrong| wrong.doing(doing))?);
        }
        Ok(made)
    }

    /// The first row of a query, if there is one.
    fn first<T>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl Params,
        make: impl Fn(&Row<'_>) -> Result<T, Wrong>,
    ) -> Result<Option<T>, StoreError> {
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let made = query
            .query_row(params, |row| Ok(make(row)))
            .optional()
            .doing(doing)?;
        made.transpose().map_err(|wrong| wrong.doing(doing))
    }

    /// Runs `ask` within one transaction, so that its questions see the same commit.
    fn together<T>(&self, ask: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let doing = "begin to read";
        let transaction = self.conn.unchecked_transaction().doing(doing)?;
        let answer = ask();
        transaction.finish().doing("end to read")?;
        answer
    }
}

/// What can be wrong with a row.
enum Wrong {
    Sqlite(rusqlite::Error),
    Damage(Damage),
}

impl Wrong {
    fn doing(self, doing: &'static str) -> StoreError {
        match self {
            Self::Sqlite(source) => StoreError::Sqlite { doing, source },
            Self::Damage(source) => StoreError::Damaged { doing, source },
        }
    }
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Damage> for Wrong {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// The length of a page as SQL wants it.
fn page(limit: usize) -> i64 {
    limit.min(MAX_PAGE) as i64
}

/// Reads a text column that must be an id.
fn id<T: std::str::FromStr>(row: &Row<'_>, column: usize, table: &'static str) -> Result<T, Wrong> {
    let text = row.get_ref(column)?.as_str().map_err(|_| Damage::Row {
        table,
        what: "an id is not text",
    })?;
    text.parse().map_err(|_| {
        Wrong::Damage(Damage::Row {
            table,
            what: "an id makes no sense",
        })
    })
}

/// Reads a column of milliseconds.
fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<linli_domain::time::Timestamp> {
    row.get(column).map(linli_domain::time::Timestamp::from_millis)
}

/// Reads a column of milliseconds that may be empty.
fn maybe_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<linli_domain::time::Timestamp>> {
    row.get::<_, Option<i64>>(column)
        .map(|at| at.map(linli_domain::time::Timestamp::from_millis))
}
