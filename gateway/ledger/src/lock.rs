//! One writer per data folder, held by a lock file that names its holder.
//!
//! The lock ends with the process, however it ends; the file itself stays and means nothing without the lock.
//! It belongs to the open file, which a child shares from its fork to its exec; so whoever gives it back says so
//! (`LOCK_UN`) instead of only closing its descriptor, or a child just being born would hold it a moment longer.

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

/// The lock of a data folder, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // A failure leaves what closing the descriptor does by itself.
        let _ = flock(&self.file, FlockOperation::NonBlockingUnlock);
    }
}

/// Takes the lock of `dir` or says who has it.
pub(crate) fn take(dir: &Path) -> Result<Held, OpenError> {
    let path = dir.join(LOCK_FILE);
    let folder = |source| OpenError::Folder {
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
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
    let mut held = Held { file };
    held.file.set_len(0).map_err(folder)?;
    writeln!(held.file, "linli, process {}", std::process::id()).map_err(folder)?;
    Ok(held)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_given_back_is_free_though_a_child_still_shares_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path()).unwrap();
        assert!(matches!(take(dir.path()), Err(OpenError::Locked { .. })));
        let as_a_child_before_exec = held.file.try_clone().unwrap();
        drop(held);
        take(dir.path()).unwrap();
        drop(as_a_child_before_exec);
    }
}
