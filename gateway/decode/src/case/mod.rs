//! Case files: one message or register map of a device with the readings it means, as published examples are kept.
//!
//! A case is data: what arrived, what the installation knew, and what must come out. `linli device test` and the
//! catalogue's own tests run them the same way. Which profile reads a case is decided by what the case says of its
//! device (`model`, then `device`), never by its id.

mod expect;
mod message;
mod site;

use crate::Catalogue;
use serde_json::Value as Json;

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

/// Runs the case in `text` against `catalogue`.
///
/// # Errors
/// A [`CaseError`] when the text is no case; a case that fails is a report with differences.
pub fn run_case(text: &[u8], catalogue: &Catalogue) -> Result<CaseReport, CaseError> {
    if text.len() > MAX_CASE_BYTES {
        return Err(CaseError::TooLarge {
            bytes: text.len(),
            limit: MAX_CASE_BYTES,
        });
    }
    let case: Json = serde_json::from_slice(text).map_err(|error| CaseError::NotJson(error.to_string()))?;
    let id = need_text(&case, "id")?.to_owned();
    let advisory = case["advisory"] == true;
    let diff = match (&case["family"], &case["registers"]) {
        (Json::String(_), _) => message::run(&case, catalogue)?,
        _ => {
            return Err(CaseError::NotACase(
                "it has neither a `family` (a message) nor `registers` (a register map)".to_owned(),
            ));
        }
    };
    Ok(CaseReport { id, advisory, diff })
}

fn need_text<'c>(case: &'c Json, key: &str) -> Result<&'c str, CaseError> {
    case[key]
        .as_str()
        .ok_or_else(|| CaseError::NotACase(format!("`{key}` is missing or no text")))
}
