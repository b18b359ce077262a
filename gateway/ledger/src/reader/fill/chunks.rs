//! What the samples of chunks add to buckets.
//!
//! Samples count in order of (observed, commit), and chunks may overlap: late data, a clock that ran ahead. As long as
//! nothing else can lie between the samples of a chunk they are taken in slices, a bucket at a time; the others are held
//! one by one until nothing can come before them.

use super::{Filling, Key, Reader};
use crate::codec::seen::{Look, Seen};
use crate::codec::walk::Walk;
use crate::error::{Damage, Doing, StoreError};
use crate::rollup::DAY;
use crate::stretch::Stretch;
use linli_domain::id::PointKey;
use rusqlite::params;

/// Samples in order of time and, of equal times, of the chunks they lie in.
#[derive(Debug, Default)]
pub(super) struct Held {
    looks: Vec<(i64, Look)>,
    is_sorted: bool,
}

impl Held {
    pub(super) fn push(&mut self, chunk: i64, look: Look) {
        self.looks.push((chunk, look));
        self.is_sorted = false;
    }

    /// When they were observed, in no order.
    pub(super) fn times(&self) -> impl Iterator<Item = i64> + '_ {
        self.looks.iter().map(|(_, look)| look.at)
    }

    /// When the first was observed.
    fn first(&mut self) -> Option<i64> {
        self.sort();
        self.looks.first().map(|(_, look)| look.at)
    }

    /// Takes out what was observed before a time, in order.
    fn before(&mut self, time: i64) -> Vec<Look> {
        self.sort();
        let settled = self.looks.partition_point(|(_, look)| look.at < time);
        self.looks.drain(..settled).map(|(_, look)| look).collect()
    }

    fn sort(&mut self) {
        if !self.is_sorted {
            self.looks.sort_by_key(|(chunk, look)| (look.at, *chunk));
            self.is_sorted = true;
        }
    }
}

impl Reader {
    /// Takes the samples of what is left open out of the chunks that reach into it.
    pub(super) fn take_chunks(&self, point: PointKey, filling: &mut Filling) -> Result<(), StoreError> {
        let doing = "read the chunks of a point";
        let ranges = filling.ranges();
        let Some((from, to)) = ranges.first().zip(ranges.last()).map(|(a, b)| (a.0, b.1)) else {
            return Ok(());
        };
        let sql =
            "SELECT id, t0, t1, data FROM chunk WHERE point = ?1 AND t0 < ?3 AND t1 >= ?2 ORDER BY t0, id";
        let mut query = self.conn.prepare_cached(sql).doing(doing)?;
        let mut rows = query.query(params![point.0, from, to]).doing(doing)?;
        // A chunk is taken when it is known where the next one begins; none that follows begins earlier.
        let (mut seen, mut unpacked) = (Seen::default(), None);
        loop {
            let row = rows.next().doing(doing)?;
            let begins = row.map_or(Ok(i64::MAX), |row| row.get(1)).doing(doing)?;
            if let Some(chunk) = unpacked.take() {
                let singly = filling.take_chunk(&ranges, chunk, seen.walk(), begins);
                self.taken_singly(singly);
            }
            let Some(row) = row else {
                return Ok(());
            };
            let (chunk, t1): (i64, i64) = (row.get(0).doing(doing)?, row.get(2).doing(doing)?);
            let next = ranges.partition_point(|(_, to)| *to <= begins);
            if ranges.get(next).is_none_or(|(from, _)| *from > t1) {
                continue;
            }
            let data = row.get_ref(3).doing(doing)?.as_blob().unwrap_or_default();
            seen.unpack(point, data)
                .map_err(|what| Damage::Chunk { point, chunk, what })
                .doing(doing)?;
            self.unpacked(seen.len());
            unpacked = Some(chunk);
        }
    }
}

impl Filling {
    /// Takes what lies in the ranges out of a chunk; no other that is still to come holds anything before `begins`.
    /// Returns how many samples had to be held one by one.
    fn take_chunk(&mut self, ranges: &[(i64, i64)], chunk: i64, mut walk: Walk<'_>, begins: i64) -> usize {
        let Some(first) = walk.at() else {
            return 0;
        };
        self.settle(first);
        let free = match self.held.first() {
            // Where only sums are left each late sample counts for itself.
            _ if first < self.summed_to => i64::MIN,
            Some(held) => held.min(begins),
            None => begins,
        };
        let mut singly = 0;
        let next = ranges.partition_point(|(_, to)| *to <= first);
        for (from, to) in &ranges[next..] {
            walk.pass(walk.before(*from));
            self.take_slices(&mut walk, free.min(*to));
            let mut count = walk.before(*to);
            singly += count;
            while let Some((times, alike)) = walk.next(count) {
                count -= times.len();
                alike.looks(times).for_each(|look| self.held.push(chunk, look));
            }
        }
        singly
    }

    /// Takes the samples before a time, between which nothing else lies.
    fn take_slices(&mut self, walk: &mut Walk<'_>, to: i64) {
        while let Some(at) = walk.at().filter(|at| *at < to) {
            let (bucket, day) = (self.asked.bucket(at), at.div_euclid(DAY));
            let day_ends = (day + 1).saturating_mul(DAY);
            let mut count = walk.before(bucket.saturating_add(self.asked.width).min(day_ends).min(to));
            let part = self.part((bucket, day, true));
            while let Some((times, alike)) = walk.next(count) {
                count -= times.len();
                part.extend(times, alike);
            }
            if count > 0 {
                return;
            }
        }
    }

    /// Takes in what was observed before a time and cannot be overtaken any more.
    pub(super) fn settle(&mut self, before: i64) {
        for look in self.held.before(before) {
            let (one, bucket) = (look.stretch(), self.asked.bucket(look.at));
            if look.at < self.summed_to {
                self.late.push((bucket, one));
            } else {
                self.part((bucket, look.at.div_euclid(DAY), true)).join(&one);
            }
        }
    }

    /// The part that the next sample belongs to; the one before it is done when it is another.
    pub(super) fn part(&mut self, key: Key) -> &mut Stretch {
        if self.run.0 != key {
            let (known, done) = std::mem::replace(&mut self.run, (key, Stretch::default()));
            if done.summary.samples > 0 {
                self.parts.insert(known, done);
            }
        }
        &mut self.run.1
    }
}
