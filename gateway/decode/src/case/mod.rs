//! Case files: a message, a register map or a failure of a device with what it means, as published examples are kept.
//!
//! A case is data: what arrived, what the installation knew, and what must come out. `linli device test` and the
//! catalogue's own tests run them the same way. Which profile reads a case is decided by what the case says of its
//! device (`model`, then `device`), never by its id. A register map whose device the catalogue does not have is run
//! with the map it carries.

mod expect;
mod message;
mod site;

use crate::profile::Profile;
use crate::{Catalogue, modbus};
use serde_json::Value as Json;
use std::sync::Arc;

/// Largest case file read, in bytes.
pub const MAX_CASE_BYTES: usize = 1 << 20;

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// The case's own id.
    pub id: String,
    /// Whether it is nice to have and not required.
    pub advisory: bool,
    /// What differs from what the case expects, a line each; empty when all is as expected.
    pub diff: Vec<String>,
}

impl CaseReport {
    /// Whether everything came out as expected.
    pub fn ok(&self) -> bool {
        self.diff.is_empty()
    }
}

/// Why a file is no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// No JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON of another shape.
    #[error("not a case file: {0}")]
    NotACase(String),
    /// Larger than any case.
    #[error("a case file of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Runs what `text` holds against `catalogue`: a case, or `{ "cases": [ … ] }` with several of any kind.
///
/// # Errors
/// A [`CaseError`] when the text holds no case; a case that fails, or one of several that is none, is a report with
/// differences.
pub fn run_cases(text: &[u8], catalogue: &Catalogue) -> Result<Vec<CaseReport>, CaseError> {
    if text.len() > MAX_CASE_BYTES {
        return Err(CaseError::TooLarge {
            bytes: text.len(),
            limit: MAX_CASE_BYTES,
        });
    }
    let file: Json = serde_json::from_slice(text).map_err(|error| CaseError::NotJson(error.to_string()))?;
    let Some(cases) = file["cases"].as_array() else {
        return run_case(&file, catalogue).map(|report| vec![report]);
    };
    let run = |(number, case): (usize, &Json)| {
        run_case(case, catalogue).unwrap_or_else(|error| CaseReport {
            id: format!("cases[{number}]"),
            advisory: false,
            diff: vec![error.to_string()],
        })
    };
    Ok(cases.iter().enumerate().map(run).collect())
}

fn run_case(case: &Json, catalogue: &Catalogue) -> Result<CaseReport, CaseError> {
    let id = need_text(case, "id")?.to_owned();
    let advisory = case["advisory"] == true;
    let diff = match (&case["family"], &case["registers"], &case["request_full"]) {
        (Json::String(_), ..) => message::run(case, catalogue)?,
        (_, Json::Array(_), _) => registers(case, catalogue)?,
        (.., Json::String(_)) => modbus::case_fault::run(case).map_err(CaseError::NotACase)?,
        _ => {
            let kinds =
                "`family` (a message), `registers` (a register map) or `request_full` (a failure on a line)";
            return Err(CaseError::NotACase(format!("it has none of {kinds}")));
        }
    };
    Ok(CaseReport { id, advisory, diff })
}

/// A register map, read by the profile of its device or by itself.
fn registers(case: &Json, catalogue: &Catalogue) -> Result<Vec<String>, CaseError> {
    let device = case["device"].as_str().unwrap_or_default();
    let is_its = |profile: &&Arc<Profile>| {
        profile.modbus().is_some() && (profile.title() == device || profile.matching().has_name(device))
    };
    let profile = catalogue.iter().find(is_its);
    let report = modbus::case::run_value(case.clone(), profile.map(|profile| &**profile))
        .map_err(|error| CaseError::NotACase(error.to_string()))?;
    let read_by = match &report.profile {
        Some(profile) => format!("read by {profile}"),
        None => "read by its own map".to_owned(),
    };
    let differences = report.samples.iter().flat_map(|sample| {
        let of_sample = sample.differences.iter();
        of_sample.map(|difference| format!("{} ({read_by}): {difference}", sample.name))
    });
    let mut diff: Vec<String> = differences.collect();
    if report.samples.is_empty() {
        diff.push("it has no samples".to_owned());
    }
    Ok(diff)
}

fn need_text<'c>(case: &'c Json, key: &str) -> Result<&'c str, CaseError> {
    case[key]
        .as_str()
        .ok_or_else(|| CaseError::NotACase(format!("`{key}` is missing or no text")))
}
