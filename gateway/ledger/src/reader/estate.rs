//! Points, documents, tokens, answers, named values, retained messages; counts and sizes of it all.

use super::{Reader, Wrong, id, maybe_time, time};
use crate::error::{Damage, Doing, StoreError};
use crate::outbox_rows::DeliveryState;
use crate::rows::{DocumentRow, IdempotentAnswer, PointRow, RetainedRow, TokenRow};
use crate::schema::DATABASE_FILE;
use linli_domain::id::PointKey;
use linli_domain::time::Timestamp;
use rusqlite::{Row, params};

/// How many of each there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Points.
    pub points: u64,
    /// Live alarms.
    pub live_alarms: u64,
    /// Open orders.
    pub open_orders: u64,
    /// Deliveries still to be tried.
    pub pending_deliveries: u64,
    /// Deliveries given up.
    pub dead_deliveries: u64,
    /// Messages set aside and still kept.
    pub rejects: u64,
    /// Chunks of sealed samples.
    pub chunks: u64,
    /// Commits in the log.
    pub logged_commits: u64,
}

/// What the ledger takes on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileSizes {
    /// The database in bytes.
    pub database: u64,
    /// Its write-ahead log in bytes.
    pub write_ahead: u64,
    /// Bytes within the database that are free for new rows.
    pub free: u64,
}

/// Sealed samples of one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The point.
    pub point: PointKey,
    /// How many.
    pub samples: u64,
    /// Bytes of their chunks.
    pub bytes: u64,
    /// Observed time of the first.
    pub from: Timestamp,
    /// Observed time of the last.
    pub to: Timestamp,
}

const DOCUMENT: &str = "SELECT kind, name, version, at, author, body FROM document";
const TOKEN: &str = "SELECT id, name, role, hash, created, rotated, revoked FROM token";

impl Reader {
    /// Every point, by key.
    pub fn points(&self) -> Result<Vec<PointRow>, StoreError> {
        self.all(
            "list points",
            "SELECT key, id, device, measure, instance FROM point ORDER BY key",
            [],
            |row| {
                Ok(PointRow {
                    key: PointKey(row.get(0)?),
                    id: id(row, 1, "point")?,
                    device: id(row, 2, "point")?,
                    measure: row.get(3)?,
                    instance: row.get(4)?,
                })
            },
        )
    }

    /// The newest version of every document of a kind, by name; removed ones have no body.
    pub fn documents(&self, kind: &str) -> Result<Vec<DocumentRow>, StoreError> {
        let sql = format!(
            "{DOCUMENT} AS d WHERE kind = ?1 AND version =
             (SELECT max(version) FROM document WHERE kind = d.kind AND name = d.name) ORDER BY name"
        );
        self.all("list documents", &sql, [kind], document)
    }

    /// One version of a document, or its newest.
    pub fn document(
        &self,
        kind: &str,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<DocumentRow>, StoreError> {
        let sql = format!(
            "{DOCUMENT} WHERE kind = ?1 AND name = ?2 AND version = coalesce(?3, version) ORDER BY version DESC LIMIT 1"
        );
        self.first("read a document", &sql, params![kind, name, version], document)
    }

    /// All versions of a document, oldest first.
    pub fn document_versions(&self, kind: &str, name: &str) -> Result<Vec<DocumentRow>, StoreError> {
        let sql = format!("{DOCUMENT} WHERE kind = ?1 AND name = ?2 ORDER BY version");
        self.all("list versions of a document", &sql, [kind, name], document)
    }

    /// Every token, revoked ones too, oldest first.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.all("list tokens", &format!("{TOKEN} ORDER BY created, id"), [], token)
    }

    /// The token whose secret has this hash, revoked or not.
    pub fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        self.first(
            "look up a token",
            &format!("{TOKEN} WHERE hash = ?1"),
            [hash],
            token,
        )
    }

    /// The answer given under an idempotency key, unless it has expired at `now`.
    pub fn answer(
        &self,
        key: &str,
        principal: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotentAnswer>, StoreError> {
        self.first(
            "look up an idempotency key",
            "SELECT body_hash, answer, expires FROM answer WHERE key = ?1 AND principal = ?2 AND expires > ?3",
            params![key, principal, now.as_millis()],
            |row| {
                Ok(IdempotentAnswer {
                    key: key.to_owned(),
                    principal: principal.to_owned(),
                    body_hash: row.get(0)?,
                    answer: row.get(1)?,
                    expires: time(row, 2)?,
                })
            },
        )
    }

    /// The bytes stored under a name.
    pub fn named_value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT value FROM named_value WHERE name = ?1";
        self.first("read a named value", sql, [name], |row| Ok(row.get(0)?))
    }

    /// Every named value whose name begins with `prefix`, by name.
    pub fn named_values(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let sql = "SELECT name, value FROM named_value WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name";
        self.all("list named values", sql, [prefix], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// Every retained message that has not expired at `now`, by topic.
    pub fn retained(&self, now: Timestamp) -> Result<Vec<RetainedRow>, StoreError> {
        self.all(
            "list retained messages",
            "SELECT topic, payload, qos, at, expires FROM retained
             WHERE expires IS NULL OR expires > ?1 ORDER BY topic",
            [now.as_millis()],
            |row| {
                Ok(RetainedRow {
                    topic: row.get(0)?,
                    payload: row.get(1)?,
                    qos: row.get(2)?,
                    at: time(row, 3)?,
                    expires: maybe_time(row, 4)?,
                })
            },
        )
    }

    /// How many of each there are.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        self.together(|| {
            Ok(Counts {
                points: self.count("SELECT count(*) FROM point")?,
                live_alarms: self.count("SELECT count(*) FROM alarm WHERE live")?,
                open_orders: self.count("SELECT count(*) FROM work_order WHERE open")?,
                pending_deliveries: self.count_deliveries(DeliveryState::Pending)?,
                dead_deliveries: self.count_deliveries(DeliveryState::Dead)?,
                rejects: self.count("SELECT count(*) FROM reject")?,
                chunks: self.count("SELECT count(*) FROM chunk")?,
                logged_commits: self.count("SELECT coalesce(max(id) - min(id) + 1, 0) FROM stage")?,
            })
        })
    }

    fn count(&self, sql: &str) -> Result<u64, StoreError> {
        let count = self.first("count rows", sql, [], |row| Ok(row.get::<_, i64>(0)?))?;
        Ok(count.unwrap_or(0) as u64)
    }

    fn count_deliveries(&self, state: DeliveryState) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM delivery WHERE state = ?1";
        let count = self.first("count deliveries", sql, [state.label()], |row| {
            Ok(row.get::<_, i64>(0)?)
        })?;
        Ok(count.unwrap_or(0) as u64)
    }

    /// What is kept of every point in chunks, by point.
    pub fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        let sql = "SELECT point, sum(n), sum(length(data)), min(t0), max(t1) FROM chunk GROUP BY point ORDER BY point";
        self.all("sum up the chunks", sql, [], |row| {
            Ok(Kept {
                point: PointKey(row.get(0)?),
                samples: row.get::<_, i64>(1)? as u64,
                bytes: row.get::<_, i64>(2)? as u64,
                from: time(row, 3)?,
                to: time(row, 4)?,
            })
        })
    }

    /// When the last commit in the log was made.
    pub fn last_committed_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at FROM stage ORDER BY id DESC LIMIT 1";
        self.first("read when the last commit was made", sql, [], |row| {
            Ok(time(row, 0)?)
        })
    }

    /// When the ledger was begun: the first row of the audit, which is never let go, that was not written before `believed`,
    /// by a clock nobody had set.
    pub fn begun_at(&self, believed: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at FROM audit WHERE at >= ?1 ORDER BY id LIMIT 1";
        let believed = params![believed.as_millis()];
        self.first("read when the ledger was begun", sql, believed, |row| {
            Ok(time(row, 0)?)
        })
    }

    /// What the ledger takes on disk.
    pub fn sizes(&self) -> Result<FileSizes, StoreError> {
        let length = |name: String| std::fs::metadata(self.dir.join(name)).map_or(0, |file| file.len());
        let free: i64 = self
            .conn
            .query_row(
                "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size",
                [],
                |row| row.get(0),
            )
            .doing("read the size of the database")?;
        Ok(FileSizes {
            database: length(DATABASE_FILE.to_owned()),
            write_ahead: length(format!("{DATABASE_FILE}-wal")),
            free: free as u64,
        })
    }
}

fn document(row: &Row<'_>) -> Result<DocumentRow, Wrong> {
    Ok(DocumentRow {
        kind: row.get(0)?,
        name: row.get(1)?,
        version: row.get(2)?,
        at: time(row, 3)?,
        author: row.get(4)?,
        body: row.get(5)?,
    })
}

fn token(row: &Row<'_>) -> Result<TokenRow, Wrong> {
    let hash = row
        .get_ref(3)?
        .as_blob()
        .ok()
        .and_then(|hash| hash.try_into().ok());
    Ok(TokenRow {
        id: row.get(0)?,
        name: row.get(1)?,
        role: row.get(2)?,
        hash: hash.ok_or(Damage::Row {
            table: "token",
            what: "a hash has the wrong length",
        })?,
        created: time(row, 4)?,
        rotated: maybe_time(row, 5)?,
        revoked: maybe_time(row, 6)?,
    })
}
