//! Messages set aside: filtered pages, one of them, and how many there are for each reason.

use super::state::Conditions;
use super::{Page, Reader, Wrong, time};
use crate::error::StoreError;
use crate::rows::RejectRow;
use linli_domain::time::Timestamp;
use rusqlite::{Row, params_from_iter};

/// A message set aside and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its number.
    pub id: i64,
    /// What was set aside.
    pub row: RejectRow,
}

/// Which messages; every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectFilter {
    /// Refused for this reason.
    pub reason: Option<String>,
    /// Come over this connection.
    pub connection: Option<String>,
    /// Spoken by this device.
    pub device: Option<String>,
}

/// How many messages were set aside for one reason, among those still kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectCount {
    /// The reason.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// When the newest came.
    pub newest: Timestamp,
}

const REJECT: &str =
    "SELECT id, at, connection, origin, device, reason, detail, facts, bytes, payload FROM reject";

impl RejectFilter {
    fn conditions(&self) -> Conditions {
        Conditions::default()
            .and("reason = ?", self.reason.clone())
            .and("connection = ?", self.connection.clone())
            .and("device = ?", self.device.clone())
    }
}

impl Reader {
    /// Messages set aside that pass the filter, newest first.
    pub fn rejects(&self, filter: &RejectFilter, page: Page<i64>) -> Result<Vec<Reject>, StoreError> {
        let (sql, params) = filter
            .conditions()
            .and("id < ?", page.before)
            .newest_first(REJECT, page.limit);
        self.all("list messages set aside", &sql, params_from_iter(params), reject)
    }

    /// One of them.
    pub fn reject(&self, id: i64) -> Result<Option<Reject>, StoreError> {
        let sql = format!("{REJECT} WHERE id = ?1");
        self.first("read a message set aside", &sql, [id], reject)
    }

    /// How many there are for each reason, the most frequent first.
    pub fn reject_counts(&self, filter: &RejectFilter) -> Result<Vec<RejectCount>, StoreError> {
        let (conditions, params) = filter
            .conditions()
            .all("SELECT reason, count(*), max(at) FROM reject");
        let sql = format!("{conditions} GROUP BY reason ORDER BY count(*) DESC, reason");
        self.all(
            "count messages set aside",
            &sql,
            params_from_iter(params),
            |row| {
                Ok(RejectCount {
                    reason: row.get(0)?,
                    count: row.get::<_, i64>(1)? as u64,
                    newest: time(row, 2)?,
                })
            },
        )
    }
}

fn reject(row: &Row<'_>) -> Result<Reject, Wrong> {
    Ok(Reject {
        id: row.get(0)?,
        row: RejectRow {
            at: time(row, 1)?,
            connection: row.get(2)?,
            origin: row.get(3)?,
            device: row.get(4)?,
            reason: row.get(5)?,
            detail: row.get(6)?,
            facts: row.get(7)?,
            bytes: row.get::<_, i64>(8)? as u64,
            payload: row.get(9)?,
        },
    })
}
