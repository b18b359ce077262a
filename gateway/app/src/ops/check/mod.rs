//! `linli check`: all problems of a configuration, its profiles and its estate, without touching the network.
//!
//! What can be read of one file is used to check the next, so that one run shows everything. Nothing is printed.

mod broker;
mod buses;
mod cross;
mod estate;
mod spans;

pub use estate::parse as parse_estate;

use crate::config::problem::{Problem, Sink, has_errors};
use crate::config::said::{self, Said, both};
use crate::config::secrets::Environment;
use crate::config::{self, Outline};
use crate::messages;
use crate::profiles;
use linli_decode::{Catalogue, ProfileError};
use linli_domain::estate::EstateDoc;
use linli_domain::text::{Language, Text};
use linli_domain::time::Now;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Largest estate file in bytes.
pub const MAX_ESTATE_BYTES: u64 = 16 << 20;

/// What a check found.
#[derive(Debug)]
pub struct Report {
    /// Errors and warnings, file by file.
    pub problems: Vec<Problem>,
    /// What was looked at.
    pub looked_at: LookedAt,
    /// What is no problem and good to know.
    pub notes: Vec<Text>,
    /// The configuration's language, when it could be read.
    pub language: Option<Language>,
}

/// How much was looked at, as far as it could be read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LookedAt {
    /// Profiles that passed their own tests.
    pub profiles: usize,
    /// Assets of the estate file.
    pub assets: usize,
    /// Devices.
    pub devices: usize,
    /// Rules.
    pub rules: usize,
}

impl Report {
    /// Whether the program would refuse to start; warnings count when `strict`.
    pub fn fails(&self, strict: bool) -> bool {
        has_errors(&self.problems) || (strict && !self.problems.is_empty())
    }
}

/// Checks a configuration and everything it names. `estate` takes the place of its estate file; `now` is for dates in
/// certificates.
pub fn check(path: &Path, estate: Option<&Path>, environment: Environment<'_>, now: &Now) -> Report {
    let loaded = config::inspect(path, environment);
    let mut problems = loaded.problems;
    let outline = loaded.outline;
    let catalogue = catalogue(outline.profiles.as_deref(), &mut problems);
    let mut looked_at = LookedAt {
        profiles: catalogue.len(),
        ..LookedAt::default()
    };
    let mut document = None;
    if let Some(file) = estate.map(Path::to_owned).or_else(|| outline.estate_seed.clone()) {
        let (read, found) = check_estate(&file, Some((&outline, &catalogue)));
        problems.extend(found);
        if let Some(document) = &read {
            looked_at.assets = document.assets.len();
            looked_at.devices = document.devices.len();
            looked_at.rules = document.rules.len();
            problems.extend(buses::check(path, &outline, document, &catalogue));
        }
        document = read;
    }
    let mut notes = Vec::new();
    if let Some(embedded) = &outline.broker {
        let text = config::read_limited(path, config::MAX_CONFIG_BYTES).unwrap_or_default();
        problems.extend(broker::check(embedded, document.as_ref(), path, text, now));
        notes.push(broker::outlives(embedded));
    }
    Report {
        problems,
        looked_at,
        notes,
        language: outline.language,
    }
}

/// Checks an estate file; against a configuration and a catalogue when they are given.
pub fn check_estate(
    path: &Path,
    against: Option<(&Outline, &Catalogue)>,
) -> (Option<EstateDoc>, Vec<Problem>) {
    let text = match config::read_limited(path, MAX_ESTATE_BYTES) {
        Ok(text) => text,
        Err(said) => return (None, whole_file(path, said)),
    };
    estate::check(path, text, against)
}

/// The profiles that are built in and those of the folder, when there is one. Refused ones are noted.
pub fn catalogue(folder: Option<&Path>, problems: &mut Vec<Problem>) -> Catalogue {
    let existing = folder.filter(|folder| folder.is_dir());
    match profiles::load(existing) {
        Ok((catalogue, refused)) => {
            for (file, errors) in refused {
                problems.extend(profile_problems(existing, &file, &errors));
            }
            catalogue
        }
        Err(error) => {
            let path = folder.map_or_else(PathBuf::new, Path::to_owned);
            let message = both!("{error}", "{error}");
            problems.extend(whole_file(&path, Said::new("unreadable", message)));
            Catalogue::default()
        }
    }
}

/// The errors of one profile as problems that show their line.
pub fn profile_problems(folder: Option<&Path>, file: &str, errors: &[ProfileError]) -> Vec<Problem> {
    let path = folder.map_or_else(|| PathBuf::from(file), |folder| folder.join(file));
    let built_in = || {
        profiles::BUILT_IN
            .iter()
            .find(|(name, _)| *name == file)
            .map(|(_, text)| (*text).to_owned())
    };
    let text = config::read_limited(&path, config::MAX_CONFIG_BYTES)
        .ok()
        .or_else(built_in)
        .unwrap_or_default();
    let sink = Sink::new(&path, text);
    for error in errors {
        sink.error(
            error.span.clone(),
            foreign("profile", &error.message, error.hint.as_deref()),
        );
    }
    sink.into_problems()
}

/// What a gateway said of a file, each problem at its line. A path says where in the file it is.
pub fn told(
    file: &Path,
    text: String,
    found: impl IntoIterator<Item = (String, Text, Option<String>)>,
) -> Vec<Problem> {
    let sink = Sink::new(file, text);
    let source = sink.source().clone();
    let table = DeTable::parse(&source.text).ok();
    for (path, message, hint) in found {
        let span = table
            .as_ref()
            .and_then(|table| spans::find(table.get_ref(), &path));
        let said = Said::new("rule", message);
        sink.error(
            span,
            match hint {
                Some(hint) => said.hint(both_ways(&hint)),
                None => said,
            },
        );
    }
    sink.into_problems()
}

/// A sentence of another crate, which speaks English only: in Chinese too where the catalogue knows it.
pub fn both_ways(said: &str) -> Text {
    Text {
        zh: messages::translated(Language::Zh, "problem", said).unwrap_or_else(|| said.to_owned()),
        en: said.to_owned(),
    }
}

/// A problem worded by another crate.
fn foreign(code: &'static str, message: &str, hint: Option<&str>) -> Said {
    let same = both_ways;
    let said = Said::new(code, same(message));
    match hint {
        Some(hint) => said.hint(same(hint)),
        None => said,
    }
}

fn whole_file(path: &Path, said: said::Said) -> Vec<Problem> {
    let sink = Sink::new(path, String::new());
    sink.error(None, said);
    sink.into_problems()
}
