//! A copy of the ledger as it is at one moment, made while the gateway goes on, and verified by opening it.
//!
//! One read transaction is held for the copy: the file does not change under it, and the write-ahead log grows by
//! what is committed meanwhile. The copy is one plain file without a log beside it. It is written under another name
//! and gets its own once it has been read back, so a file of that name is always whole. The half file is locked while
//! it is written: one that is not was left by a process that ended, and may be removed.

use super::Examination;
use crate::error::{OpenError, StoreError};
use crate::reader::Reader;
use rusqlite::backup::{Backup as Copy, StepResult};
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Pages copied in one step; between two steps progress is told.
const STEP_PAGES: i32 = 2_048;

/// A finished backup.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// What reading it back found; the copy is faithful even where the original was damaged.
    pub examined: Examination,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file of that name is there already; nothing is overwritten.
    #[error("write {}: the file is there already; choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The copy could not be written.
    #[error("write the backup {}: check the folder and its free space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite could not copy.
    #[error("copy the ledger to {}: check the folder and its free space", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The copy could not be read back.
    #[error("read the backup back")]
    Open(#[from] OpenError),
    /// The copy could not be read back.
    #[error("read the backup back")]
    Read(#[from] StoreError),
    /// The database itself is broken, and a copy of it would be no backup.
    #[error(
        "the ledger is broken, a copy of it would be no backup: {said}; `linli doctor` says what can be saved"
    )]
    Torn {
        /// What SQLite says.
        said: String,
    },
}

impl Reader {
    /// Copies the ledger to `to`, which must not exist, and reads the copy back.
    ///
    /// `progress` is told the share that is done. On an error no file of that name is left.
    pub fn backup(&self, to: &Path, progress: &mut dyn FnMut(f64)) -> Result<Backup, BackupError> {
        if to.exists() {
            return Err(BackupError::Exists { path: to.to_owned() });
        }
        let part = with_suffix(to, ".part");
        let outcome = self.copy_to(&part, to, progress);
        if outcome.is_err() {
            let _ = std::fs::remove_file(&part);
            let _ = std::fs::remove_file(with_suffix(&part, "-journal"));
        }
        outcome
    }

    fn copy_to(&self, part: &Path, to: &Path, progress: &mut dyn FnMut(f64)) -> Result<Backup, BackupError> {
        let copy = |source| BackupError::Copy {
            path: to.to_owned(),
            source,
        };
        let write = |source| BackupError::Write {
            path: to.to_owned(),
            source,
        };
        let _ = std::fs::remove_file(part);
        // SQLite would make it with the mode of the process; what is in it is for its owner.
        let half = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(part)
            .map_err(write)?;
        flock(&half, FlockOperation::NonBlockingLockExclusive).map_err(|error| write(error.into()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut target = Connection::open_with_flags(part, flags).map_err(copy)?;
        target
            .execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;")
            .map_err(copy)?;
        let held = self.conn.unchecked_transaction().map_err(copy)?;
        held.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))
            .map_err(copy)?;
        {
            let steps = Copy::new(&self.conn, &mut target).map_err(copy)?;
            while steps.step(STEP_PAGES).map_err(copy)? != StepResult::Done {
                let state = steps.progress();
                let done = 1.0 - f64::from(state.remaining) / f64::from(state.pagecount.max(1));
                progress(done * 0.5);
            }
        }
        drop(held);
        // A file of its own, without a log beside it, that a read-only medium can serve.
        target
            .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
            .map_err(copy)?;
        target.close().map_err(|(_, source)| copy(source))?;
        half.sync_all().map_err(write)?;
        let examined = Reader::open_file(part)?.examine(&mut |share| progress(0.5 + share * 0.5))?;
        if examined.is_torn() {
            let said = examined.findings.iter().find_map(|finding| match finding {
                super::Finding::Database { said, .. } => Some(said.clone()),
                _ => None,
            });
            return Err(BackupError::Torn {
                said: said.unwrap_or_default(),
            });
        }
        // Not over a file that appeared meanwhile.
        match name(part, to) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists { path: to.to_owned() });
            }
            named => named.map_err(write)?,
        }
        sync_folder(to).map_err(write)?;
        let bytes = std::fs::metadata(to).map_err(write)?.len();
        Ok(Backup {
            path: to.to_owned(),
            bytes,
            examined,
        })
    }
}

/// Gives a file its name, unless there is one of that name.
///
/// The sticks and shares people carry backups away on (FAT, exFAT) know no second name of a file, but this; NFS knows second
/// names only.
fn name(part: &Path, to: &Path) -> std::io::Result<()> {
    match renameat_with(CWD, part, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::hard_link(part, to)?;
            std::fs::remove_file(part)
        }
        named => named.map_err(Into::into),
    }
}

/// The path with something behind its last name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the names in the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
