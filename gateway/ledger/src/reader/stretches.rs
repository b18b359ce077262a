//! A point over any time in buckets of one width: numbers summed up, states as durations and transitions.
//!
//! Whole minutes, hours and days come from the rollups; what is not sealed yet, and widths that fit no rollup, from
//! the samples. Where samples were let go already, the finest rollup that is left answers and the buckets are as wide
//! as it can say.

use super::Reader;
use super::fill::Asked;
use crate::codec::stretches;
use crate::error::{Damage, Doing, StoreError};
use crate::stretch::{Edge, Stretch};
use linli_domain::id::PointKey;
use linli_domain::time::Timestamp;
use rusqlite::Row;
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
            let buckets = if span > 0 {
                self.fill(point, Asked { from, to, width })?
            } else {
                BTreeMap::new()
            };
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
}

/// The sums of a row of (data, id); which row it was when they cannot be read.
pub(super) fn decoded(point: PointKey, row: &Row<'_>) -> Result<Vec<(i64, Stretch)>, StoreError> {
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
