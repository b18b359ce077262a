//! Rollups: what samples come to per minute, hour and day, kept beside the chunks and exact under late data.
//!
//! Whenever a point is sealed, the buckets its new samples fall into are made anew from its chunks, in the same
//! transaction. Where samples of a bucket were let go already, what follows joins it, and late ones are added to count,
//! extremes and sum; durations and transitions stay as they are then. Minutes are kept of days on which a point spoke
//! more than twice a minute, hours of days on which it spoke more than twelve times an hour: for any other day they
//! would take about as much room as its samples. Its hours are made when its samples go ([`Ledger::keep_hours`]).

mod older;

pub(crate) use older::Older;

use crate::codec::seen::{self, Look};
use crate::codec::stretches;
use crate::error::{Damage, Doing, StoreError};
use crate::ledger::Ledger;
use crate::stretch::Stretch;
use linli_domain::id::PointKey;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// A minute in milliseconds.
pub const MINUTE: i64 = 60_000;
/// An hour.
pub const HOUR: i64 = 3_600_000;
/// A day, by UTC.
pub const DAY: i64 = 86_400_000;

/// The widths, and what one row of each spans: a day of minutes, 32 days of hours, 512 days of days.
pub(crate) const WIDTHS: [(i64, i64); 3] = [(MINUTE, DAY), (HOUR, 32 * DAY), (DAY, 512 * DAY)];

/// Samples that a day must have more of for its sums of this width to be kept.
fn least(width: i64) -> Option<u64> {
    match width {
        MINUTE => Some(2 * 1_440),
        HOUR => Some(12 * 24),
        _ => None,
    }
}

impl Ledger {
    /// Makes the buckets anew that samples at these observed times fall into; within an open transaction.
    pub(crate) fn roll_up(&self, point: PointKey, observed: &[i64]) -> Result<(), StoreError> {
        let raw_from = raw_from(&self.conn, point)?;
        let days: BTreeSet<i64> = observed.iter().map(|at| at.div_euclid(DAY)).collect();
        // Neighbouring days are read in one go.
        let mut run: Option<(i64, i64)> = None;
        for day in days {
            match run {
                Some((from, to)) if day == to => run = Some((from, day + 1)),
                other => {
                    if let Some((from, to)) = other {
                        self.roll_days(point, from, to, raw_from, observed)?;
                    }
                    run = Some((day, day + 1));
                }
            }
        }
        match run {
            Some((from, to)) => self.roll_days(point, from, to, raw_from, observed),
            None => Ok(()),
        }
    }

    fn roll_days(
        &self,
        point: PointKey,
        from: i64,
        to: i64,
        raw_from: i64,
        observed: &[i64],
    ) -> Result<(), StoreError> {
        let samples = chunk_samples(&self.conn, point, from * DAY, to * DAY)?;
        let mut folded: [BTreeMap<i64, Folded>; 3] = Default::default();
        for (sample, fresh) in samples.iter().zip(which_are_new(&samples, observed)) {
            let at = sample.at;
            let one = sample.stretch();
            for (n, (width, _)) in WIDTHS.iter().enumerate() {
                folded[n]
                    .entry(at.div_euclid(*width) * width)
                    .or_default()
                    .add(&one, fresh, raw_from);
            }
        }
        let touched = |start: i64, width: i64| {
            let first = observed.partition_point(|at| *at < start);
            observed.get(first).is_some_and(|at| *at < start + width)
        };
        let days: BTreeMap<i64, u64> = folded[2]
            .iter()
            .map(|(day, sums)| (*day, sums.all.summary.samples))
            .collect();
        for (n, (width, span)) in WIDTHS.iter().enumerate() {
            let dense = |start: i64| {
                let said = days.get(&(start.div_euclid(DAY) * DAY)).copied().unwrap_or(0);
                least(*width).is_none_or(|least| said > least)
            };
            let changed: Vec<(i64, Folded)> = std::mem::take(&mut folded[n])
                .into_iter()
                // A day that has just become dense gets all its sums.
                .filter(|(start, _)| touched(*start, *width) || *width != DAY && *start >= raw_from)
                .map(|(start, mut folded)| {
                    folded.is_kept = dense(start) || *width == HOUR && start < raw_from;
                    (start, folded)
                })
                .collect();
            for row in changed.chunk_by(|a, b| a.0.div_euclid(*span) == b.0.div_euclid(*span)) {
                self.put_buckets(point, *width, *span, row, raw_from)?;
            }
        }
        Ok(())
    }

    /// Stores buckets; those that are not to be kept only where they are there already.
    fn put_buckets(
        &self,
        point: PointKey,
        width: i64,
        span: i64,
        changed: &[(i64, Folded)],
        raw_from: i64,
    ) -> Result<(), StoreError> {
        let Some((first, _)) = changed.first() else {
            return Ok(());
        };
        let t0 = first.div_euclid(span) * span;
        let mut buckets = row_of(&self.conn, point, width, t0)?.unwrap_or_default();
        let mut put = false;
        for (start, folded) in changed {
            match buckets.binary_search_by_key(start, |(known, _)| *known) {
                // What is left of the samples is not the whole bucket any more.
                Ok(n) if *start < raw_from => folded.add_to(&mut buckets[n].1),
                Ok(n) => buckets[n].1 = folded.all,
                Err(n) if folded.is_kept => buckets.insert(n, (*start, folded.all)),
                Err(_) => continue,
            }
            put = true;
        }
        if put {
            put_row(&self.conn, point, width, t0, &buckets)?;
        }
        Ok(())
    }

    /// Makes the hours of samples observed up to `upto` that have none, before those samples are let go; within an open
    /// transaction.
    pub(crate) fn keep_hours(&self, point: PointKey, upto: i64) -> Result<(), StoreError> {
        let from = raw_from(&self.conn, point)?;
        let day = |at: i64| at.div_euclid(DAY).saturating_mul(DAY);
        let to = upto.div_euclid(HOUR).saturating_add(1).saturating_mul(HOUR);
        let days = counted(&self.conn, point, DAY, day(from), to)?;
        if days == counted(&self.conn, point, HOUR, day(from), day(to).saturating_add(DAY))? {
            return Ok(());
        }
        let mut hours: BTreeMap<i64, Stretch> = BTreeMap::new();
        for sample in chunk_samples(&self.conn, point, from, to)? {
            hours
                .entry(sample.at.div_euclid(HOUR) * HOUR)
                .or_default()
                .join(&sample.stretch());
        }
        let hours: Vec<(i64, Stretch)> = hours.into_iter().collect();
        let span = 32 * DAY;
        for row in hours.chunk_by(|a, b| a.0.div_euclid(span) == b.0.div_euclid(span)) {
            let t0 = row[0].0.div_euclid(span) * span;
            let mut buckets = row_of(&self.conn, point, HOUR, t0)?.unwrap_or_default();
            let known = buckets.len();
            for (start, stretch) in row {
                if let Err(n) = buckets.binary_search_by_key(start, |(known, _)| *known) {
                    buckets.insert(n, (*start, *stretch));
                }
            }
            if buckets.len() > known {
                put_row(&self.conn, point, HOUR, t0, &buckets)?;
            }
        }
        Ok(())
    }
}

/// The samples of a bucket that are in chunks, and those of them that are new.
#[derive(Debug, Default)]
struct Folded {
    all: Stretch,
    new: Stretch,
    /// Some of the new ones lie before samples that were there, or before what was let go.
    late: bool,
    /// Whether it is worth its room.
    is_kept: bool,
}

impl Folded {
    /// In order of time.
    fn add(&mut self, one: &Stretch, new: bool, raw_from: i64) {
        self.all.join(one);
        if new {
            self.late |= one.first_at < raw_from;
            self.new.join(one);
        } else {
            self.late |= self.new.summary.samples > 0;
        }
    }

    /// Adds the new ones to a bucket of which some samples were let go.
    fn add_to(&self, bucket: &mut Stretch) {
        if self.late {
            bucket.add_late(&self.new);
        } else {
            bucket.join(&self.new);
        }
    }
}

/// Which samples are new, given the times of those that are: the last ones of a time.
fn which_are_new(samples: &[Look], observed: &[i64]) -> Vec<bool> {
    let mut new = vec![false; samples.len()];
    let mut end = samples.len();
    for same in samples.chunk_by(|a, b| a.at == b.at).rev() {
        let at = same[0].at;
        let count =
            observed.partition_point(|time| *time <= at) - observed.partition_point(|time| *time < at);
        new[end - count.min(same.len())..end].fill(true);
        end -= same.len();
    }
    new
}

/// Samples of a point in chunks with `from <= observed < to`, in order, as sums see them.
fn chunk_samples(conn: &Connection, point: PointKey, from: i64, to: i64) -> Result<Vec<Look>, StoreError> {
    let doing = "read the chunks of a point";
    let sql = "SELECT id, data FROM chunk WHERE point = ?1 AND t0 < ?3 AND t1 >= ?2 ORDER BY t0, id";
    let mut query = conn.prepare_cached(sql).doing(doing)?;
    let mut rows = query.query(params![point.0, from, to]).doing(doing)?;
    let mut found: Vec<(i64, Look)> = Vec::new();
    while let Some(row) = rows.next().doing(doing)? {
        let chunk = row.get(0).doing(doing)?;
        let data = row.get_ref(1).doing(doing)?.as_blob().unwrap_or_default();
        let seen = seen::decode(point, data)
            .map_err(|what| Damage::Chunk { point, chunk, what })
            .doing(doing)?;
        let within = seen.looks().filter(|look| (from..to).contains(&look.at));
        found.extend(within.map(|look| (chunk, look)));
    }
    found.sort_by_key(|(chunk, look)| (look.at, *chunk));
    Ok(found.into_iter().map(|(_, look)| look).collect())
}

/// Samples counted in the sums of one width that begin in a range.
fn counted(conn: &Connection, point: PointKey, width: i64, from: i64, to: i64) -> Result<u64, StoreError> {
    let doing = "count what is summed up";
    let sql = "SELECT t0 FROM rollup WHERE point = ?1 AND width = ?2 AND t0 < ?4 AND t1 >= ?3";
    let mut query = conn.prepare_cached(sql).doing(doing)?;
    let rows = query
        .query_map(params![point.0, width, from, to], |row| row.get(0))
        .doing(doing)?;
    let mut samples = 0;
    for t0 in rows {
        let buckets = row_of(conn, point, width, t0.doing(doing)?)?.unwrap_or_default();
        let within = buckets.iter().filter(|(at, _)| (from..to).contains(at));
        samples += within.map(|(_, sums)| sums.summary.samples).sum::<u64>();
    }
    Ok(samples)
}

/// The buckets of one row.
pub(crate) fn row_of(
    conn: &Connection,
    point: PointKey,
    width: i64,
    t0: i64,
) -> Result<Option<Vec<(i64, Stretch)>>, StoreError> {
    let doing = "read rollups";
    conn.prepare_cached("SELECT data, id FROM rollup WHERE point = ?1 AND width = ?2 AND t0 = ?3")
        .and_then(|mut query| {
            query
                .query_row(params![point.0, width, t0], |row| {
                    let data = row.get_ref(0)?.as_blob().unwrap_or_default();
                    let rollup = row.get(1)?;
                    Ok(stretches::decode(point, data).map_err(|what| Damage::Rollup { point, rollup, what }))
                })
                .optional()
        })
        .doing(doing)?
        .transpose()
        .doing(doing)
}

/// Whether a row of sums can be read and is what the columns beside it say.
pub(crate) fn whole_row(row: &Row<'_>) -> rusqlite::Result<Result<(), Damage>> {
    let (rollup, point) = (row.get(0)?, PointKey(row.get(1)?));
    let (width, t0, t1, n): (i64, i64, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
    let data = row.get_ref(6)?.as_blob().unwrap_or_default();
    let span = WIDTHS
        .iter()
        .find(|(known, _)| *known == width)
        .map(|(_, span)| *span);
    let what = match (stretches::decode(point, data), span) {
        (Err(what), _) => what,
        (Ok(_), None) => "its width is none of those there are",
        (Ok(buckets), Some(span)) => {
            let ends = buckets.first().zip(buckets.last());
            let fits =
                ends.is_some_and(|(first, last)| first.0.div_euclid(span) * span == t0 && last.0 == t1);
            if fits && buckets.len() as i64 == n {
                return Ok(Ok(()));
            }
            "what stands beside it is not what is in it"
        }
    };
    Ok(Err(Damage::Rollup { point, rollup, what }))
}

/// The columns [`whole_row`] wants, in its order.
pub(crate) const ROW: &str = "SELECT id, point, width, t0, t1, n, data FROM rollup";

/// Puts a row of sums together from the samples that are left; within an open transaction.
pub(crate) fn remake_row(conn: &Connection, point: PointKey, width: i64, t0: i64) -> Result<(), StoreError> {
    let Some((_, span)) = WIDTHS.iter().find(|(known, _)| *known == width) else {
        return Ok(());
    };
    let mut buckets: BTreeMap<i64, Stretch> = BTreeMap::new();
    for sample in chunk_samples(conn, point, t0, t0.saturating_add(*span))? {
        buckets
            .entry(sample.at.div_euclid(width) * width)
            .or_default()
            .join(&sample.stretch());
    }
    let buckets: Vec<(i64, Stretch)> = buckets.into_iter().collect();
    put_row(conn, point, width, t0, &buckets)
}

/// Stores a row of sums in place of the one before; without buckets there is none.
fn put_row(
    conn: &Connection,
    point: PointKey,
    width: i64,
    t0: i64,
    buckets: &[(i64, Stretch)],
) -> Result<(), StoreError> {
    let doing = "store rollups";
    let Some((t1, _)) = buckets.last() else {
        return Ok(());
    };
    let data = stretches::encode(point, buckets)
        .map_err(|_| Damage::Row {
            table: "rollup",
            what: "its sums cannot be compressed",
        })
        .doing(doing)?;
    conn.prepare_cached(
        "INSERT INTO rollup (point, width, t0, t1, n, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (point, width, t0) DO UPDATE SET t1 = ?4, n = ?5, data = ?6",
    )
    .and_then(|mut put| put.execute(params![point.0, width, t0, t1, buckets.len() as i64, data]))
    .map(drop)
    .doing(doing)
}

/// The time before which samples of a point may have been let go.
pub(crate) fn raw_from(conn: &Connection, point: PointKey) -> Result<i64, StoreError> {
    conn.prepare_cached("SELECT raw_from FROM series WHERE point = ?1")
        .and_then(|mut query| {
            query
                .query_row([point.0], |row| row.get::<_, Option<i64>>(0))
                .optional()
        })
        .doing("read how far back samples are kept")
        .map(|found| found.flatten().unwrap_or(i64::MIN))
}
