//! A small disk of its own for a data folder, and a way to fill it to the last byte.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs. Goes when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many megabytes on `folder`.
    ///
    /// # Panics
    /// When this user may not mount; with `sudo` that asks nothing it is tried as well.
    pub fn on(folder: &Path, megabytes: u32) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder).expect("the folder"));
        let options = format!("size={megabytes}m,mode=0700,uid={owner}");
        let mounted = as_root(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs"], folder);
        assert!(
            mounted,
            "mount a small disk on {}: run the stories as root, or allow `sudo -n mount`",
            folder.display()
        );
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Whether this user may mount one; where not, it says so and the story cannot be told.
    pub fn possible() -> bool {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = as_root(&["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"], folder.path());
        if mounted {
            as_root(&["umount", "-l"], folder.path());
        } else {
            eprintln!("NOT RUN: a story with a disk of its own needs root, or `sudo -n mount`");
        }
        mounted
    }

    /// Whether it takes writes: a disk that is failing is often mounted again without.
    ///
    /// # Panics
    /// When something on it is open for writing, or this user may not mount.
    pub fn takes_writes(&self, writes: bool) {
        let how = if writes { "remount,rw" } else { "remount,ro" };
        assert!(
            as_root(&["mount", "-o", how], &self.folder),
            "{how} {}",
            self.folder.display()
        );
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = File::create(self.folder.join("ballast")).expect("a file");
        for size in [1 << 20, 4_096, 1] {
            let bytes = vec![0u8; size];
            while file.write_all(&bytes).is_ok() {}
        }
    }

    /// Takes away what [`SmallDisk::fill`] put there.
    pub fn make_room(&self) {
        std::fs::remove_file(self.folder.join("ballast")).expect("the file");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        as_root(&["umount", "-l"], &self.folder);
    }
}

fn as_root(command: &[&str], folder: &Path) -> bool {
    let run = |words: &[&str]| {
        let mut program = Command::new(words[0]);
        let done = program.args(&words[1..]).arg(folder).output();
        done.is_ok_and(|done| done.status.success())
    };
    run(command) || run(&[&["sudo", "-n"], command].concat())
}
