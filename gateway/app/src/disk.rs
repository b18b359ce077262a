//! How much room a disk has, counted as `df` counts it.
//!
//! A file system may keep blocks for the superuser or behind a quota. They are neither free nor used for us: a disk is full
//! when nothing is left of what this program may have, and the whole is what is used and what is still to be had.

use std::path::Path;

/// Bytes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What may still be written.
    pub free: u64,
    /// What is used and what is free; less than the size of the disk where some of it is kept for others.
    pub whole: u64,
}

impl Space {
    /// Of the disk that holds a file or folder; nothing where the system does not say.
    pub fn of(path: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let used = found.f_blocks.saturating_sub(found.f_bfree);
        Some(Self {
            free: bytes(found.f_bavail),
            whole: bytes(used.saturating_add(found.f_bavail)),
        })
    }

    /// What is free above twice the reserve, in bytes; nothing below it, where the oldest readings go.
    pub fn spare(&self, reserve: u64) -> Option<u64> {
        self.free.checked_sub(reserve.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_disk_is_as_large_as_df_says() {
        let folder = tempfile::tempdir().unwrap();
        let columns = "--output=used,avail";
        let df = Command::new("df")
            .args(["-B1", columns])
            .arg(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(df.stdout).unwrap();
        let numbers = text.lines().nth(1).unwrap().split_whitespace();
        let whole: u64 = numbers.map(|number| number.parse::<u64>().unwrap()).sum();
        let space = Space::of(folder.path()).unwrap();
        assert_eq!(space.whole, whole, "whatever others write meanwhile");
        assert!(space.free <= space.whole);
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_room_to_speak_of() {
        assert_eq!(Space::of(Path::new("/nowhere/at/all")), None);
    }
}
