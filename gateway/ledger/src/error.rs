//! What can go wrong with the file, told apart by what the caller should do about it.
//!
//! A commit fails because of the machine (`Io`: keep the batch and try again later) or because of the batch
//! (`Rejected`: bisect it, dead-letter the offender). Damage is named by commit or point and never guessed away.

use linli_domain::id::{CommitId, PointKey};
use rusqlite::ErrorCode;
use std::path::PathBuf;

/// Why a ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder or its lock file could not be made.
    #[error("open the data folder {}: check that it exists, is writable and has space", path.display())]
    Folder {
        /// The folder or file that failed.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process is the writer of this folder.
    #[error("lock {}: held by {holder}; stop it first, or use another data folder", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the lock file says about its holder.
        holder: String,
    },
    /// The file was written by a newer program.
    #[error(
        "open {}: it has format {found}, this program knows formats up to {known}; \
         install the newer program again, or restore a backup taken before the upgrade", path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// The file was written by an earlier program and is only to be read.
    #[error(
        "open {}: it has format {found} of an earlier program, this one reads format {known}; \
         start the gateway once, or restore the backup with `linli restore`: both bring it up to date", path.display()
    )]
    Older {
        /// The database file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The format this program reads.
        known: u32,
    },
    /// The file was never written to, or is the database of another program; only a writer begins a ledger.
    #[error(
        "open {}: it is empty or belongs to another program, there is no ledger in it; \
         restore a backup with `linli restore`, or start the gateway, which begins a ledger in an empty file", path.display()
    )]
    NoLedger {
        /// The database file.
        path: PathBuf,
    },
    /// SQLite could not open, migrate or read the file.
    #[error("{doing} {}", path.display())]
    Sqlite {
        /// What was attempted.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A restore into the folder was broken off.
    #[error(
        "open the ledger: a restore was broken off ({} is there); \
         restore the backup again, or move the files it set aside back and remove the marker", path.display()
    )]
    Unfinished {
        /// The marker.
        path: PathBuf,
    },
    /// The file opens but what it holds is damaged.
    #[error("read {}: run `linli doctor` on it; it says what can be mended and what needs a backup", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What is damaged.
        source: Damage,
    },
}

/// Why a batch was not committed. Nothing of the batch is stored and the ledger stays usable.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The machine failed: disk full, I/O error, read-only file system, memory. Keep the batch and retry later.
    #[error("{doing}: the storage failed; keep the batch and try again when there is space")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// This batch cannot be stored as it is: bisect it and dead-letter the offending input.
    #[error("{doing}: the batch breaks a rule of the ledger; split it and set the offending input aside")]
    Rejected {
        /// What was attempted.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// What is wrong with the storage, as far as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room left.
    Full,
    /// It takes no writes: the file system is read-only, or the file is not ours to write.
    ReadOnly,
    /// Reading, writing or syncing failed.
    Failing,
}

impl CommitError {
    /// What is wrong with the storage; `None` when the batch is at fault.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Io { source, .. } => Some(match source.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Trouble::Full,
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Trouble::ReadOnly,
                _ => Trouble::Failing,
            }),
            Self::Rejected { .. } => None,
        }
    }

    /// Sorts a failure of SQLite by what the caller should do.
    pub(crate) fn from_sqlite(doing: &'static str, source: rusqlite::Error) -> Self {
        let of_the_batch = match &source {
            rusqlite::Error::SqliteFailure(failure, _) => matches!(
                failure.code,
                ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
            ),
            rusqlite::Error::ToSqlConversionFailure(_) => true,
            _ => false,
        };
        if of_the_batch {
            Self::Rejected { doing, source }
        } else {
            Self::Io { doing, source }
        }
    }
}

/// Why a read, a replay or a sealing pass stopped.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite could not read or write.
    #[error("{doing}")]
    Sqlite {
        /// What was attempted.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Stored bytes are not what was written.
    #[error("{doing}")]
    Damaged {
        /// What was attempted.
        doing: &'static str,
        /// What is damaged.
        source: Damage,
    },
}

impl StoreError {
    /// The damaged piece that was stumbled over, when it is one that can be set aside.
    pub fn damaged_piece(&self) -> Option<Piece> {
        match self {
            Self::Damaged {
                source: Damage::Chunk { chunk, .. },
                ..
            } => Some(Piece::Chunk(*chunk)),
            Self::Damaged {
                source: Damage::Rollup { rollup, .. },
                ..
            } => Some(Piece::Rollup(*rollup)),
            _ => None,
        }
    }
}

/// A piece of the file that can be moved out of the way of the rest, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A chunk of samples.
    Chunk(i64),
    /// Sums per minute, hour or day.
    Rollup(i64),
}

/// Stored bytes that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The log of one commit.
    #[error("the log of commit {commit} is damaged: {what}")]
    Stage {
        /// The commit.
        commit: CommitId,
        /// What does not hold.
        what: &'static str,
    },
    /// A sealed chunk of samples.
    #[error("chunk {chunk} of point {point} is damaged: {what}")]
    Chunk {
        /// The point.
        point: PointKey,
        /// Row of the chunk.
        chunk: i64,
        /// What does not hold.
        what: &'static str,
    },
    /// Sums per minute, hour or day.
    #[error("row {rollup} of the sums of point {point} is damaged: {what}")]
    Rollup {
        /// The point.
        point: PointKey,
        /// Row of the sums.
        rollup: i64,
        /// What does not hold.
        what: &'static str,
    },
    /// The engine's snapshot.
    #[error("the snapshot of commit {commit} is damaged: its checksum differs")]
    Snapshot {
        /// The commit the snapshot was taken at.
        commit: CommitId,
    },
    /// A column that holds something this program never writes.
    #[error("a row of table {table} is damaged: {what}")]
    Row {
        /// The table.
        table: &'static str,
        /// What does not hold.
        what: &'static str,
    },
    /// A row of the audit that was changed or removed.
    #[error("audit row {row} does not follow from the row before it: it was changed, or a row was removed")]
    Audit {
        /// The first row that does not fit.
        row: i64,
    },
}

/// Attaches what was attempted to a failure of SQLite or to damage found on the way.
pub(crate) trait Doing<T> {
    /// The result with `doing` attached.
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, rusqlite::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Sqlite { doing, source })
    }
}

impl<T> Doing<T> for Result<T, Damage> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Damaged { doing, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> CommitError {
        let source = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        CommitError::from_sqlite("store an alarm", source)
    }

    #[test]
    fn the_machine_is_told_from_the_batch() {
        use rusqlite::ffi;
        let machine = [
            ffi::SQLITE_FULL,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_CORRUPT,
        ];
        for code in machine {
            assert!(matches!(failure(code), CommitError::Io { .. }), "{code}");
        }
        let trouble = |code| failure(code).trouble();
        assert_eq!(trouble(ffi::SQLITE_FULL), Some(Trouble::Full));
        assert_eq!(trouble(ffi::SQLITE_READONLY), Some(Trouble::ReadOnly));
        assert_eq!(trouble(ffi::SQLITE_IOERR_FSYNC), Some(Trouble::Failing));
        assert_eq!(trouble(ffi::SQLITE_CONSTRAINT_UNIQUE), None);
        for code in [
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_TOOBIG,
            ffi::SQLITE_MISMATCH,
        ] {
            assert!(matches!(failure(code), CommitError::Rejected { .. }), "{code}");
        }
    }
}
