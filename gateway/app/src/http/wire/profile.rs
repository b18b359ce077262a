//! The device catalogue as the API shows it.

use crate::profiles::{ProfileSet, Refused, Source};
use linli_decode::{Profile as Known, ProfileError};
use linli_domain::time::duration_text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a profile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileSource {
    /// It is part of the program.
    BuiltIn,
    /// A file of the folder of profiles.
    File,
}

/// One profile in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// Its id.
    pub id: String,
    /// Name of the device type.
    pub title: String,
    /// Its version.
    pub version: u32,
    /// Tests of its own that it passed.
    pub tests: usize,
    /// Where it comes from.
    pub source: ProfileSource,
    /// Name of its file.
    pub file: String,
    /// Roles it gives measures for; empty when they depend on no role.
    pub roles: Vec<String>,
    /// Longest silence of a healthy device.
    pub expected_interval: Option<String>,
    /// Whether it is read over Modbus.
    pub modbus: bool,
    /// Devices of the estate that use it.
    pub devices: usize,
}

impl Profile {
    /// The profile with its file and how many devices use it.
    pub fn new(file: &str, source: Source, profile: &Known, devices: usize) -> Self {
        Self {
            id: profile.id().to_string(),
            title: profile.title().to_owned(),
            version: profile.version(),
            tests: profile.tests(),
            source: match source {
                Source::BuiltIn => ProfileSource::BuiltIn,
                Source::File => ProfileSource::File,
            },
            file: file.to_owned(),
            roles: profile
                .roles()
                .iter()
                .map(|role| role.name().to_owned())
                .collect(),
            expected_interval: profile.expected_interval().map(duration_text::format),
            modbus: profile.modbus().is_some(),
            devices,
        }
    }
}

/// One thing that is wrong with a profile file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProfileProblem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong; for a failing test what was expected and what came out.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl From<&ProfileError> for ProfileProblem {
    fn from(error: &ProfileError) -> Self {
        Self {
            line: error.line,
            column: error.column,
            message: error.message.clone(),
            hint: error.hint.clone(),
        }
    }
}

/// A profile file that is not used in its present form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedProfile {
    /// Its name.
    pub file: String,
    /// The profile that stays in use in its place.
    pub in_use: Option<String>,
    /// The version of that.
    pub in_use_version: Option<u32>,
    /// Everything that is wrong with it.
    pub problems: Vec<ProfileProblem>,
}

impl From<&Refused> for RefusedProfile {
    fn from(refused: &Refused) -> Self {
        let in_use = refused.in_use.as_ref();
        Self {
            file: refused.file.clone(),
            in_use: in_use.map(|(id, _)| id.to_string()),
            in_use_version: in_use.map(|(_, version)| *version),
            problems: refused.errors.iter().map(ProfileProblem::from).collect(),
        }
    }
}

/// The catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profiles {
    /// Profiles in use, by id.
    pub items: Vec<Profile>,
    /// Files that are not used, by name.
    pub refused: Vec<RefusedProfile>,
}

/// The files that are not used.
pub fn refused(set: &ProfileSet) -> Vec<RefusedProfile> {
    set.refused.iter().map(RefusedProfile::from).collect()
}

/// What reading the folder again has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// Profiles in use.
    pub profiles: usize,
    /// Profiles that are new or say something else.
    pub changed: Vec<String>,
    /// Profiles that are gone; their devices are not understood until they have another.
    pub removed: Vec<String>,
    /// Files that are not used.
    pub refused: Vec<RefusedProfile>,
}
