//! Turns collected samples into chunks within an open transaction, and moves the watermark of their point.

use super::Done;
use super::pieces::{self, Piece};
use crate::codec::chunk;
use crate::codec::columns::Columns;
use crate::error::{Damage, Doing, StoreError};
use crate::heads::{Series, pack_latest};
use crate::ledger::Ledger;
use crate::summary::Summary;
use linli_domain::id::{CommitId, PointKey};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Instant;

impl Ledger {
    /// Encodes collected points into the open transaction until the deadline, at least one.
    pub(super) fn encode(&mut self, deadline: Instant) -> Result<Vec<Done>, StoreError> {
        let mut done = Vec::new();
        while let Some((point, upto, columns)) = self.take_point() {
            done.push(self.encode_point(point, upto, columns)?);
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(done)
    }

    /// A point of the pass, up to where it was collected, and its samples.
    fn take_point(&mut self) -> Option<(PointKey, CommitId, Columns)> {
        let pass = self.pass.as_mut()?;
        let point = *pass.points.keys().next()?;
        let collected = pass.points.remove(&point)?;
        Some((point, collected.cut.unwrap_or(pass.upto), collected.columns))
    }

    fn encode_point(&self, point: PointKey, upto: CommitId, collected: Columns) -> Result<Done, StoreError> {
        let doing = "seal the samples of a point";
        let samples = collected.len();
        let mut times = collected.observed.clone();
        times.sort_unstable();
        let Some(series) = self.heads.get(point) else {
            return Ok(Done {
                point,
                upto,
                last_chunk: 0,
                samples: 0,
            });
        };
        let (mut columns, replaced) = self.with_last_chunk(point, series.last_chunk, collected)?;
        columns.sort();
        if replaced {
            self.conn
                .prepare_cached("DELETE FROM chunk WHERE id = ?1")
                .and_then(|mut delete| delete.execute([series.last_chunk]))
                .doing(doing)?;
        }
        let mut last_chunk = series.last_chunk;
        let pieces = pieces::cut(point, &columns, self.longest_chunk())
            .map_err(|_| Damage::Chunk {
                point,
                chunk: 0,
                what: "its samples cannot be compressed",
            })
            .doing(doing)?;
        for piece in &pieces {
            last_chunk = insert_chunk(&self.conn, point, piece)?;
        }
        store_series(&self.conn, series, upto, last_chunk).doing(doing)?;
        self.roll_up(point, &times)?;
        Ok(Done {
            point,
            upto,
            last_chunk,
            samples,
        })
    }

    /// In samples.
    fn longest_chunk(&self) -> usize {
        self.options.seal_samples.saturating_mul(4)
    }

    /// Puts the collected samples behind those of the point's last chunk when that one may grow.
    fn with_last_chunk(
        &self,
        point: PointKey,
        last: i64,
        collected: Columns,
    ) -> Result<(Columns, bool), StoreError> {
        let doing = "read the last chunk of a point";
        let found = self
            .conn
            .prepare_cached("SELECT n, length(data) FROM chunk WHERE id = ?1 AND point = ?2")
            .and_then(|mut query| {
                query
                    .query_row(params![last, point.0], |row| {
                        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                    })
                    .optional()
            })
            .doing(doing)?;
        let grows = found
            .is_some_and(|(n, bytes)| !pieces::is_full(n as usize, bytes as usize, self.longest_chunk()));
        if !grows {
            return Ok((collected, false));
        }
        let mut columns = chunk::decode(point, &self.chunk_bytes(last)?)
            .map_err(|what| Damage::Chunk {
                point,
                chunk: last,
                what,
            })
            .doing(doing)?;
        collected
            .samples()
            .for_each(|sample| columns.push_sample(&sample));
        Ok((columns, true))
    }
}

fn insert_chunk(conn: &Connection, point: PointKey, (columns, data): &Piece) -> Result<i64, StoreError> {
    let doing = "store a chunk";
    let summary = Summary::of(columns.numeric().map(|(_, value)| value));
    let (t0, t1) = (columns.observed.first(), columns.observed.last());
    conn.prepare_cached(
        "INSERT INTO chunk (point, t0, t1, n, numeric, min, max, sum, first, last, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )
    .and_then(|mut insert| {
        insert.insert(params![
            point.0,
            t0,
            t1,
            columns.len() as i64,
            summary.numeric as i64,
            summary.min,
            summary.max,
            summary.sum,
            summary.first,
            summary.last,
            data
        ])
    })
    .doing(doing)
}

fn store_series(
    conn: &Connection,
    series: &Series,
    sealed: CommitId,
    last_chunk: i64,
) -> rusqlite::Result<()> {
    let latest = &series.latest;
    let bytes = pack_latest(latest, series.last_observed, sealed)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    conn.prepare_cached(
        "INSERT INTO series (point, sealed, last_chunk, latest, rolled) VALUES (?1, ?2, ?3, ?4, 1)
         ON CONFLICT (point) DO UPDATE SET sealed = ?2, last_chunk = ?3, latest = ?4",
    )?
    .execute(params![latest.point.0, sealed.0 as i64, last_chunk, bytes])
    .map(drop)
}
