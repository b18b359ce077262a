//! One state of the catalogue: the profiles in use with the files they came from, and the files that are refused.
//!
//! A new state is made out of the files and the state before it. A file whose text has not changed is not read again. A
//! file that is refused leaves the profile in use that came from it before; at the start that is the built-in one of the
//! same name.

use super::{BUILT_IN, ProfileFile};
use linli_decode::{Catalogue, Profile, ProfileError};
use linli_domain::id::ProfileId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a profile came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is part of the program.
    BuiltIn,
    /// A file of the folder.
    File,
}

/// A file that is not used, or not in its present form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub file: String,
    /// Everything wrong with it; for a failing test what was expected and what came out.
    pub errors: Vec<ProfileError>,
    /// The profile that stays in use in its place, with its version.
    pub in_use: Option<(ProfileId, u32)>,
}

/// A profile with its file.
#[derive(Debug, Clone)]
struct Known {
    profile: Arc<Profile>,
    source: Source,
    /// The text it was read from.
    text: String,
}

/// The profiles in use.
#[derive(Debug, Clone, Default)]
pub struct ProfileSet {
    /// The profiles, by id.
    pub catalogue: Catalogue,
    /// What is refused, by name.
    pub refused: Vec<Refused>,
    by_file: BTreeMap<String, Known>,
}

/// What a new state changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Profiles that are new or say something else.
    pub changed: Vec<ProfileId>,
    /// Profiles that are gone.
    pub removed: Vec<ProfileId>,
}

impl ProfileSet {
    /// The state at the start.
    pub(super) fn first(files: Vec<ProfileFile>) -> Self {
        let built_in = BUILT_IN.iter().map(|(name, text)| ProfileFile {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
            source: Source::BuiltIn,
        });
        Self::default().next(built_in.collect()).next(files)
    }

    /// The state after this one.
    pub(super) fn next(&self, files: Vec<ProfileFile>) -> Self {
        let mut set = Self::default();
        // Sound files first: one that is refused keeps its old profile only where nobody else brings that id now.
        let mut refused = Vec::new();
        for file in files {
            match self.read(&file) {
                Ok(profile) => set.add(file, profile, &mut refused),
                Err(errors) => refused.push((file.name, errors)),
            }
        }
        for (file, errors) in refused {
            let before = self
                .by_file
                .get(&file)
                .filter(|known| !set.has(known.profile.id()));
            let in_use = before.map(|known| (known.profile.id().clone(), known.profile.version()));
            if let Some(known) = before {
                set.by_file.insert(file.clone(), known.clone());
            }
            set.refused.push(Refused { file, errors, in_use });
        }
        set.refused.sort_by(|a, b| a.file.cmp(&b.file));
        set.catalogue = Catalogue::of(set.by_file.values().map(|known| Arc::clone(&known.profile)));
        set
    }

    fn read(&self, file: &ProfileFile) -> Result<Arc<Profile>, Vec<ProfileError>> {
        match self.by_file.get(&file.name) {
            Some(known) if known.text == file.text => Ok(Arc::clone(&known.profile)),
            _ => Profile::parse(&file.text, &file.name).map(Arc::new),
        }
    }

    fn add(
        &mut self,
        file: ProfileFile,
        profile: Arc<Profile>,
        refused: &mut Vec<(String, Vec<ProfileError>)>,
    ) {
        if self.has(profile.id()) {
            refused.push((file.name.clone(), vec![second_of_an_id(&file, profile.id())]));
            return;
        }
        let known = Known {
            profile,
            source: file.source,
            text: file.text,
        };
        self.by_file.insert(file.name, known);
    }

    fn has(&self, id: &ProfileId) -> bool {
        self.by_file.values().any(|known| known.profile.id() == id)
    }

    /// Every profile with the file it came from, by file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Source, &Arc<Profile>)> {
        self.by_file
            .iter()
            .map(|(file, known)| (file.as_str(), known.source, &known.profile))
    }

    /// What differs from the state `before`.
    pub fn changes_since(&self, before: &Self) -> Changes {
        let same = |profile: &Arc<Profile>| {
            before
                .catalogue
                .get(profile.id())
                .is_some_and(|known| Arc::ptr_eq(&known, profile))
        };
        let new = self.catalogue.iter().filter(|profile| !same(profile));
        let gone = before
            .catalogue
            .iter()
            .filter(|profile| self.catalogue.get(profile.id()).is_none());
        Changes {
            changed: new.map(|profile| profile.id().clone()).collect(),
            removed: gone.map(|profile| profile.id().clone()).collect(),
        }
    }
}

fn second_of_an_id(file: &ProfileFile, id: &ProfileId) -> ProfileError {
    ProfileError {
        file: file.name.clone(),
        line: 1,
        column: 1,
        span: 0..0,
        message: format!("another profile already has the id \"{id}\""),
        hint: Some("give this one an id of its own, or name the file like the one it replaces".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str, version: u32, expected: u32) -> String {
        format!(
            "id = \"{id}\"\ntitle = \"T\"\nversion = {version}\n[json]\nvalues = [{{ at = \"/n\", measure = \"pulse.count\" }}]\n\
             [[tests]]\nname = \"counts\"\njson = '{{\"n\": 7}}'\nexpect = [{{ measure = \"pulse.count\", value = {expected} }}]\n"
        )
    }

    fn file(name: &str, text: String) -> ProfileFile {
        ProfileFile {
            name: name.into(),
            text,
            source: Source::File,
        }
    }

    fn version(set: &ProfileSet, id: &str) -> Option<u32> {
        set.catalogue
            .get(&id.parse().unwrap())
            .map(|profile| profile.version())
    }

    #[test]
    fn a_profile_whose_test_fails_is_refused_with_the_difference_and_the_old_one_stays() {
        let good = ProfileSet::default().next(vec![
            file("a.toml", text("a", 1, 7)),
            file("b.toml", text("b", 1, 7)),
        ]);
        let broken = good.next(vec![
            file("a.toml", text("a", 2, 8)),
            file("b.toml", text("b", 2, 7)),
        ]);
        assert_eq!((version(&broken, "a"), version(&broken, "b")), (Some(1), Some(2)));
        let refused = &broken.refused[0];
        assert_eq!(
            (refused.file.as_str(), &refused.in_use),
            ("a.toml", &Some(("a".parse().unwrap(), 1)))
        );
        let said = refused.errors[0].to_string();
        assert!(
            said.starts_with("a.toml:") && said.contains('7') && said.contains('8'),
            "{said}"
        );
        let ids = |changes: &[ProfileId]| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ids(&broken.changes_since(&good).changed), ["b"]);
        // It stays through further looks, and gives way once the file is sound again.
        let again = broken.next(vec![file("a.toml", text("a", 2, 8))]);
        assert_eq!((version(&again, "a"), version(&again, "b")), (Some(1), None));
        assert_eq!(ids(&again.changes_since(&broken).removed), ["b"]);
        let mended = again.next(vec![file("a.toml", text("a", 3, 7))]);
        assert_eq!((version(&mended, "a"), mended.refused.len()), (Some(3), 0));
    }

    #[test]
    fn a_file_that_has_not_changed_is_the_same_profile() {
        let files = || vec![file("a.toml", text("a", 1, 7))];
        let first = ProfileSet::default().next(files());
        let second = first.next(files());
        assert_eq!(second.changes_since(&first), Changes::default());
    }

    #[test]
    fn a_broken_file_in_the_place_of_a_built_in_one_leaves_that_in_use() {
        let (name, built_in) = BUILT_IN[0];
        let set = ProfileSet::first(vec![file(name, "id = 3".into())]);
        let id = Profile::parse(built_in, name).unwrap().id().clone();
        assert_eq!(set.refused[0].in_use.as_ref().map(|(id, _)| id), Some(&id));
        let found = set.iter().find(|(file, ..)| *file == name).unwrap();
        assert_eq!((found.1, found.2.id()), (Source::BuiltIn, &id));
    }

    #[test]
    fn an_id_that_moves_to_another_file_is_not_kept_twice() {
        let good = ProfileSet::default().next(vec![file("a.toml", text("a", 1, 7))]);
        let moved = good.next(vec![
            file("a.toml", "id =".into()),
            file("b.toml", text("a", 2, 7)),
        ]);
        assert_eq!(
            (version(&moved, "a"), moved.refused[0].in_use.clone()),
            (Some(2), None)
        );
        let twice = good.next(vec![
            file("a.toml", text("a", 1, 7)),
            file("b.toml", text("a", 2, 7)),
        ]);
        assert_eq!(
            (version(&twice, "a"), twice.refused[0].file.as_str()),
            (Some(1), "b.toml")
        );
    }
}
