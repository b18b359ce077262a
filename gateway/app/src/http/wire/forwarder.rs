//! Forwarders as the API shows them.

use crate::outbox::series::cursor::Shown;
use linli_domain::time::Timestamp;
use linli_ledger::ParkedRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One forwarder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forwarder {
    /// Its name in the configuration.
    pub name: String,
    /// Commits it has not taken yet.
    pub behind_commits: u64,
    /// Commits among them that are caught up beside new ones.
    pub catching_up_commits: u64,
    /// Whether readings from before the log are being filled in by point and time.
    pub filling_in: bool,
    /// When the last commit it has taken was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub taken_up_to: Option<Timestamp>,
    /// Why nothing goes through; null while all is well.
    pub trouble: Option<String>,
    /// Readings taken since the start of the program.
    pub sent: u64,
    /// Lines refused for good since then.
    pub parked: u64,
}

impl Forwarder {
    /// A target as it stands while the ledger is at commit `last`.
    pub fn new(name: String, shown: &Shown, last: u64) -> Self {
        let place = shown.place;
        Self {
            name,
            behind_commits: place.map_or(0, |place| last.saturating_sub(place.floor())),
            catching_up_commits: place
                .and_then(|place| place.missing)
                .map_or(0, |(after, end)| end.saturating_sub(after)),
            filling_in: place.is_some_and(|place| place.back_fill.is_some()),
            taken_up_to: place
                .filter(|place| place.at > 0)
                .map(|place| Timestamp::from_millis(place.at)),
            trouble: shown.trouble.clone(),
            sent: shown.sent,
            parked: shown.parked,
        }
    }
}

/// A line that was refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParkedLine {
    /// Its number.
    pub id: i64,
    /// When it was refused.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The line as it was sent.
    pub line: String,
    /// What the target said.
    pub reason: String,
}

impl ParkedLine {
    /// A stored line.
    pub fn new(id: i64, row: ParkedRow) -> Self {
        Self {
            id,
            at: row.at,
            line: row.line,
            reason: row.reason,
        }
    }
}
