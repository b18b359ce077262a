//! `linli device test`: case files and the tests inside profiles, run against a catalogue.
//!
//! A case is what a device said and what it means; a profile is run with the tests it carries. Both come out as one
//! list, so that an author sees at once what a change did.

use crate::config;
use crate::profiles::{self, FolderError};
use linli_decode::{CaseReport, Catalogue, MAX_CASE_BYTES, Profile, run_cases};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Most files of one run; more is refused.
const MAX_FILES: usize = 10_000;

/// What came of all files.
#[derive(Debug, Default, Serialize)]
pub struct Tested {
    /// Cases that came out as expected.
    pub passed: usize,
    /// Required cases that did not.
    pub failed: usize,
    /// Cases that are nice to have and did not.
    pub advisory_failed: usize,
    /// Each of them.
    pub cases: Vec<Case>,
}

/// What came of one case, or of the tests of one profile.
#[derive(Debug, Serialize)]
pub struct Case {
    /// Its id: the case's own, that of a profile, or the file's name when it could not be read.
    pub id: String,
    /// Whether all is as expected.
    pub ok: bool,
    /// Whether it is nice to have only.
    pub advisory: bool,
    /// What differs, a line each.
    pub diff: Vec<String>,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum Unrunnable {
    /// The profiles.
    #[error(transparent)]
    Profiles(#[from] FolderError),
    /// A folder of cases.
    #[error("list the cases in {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Too many files.
    #[error("more than {MAX_FILES} files; is this the right folder?")]
    TooMany,
}

/// The catalogue of a run: `only` when it is given, otherwise what is built in with what `more` adds. Profiles that are
/// refused come out as failed cases.
pub fn catalogue(only: Option<&Path>, more: Option<&Path>) -> Result<(Catalogue, Vec<Case>), Unrunnable> {
    let (catalogue, refused) = match only {
        Some(folder) => profiles::load_only(folder)?,
        None => profiles::load(more.filter(|folder| folder.is_dir()))?,
    };
    let refused = refused.into_iter().map(|(file, errors)| Case {
        id: file,
        ok: false,
        advisory: false,
        diff: errors.iter().map(ToString::to_string).collect(),
    });
    Ok((catalogue, refused.collect()))
}

/// Runs every file; a folder stands for the cases and profiles in it.
pub fn run(files: &[PathBuf], catalogue: &Catalogue, refused: Vec<Case>) -> Result<Tested, Unrunnable> {
    let mut tested = Tested::default();
    for case in refused {
        tested.count(case);
    }
    for file in listed(files)? {
        if is(&file, "toml") {
            tested.count(profile(&file));
        } else {
            for case in cases(&file, catalogue) {
                tested.count(case);
            }
        }
    }
    Ok(tested)
}

impl Tested {
    fn count(&mut self, case: Case) {
        match (case.ok, case.advisory) {
            (true, _) => self.passed += 1,
            (false, false) => self.failed += 1,
            (false, true) => self.advisory_failed += 1,
        }
        self.cases.push(case);
    }
}

fn listed(files: &[PathBuf]) -> Result<Vec<PathBuf>, Unrunnable> {
    let mut all = Vec::new();
    for file in files {
        if !file.is_dir() {
            all.push(file.clone());
        } else {
            let failed = |source| Unrunnable::Folder {
                path: file.clone(),
                source,
            };
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(file).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if is(&path, "json") || is(&path, "toml") {
                    inside.push(path);
                }
            }
            inside.sort();
            all.extend(inside);
        }
        if all.len() > MAX_FILES {
            return Err(Unrunnable::TooMany);
        }
    }
    Ok(all)
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// The cases of a file.
fn cases(file: &Path, catalogue: &Catalogue) -> Vec<Case> {
    let unreadable = |why: String| {
        vec![Case {
            id: name(file),
            ok: false,
            advisory: false,
            diff: vec![why],
        }]
    };
    let text = match config::read_limited(file, MAX_CASE_BYTES as u64) {
        Ok(text) => text,
        Err(said) => return unreadable(said.message.en),
    };
    let case = |report: CaseReport| Case {
        ok: report.ok(),
        id: report.id,
        advisory: report.advisory,
        diff: report.diff,
    };
    match run_cases(text.as_bytes(), catalogue) {
        Ok(reports) => reports.into_iter().map(case).collect(),
        Err(error) => unreadable(error.to_string()),
    }
}

/// A profile's own tests; its problems are shown as the check shows them.
fn profile(file: &Path) -> Case {
    let shown = file.display().to_string();
    let (id, diff) = match config::read_limited(file, config::MAX_CONFIG_BYTES) {
        Ok(text) => match Profile::parse(&text, &shown) {
            Ok(profile) => (profile.id().as_str().to_owned(), Vec::new()),
            Err(errors) => (name(file), errors.iter().map(ToString::to_string).collect()),
        },
        Err(said) => (name(file), vec![said.message.en]),
    };
    Case {
        ok: diff.is_empty(),
        id,
        advisory: false,
        diff,
    }
}

fn name(file: &Path) -> String {
    file.file_name().map_or_else(
        || file.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}
