//! Where backups go, which are removed, and the note of the last one that the gateway and the doctor read.

use crate::disk::Space;
use linli_domain::time::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Note of the last backup, in the data folder.
const NOTE: &str = "backup.last";
/// What the names of backups begin and end with.
const NAME: (&str, &str) = ("linli-", ".db");
/// What stands behind the name of one that is not whole yet.
const HALF: &str = ".part";

/// The last backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// When it was made, milliseconds since 1970.
    pub at: i64,
    /// Where it was written.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// The last backup of the ledger in `data`, as far as it is known.
pub fn last(data: &Path) -> Option<Last> {
    serde_json::from_slice(&std::fs::read(data.join(NOTE)).ok()?).ok()
}

/// Notes a backup. It is made by a process of its own, so the ledger cannot hold this.
pub fn note(data: &Path, last: &Last) -> std::io::Result<()> {
    let temporary = data.join("backup.last.new");
    std::fs::write(&temporary, serde_json::to_vec(last)?)?;
    std::fs::rename(temporary, data.join(NOTE))
}

/// The file a backup goes to: the one that was named, or one named by the time in a folder.
pub fn target(named: Option<&Path>, data: &Path, now: Timestamp) -> PathBuf {
    let folder = match named {
        Some(path) if !path.is_dir() => return path.to_owned(),
        Some(folder) => folder.to_owned(),
        None => data.join("backups"),
    };
    folder.join(format!("{}{}{}", NAME.0, stamp(now), NAME.1))
}

/// What a backup of so many bytes needs in a folder, and what is free there, when that is too little.
///
/// On the disk of the ledger itself it must leave the room below which the gateway lets go of readings (`reserve` twice):
/// no history goes for a copy of it.
pub fn lacks_room(folder: &Path, data: &Path, bytes: u64, reserve: u64) -> Option<(u64, u64)> {
    let disk = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
    let same = disk(folder).is_some_and(|one| Some(one) == disk(data));
    let needed = bytes.saturating_add(if same { reserve.saturating_mul(2) } else { 0 });
    let free = Space::of(folder)?.free;
    (free < needed).then_some((needed, free))
}

/// A time as part of a file name, in the order of time.
pub fn stamp(now: Timestamp) -> String {
    now.to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

/// Removes the oldest backups of a folder beyond `keep`. Only files that carry a backup's name are looked at.
pub fn prune(folder: &Path, keep: usize) -> std::io::Result<Vec<PathBuf>> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_name)
        })
        .collect();
    names.sort();
    names.truncate(names.len().saturating_sub(keep));
    names.iter().try_for_each(std::fs::remove_file)?;
    Ok(names)
}

/// Removes half backups of a folder that a process left which was killed: they would fill the disk for good. One that
/// is being written is locked by its writer and stays.
pub fn sweep(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let half = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.strip_suffix(HALF)).is_some_and(is_name)
    };
    let mut gone = Vec::new();
    for path in std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())) {
        if half(&path)
            && flock(
                std::fs::File::open(&path)?,
                FlockOperation::NonBlockingLockExclusive,
            )
            .is_ok()
        {
            std::fs::remove_file(&path)?;
            gone.push(path);
        }
    }
    Ok(gone)
}

fn is_name(name: &str) -> bool {
    name.strip_prefix(NAME.0)
        .and_then(|rest| rest.strip_suffix(NAME.1))
        .is_some_and(|stamp| stamp.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_backup_of_a_killed_process_goes_and_one_under_way_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path
        };
        let left = file("linli-20260101T000000000Z.db.part");
        let under_way = file("linli-20260102T000000000Z.db.part");
        let others = [file("linli-20260101T000000000Z.db"), file("mine.db.part")];
        let held = std::fs::File::open(&under_way).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(sweep(folder.path()).unwrap(), [left]);
        assert!(under_way.exists() && others.iter().all(|path| path.exists()));
    }

    #[test]
    fn a_backup_beside_the_ledger_leaves_it_its_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(lacks_room(path, path, 1, 0), None);
        let (needed, free) = lacks_room(path, path, 1, 1 << 60).unwrap();
        assert!(needed == (1 << 61) + 1 && free < needed);
        // On another disk only the copy itself counts.
        assert_eq!(lacks_room(path, Path::new("/proc"), 1, 1 << 60), None);
        assert!(lacks_room(path, Path::new("/proc"), 1 << 62, 0).is_some());
    }

    #[test]
    fn names_of_backups_sort_by_time_and_only_they_are_pruned() {
        let folder = tempfile::tempdir().unwrap();
        for day in [3i64, 1, 2] {
            let file = target(
                Some(folder.path()),
                folder.path(),
                Timestamp::from_millis(day * 86_400_000),
            );
            std::fs::write(file, "x").unwrap();
        }
        std::fs::write(folder.path().join("linli-notes.txt"), "mine").unwrap();
        let gone = prune(folder.path(), 1).unwrap();
        assert_eq!(gone.len(), 2);
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert!(
            left.iter().any(|name| name == "linli-19700104T000000000Z.db"),
            "{left:?}"
        );
        assert_eq!(left.len(), 2);
    }
}
