//! The device catalogue: what is built in, and what a folder adds or replaces.
//!
//! A profile whose own tests fail is refused with the difference; the others are used. While the program runs the
//! catalogue is one value that can be replaced ([`Profiles`]); what replaces it is found out by [`ProfileSet`].

mod set;
mod shared;
mod watch;

pub use set::{Changes, ProfileSet, Refused, Source};
pub use shared::{Profiles, ReloadError};
pub use watch::watch;

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

/// One file of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProfileFile {
    name: String,
    text: String,
    source: Source,
}

/// The built-in catalogue with the profiles of `folder` (if any) added; a file of the same name replaces.
pub fn load(folder: Option<&Path>) -> Result<(Catalogue, Vec<RefusedProfile>), FolderError> {
    let files = files(folder)?;
    Ok(Catalogue::load(
        files.iter().map(|file| (file.name.as_str(), file.text.as_str())),
    ))
}

/// The profiles of `folder` alone.
pub fn load_only(folder: &Path) -> Result<(Catalogue, Vec<RefusedProfile>), FolderError> {
    let files = read(folder)?;
    Ok(Catalogue::load(
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())),
    ))
}

/// Every file of the catalogue: the built-in ones, those of the folder in their place or behind them.
fn files(folder: Option<&Path>) -> Result<Vec<ProfileFile>, FolderError> {
    let mut files: Vec<ProfileFile> = BUILT_IN
        .iter()
        .map(|(name, text)| ProfileFile {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
            source: Source::BuiltIn,
        })
        .collect();
    for (name, text) in folder.map(read).transpose()?.unwrap_or_default() {
        files.retain(|known| known.name != name);
        files.push(ProfileFile {
            name,
            text,
            source: Source::File,
        });
    }
    Ok(files)
}

/// Name and text of every profile of a folder, in the order of their names.
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
