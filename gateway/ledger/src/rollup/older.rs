//! Sums of samples that were sealed before there were sums: point by point, a portion of days in one transaction, so
//! that commits wait for no more than a portion.
//!
//! Where it has come is kept in memory alone. After a restart the point that was under way begins anew, which changes
//! nothing: nothing of it was let go yet, and a bucket is made from all its samples. Until its last portion the point is
//! answered from its samples.

use super::{DAY, chunk_samples};
use crate::error::{Doing, StoreError};
use crate::ledger::{Ledger, begin, end, roll_back};
use linli_domain::id::PointKey;
use rusqlite::{OptionalExtension, params};
use std::time::Instant;

const DOING: &str = "sum up older samples";

/// How far that has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Older {
    /// Another point may have none.
    #[default]
    NextPoint,
    /// Of this point everything before this day is summed up.
    Within(PointKey, i64),
    /// Every point has its sums.
    Done,
}

impl Ledger {
    /// Sums up portions until the deadline, at least one. Returns whether there are more.
    pub(crate) fn roll_up_older(&mut self, deadline: Instant) -> Result<bool, StoreError> {
        while self.older != Older::Done {
            self.older = self.roll_up_a_portion()?;
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(self.older != Older::Done)
    }

    fn roll_up_a_portion(&self) -> Result<Older, StoreError> {
        let (point, from) = match (self.older, self.point_without_sums()?) {
            (Older::Within(point, from), _) => (point, from),
            (Older::NextPoint, Some(point)) => (point, i64::MIN),
            (Older::NextPoint, None) | (Older::Done, _) => return Ok(Older::Done),
        };
        let of_transaction = |(doing, source)| StoreError::Sqlite { doing, source };
        begin(&self.conn).map_err(of_transaction)?;
        match self.roll_up_from(point, from) {
            Ok(next) => {
                end(&self.conn).map_err(of_transaction)?;
                Ok(next.map_or(Older::NextPoint, |from| Older::Within(point, from)))
            }
            Err(error) => {
                roll_back(&self.conn);
                Err(error)
            }
        }
    }

    fn point_without_sums(&self) -> Result<Option<PointKey>, StoreError> {
        self.conn
            .prepare_cached("SELECT point FROM series WHERE rolled = 0 LIMIT 1")
            .and_then(|mut query| query.query_row([], |row| row.get(0)).optional())
            .map(|point| point.map(PointKey))
            .doing(DOING)
    }

    /// One portion of a point, within an open transaction: from where the next one goes on, none after the last.
    fn roll_up_from(&self, point: PointKey, from: i64) -> Result<Option<i64>, StoreError> {
        let Some((from, to)) = self.portion_of_days(point, from)? else {
            let sql = "UPDATE series SET rolled = 1 WHERE point = ?1";
            self.conn.execute(sql, [point.0]).doing(DOING)?;
            return Ok(None);
        };
        let samples = chunk_samples(&self.conn, point, from, to)?;
        let times: Vec<i64> = samples.iter().map(|sample| sample.at).collect();
        self.roll_up(point, &times)?;
        Ok(Some(to))
    }

    /// The next days with samples, as many as a slice can take, at least one.
    fn portion_of_days(&self, point: PointKey, from: i64) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = "SELECT t0, t1, n FROM chunk WHERE point = ?1 AND t1 >= ?2 ORDER BY t0, id";
        let mut query = self.conn.prepare_cached(sql).doing(DOING)?;
        let mut rows = query.query(params![point.0, from]).doing(DOING)?;
        let day = |at: i64| at.div_euclid(DAY).saturating_mul(DAY);
        let mut days: Option<(i64, i64)> = None;
        let mut samples = 0;
        while let Some(row) = rows.next().doing(DOING)? {
            let (t0, t1, n): (i64, i64, i64) = (
                row.get(0).doing(DOING)?,
                row.get(1).doing(DOING)?,
                row.get(2).doing(DOING)?,
            );
            let (first, end) = days.unwrap_or_else(|| (day(t0).max(from), i64::MIN));
            samples += usize::try_from(n).unwrap_or_default();
            if days.is_some() && samples > self.portion() {
                return Ok(Some((first, day(t0).max(first.saturating_add(DAY)))));
            }
            days = Some((first, end.max(day(t1).saturating_add(DAY))));
        }
        Ok(days)
    }
}
