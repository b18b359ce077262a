//! One writer per data folder, held by a lock file that names its holder.
//!
//! The lock ends with the process, however it ends; the file itself stays and means nothing without the lock.

use crate::error::OpenError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the lock file in the data folder.
pub const LOCK_FILE: &str = "linli.lock";

/// Makes the data folder (mode 0700) when it is not there.
pub(crate) fn ensure_folder(dir: &Path) -> Result<(), OpenError> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| OpenError::Folder {
            path: dir.to_owned(),
            source,
        })
}

/// Takes the lock of `dir` or says who has it.
pub(crate) fn take(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let folder = |source| OpenError::Folder {
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(folder)?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error == rustix::io::Errno::WOULDBLOCK {
            return Err(locked(path, file));
        }
        return Err(folder(error.into()));
    }
    file.set_len(0).map_err(folder)?;
    writeln!(file, "linli, process {}", std::process::id()).map_err(folder)?;
    Ok(file)
}

fn locked(path: PathBuf, file: File) -> OpenError {
    let mut holder = String::new();
    let read = file.take(200).read_to_string(&mut holder);
    let holder = match (read, holder.trim()) {
        (Ok(_), name) if !name.is_empty() => name.to_owned(),
        _ => "another process".to_owned(),
    };
    OpenError::Locked { path, holder }
}
