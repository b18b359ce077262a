//! A point over any time in buckets of one width: numbers summed up, states as durations and transitions.
//!
//! Whole minutes, hours and days come from the rollups; what is not sealed yet, and widths that fit no rollup, from
//! the samples. Where samples were let go already, the finest rollup that is left answers and the buckets are as wide
//! as it can say.

use super::Reader;
use crate::codec::columns::StoredSample;
use crate::codec::stretches;
use crate::error::{Damage, Doing, StoreError};
use crate::rollup::{self, WIDTHS};
use crate::stretch::{Edge, Stretch};
use linli_domain::id::PointKey;
use linli_domain::time::Timestamp;
use rusqlite::{Row, params};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most buckets of one answer.
const MAX_BUCKETS: i64 = 20_000;

/// Samples of one bucket of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Where it begins; it ends before the next would begin.
    pub start: Timestamp,
    /// What is in it.
    pub stretch: Stretch,
}

/// Buckets of a point, empty ones left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Spans {
    /// How wide each is.
    pub width: Duration,
    /// In order of time.
    pub spans: Vec<Span>,
    /// The state that held when the range began, and since when, where that is known.
    pub before: Option<(Edge, Timestamp)>,
    /// Whether something was observed after the range, so that what held last in it held to its end.
    pub goes_on: bool,
}

impl Reader {
    /// Samples of `point` with `from <= observed < to` in buckets of `width` that begin at `from`.
    ///
    /// `width` is raised when more than 20,000 buckets would come of it. Buckets that reach back to where only
    /// rollups are left hold all of their rollup's buckets that begin in them.
    pub fn spans(
        &self,
        point: PointKey,
        from: Timestamp,
        to: Timestamp,
        width: Duration,
    ) -> Result<Spans, StoreError> {
        let (from, to) = (from.as_millis(), to.as_millis());
        let span = to.saturating_sub(from);
        let width = i64::try_from(width.as_millis())
            .unwrap_or(i64::MAX)
            .max(1)
            .max(span / MAX_BUCKETS + 1);
        self.together(|| {
            let mut buckets: BTreeMap<i64, Stretch> = BTreeMap::new();
            if span > 0 {
                self.fill(point, from, to, width, &mut buckets)?;
            }
            Ok(Spans {
                width: Duration::from_millis(width.unsigned_abs()),
                before: self.state_before(point, from)?,
                goes_on: self.has_from(point, to)?,
                spans: buckets
                    .into_iter()
                    .map(|(start, stretch)| Span {
                        start: Timestamp::from_millis(start),
                        stretch,
                    })
                    .collect(),
            })
        })
    }

    fn fill(
        &self,
        point: PointKey,
        from: i64,
        to: i64,
        width: i64,
        buckets: &mut BTreeMap<i64, Stretch>,
    ) -> Result<(), StoreError> {
        let raw_from = rollup::raw_from(&self.conn, point)?;
        let rolled = self.is_rolled(point)?;
        let mut staged: Vec<StoredSample> = Vec::new();
        let range = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        self.staged(point, range.0, range.1, &mut |_, reading, _| {
            staged.push(StoredSample::from(reading))
        })?;
        staged.sort_by_key(|sample| sample.observed);
        let of = |at: i64| from + (at - from).div_euclid(width) * width;
        // The widest rollup whose buckets fall whole into ours.
        let fitting = WIDTHS
            .iter()
            .rev()
            .map(|(rolled, _)| *rolled)
            .find(|rolled| width % rolled == 0 && from % rolled == 0);
        let mut cut = from;
        if rolled && fitting.is_some() {
            // Up to the bucket in which something is unsealed everything is in the rollups.
            cut = staged
                .first()
                .map_or(to, |first| of(first.observed.as_millis()))
                .max(from);
            let mut wanted = fitting.unwrap_or(rollup::HOUR);
            if wanted == rollup::MINUTE && !self.has_minutes(point, from, cut)? {
                wanted = 0;
                cut = from;
            }
            if wanted > 0 {
                self.take_rollups(point, wanted, from, cut, &of, buckets)?;
            }
        }
        let unsummed = cut;
        if cut < raw_from.min(to) && rolled {
            // The samples are gone: the finest rollup that is left says what they were.
            let upto = raw_from.min(to);
            let width = if self.has_minutes(point, cut, upto)? {
                rollup::MINUTE
            } else {
                rollup::HOUR
            };
            self.take_rollups(point, width, cut, upto, &of, buckets)?;
            // What is left of the last one's samples is in it already.
            cut = upto.saturating_add(width - 1).div_euclid(width) * width;
        }
        let sealed = if cut < to {
            rollup::chunk_samples(&self.conn, point, cut, to)?
        } else {
            Vec::new()
        };
        let mut rest: Vec<StoredSample> = sealed;
        rest.extend(
            staged
                .into_iter()
                .filter(|sample| sample.observed.as_millis() >= unsummed),
        );
        rest.sort_by_key(|sample| sample.observed);
        for sample in &rest {
            let at = sample.observed.as_millis();
            let one = Stretch::of(at, sample.value.as_ref());
            let bucket = buckets.entry(of(at)).or_default();
            if at < raw_from && bucket.summary.samples > 0 {
                bucket.add_late(&one);
            } else {
                bucket.join(&one);
            }
        }
        Ok(())
    }

    fn take_rollups(
        &self,
        point: PointKey,
        width: i64,
        from: i64,
        to: i64,
        of: &dyn Fn(i64) -> i64,
        buckets: &mut BTreeMap<i64, Stretch>,
    ) -> Result<(), StoreError> {
        let doing = "read rollups";
        let sql = "SELECT data, id FROM rollup WHERE point = ?1 AND width = ?2 AND t0 < ?4 AND t1 >= ?3 ORDER BY t0";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let mut rows = query.query(params![point.0, width, from, to]).doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let stored = decoded(point, row)?;
            for (start, stretch) in stored {
                if (from..to).contains(&start) {
                    buckets.entry(of(start)).or_default().join(&stretch);
                }
            }
        }
        Ok(())
    }

    fn is_rolled(&self, point: PointKey) -> Result<bool, StoreError> {
        let sql = "SELECT rolled FROM series WHERE point = ?1";
        let rolled = self.first("read whether rollups are whole", sql, [point.0], |row| {
            Ok(row.get::<_, bool>(0)?)
        })?;
        Ok(rolled.unwrap_or(false))
    }

    /// Whether every day of the range that has anything has its minutes.
    fn has_minutes(&self, point: PointKey, from: i64, to: i64) -> Result<bool, StoreError> {
        let count = |sql| {
            self.first("look for minutes", sql, params![point.0, from, to], |row| {
                Ok(row.get::<_, i64>(0)?)
            })
        };
        let minutes =
            count("SELECT count(*) FROM rollup WHERE point = ?1 AND width = 60000 AND t0 < ?3 AND t1 >= ?2")?;
        if minutes.unwrap_or(0) == 0 {
            return Ok(false);
        }
        let mut days = 0;
        let all: BTreeMap<i64, Stretch> = {
            let mut all = BTreeMap::new();
            let start = from.div_euclid(rollup::DAY) * rollup::DAY;
            self.take_rollups(point, rollup::DAY, start, to, &|at| at, &mut all)?;
            all
        };
        days += all.len() as i64;
        Ok(minutes.unwrap_or(0) >= days)
    }

    /// The state that held at `from`, and since which sample.
    fn state_before(&self, point: PointKey, from: i64) -> Result<Option<(Edge, Timestamp)>, StoreError> {
        let last = self.last_before(point, Timestamp::from_millis(from))?;
        let held = match last {
            Some(sample) => Some((Edge::of(sample.value.as_ref()), sample.observed)),
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
                let mut ended = stored.iter().rev().map(|(_, stretch)| stretch);
                if let Some(last) = ended.find(|stretch| stretch.last_at < from) {
                    return Ok(Some((last.ends, Timestamp::from_millis(last.last_at))));
                }
            }
        }
        Ok(None)
    }

    /// Whether a point has a sample observed at or after a time.
    fn has_from(&self, point: PointKey, from: i64) -> Result<bool, StoreError> {
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

    /// The last sample of a point observed before a time, whether it was evaluated or not.
    pub fn last_before(
        &self,
        point: PointKey,
        before: Timestamp,
    ) -> Result<Option<StoredSample>, StoreError> {
        let doing = "look for the sample before";
        let sql = "SELECT t0, t1 FROM chunk WHERE point = ?1 AND t0 < ?2 ORDER BY t1 DESC LIMIT 1";
        let chunk: Option<(i64, i64)> =
            self.first(doing, sql, params![point.0, before.as_millis()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let mut last = match chunk {
            None => None,
            Some((t0, t1)) => {
                let to = before.as_millis().min(t1.saturating_add(1));
                rollup::chunk_samples(&self.conn, point, t0, to)?.pop()
            }
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
}

/// The sums of a row of (data, id); which row it was when they cannot be read.
fn decoded(point: PointKey, row: &Row<'_>) -> Result<Vec<(i64, Stretch)>, StoreError> {
    let doing = "read sums";
    let data = row.get_ref(0).doing(doing)?.as_blob().unwrap_or_default();
    stretches::decode(point, data)
        .map_err(|what| Damage::Rollup {
            point,
            rollup: row.get(1).unwrap_or_default(),
            what,
        })
        .doing(doing)
}
