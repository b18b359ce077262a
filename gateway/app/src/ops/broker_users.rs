//! Edits the users file of the embedded broker. A running gateway notices by itself.
//!
//! The file is replaced as a whole, so nobody ever reads half of it. A new one belongs to the owner of its folder and
//! is readable by that owner only; an existing one keeps its owner and mode.

use crate::config;
use crate::field::broker::password::Digest;
use crate::field::broker::users_file::{self, Entry, Problem};
use linli_domain::text::Text;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Letters and digits that nobody mistakes for another.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Characters of a made password: 118 bits.
const LENGTH: usize = 24;

/// Why the file was not edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error("read {}: {}", path.display(), why.en)]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: Text,
    },
    /// It holds something else; it is left alone.
    #[error("read {}: {}; correct the file first", path.display(), .problem.what)]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The first problem.
        problem: Problem,
    },
    /// It cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No random numbers, or a password that cannot be one.
    #[error("make a digest: {0}")]
    Digest(String),
}

/// Names in the file.
pub fn list(path: &Path) -> Result<Vec<String>, EditError> {
    let entries = entries(path, &read(path)?)?;
    Ok(entries.into_iter().map(|entry| entry.name).collect())
}

/// Adds a user, or gives it another password. Makes the file when there is none.
pub fn add(path: &Path, name: &str, password: &str) -> Result<(), EditError> {
    let text = if path.exists() { read(path)? } else { String::new() };
    entries(path, &text)?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| EditError::Digest(error.to_string()))?;
    let digest =
        Digest::of(password.as_bytes(), salt).map_err(|error| EditError::Digest(error.to_string()))?;
    let entry = Entry {
        name: name.to_owned(),
        digest,
    };
    let after = users_file::with(&text, &entry);
    // Checked as the gateway will read it: a name that cannot be one is told here.
    entries(path, &after)?;
    replace(path, &after)
}

/// Removes a user; `false` when it is not there.
pub fn remove(path: &Path, name: &str) -> Result<bool, EditError> {
    match users_file::without(&read(path)?, name) {
        Some(after) => replace(path, &after).map(|()| true),
        None => Ok(false),
    }
}

/// A new password nobody has to remember.
pub fn password() -> Result<String, EditError> {
    let mut password = String::with_capacity(LENGTH);
    // Values past the last whole alphabet would make its first letters more likely.
    let limit = u8::MAX - u8::MAX % 31;
    while password.len() < LENGTH {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| EditError::Digest(error.to_string()))?;
        let letters = random.iter().filter(|byte| **byte < limit);
        let letters = letters.filter_map(|byte| ALPHABET.get(usize::from(byte % 31)));
        password.extend(
            letters
                .take(LENGTH - password.len())
                .map(|letter| char::from(*letter)),
        );
    }
    Ok(password)
}

fn read(path: &Path) -> Result<String, EditError> {
    config::read_limited(path, users_file::MAX_BYTES).map_err(|said| EditError::Read {
        path: path.to_owned(),
        why: said.message,
    })
}

fn entries(path: &Path, text: &str) -> Result<Vec<Entry>, EditError> {
    users_file::read(text).map_err(|problems| EditError::Wrong {
        path: path.to_owned(),
        problem: problems.into_iter().next().unwrap_or(Problem {
            span: 0..0,
            what: users_file::Wrong::NoColon,
        }),
    })
}

fn replace(path: &Path, text: &str) -> Result<(), EditError> {
    let wrong = |source| EditError::Write {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
    file.write_all(text.as_bytes()).map_err(wrong)?;
    let (mode, like) = match fs::metadata(path) {
        Ok(meta) => (meta.mode() & 0o777, meta),
        Err(_) => (0o600, fs::metadata(folder).map_err(wrong)?),
    };
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .map_err(wrong)?;
    // Only root may; everybody else writes files of his own anyway.
    let _ = std::os::unix::fs::chown(file.path(), Some(like.uid()), Some(like.gid()));
    file.as_file().sync_all().map_err(wrong)?;
    file.persist(path).map_err(|error| wrong(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_added_and_removed_and_the_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        add(&path, "bin-7", "first").unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        add(&path, "bay-1", "other").unwrap();
        add(&path, "bin-7", "second").unwrap();
        assert_eq!(
            (list(&path).unwrap(), mode()),
            (vec!["bay-1".into(), "bin-7".into()], 0o640)
        );
        let entries = users_file::read(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(entries[1].digest.is_of(b"second") && !entries[1].digest.is_of(b"first"));
        assert!(remove(&path, "bay-1").unwrap() && !remove(&path, "bay-1").unwrap());
        assert!(matches!(add(&path, "bin/7", "x"), Err(EditError::Wrong { .. })));
        assert_eq!(list(&path).unwrap(), ["bin-7"]);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_file_somebody_broke_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, "bin-7:canary\n").unwrap();
        let error = add(&path, "bay-1", "x").unwrap_err().to_string();
        assert!(
            error.contains("correct the file first") && !error.contains("canary"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "bin-7:canary\n");
    }

    #[test]
    fn made_passwords_are_long_and_never_the_same() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_eq!((one.len(), other.len()), (LENGTH, LENGTH));
        assert_ne!(one, other);
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)), "{one}");
    }
}
