//! Every sample of every point within a time: how a back-test reads months of an estate.
//!
//! One pass over the chunks and one over the log, however many points there are; asking point by point would walk the log
//! once for each. In no order: the caller sorts what it wants sorted, and keeps its windows short.

use super::Reader;
use crate::codec::chunk;
use crate::codec::columns::StoredSample;
use crate::codec::log::{Decoded, Decoder};
use crate::error::{Damage, Doing, StoreError};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::Timestamp;
use rusqlite::params;
use rustc_hash::FxHashMap;

impl Reader {
    /// Visits every sample with `from <= observed < to`, in one transaction and in no order.
    pub fn sweep(
        &self,
        from: Timestamp,
        to: Timestamp,
        visit: &mut dyn FnMut(PointKey, StoredSample),
    ) -> Result<(), StoreError> {
        self.together(|| {
            self.sweep_chunks(from, to, visit)?;
            self.sweep_log(from, to, visit)
        })
    }

    fn sweep_chunks(
        &self,
        from: Timestamp,
        to: Timestamp,
        visit: &mut dyn FnMut(PointKey, StoredSample),
    ) -> Result<(), StoreError> {
        let doing = "read the chunks of a time";
        let sql = "SELECT point, id, data FROM chunk WHERE t1 >= ?1 AND t0 < ?2";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let mut rows = query
            .query(params![from.as_millis(), to.as_millis()])
            .doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let point = PointKey(row.get(0).doing(doing)?);
            let id = row.get(1).doing(doing)?;
            let damaged = |what| Damage::Chunk {
                point,
                chunk: id,
                what,
            };
            let data = row.get_ref(2).doing(doing)?.as_blob();
            let data = data.map_err(|_| damaged("it is not a blob")).doing(doing)?;
            let columns = chunk::decode(point, data).map_err(damaged).doing(doing)?;
            self.unpacked(columns.len());
            let within = |sample: &StoredSample| sample.observed >= from && sample.observed < to;
            columns
                .samples()
                .filter(within)
                .for_each(|sample| visit(point, sample));
        }
        Ok(())
    }

    fn sweep_log(
        &self,
        from: Timestamp,
        to: Timestamp,
        visit: &mut dyn FnMut(PointKey, StoredSample),
    ) -> Result<(), StoreError> {
        let doing = "read the unsealed samples of a time";
        let sealed: FxHashMap<u32, i64> = self
            .all(doing, "SELECT point, sealed FROM series", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .into_iter()
            .collect();
        let sql = "SELECT id, data FROM stage WHERE first < ?2 AND last >= ?1 ORDER BY id";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let mut rows = query
            .query(params![from.as_millis(), to.as_millis()])
            .doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let id = row.get::<_, i64>(0).doing(doing)?;
            let commit = CommitId(id.unsigned_abs());
            let damaged = |_| Damage::Stage {
                commit,
                what: "it is not a blob",
            };
            let data = row.get_ref(1).doing(doing)?.as_blob();
            let data = data.map_err(damaged).doing(doing)?;
            let mut log = Decoder::new(commit, data).doing(doing)?;
            while let Some(entry) = log.next().doing(doing)? {
                if let Decoded::Reading { reading, .. } = entry
                    && (from..to).contains(&reading.observed)
                    && sealed.get(&reading.point.0).is_none_or(|sealed| *sealed < id)
                {
                    visit(reading.point, StoredSample::from(&reading));
                }
            }
        }
        Ok(())
    }
}
