//! The samples of a point over time, from chunks and log alike.
//!
//! Order is (observed, commit). A page ends at a position that stays valid while samples move from the log into
//! chunks: equal times keep the order of their commits wherever they lie.

use super::{LeftOut, MAX_PAGE, Reader};
use crate::codec::bytes::ascending_contains;
use crate::codec::chunk;
use crate::codec::columns::{Columns, StoredSample};
use crate::codec::log::{Decoded, Decoder};
use crate::error::{Damage, Doing, StoreError};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::Reading;
use linli_domain::time::Timestamp;
use rusqlite::params;
use std::ops::ControlFlow;

/// Where a page of samples ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleCursor {
    /// Observed time of the last sample given.
    pub observed: Timestamp,
    /// How many samples with exactly that time have been given.
    pub given: usize,
}

/// One page of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplePage {
    /// In order of (observed, commit).
    pub samples: Vec<StoredSample>,
    /// Where to go on, or `None` at the end.
    pub next: Option<SampleCursor>,
}

impl Reader {
    /// Samples of `point` with `from <= observed < to`, at most `limit` (and [`MAX_PAGE`]), going on after `after`.
    pub fn samples(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
        after: Option<SampleCursor>,
    ) -> Result<SamplePage, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let from = after.map_or(from, |cursor| from.max(cursor.observed));
        let mut skip = after
            .filter(|cursor| cursor.observed == from)
            .map_or(0, |cursor| cursor.given);
        let wanted = limit + skip + 1;
        let mut samples = self.together(|| self.merged(point, from, to, wanted))?;
        skip = skip.min(samples.len());
        samples.drain(..skip);
        let more = samples.len() > limit;
        samples.truncate(limit);
        let next = samples.last().filter(|_| more).map(|last| {
            let given = samples
                .iter()
                .rev()
                .take_while(|sample| sample.observed == last.observed)
                .count();
            let before = if last.observed == from && given == samples.len() {
                skip
            } else {
                0
            };
            SampleCursor {
                observed: last.observed,
                given: given + before,
            }
        });
        Ok(SamplePage { samples, next })
    }

    /// The first `most` samples of `point` with `from <= observed < to`, in one read.
    ///
    /// For answers that need them all at once; everything else goes by pages ([`Reader::samples`]).
    pub fn range(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        most: usize,
    ) -> Result<Vec<StoredSample>, StoreError> {
        self.together(|| self.merged(point, from, to, most))
    }

    /// The first `wanted` samples of the range, or all of them when there are fewer.
    fn merged(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        wanted: usize,
    ) -> Result<Vec<StoredSample>, StoreError> {
        let within = |sample: &StoredSample| sample.observed >= from && sample.observed < to;
        let mut found: Vec<(i64, StoredSample)> = Vec::new();
        self.chunks(point, from, to, &mut |row, columns| {
            // What is before the next chunk's first sample cannot be overtaken any more.
            let next = Timestamp::from_millis(columns.observed.first().copied().unwrap_or(i64::MAX));
            let settled =
                found.len() >= wanted && found.iter().filter(|(_, s)| s.observed < next).count() >= wanted;
            if settled {
                return ControlFlow::Break(());
            }
            found.extend(columns.samples().filter(within).map(|sample| (row, sample)));
            ControlFlow::Continue(())
        })?;
        self.staged(point, from, to, &mut |_, reading, _| {
            found.push((i64::MAX, StoredSample::from(reading)))
        })?;
        found.sort_by_key(|(row, sample)| (sample.observed, *row));
        found.truncate(wanted);
        Ok(found.into_iter().map(|(_, sample)| sample).collect())
    }

    /// Visits the chunks of a point that overlap the range, by their first time.
    pub(super) fn chunks(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        visit: &mut dyn FnMut(i64, Columns) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let doing = "read the chunks of a point";
        let sql = "SELECT id, data FROM chunk WHERE point = ?1 AND t0 < ?3 AND t1 >= ?2 ORDER BY t0, id";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let mut rows = query
            .query(params![point.0, from.as_millis(), to.as_millis()])
            .doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let id = row.get(0).doing(doing)?;
            let damaged = |what| Damage::Chunk {
                point,
                chunk: id,
                what,
            };
            let data = row
                .get_ref(1)
                .doing(doing)?
                .as_blob()
                .map_err(|_| damaged("it is not a blob"))
                .doing(doing)?;
            let columns = match chunk::decode(point, data) {
                Err(_) if self.leaves_out(LeftOut::Chunk(id)) => continue,
                other => other.map_err(damaged).doing(doing)?,
            };
            self.unpacked(columns.len());
            if visit(id, columns).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Visits the readings of a point that lie in the log only, in commit order.
    pub(super) fn staged(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        visit: &mut dyn FnMut(CommitId, &Reading, bool),
    ) -> Result<(), StoreError> {
        let doing = "read the unsealed samples of a point";
        let sealed = self.first(
            "read how far a point is sealed",
            "SELECT sealed FROM series WHERE point = ?1",
            [point.0],
            |row| Ok(row.get::<_, i64>(0)?),
        )?;
        let sql =
            "SELECT id, points, data FROM stage WHERE id > ?1 AND first < ?3 AND last >= ?2 ORDER BY id";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let range = params![sealed.unwrap_or(0), from.as_millis(), to.as_millis()];
        let mut rows = query.query(range).doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let commit = CommitId(row.get::<_, i64>(0).doing(doing)? as u64);
            let damaged = |_| Damage::Stage {
                commit,
                what: "it is not a blob",
            };
            if !ascending_contains(
                row.get_ref(1)
                    .doing(doing)?
                    .as_blob()
                    .map_err(damaged)
                    .doing(doing)?,
                point.0,
            ) {
                continue;
            }
            let data = row
                .get_ref(2)
                .doing(doing)?
                .as_blob()
                .map_err(damaged)
                .doing(doing)?;
            let mut log = match Decoder::new(commit, data) {
                Err(_) if self.leaves_out(LeftOut::Log(commit)) => continue,
                other => other.doing(doing)?,
            };
            loop {
                let entry = match log.next() {
                    Err(_) if self.leaves_out(LeftOut::Log(commit)) => break,
                    other => other.doing(doing)?,
                };
                let Some(entry) = entry else {
                    break;
                };
                if let Decoded::Reading { reading, evaluated } = entry
                    && reading.point == point
                    && (from..to).contains(&reading.observed)
                {
                    visit(commit, &reading, evaluated);
                }
            }
        }
        Ok(())
    }
}
