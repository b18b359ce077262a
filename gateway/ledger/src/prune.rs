//! What may go: log that is sealed, covered and passed by every cursor; identities, answers and retained messages that
//! have expired.
//!
//! Everything here deletes in bounded portions inside the sealer's transaction.

use crate::error::{Doing, StoreError};
use crate::ledger::Ledger;
use crate::once::PACKET_COMMITS;
use linli_domain::id::CommitId;
use linli_domain::time::Timestamp;
use rusqlite::params;
use std::time::{Duration, Instant};

/// Rows of the log deleted in one go; a slice has time for several.
const ROWS: usize = 64;
/// Expired rows of one table deleted in one slice at most.
const EXPIRED: i64 = 5_000;
/// How often expired rows are looked for.
const EVERY: Duration = Duration::from_secs(60);

impl Ledger {
    /// Deletes the oldest rows of the log that nobody needs, some at a time until the deadline. Returns how many, and
    /// whether there may be more.
    pub(crate) fn let_go(
        &self,
        now: Timestamp,
        sealed: CommitId,
        cursors: CommitId,
        covered: CommitId,
        deadline: Instant,
    ) -> Result<(usize, bool), StoreError> {
        let mut gone = 0;
        loop {
            let count = self.let_some_go(now, sealed, cursors, covered)?;
            gone += count;
            if count < ROWS || Instant::now() >= deadline {
                return Ok((gone, count == ROWS));
            }
        }
    }

    fn let_some_go(
        &self,
        now: Timestamp,
        sealed: CommitId,
        cursors: CommitId,
        covered: CommitId,
    ) -> Result<usize, StoreError> {
        let doing = "delete log that is sealed";
        let needed_by_us = sealed.min(covered);
        let old = now.minus(self.options.stage_keep).as_millis();
        let heavy = self.total.saturating_sub(self.options.stage_limit);
        let mut query = self
            .conn
            .prepare_cached("SELECT id, at, total FROM stage WHERE id <= ?1 ORDER BY id LIMIT ?2")
            .doing(doing)?;
        let mut rows = query
            .query(params![needed_by_us.0 as i64, ROWS as i64])
            .doing(doing)?;
        let (mut count, mut last) = (0, 0i64);
        while let Some(row) = rows.next().doing(doing)? {
            let (id, at, total): (i64, i64, i64) = (
                row.get(0).doing(doing)?,
                row.get(1).doing(doing)?,
                row.get(2).doing(doing)?,
            );
            let passed = id as u64 <= cursors.0 || at < old || (total as u64) <= heavy;
            if !passed {
                break;
            }
            (count, last) = (count + 1, id);
        }
        if count > 0 {
            self.conn
                .prepare_cached("DELETE FROM stage WHERE id <= ?1")
                .and_then(|mut delete| delete.execute([last]))
                .doing(doing)?;
        }
        Ok(count)
    }

    /// Deletes expired identities, answers, retained messages and packet marks, at most once a minute. Returns whether it looked.
    pub(crate) fn prune(&mut self, now: Timestamp) -> rusqlite::Result<bool> {
        if now.since(self.pruned) < EVERY && self.pruned <= now {
            return Ok(false);
        }
        let marks = self.last.0.saturating_sub(PACKET_COMMITS) as i64;
        let mut gone = self
            .conn
            .execute("DELETE FROM packet_mark WHERE id < ?1", [marks])?;
        for sql in [
            "DELETE FROM identity WHERE id IN (SELECT id FROM identity WHERE expires <= ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM answer WHERE rowid IN (SELECT rowid FROM answer WHERE expires <= ?1 LIMIT ?2)",
            "DELETE FROM retained WHERE topic IN (SELECT topic FROM retained WHERE expires <= ?1 LIMIT ?2)",
        ] {
            gone += self.conn.execute(sql, params![now.as_millis(), EXPIRED])?;
        }
        self.pruned = now;
        Ok(gone > 0)
    }
}
