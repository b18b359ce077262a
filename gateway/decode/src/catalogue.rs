//! The device catalogue: every profile known by its id. Reading files is the caller's business.

use crate::profile::{Profile, ProfileError};
use linli_domain::id::ProfileId;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Profiles by id.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    profiles: FxHashMap<ProfileId, Arc<Profile>>,
}

impl Catalogue {
    /// Parses every `(file name, text)` and runs the profiles' tests. A profile that fails is left out and reported
    /// with its file; so is the second of two profiles with one id.
    pub fn load<N: AsRef<str>, T: AsRef<str>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> (Self, Vec<(String, Vec<ProfileError>)>) {
        let mut catalogue = Self::default();
        let mut refused = Vec::new();
        for (file, text) in files {
            let file = file.as_ref();
            match Profile::parse(text.as_ref(), file) {
                Ok(profile) if catalogue.profiles.contains_key(profile.id()) => {
                    refused.push((file.to_owned(), vec![second_of_an_id(file, &profile)]));
                }
                Ok(profile) => {
                    catalogue.profiles.insert(profile.id().clone(), Arc::new(profile));
                }
                Err(errors) => refused.push((file.to_owned(), errors)),
            }
        }
        (catalogue, refused)
    }

    /// The catalogue of these profiles; the first of an id counts.
    pub fn of(profiles: impl IntoIterator<Item = Arc<Profile>>) -> Self {
        let mut catalogue = Self::default();
        for profile in profiles {
            catalogue.profiles.entry(profile.id().clone()).or_insert(profile);
        }
        catalogue
    }

    /// The profile with this id.
    pub fn get(&self, id: &ProfileId) -> Option<Arc<Profile>> {
        self.profiles.get(id).cloned()
    }

    /// Every profile, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        let mut all: Vec<_> = self.profiles.values().collect();
        all.sort_by(|a, b| a.id().cmp(b.id()));
        all.into_iter()
    }

    /// How many profiles there are.
    pub fn len(&self) -> usize {
        self.profiles.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }
}

fn second_of_an_id(file: &str, profile: &Profile) -> ProfileError {
    ProfileError {
        file: file.to_owned(),
        line: 1,
        column: 1,
        span: 0..0,
        message: format!("another profile already has the id \"{}\"", profile.id()),
        hint: Some("give this one an id of its own or remove one of the two".to_owned()),
    }
}
