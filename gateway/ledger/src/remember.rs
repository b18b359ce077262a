//! What the writer reads back at start: where it ended, what is sealed of every point, and what is not.
//!
//! The unsealed part of the log is bounded by the sealer, so a start is too.

use crate::codec::log::{Decoded, Decoder};
use crate::error::{Damage, Doing, StoreError};
use crate::heads::{Latest, unpack_latest};
use crate::ledger::{Ledger, RowSpan};
use crate::seal;
use crate::stage;
use linli_domain::id::CommitId;
use linli_domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};

impl Ledger {
    /// Reads back from the file what the writer keeps in memory.
    pub(crate) fn remember(&mut self) -> Result<(), StoreError> {
        let doing = "read what the ledger ended with";
        let staged: Option<(i64, i64)> = self
            .conn
            .query_row(
                "SELECT id, total FROM stage ORDER BY id DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .doing(doing)?;
        let (id, total) = staged.unwrap_or_default();
        self.last = CommitId(own_numbers(&self.conn)?.0.0.max(id as u64));
        self.total = total as u64;
        self.audit = self
            .conn
            .query_row("SELECT hash FROM audit ORDER BY id DESC LIMIT 1", [], |row| {
                row.get(0)
            })
            .optional()
            .doing(doing)?
            .unwrap_or_default();
        self.snapshot = self
            .conn
            .query_row("SELECT at FROM snapshot", [], |row| row.get::<_, i64>(0))
            .optional()
            .doing(doing)?
            .map_or(CommitId(0), |at| CommitId(at as u64));
        self.remember_series()?;
        self.remember_stage()
    }

    fn remember_series(&mut self) -> Result<(), StoreError> {
        let doing = "read the newest sealed samples";
        let mut query = self
            .conn
            .prepare("SELECT sealed, last_chunk, latest FROM series")
            .doing(doing)?;
        let mut rows = query.query([]).doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let (sealed, last_chunk): (i64, i64) = (row.get(0).doing(doing)?, row.get(1).doing(doing)?);
            let bytes: Vec<u8> = row.get(2).doing(doing)?;
            let sealed = CommitId(sealed as u64);
            let (latest, last_observed) = read_latest(&bytes, sealed).doing(doing)?;
            self.heads.restore(latest, last_observed, sealed, last_chunk);
        }
        Ok(())
    }

    fn remember_stage(&mut self) -> Result<(), StoreError> {
        let doing = "read the log of unsealed samples";
        let (heads, spans) = (&mut self.heads, &mut self.rows);
        let (_, after) = own_numbers(&self.conn)?;
        stage::rows(&self.conn, after, None, &mut |row| {
            if let Some((first, last)) = row.span {
                spans.push_back(RowSpan {
                    commit: row.commit,
                    total: row.total,
                    first,
                    last,
                });
            }
            let mut log = Decoder::new(row.commit, row.log).doing(doing)?;
            while let Some(entry) = log.next().doing(doing)? {
                if let Decoded::Reading { reading, evaluated } = entry {
                    heads.push(row.commit, row.at, &reading, evaluated);
                }
            }
            Ok(std::ops::ControlFlow::Continue(()))
        })
    }
}

/// The last commit of the last sealing pass, and the one up to which everything is sealed. Files from before they were
/// checked are believed.
pub(crate) fn own_numbers(conn: &Connection) -> Result<(CommitId, CommitId), StoreError> {
    let number = |name| meta(conn, name);
    let last = CommitId(number("last_commit")?.unwrap_or(0));
    let floor = CommitId(number("sealed_floor")?.unwrap_or(0));
    match number("check")? {
        Some(check) if check != seal::check(last, floor) as u64 => Err(Damage::Row {
            table: "meta",
            what: "what the ledger knows about itself does not fit together",
        })
        .doing("read what the ledger knows about itself"),
        _ => Ok((last, floor)),
    }
}

/// A number the ledger keeps about itself, when it is there.
fn meta(conn: &Connection, name: &str) -> Result<Option<u64>, StoreError> {
    conn.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
        row.get::<_, i64>(0)
    })
    .optional()
    .doing("read what the ledger knows about itself")
    .map(|value| value.map(|value| value as u64))
}

/// What `series` holds of a point: its newest sample, and its greatest observed time.
pub(crate) fn read_latest(bytes: &[u8], sealed: CommitId) -> Result<(Latest, Timestamp), Damage> {
    unpack_latest(bytes, sealed).ok_or(Damage::Row {
        table: "series",
        what: "the newest sample makes no sense",
    })
}
