//! Puts a backup in the place of the ledger. What was there is kept beside it, never deleted.
//!
//! The copy is read back before anything is touched. A marker stands in the folder while names change, so a crash in
//! between leaves a folder that says so instead of one that looks new or mixes two ledgers.

use super::Examination;
use super::backup::{sync_folder, with_suffix};
use crate::error::{OpenError, StoreError};
use crate::lock;
use crate::reader::Reader;
use crate::schema::{self, DATABASE_FILE};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Name of the marker of a restore that has not ended.
pub const UNFINISHED: &str = "restore.unfinished";

/// A finished restore.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// Where the ledger that was there lies now; `None` when there was none.
    pub kept: Option<PathBuf>,
    /// What is in place now.
    pub examined: Examination,
}

/// Why nothing was restored, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The folder cannot be used, or a gateway is running on it.
    #[error(transparent)]
    Folder(OpenError),
    /// There is no file of that name, or it cannot be read.
    #[error("open the backup {}: name the file of a backup that can be read", path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The backup cannot be opened.
    #[error("open the backup")]
    Open(#[source] OpenError),
    /// The backup cannot be read.
    #[error("read the backup")]
    Read(#[from] StoreError),
    /// The backup is broken.
    #[error("the backup is broken and was not restored: {said}; use another one")]
    Torn {
        /// What SQLite says.
        said: String,
    },
    /// The backup is not a ledger.
    #[error("{} is not a backup of a ledger", path.display())]
    NoLedger {
        /// The file.
        path: PathBuf,
    },
    /// Files could not be copied or renamed.
    #[error("{doing} {}: check the folder and its free space, then restore again", path.display())]
    Files {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Refuses a folder in which a restore was broken off.
pub(crate) fn refuse_unfinished(dir: &Path) -> Result<(), OpenError> {
    let marker = dir.join(UNFINISHED);
    if marker.exists() {
        return Err(OpenError::Unfinished { path: marker });
    }
    Ok(())
}

impl crate::Ledger {
    /// Restores `backup` into `dir` and keeps what was there in a folder named with `stamp`.
    ///
    /// Takes the folder's lock, so no gateway may run on it. Until the backup has been read back whole nothing
    /// changes; broken off later, it is done again by calling it again.
    pub fn restore(
        dir: &Path,
        backup: &Path,
        stamp: &str,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Restored, RestoreError> {
        lock::ensure_folder(dir).map_err(RestoreError::Folder)?;
        let _held = lock::take(dir).map_err(RestoreError::Folder)?;
        let files = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| RestoreError::Files { doing, path, source }
        };
        let copy = dir.join("linli.db.restoring");
        let source = open(backup).map_err(|source| RestoreError::Backup {
            path: backup.to_owned(),
            source,
        })?;
        let checked = copy_file(source, &copy)
            .map_err(files("copy the backup to", &copy))
            .and_then(|()| check(&copy, backup, progress));
        if checked.is_err() {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let _ = std::fs::remove_file(with_suffix(&copy, suffix));
            }
        }
        let examined = checked?;
        let marker = dir.join(UNFINISHED);
        mark(&marker, backup).map_err(files("write", &marker))?;
        let kept = dir.join(format!("before-restore-{stamp}"));
        let there: Vec<PathBuf> = ["", "-wal", "-shm"]
            .iter()
            .map(|suffix| with_suffix(&dir.join(DATABASE_FILE), suffix))
            .filter(|path| path.exists())
            .collect();
        if !there.is_empty() {
            std::fs::create_dir_all(&kept).map_err(files("make", &kept))?;
        }
        for path in &there {
            let name = path.file_name().unwrap_or_default();
            std::fs::rename(path, kept.join(name)).map_err(files("move aside", path))?;
        }
        let place = dir.join(DATABASE_FILE);
        std::fs::rename(&copy, &place).map_err(files("put in place", &place))?;
        sync_folder(&place).map_err(files("make durable", &place))?;
        std::fs::remove_file(&marker).map_err(files("remove", &marker))?;
        sync_folder(&place).map_err(files("make durable", &place))?;
        Ok(Restored {
            kept: kept.is_dir().then_some(kept),
            examined,
        })
    }
}

fn check(copy: &Path, backup: &Path, progress: &mut dyn FnMut(f64)) -> Result<Examination, RestoreError> {
    let no_ledger = || RestoreError::NoLedger {
        path: backup.to_owned(),
    };
    // A backup of an earlier program is brought to the format of this one, as its ledger would be.
    let reader = match upgrade(copy).and_then(|()| Reader::open_file(copy)) {
        Err(OpenError::NoLedger { .. }) => return Err(no_ledger()),
        Err(OpenError::Sqlite { source, .. })
            if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) =>
        {
            return Err(no_ledger());
        }
        Err(OpenError::Sqlite { source, .. })
            if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) =>
        {
            return Err(torn(&source));
        }
        other => other.map_err(RestoreError::Open)?,
    };
    let examined = reader.examine(progress).map_err(|error| match error {
        StoreError::Sqlite { source, .. }
            if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) =>
        {
            torn(&source)
        }
        other => other.into(),
    })?;
    if let Some(super::Finding::Database { said, .. }) = examined.findings.iter().find(|_| examined.is_torn())
    {
        return Err(RestoreError::Torn { said: said.clone() });
    }
    Ok(examined)
}

fn torn(said: &rusqlite::Error) -> RestoreError {
    RestoreError::Torn {
        said: said.to_string(),
    }
}

/// Brings a copy of an earlier format to the current one; leaves anything else as it is.
fn upgrade(copy: &Path) -> Result<(), OpenError> {
    if !schema::is_older(copy)? {
        return Ok(());
    }
    let conn = schema::open_writer(copy, None)?;
    let wrong = |source| OpenError::Sqlite {
        doing: "upgrade the copy of",
        path: copy.to_owned(),
        source,
    };
    conn.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .map_err(wrong)?;
    conn.close().map_err(|(_, source)| wrong(source))
}

fn open(backup: &Path) -> std::io::Result<File> {
    let file = File::open(backup)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

fn copy_file(mut source: File, to: &Path) -> std::io::Result<()> {
    let mut target = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)?;
    std::io::copy(&mut source, &mut target)?;
    target.sync_all()
}

fn mark(marker: &Path, backup: &Path) -> std::io::Result<()> {
    std::fs::write(marker, format!("{}\n", backup.display()))?;
    File::open(marker)?.sync_all()?;
    sync_folder(marker)
}
