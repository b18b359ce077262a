//! A point over a long time in a few hundred buckets: what charts ask for.
//!
//! A chunk that lies inside one bucket answers from the summary beside it and is not decoded.

use super::Reader;
use crate::codec::chunk::{self, Numbers};
use crate::error::{Damage, Doing, StoreError};
use crate::summary::Summary;
use linli_domain::id::PointKey;
use linli_domain::reading::Value;
use linli_domain::time::Timestamp;
use rusqlite::{Row, params};
use std::time::Duration;

/// Most buckets of one answer.
const MAX_BUCKETS: i64 = 20_000;

/// Samples of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Where it begins; it ends before the next would begin.
    pub start: Timestamp,
    /// What is in it.
    pub summary: Summary,
}

/// Buckets being filled.
struct Filling {
    from: i64,
    width: i64,
    /// Per bucket: what is in it, and the times of its first and last number.
    buckets: Vec<(Summary, i64, i64)>,
}

impl Reader {
    /// Samples of `point` with `from <= observed < to`, summed up per `width`; empty buckets are left out.
    ///
    /// `width` is raised when more than 20,000 buckets would come of it.
    pub fn buckets(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        width: Duration,
    ) -> Result<Vec<Bucket>, StoreError> {
        let span = to.as_millis().saturating_sub(from.as_millis());
        if span <= 0 {
            return Ok(Vec::new());
        }
        let width = i64::try_from(width.as_millis())
            .unwrap_or(i64::MAX)
            .max(1)
            .max(span / MAX_BUCKETS + 1);
        let count = (span - 1) / width + 1;
        let empty = (Summary::default(), i64::MAX, i64::MIN);
        let mut filling = Filling {
            from: from.as_millis(),
            width,
            buckets: vec![empty; count as usize],
        };
        self.together(|| {
            self.fill_from_chunks(point, from, to, &mut filling)?;
            self.staged(point, from, to, &mut |_, reading, _| {
                let number = match reading.value {
                    Some(Value::Number(number)) => Some(number).filter(|number| number.is_finite()),
                    Some(Value::State(state)) => Some(f64::from(u8::from(state))),
                    _ => None,
                };
                filling.add(reading.observed.as_millis(), number);
            })
        })?;
        Ok(filling.finish())
    }

    fn fill_from_chunks(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        filling: &mut Filling,
    ) -> Result<(), StoreError> {
        let doing = "sum up the chunks of a point";
        let sql = "SELECT id, t0, t1, n, numeric, min, max, sum, first, last, data FROM chunk
                   WHERE point = ?1 AND t0 < ?3 AND t1 >= ?2 ORDER BY t0, id";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let mut rows = query
            .query(params![point.0, from.as_millis(), to.as_millis()])
            .doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let (t0, t1): (i64, i64) = (row.get(1).doing(doing)?, row.get(2).doing(doing)?);
            if filling.bucket(t0).is_some() && filling.bucket(t0) == filling.bucket(t1) {
                filling.merge(t0, t1, &summary_of(row, 3).doing(doing)?);
                continue;
            }
            let id = row.get(0).doing(doing)?;
            let damaged = |what| Damage::Chunk {
                point,
                chunk: id,
                what,
            };
            let data = row
                .get_ref(10)
                .doing(doing)?
                .as_blob()
                .map_err(|_| damaged("it is not a blob"))
                .doing(doing)?;
            match chunk::decode_numbers(point, data).map_err(damaged).doing(doing)? {
                Numbers::Plain { observed, numbers } => {
                    self.unpacked(observed.len());
                    filling.add_plain(&observed, &numbers);
                }
                Numbers::Mixed(columns) => {
                    self.unpacked(columns.len());
                    columns
                        .numeric()
                        .for_each(|(observed, number)| filling.add(observed, number));
                }
            }
        }
        Ok(())
    }
}

/// The sums beside a chunk: `n, numeric, min, max, sum, first, last` from column `at` on.
pub(crate) fn summary_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Summary> {
    Ok(Summary {
        samples: row.get::<_, i64>(at)? as u64,
        numeric: row.get::<_, i64>(at + 1)? as u64,
        min: row.get(at + 2)?,
        max: row.get(at + 3)?,
        sum: row.get::<_, Option<f64>>(at + 4)?.unwrap_or(0.0),
        first: row.get(at + 5)?,
        last: row.get(at + 6)?,
    })
}

impl Filling {
    fn bucket(&self, observed: i64) -> Option<usize> {
        let offset = observed.checked_sub(self.from).filter(|offset| *offset >= 0)?;
        usize::try_from(offset / self.width)
            .ok()
            .filter(|n| *n < self.buckets.len())
    }

    /// Takes in one sample; late ones come out of order, so the ends are kept by time.
    #[inline]
    fn add(&mut self, observed: i64, number: Option<f64>) {
        let Some((summary, first, last)) = self.bucket(observed).and_then(|n| self.buckets.get_mut(n)) else {
            return;
        };
        let ends = (summary.first, summary.last);
        summary.add(number);
        if number.is_none() {
            return;
        }
        if observed >= *first {
            summary.first = ends.0;
        } else {
            (*first, summary.first) = (observed, number);
        }
        if observed < *last {
            summary.last = ends.1;
        } else {
            *last = observed;
        }
    }

    /// Takes in the samples of a chunk that all have numbers: a stretch per bucket, without a step per sample.
    fn add_plain(&mut self, observed: &[i64], numbers: &[f64]) {
        let (mut observed, mut numbers) = (observed, numbers);
        if numbers.iter().any(|number| !number.is_finite()) {
            observed
                .iter()
                .zip(numbers)
                .for_each(|(at, number)| self.add(*at, Some(*number).filter(|n| n.is_finite())));
            return;
        }
        let before = observed.partition_point(|at| *at < self.from);
        (observed, numbers) = (&observed[before..], &numbers[before..]);
        while let Some(n) = observed.first().and_then(|at| self.bucket(*at)) {
            let end = self
                .from
                .saturating_add((n as i64 + 1).saturating_mul(self.width));
            let length = observed.partition_point(|at| *at < end);
            let stretch = Summary::of_numbers(&numbers[..length]);
            self.merge(observed[0], observed[length - 1], &stretch);
            (observed, numbers) = (&observed[length..], &numbers[length..]);
        }
    }

    /// Takes in a chunk, or a part of one, that lies inside one bucket.
    fn merge(&mut self, t0: i64, t1: i64, chunk: &Summary) {
        let Some((summary, first, last)) = self.bucket(t0).and_then(|n| self.buckets.get_mut(n)) else {
            return;
        };
        summary.samples += chunk.samples;
        if chunk.numeric == 0 {
            return;
        }
        summary.numeric += chunk.numeric;
        summary.sum += chunk.sum;
        summary.min = summary.min.into_iter().chain(chunk.min).reduce(f64::min);
        summary.max = summary.max.into_iter().chain(chunk.max).reduce(f64::max);
        if t0 < *first {
            (*first, summary.first) = (t0, chunk.first);
        }
        if t1 >= *last {
            (*last, summary.last) = (t1, chunk.last);
        }
    }

    fn finish(self) -> Vec<Bucket> {
        let start = |n: usize| Timestamp::from_millis(self.from + n as i64 * self.width);
        let filled = self
            .buckets
            .iter()
            .enumerate()
            .filter(|(_, (summary, ..))| summary.samples > 0);
        filled
            .map(|(n, (summary, ..))| Bucket {
                start: start(n),
                summary: *summary,
            })
            .collect()
    }
}
