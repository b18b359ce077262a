//! Which sums and which samples answer for buckets, and what they come to together.
//!
//! Sums of a day are taken when they count as many samples as the day does; a day without them, the part that is not
//! sealed and widths that fit no sums are answered by the samples. No chunk is unpacked for a day that sums answer.

mod chunks;

use super::Reader;
use super::stretches::decoded;
use crate::codec::seen::Look;
use crate::error::{Doing, StoreError};
use crate::rollup::{self, DAY, HOUR, MINUTE, WIDTHS};
use crate::stretch::Stretch;
use chunks::Held;
use linli_domain::id::PointKey;
use linli_domain::time::Timestamp;
use rusqlite::params;
use std::collections::{BTreeMap, BTreeSet};

/// Buckets of `width` that begin at `from`; all milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) width: i64,
}

impl Asked {
    fn bucket(self, at: i64) -> i64 {
        self.from + (at - self.from).div_euclid(self.width) * self.width
    }

    fn holds(self, at: i64) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// The widest sums whose buckets fall whole into ours.
    fn fitting(self) -> Option<i64> {
        let widths = WIDTHS.iter().rev().map(|(width, _)| *width);
        widths
            .into_iter()
            .find(|width| self.width % width == 0 && self.from % width == 0)
    }
}

/// What a part of a bucket is of: its bucket, its day, and whether samples make it or sums.
type Key = (i64, i64, bool);

/// Buckets being filled.
struct Filling {
    asked: Asked,
    /// Samples before it may have been let go.
    raw_from: i64,
    /// What was observed before it is in sums that were taken, as far as it is sealed.
    summed_to: i64,
    /// Buckets in which something is not sealed yet: samples come in between, so sums cannot answer for them.
    unsealed: BTreeSet<i64>,
    /// What a bucket is made of, in the order in which it is joined: by day, sums before samples.
    parts: BTreeMap<Key, Stretch>,
    /// Ranges of time that are left to the samples.
    open: Vec<(i64, i64)>,
    /// Samples that were observed where only sums are left.
    late: Vec<(i64, Stretch)>,
    /// The part that the newest settled sample belongs to.
    run: (Key, Stretch),
    /// Samples that others may come before: their chunks overlap, or they are not sealed.
    held: Held,
}

impl Reader {
    /// What is in each bucket; empty ones are left out.
    pub(super) fn fill(&self, point: PointKey, asked: Asked) -> Result<BTreeMap<i64, Stretch>, StoreError> {
        let raw_from = rollup::raw_from(&self.conn, point)?;
        let mut held = Held::default();
        let (from, to) = (
            Timestamp::from_millis(asked.from),
            Timestamp::from_millis(asked.to),
        );
        self.staged(point, from, to, &mut |_, reading, _| {
            let look = Look::of(reading.observed.as_millis(), reading.value.as_ref());
            held.push(i64::MAX, look);
        })?;
        let fresh = held.times().filter(|at| *at >= raw_from);
        let mut filling = Filling {
            asked,
            raw_from,
            summed_to: raw_from,
            unsealed: fresh.map(|at| asked.bucket(at)).collect(),
            parts: BTreeMap::new(),
            open: Vec::new(),
            late: Vec::new(),
            run: Default::default(),
            held,
        };
        if self.is_rolled(point)? {
            self.take_sums(point, &mut filling)?;
        } else {
            filling.open.push((asked.from, asked.to));
        }
        self.take_chunks(point, &mut filling)?;
        filling.settle(i64::MAX);
        Ok(filling.whole())
    }

    fn take_sums(&self, point: PointKey, filling: &mut Filling) -> Result<(), StoreError> {
        let Asked { from, to, .. } = filling.asked;
        let fitting = filling.asked.fitting();
        let behind = filling.raw_from > from;
        let hopeless = match fitting {
            None => true,
            Some(MINUTE) => !self.has_sums(point, MINUTE, from, to)?,
            Some(_) => false,
        };
        if hopeless && !behind {
            filling.open.push((from, to));
            return Ok(());
        }
        let mut hours = Row::of(point, HOUR);
        let mut minutes = Row::of(point, MINUTE);
        for (day, whole) in self.sums(point, DAY, from, to)? {
            let gone = day < filling.raw_from;
            let usable = |width: i64| {
                if gone {
                    fitting.is_none_or(|fitting| width >= fitting)
                } else {
                    fitting == Some(width)
                }
            };
            let mut taken = false;
            for (width, _) in WIDTHS.iter().filter(|(width, _)| usable(*width)) {
                let sums: &[(i64, Stretch)] = match *width {
                    MINUTE => minutes.day(self, day)?,
                    HOUR => hours.day(self, day)?,
                    _ => &[(day, whole)],
                };
                let counted: u64 = sums.iter().map(|(_, sum)| sum.summary.samples).sum();
                let complete = counted == whole.summary.samples;
                // Hours of a day are made as its samples go; the rest of the day still has its own.
                let begun = *width == HOUR && sums.first().is_some_and(|(at, _)| *at < filling.raw_from);
                taken = complete || begun && filling.raw_from < day.saturating_add(DAY);
                if taken {
                    filling.take_day(day, *width, fitting == Some(*width) && complete, sums);
                    break;
                }
            }
            if !taken {
                filling.leave(day, day.saturating_add(DAY));
            }
        }
        let unsealed: Vec<i64> = filling.unsealed.iter().copied().collect();
        for bucket in unsealed {
            filling.leave(bucket, bucket.saturating_add(filling.asked.width));
        }
        Ok(())
    }

    /// Sums of one width whose buckets reach into the range, in order.
    fn sums(
        &self,
        point: PointKey,
        width: i64,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, Stretch)>, StoreError> {
        let doing = "read rollups";
        let first = from.div_euclid(width).saturating_mul(width);
        let sql = "SELECT data, id FROM rollup WHERE point = ?1 AND width = ?2 AND t0 < ?4 AND t1 >= ?3 ORDER BY t0";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let mut rows = query.query(params![point.0, width, first, to]).doing(doing)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().doing(doing)? {
            let stored = decoded(point, row)?;
            self.unpacked_sums();
            found.extend(stored.into_iter().filter(|(at, _)| (first..to).contains(at)));
        }
        Ok(found)
    }

    /// Whether there are sums of this width in the range.
    fn has_sums(&self, point: PointKey, width: i64, from: i64, to: i64) -> Result<bool, StoreError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM rollup WHERE point = ?1 AND width = ?2 AND t0 < ?4 AND t1 >= ?3)";
        let found = self.first("look for sums", sql, params![point.0, width, from, to], |row| {
            Ok(row.get::<_, bool>(0)?)
        })?;
        Ok(found.unwrap_or(false))
    }

    fn is_rolled(&self, point: PointKey) -> Result<bool, StoreError> {
        let sql = "SELECT rolled FROM series WHERE point = ?1";
        let rolled = self.first("read whether rollups are whole", sql, [point.0], |row| {
            Ok(row.get::<_, bool>(0)?)
        })?;
        Ok(rolled.unwrap_or(false))
    }
}

/// The row of sums that was read last: it holds a day of minutes, or many days of hours.
struct Row {
    point: PointKey,
    width: i64,
    t0: Option<i64>,
    sums: Vec<(i64, Stretch)>,
}

impl Row {
    fn of(point: PointKey, width: i64) -> Self {
        Self {
            point,
            width,
            t0: None,
            sums: Vec::new(),
        }
    }

    /// The sums of one day.
    fn day(&mut self, reader: &Reader, day: i64) -> Result<&[(i64, Stretch)], StoreError> {
        let span = WIDTHS
            .iter()
            .find(|(width, _)| *width == self.width)
            .map_or(DAY, |(_, span)| *span);
        let t0 = day.div_euclid(span).saturating_mul(span);
        if self.t0 != Some(t0) {
            self.t0 = Some(t0);
            self.sums = rollup::row_of(&reader.conn, self.point, self.width, t0)?.unwrap_or_default();
            reader.unpacked_sums();
        }
        let first = self.sums.partition_point(|(at, _)| *at < day);
        let end = self.sums.partition_point(|(at, _)| *at < day.saturating_add(DAY));
        Ok(&self.sums[first..end])
    }
}

impl Filling {
    /// Takes the sums of a day. Those of samples that went answer as they are; the others when they `fit` whole into
    /// our buckets, and what they do not answer is left to the samples.
    fn take_day(&mut self, day: i64, width: i64, fit: bool, sums: &[(i64, Stretch)]) {
        let (asked, end) = (self.asked, day.saturating_add(DAY));
        let whole = asked.to.div_euclid(width).saturating_mul(width);
        for (at, sum) in sums.iter().filter(|(at, _)| asked.holds(*at)) {
            let bucket = asked.bucket(*at);
            if *at < self.raw_from || fit && *at < whole && !self.unsealed.contains(&bucket) {
                self.parts.entry((bucket, day, false)).or_default().join(sum);
            }
        }
        if day < self.raw_from && self.raw_from < end {
            let up = self.raw_from.saturating_add(width - 1).div_euclid(width);
            self.summed_to = up.saturating_mul(width);
        }
        if fit {
            self.leave(day.max(whole), end);
        } else {
            self.leave(day, end);
        }
    }

    /// Leaves a range to the samples, as far as it was asked for and nothing of it is in sums.
    fn leave(&mut self, from: i64, to: i64) {
        let from = from.max(self.asked.from).max(self.summed_to);
        let to = to.min(self.asked.to);
        if from < to {
            self.open.push((from, to));
        }
    }

    /// What is left to the samples, in order and disjoint.
    fn ranges(&mut self) -> Vec<(i64, i64)> {
        self.open.sort_unstable();
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for (from, to) in std::mem::take(&mut self.open) {
            match ranges.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => ranges.push((from, to)),
            }
        }
        ranges
    }

    /// The buckets, once everything is settled.
    fn whole(mut self) -> BTreeMap<i64, Stretch> {
        // What samples belong to is never of this key, so the last part is done too.
        self.part(Key::default());
        let mut buckets: BTreeMap<i64, Stretch> = BTreeMap::new();
        for ((bucket, ..), part) in &self.parts {
            buckets.entry(*bucket).or_default().join(part);
        }
        for (bucket, one) in self.late {
            let known = buckets.entry(bucket).or_default();
            // What follows everything else is no latecomer, as the sealer sees it too.
            let follows = one.first_at >= self.raw_from.max(known.last_at);
            if known.summary.samples == 0 || follows {
                known.join(&one);
            } else {
                known.add_late(&one);
            }
        }
        buckets
    }
}
