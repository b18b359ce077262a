//! Puts the rows of a batch into an open transaction. What fails is named by what was attempted.
//!
//! Statements are prepared once. Nothing here touches memory that outlives a failed transaction.

mod outside;
mod unknown;

use crate::audit::{AuditHash, chain};
use crate::batch::{Batch, Subject, TransitionRow};
use crate::codec::bytes::put_ascending;
use crate::codec::log;
use crate::error::Damage;
use crate::rows::*;
use linli_domain::id::CommitId;
use linli_domain::reading::Reading;
use linli_domain::time::Timestamp;
use rusqlite::{Connection, params};

/// A failure and what was being attempted.
pub(crate) type Failed = (&'static str, rusqlite::Error);

/// The log of the batch as it goes into the stage; buffers are reused from commit to commit.
#[derive(Debug, Default)]
pub(crate) struct StageRow {
    pub(crate) log: Vec<u8>,
    pub(crate) readings: i64,
    /// Observed times of the first and last reading by time.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    keys: Vec<u32>,
    /// Which points are in the log, so that a question about another passes it over.
    pub(crate) points: Vec<u8>,
}

impl StageRow {
    /// Encodes the entries of the batch.
    pub(crate) fn fill(&mut self, commit: CommitId, batch: &Batch<'_>) {
        log::encode(&mut self.log, commit, batch.entries);
        self.keys.clear();
        self.points.clear();
        self.span = None;
        for entry in batch.entries {
            if let crate::Entry::Reading { reading, .. } = entry {
                self.note(reading);
            }
        }
        self.noted();
    }

    /// What belongs beside a log, made anew from what is in it.
    pub(crate) fn of_log(commit: CommitId, bytes: &[u8]) -> Result<Self, Damage> {
        let (mut row, mut log) = (Self::default(), log::Decoder::new(commit, bytes)?);
        while let Some(entry) = log.next()? {
            if let log::Decoded::Reading { reading, .. } = entry {
                row.note(&reading);
            }
        }
        row.noted();
        Ok(row)
    }

    fn note(&mut self, reading: &Reading) {
        self.keys.push(reading.point.0);
        let (first, last) = self.span.unwrap_or((reading.observed, reading.observed));
        self.span = Some((first.min(reading.observed), last.max(reading.observed)));
    }

    fn noted(&mut self) {
        self.readings = self.keys.len() as i64;
        self.keys.sort_unstable();
        self.keys.dedup();
        put_ascending(&mut self.points, &self.keys);
    }

    /// Bytes of the row that count towards the size of the stage.
    pub(crate) fn bytes(&self) -> u64 {
        (self.log.len() + self.points.len()) as u64
    }

    /// Appends the row. `total` counts the bytes of the stage up to and including it.
    pub(crate) fn insert(
        &self,
        conn: &Connection,
        commit: CommitId,
        at: Timestamp,
        total: u64,
    ) -> Result<(), Failed> {
        let (first, last) = self.span.unzip();
        run(
            conn,
            "store the log of the batch",
            "INSERT INTO stage (id, at, total, n, first, last, points, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                commit.0 as i64,
                at.as_millis(),
                total as i64,
                self.readings,
                first.map(Timestamp::as_millis),
                last.map(Timestamp::as_millis),
                self.points,
                self.log
            ],
        )
    }
}

fn run(
    conn: &Connection,
    doing: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<(), Failed> {
    let done = conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params));
    done.map(drop).map_err(|source| (doing, source))
}

/// Writes everything of the batch but its log. Returns the new end of the audit chain.
pub(crate) fn rows(
    conn: &Connection,
    commit: CommitId,
    batch: &Batch<'_>,
    audit: AuditHash,
) -> Result<AuditHash, Failed> {
    batch.points.iter().try_for_each(|row| point(conn, row))?;
    // Ends come before beginnings, so that a batch may close one alarm or order and open the next of its key.
    batch
        .alarms
        .iter()
        .filter(|row| !row.live)
        .try_for_each(|row| alarm(conn, row))?;
    batch
        .alarms
        .iter()
        .filter(|row| row.live)
        .try_for_each(|row| alarm(conn, row))?;
    batch
        .orders
        .iter()
        .filter(|row| !row.open)
        .try_for_each(|row| order(conn, row))?;
    batch
        .orders
        .iter()
        .filter(|row| row.open)
        .try_for_each(|row| order(conn, row))?;
    batch
        .transitions
        .iter()
        .try_for_each(|row| transition(conn, row))?;
    batch
        .deliveries
        .iter()
        .try_for_each(|row| outside::delivery(conn, row))?;
    batch
        .delivery_updates
        .iter()
        .try_for_each(|row| outside::delivery_update(conn, row))?;
    outside::once(conn, commit, batch)?;
    batch
        .retained
        .iter()
        .try_for_each(|row| outside::retained(conn, row))?;
    outside::rejects(conn, batch.rejects)?;
    outside::parked(conn, batch.parked)?;
    unknown::devices(conn, batch.unknown)?;
    batch
        .documents
        .iter()
        .try_for_each(|row| outside::document(conn, row))?;
    batch
        .tokens
        .iter()
        .try_for_each(|row| outside::token(conn, row))?;
    batch
        .answers
        .iter()
        .try_for_each(|row| outside::answer(conn, row))?;
    batch
        .values
        .iter()
        .try_for_each(|row| outside::named_value(conn, row))?;
    let mut hash = audit;
    for row in batch.audit {
        hash = chain(&hash, row);
        outside::audit_row(conn, row, &hash)?;
    }
    Ok(hash)
}

fn point(conn: &Connection, row: &PointRow) -> Result<(), Failed> {
    run(
        conn,
        "store a point",
        "INSERT INTO point (key, id, device, measure, instance) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key) DO UPDATE SET id = ?2, device = ?3, measure = ?4, instance = ?5",
        params![
            row.key.0,
            row.id.as_str(),
            row.device.as_str(),
            row.measure,
            row.instance
        ],
    )
}

fn alarm(conn: &Connection, row: &AlarmRow) -> Result<(), Failed> {
    run(
        conn,
        "store an alarm",
        "INSERT INTO alarm (id, asset, class, live, priority, state, raised, updated, document, cause)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET asset = ?2, class = ?3, live = ?4, priority = ?5, state = ?6, raised = ?7,
         updated = ?8, document = ?9, cause = coalesce(?10, cause)",
        params![
            row.id.0 as i64,
            row.asset.as_str(),
            row.class.as_str(),
            row.live,
            row.priority,
            row.state,
            row.raised.as_millis(),
            row.updated.as_millis(),
            row.document,
            row.cause.map(|cause| cause.0 as i64)
        ],
    )
}

fn order(conn: &Connection, row: &OrderRow) -> Result<(), Failed> {
    run(
        conn,
        "store an order",
        "INSERT INTO work_order (id, asset, fault, open, state, version, priority, role, opened, updated, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO UPDATE SET asset = ?2, fault = ?3, open = ?4, state = ?5, version = ?6, priority = ?7,
         role = ?8, opened = ?9, updated = ?10, document = ?11",
        params![
            row.id.0 as i64,
            row.asset.as_str(),
            row.fault.as_str(),
            row.open,
            row.state,
            row.version,
            row.priority,
            row.role,
            row.opened.as_millis(),
            row.updated.as_millis(),
            row.document
        ],
    )?;
    let own = std::iter::once(&row.asset).filter(|_| row.tasks.is_empty());
    own.chain(&row.tasks).try_for_each(|asset| {
        run(
            conn,
            "store what an order is about",
            "INSERT INTO order_asset (work_order, asset, fault, open) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (work_order, asset) DO UPDATE SET fault = ?3, open = ?4",
            params![row.id.0 as i64, asset.as_str(), row.fault.as_str(), row.open],
        )
    })
}

/// How a subject is stored: its kind and its number.
pub(crate) fn subject_columns(subject: Subject) -> (&'static str, i64) {
    match subject {
        Subject::Alarm(id) => ("alarm", id.0 as i64),
        Subject::Order(id) => ("order", id.0 as i64),
    }
}

fn transition(conn: &Connection, row: &TransitionRow) -> Result<(), Failed> {
    let (kind, subject) = subject_columns(row.subject);
    run(
        conn,
        "store a transition",
        "INSERT INTO transition (kind, subject, at, previous, next, event, actor, beside)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            kind,
            subject,
            row.at.as_millis(),
            row.from,
            row.to,
            row.event,
            row.actor,
            row.beside
        ],
    )
}
