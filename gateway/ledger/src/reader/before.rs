//! What held before a time: the last sample before it, the state that goes on from it, and whether anything follows.

use super::Reader;
use super::stretches::decoded;
use crate::codec::columns::StoredSample;
use crate::codec::{chunk, seen};
use crate::error::{Damage, Doing, StoreError};
use crate::rollup;
use crate::stretch::Edge;
use linli_domain::id::PointKey;
use linli_domain::time::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

impl Reader {
    /// The last sample of a point observed before a time, whether it was evaluated or not.
    pub fn last_before(
        &self,
        point: PointKey,
        before: Timestamp,
    ) -> Result<Option<StoredSample>, StoreError> {
        let mut last = match self.chunk_before(point, before.as_millis())? {
            None => None,
            Some(chunk) => self.with_chunk(point, chunk, |data| {
                let columns = chunk::decode(point, data)?;
                self.unpacked(columns.len());
                let earlier = columns.observed.partition_point(|at| *at < before.as_millis());
                Ok(earlier.checked_sub(1).and_then(|n| columns.samples().nth(n)))
            })?,
        };
        let start = last
            .as_ref()
            .map_or(Timestamp::from_millis(i64::MIN), |last| last.observed);
        self.staged(point, start, before, &mut |_, reading, _| {
            if last.as_ref().is_none_or(|last| reading.observed >= last.observed) {
                last = Some(StoredSample::from(reading));
            }
        })?;
        Ok(last)
    }

    /// The state that held at `from`, and since which sample.
    pub(super) fn state_before(
        &self,
        point: PointKey,
        from: i64,
    ) -> Result<Option<(Edge, Timestamp)>, StoreError> {
        let mut last = match self.chunk_before(point, from)? {
            None => None,
            Some(chunk) => self.with_chunk(point, chunk, |data| {
                seen::edge_before(point, data, chunk.last, from)
            })?,
        };
        let start = Timestamp::from_millis(last.map_or(i64::MIN, |(at, _)| at));
        let before = Timestamp::from_millis(from);
        self.staged(point, start, before, &mut |_, reading, _| {
            let at = reading.observed.as_millis();
            if last.is_none_or(|(known, _)| at >= known) {
                last = Some((at, Edge::of(reading.value.as_ref())));
            }
        })?;
        let held = match last {
            Some((at, edge)) => Some((edge, Timestamp::from_millis(at))),
            None => self.summed_before(point, from)?,
        };
        Ok(held.filter(|(edge, _)| *edge != Edge::None))
    }

    /// The same by the finest rollup that is left, where the samples went.
    fn summed_before(&self, point: PointKey, from: i64) -> Result<Option<(Edge, Timestamp)>, StoreError> {
        let doing = "look for the sums before";
        let sql = "SELECT data, id FROM rollup WHERE point = ?1 AND width = ?2 AND t0 < ?3 ORDER BY t0 DESC LIMIT 2";
        for width in [rollup::HOUR, rollup::DAY] {
            let mut query = self.conn.prepare_cached(sql).doing(doing)?;
            let mut rows = query.query(params![point.0, width, from]).doing(doing)?;
            while let Some(row) = rows.next().doing(doing)? {
                let stored = decoded(point, row)?;
                self.unpacked_sums();
                let mut ended = stored.iter().rev().map(|(_, stretch)| stretch);
                if let Some(last) = ended.find(|stretch| stretch.last_at < from) {
                    return Ok(Some((last.ends, Timestamp::from_millis(last.last_at))));
                }
            }
        }
        Ok(None)
    }

    /// Whether a point has a sample observed at or after a time.
    pub(super) fn has_from(&self, point: PointKey, from: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM chunk WHERE point = ?1 AND t1 >= ?2)
                   OR EXISTS (SELECT 1 FROM rollup WHERE point = ?1 AND width = 86400000 AND t1 >= ?2)";
        let sealed = self.first("look for samples after", sql, params![point.0, from], |row| {
            Ok(row.get::<_, bool>(0)?)
        })?;
        let mut found = sealed.unwrap_or(false);
        if !found {
            let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(i64::MAX));
            self.staged(point, from, to, &mut |_, _, _| found = true)?;
        }
        Ok(found)
    }

    /// The chunk that holds the last sealed sample before a time; of equal times the one committed last.
    ///
    /// Chunks that end before it are compared by what stands in the index. Of those that reach over it one is usually
    /// alone in beginning behind the others' ends; else they have to say for themselves, one more for each sample of a
    /// clock that ran ahead.
    fn chunk_before(&self, point: PointKey, before: i64) -> Result<Option<Holder>, StoreError> {
        let doing = "look for the chunk before a time";
        let holder = |row: &Row<'_>| {
            Ok(Holder {
                id: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
            })
        };
        let ended = "SELECT id, t0, t1 FROM chunk WHERE point = ?1 AND t0 < ?2 AND t1 < ?2
                     ORDER BY t1 DESC, id DESC LIMIT 1";
        let mut best = self
            .first(doing, ended, params![point.0, before], holder)?
            .map(|ended| (ended.last, ended));
        let reaching =
            "SELECT id, t0, t1 FROM chunk WHERE point = ?1 AND t0 < ?2 AND t1 >= ?2 ORDER BY t0 DESC";
        let reaching = self.all(doing, reaching, params![point.0, before], holder)?;
        if let [only] = reaching[..]
            && best.is_none_or(|(at, _)| only.first > at)
        {
            return Ok(Some(only));
        }
        for holder in reaching {
            let at = self.with_chunk(point, holder, |data| {
                let times = chunk::decode_times(point, data)?;
                self.unpacked(times.len());
                let earlier = times.partition_point(|at| *at < before);
                Ok(earlier.checked_sub(1).and_then(|n| times.get(n)).copied())
            })?;
            if let Some(at) =
                at.filter(|at| best.is_none_or(|(known, best)| (*at, holder.id) > (known, best.id)))
            {
                best = Some((at, holder));
            }
        }
        Ok(best.map(|(_, holder)| holder))
    }

    /// What `look` says of the bytes of a chunk; which chunk it was when they cannot be read.
    fn with_chunk<T>(
        &self,
        point: PointKey,
        chunk: Holder,
        look: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Result<T, StoreError> {
        let doing = "read a chunk of a point";
        let said = self
            .conn
            .prepare_cached("SELECT data FROM chunk WHERE id = ?1")
            .and_then(|mut query| {
                query
                    .query_row([chunk.id], |row| {
                        Ok(look(row.get_ref(0)?.as_blob().unwrap_or_default()))
                    })
                    .optional()
            })
            .doing(doing)?;
        said.unwrap_or(Err("it is not there"))
            .map_err(|what| Damage::Chunk {
                point,
                chunk: chunk.id,
                what,
            })
            .doing(doing)
    }
}

/// A chunk: its row and the times of its first and last sample.
#[derive(Debug, Clone, Copy)]
struct Holder {
    id: i64,
    first: i64,
    last: i64,
}
