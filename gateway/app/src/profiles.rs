//! The device catalogue: what is built in, and what a folder adds or replaces.
//!
//! A profile whose own tests fail is refused with the difference; the others are used.

use linli_decode::{Catalogue, ProfileError};
use std::path::{Path, PathBuf};

/// The catalogue of `config/profiles` as it was when the program was built: file name and text.
pub const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// The profile id of a device that describes itself (Zigbee2MQTT, Home Assistant discovery): what it announced is
/// its profile.
pub const ANNOUNCED: &str = "announced";

/// Largest number of files read from a folder of profiles; more is refused.
const MAX_FILES: usize = 2_000;

/// Why a folder of profiles could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder or one of its files.
    #[error("read profiles from {}: check the `profiles` setting and the folder's permissions", path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Too many files.
    #[error("read profiles from {}: more than {MAX_FILES} files; is this the right folder?", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
}

/// A profile that is not used: its file and everything wrong with it.
pub type RefusedProfile = (String, Vec<ProfileError>);

/// The built-in catalogue with the profiles of `folder` (if any) added; a file of the same name replaces.
pub fn load(folder: Option<&Path>) -> Result<(Catalogue, Vec<RefusedProfile>), FolderError> {
    let mut files: Vec<(String, String)> = BUILT_IN
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    for (name, text) in folder.map(read).transpose()?.unwrap_or_default() {
        files.retain(|(known, _)| *known != name);
        files.push((name, text));
    }
    Ok(Catalogue::load(
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())),
    ))
}

/// The profiles of `folder` alone.
pub fn load_only(folder: &Path) -> Result<(Catalogue, Vec<RefusedProfile>), FolderError> {
    let files = read(folder)?;
    Ok(Catalogue::load(
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())),
    ))
}

fn read(folder: &Path) -> Result<Vec<(String, String)>, FolderError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Read { path, source }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        if files.len() == MAX_FILES {
            return Err(FolderError::TooMany {
                path: folder.to_owned(),
            });
        }
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        files.push((name, std::fs::read_to_string(&path).map_err(failed(&path))?));
    }
    files.sort();
    Ok(files)
}
