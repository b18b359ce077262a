//! The newest sample of every point, and the log itself: what a live view and a forwarder read.

use super::{Reader, Wrong};
use crate::error::StoreError;
use crate::heads::Latest;
use crate::remember::read_latest;
use crate::stage::{self, Feed, Snapshot};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::Reading;
use linli_domain::time::Timestamp;
use rusqlite::Row;
use rustc_hash::FxHashMap;
use std::ops::ControlFlow;

impl Reader {
    /// The newest sample of a point.
    pub fn latest(&self, point: PointKey) -> Result<Option<Latest>, StoreError> {
        let doing = "read the newest sample of a point";
        self.together(|| {
            let mut latest = self.first(
                doing,
                "SELECT latest, sealed FROM series WHERE point = ?1",
                [point.0],
                newest_of,
            )?;
            let (from, to) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
            self.staged(point, from, to, &mut |commit, reading, evaluated| {
                offer(&mut latest, commit, reading, evaluated)
            })?;
            Ok(latest)
        })
    }

    /// The newest sample of every point that has one, by point.
    ///
    /// Reads the sealed ones from a table and walks over the unsealed part of the log, in pieces. The writer has
    /// the same in memory: see [`Ledger::latest_all`](crate::Ledger::latest_all).
    pub fn latest_all(&self) -> Result<Vec<Latest>, StoreError> {
        let doing = "read the newest samples";
        let mut newest: FxHashMap<PointKey, Option<Latest>> = FxHashMap::default();
        let floor = self.first(
            doing,
            "SELECT value FROM meta WHERE name = 'sealed_floor'",
            [],
            |row| Ok(row.get::<_, i64>(0)?),
        )?;
        self.replay(CommitId(floor.unwrap_or(0) as u64), &mut |commit, entry| {
            if let crate::Entry::Reading { reading, evaluated } = entry {
                offer(
                    newest.entry(reading.point).or_default(),
                    commit,
                    reading,
                    evaluated,
                );
            }
            ControlFlow::Continue(())
        })?;
        // The table comes second: what was sealed and deleted while walking over the log is in it by now.
        let sealed = self.all(doing, "SELECT latest, sealed FROM series", [], newest_of)?;
        for latest in sealed {
            let known = newest.entry(latest.point).or_default();
            if known.as_ref().is_none_or(|known| known.rank() < latest.rank()) {
                *known = Some(latest);
            }
        }
        let mut all: Vec<Latest> = newest.into_values().flatten().collect();
        all.sort_unstable_by_key(|latest| latest.point);
        Ok(all)
    }

    /// Feeds every entry committed after `after` to `feed`, in the order of the log: how a forwarder follows it.
    pub fn replay(&self, after: CommitId, feed: Feed<'_>) -> Result<(), StoreError> {
        stage::replay(&self.conn, after, feed)
    }

    /// The oldest commit still in the log; a cursor before it has to go back to the samples of its points.
    pub fn oldest_logged(&self) -> Result<Option<CommitId>, StoreError> {
        self.first(
            "read where the log begins",
            "SELECT id FROM stage ORDER BY id LIMIT 1",
            [],
            |row| Ok(CommitId(row.get::<_, i64>(0)? as u64)),
        )
    }

    /// The engine's last snapshot, if one was ever stored.
    pub fn load_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        stage::load_snapshot(&self.conn)
    }
}

fn offer(latest: &mut Option<Latest>, commit: CommitId, reading: &Reading, evaluated: bool) {
    match latest {
        Some(latest) => latest.offer(commit, reading, evaluated),
        None => *latest = Some(Latest::new(commit, reading, evaluated)),
    }
}

/// The newest sample out of `latest, sealed`.
fn newest_of(row: &Row<'_>) -> Result<Latest, Wrong> {
    let sealed = CommitId(row.get::<_, i64>(1)? as u64);
    Ok(read_latest(row.get_ref(0)?.as_blob().unwrap_or_default(), sealed)?.0)
}
