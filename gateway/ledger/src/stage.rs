//! The log of commits as it lies in the file: walking over its rows, replaying its entries, the engine's snapshot.
//!
//! Walks go in pieces, each a short read of its own, so that no read lasts long enough to hold up the writer.

use crate::batch::Entry;
use crate::codec::crc::checksum;
use crate::codec::log::{Decoded, Decoder};
use crate::error::{Damage, Doing, StoreError};
use crate::ledger::Ledger;
use crate::write::StageRow;
use linli_domain::id::CommitId;
use linli_domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::ops::ControlFlow;

/// Rows read in one piece.
const PIECE: i64 = 256;

/// One row of the stage.
pub(crate) struct Row<'a> {
    pub(crate) commit: CommitId,
    pub(crate) at: Timestamp,
    pub(crate) total: u64,
    /// Observed times of its first and last reading by time; `None` without readings.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// How many readings are in it, and of which points, as they stand beside it.
    pub(crate) readings: i64,
    pub(crate) points: &'a [u8],
    pub(crate) log: &'a [u8],
}

impl Row<'_> {
    /// Whether what stands beside the log is what belongs there.
    pub(crate) fn is_beside(&self, whole: &StageRow) -> bool {
        (self.readings, self.span, self.points) == (whole.readings, whole.span, whole.points.as_slice())
    }
}

/// What a walk does with each row.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Row<'_>) -> Result<ControlFlow<()>, StoreError>;

/// Visits the rows after `after` up to and including `upto`, in order.
pub(crate) fn rows(
    conn: &Connection,
    after: CommitId,
    upto: Option<CommitId>,
    visit: Visit<'_>,
) -> Result<(), StoreError> {
    let mut after = after.0 as i64;
    let upto = upto.map_or(i64::MAX, |commit| commit.0 as i64);
    while let Some(next) = piece(conn, after, upto, visit)? {
        after = next;
    }
    Ok(())
}

/// Visits one piece; returns where the next begins, or `None` at the end.
fn piece(conn: &Connection, after: i64, upto: i64, visit: Visit<'_>) -> Result<Option<i64>, StoreError> {
    let doing = "read the log of commits";
    let sql = "SELECT id, at, total, first, last, data, n, points FROM stage WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    let mut query = conn.prepare_cached(sql).doing(doing)?;
    let mut rows = query.query(params![after, upto, PIECE]).doing(doing)?;
    let (mut count, mut last) = (0, after);
    while let Some(row) = rows.next().doing(doing)? {
        last = row.get(0).doing(doing)?;
        count += 1;
        let (first, latest): (Option<i64>, Option<i64>) =
            (row.get(3).doing(doing)?, row.get(4).doing(doing)?);
        let commit = CommitId(last as u64);
        let log = row.get_ref(5).doing(doing)?.as_blob();
        let what = "it is not a blob";
        let staged = Row {
            commit,
            at: Timestamp::from_millis(row.get(1).doing(doing)?),
            total: row.get::<_, i64>(2).doing(doing)? as u64,
            span: first
                .map(Timestamp::from_millis)
                .zip(latest.map(Timestamp::from_millis)),
            readings: row.get(6).doing(doing)?,
            points: row.get_ref(7).doing(doing)?.as_blob().unwrap_or_default(),
            log: log.map_err(|_| Damage::Stage { commit, what }).doing(doing)?,
        };
        if visit(staged)?.is_break() {
            return Ok(None);
        }
    }
    Ok((count == PIECE).then_some(last))
}

/// Feeds every entry committed after `after` to `feed`, in the order of the log, until it breaks off.
pub(crate) fn replay(conn: &Connection, after: CommitId, feed: Feed<'_>) -> Result<(), StoreError> {
    let doing = "replay the log of commits";
    rows(conn, after, None, &mut |row| {
        let mut log = Decoder::new(row.commit, row.log).doing(doing)?;
        while let Some(entry) = log.next().doing(doing)? {
            let entry = match &entry {
                Decoded::Now(now) => Entry::Now(*now),
                Decoded::Input(bytes) => Entry::Input(bytes),
                Decoded::Reading { reading, evaluated } => Entry::Reading {
                    reading,
                    evaluated: *evaluated,
                },
            };
            if feed(row.commit, entry).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// What a replay does with each entry; it may break off.
pub type Feed<'a> = &'a mut dyn FnMut(CommitId, Entry<'_>) -> ControlFlow<()>;

/// The engine's state as of a commit; what was committed later is replayed on top of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last commit whose entries are in it.
    pub commit: CommitId,
    /// The format of its bytes, as the caller counts formats.
    pub format: u32,
    /// The state, as the caller encodes it.
    pub bytes: Vec<u8>,
}

/// Puts the snapshot into an open transaction, in place of the one before.
pub(crate) fn store_snapshot(conn: &Connection, snapshot: &Snapshot) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO snapshot (id, at, format, crc, data) VALUES (1, ?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET at = ?1, format = ?2, crc = ?3, data = ?4",
    )?
    .execute(params![
        snapshot.commit.0 as i64,
        snapshot.format,
        checksum(snapshot.commit.0, &snapshot.bytes),
        snapshot.bytes
    ])
    .map(drop)
}

/// The stored snapshot, if there is one.
pub(crate) fn load_snapshot(conn: &Connection) -> Result<Option<Snapshot>, StoreError> {
    let doing = "load the snapshot";
    let stored = conn
        .query_row("SELECT at, format, data, crc FROM snapshot", [], |row| {
            let commit = CommitId(row.get::<_, i64>(0)? as u64);
            Ok((
                Snapshot {
                    commit,
                    format: row.get(1)?,
                    bytes: row.get(2)?,
                },
                row.get::<_, u32>(3)?,
            ))
        })
        .optional()
        .doing(doing)?;
    let Some((snapshot, crc)) = stored else {
        return Ok(None);
    };
    if checksum(snapshot.commit.0, &snapshot.bytes) != crc {
        return Err(Damage::Snapshot {
            commit: snapshot.commit,
        })
        .doing(doing);
    }
    Ok(Some(snapshot))
}

impl Ledger {
    /// Feeds every entry committed after `after` to `feed`, in the exact order in which it was committed.
    pub fn replay(&self, after: CommitId, feed: Feed<'_>) -> Result<(), StoreError> {
        replay(&self.conn, after, feed)
    }

    /// The engine's last snapshot, if one was ever stored.
    ///
    /// Entries committed after it are all still in the log. A damaged snapshot is an error, not an absence.
    pub fn load_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        load_snapshot(&self.conn)
    }
}
