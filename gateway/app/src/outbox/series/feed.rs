//! What comes next for a target: lines out of the log of commits, or out of the samples of a point.
//!
//! Every read is short and bounded; a commit is given whole, because a place lies between two commits.

use super::line::{self, Head};
use linli_domain::estate::Estate;
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::Timestamp;
use linli_ledger::{Entry, PointRow, Reader, SampleCursor, StoreError};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Lines of one request at most; more are sent in several, and fewer to a target that is slow.
pub(super) const BATCH: usize = 2_000;

/// Lines for a target.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Each ends with a line break.
    pub(super) bytes: Vec<u8>,
    /// Where each begins.
    pub(super) starts: Vec<usize>,
    /// The last commit that is in them whole.
    pub(super) upto: u64,
    /// When the last one that says so was made, milliseconds; 0 when none does.
    pub(super) at: i64,
}

impl Lines {
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The lines `from..to`.
    pub(super) fn slice(&self, from: usize, to: usize) -> &[u8] {
        let start = self.starts.get(from).copied().unwrap_or(self.bytes.len());
        let end = self.starts.get(to).copied().unwrap_or(self.bytes.len());
        &self.bytes[start..end]
    }
}

/// Heads of the lines of every point, made once per estate.
#[derive(Default)]
pub(super) struct Heads {
    estate: Option<Arc<Estate>>,
    points: HashMap<PointKey, Option<(PointRow, Head)>>,
}

impl Heads {
    /// Notices an edited estate: points may watch other assets now.
    pub(super) fn under(&mut self, estate: &Arc<Estate>) {
        if self
            .estate
            .as_ref()
            .is_none_or(|known| !Arc::ptr_eq(known, estate))
        {
            self.estate = Some(Arc::clone(estate));
            self.points.clear();
        }
    }

    /// Learns the points that are in the ledger.
    pub(super) fn learn(&mut self, rows: Vec<PointRow>) {
        let Some(estate) = &self.estate else { return };
        for row in rows {
            let head = Head::new(&row, estate);
            self.points.insert(row.key, Some((row, head)));
        }
    }

    fn knows(&self, point: PointKey) -> bool {
        self.points.contains_key(&point)
    }

    pub(super) fn head(&self, point: PointKey) -> Option<&Head> {
        self.points.get(&point)?.as_ref().map(|(_, head)| head)
    }

    /// Every point after `done`, by key.
    pub(super) fn after(&self, done: u32) -> Option<PointKey> {
        self.points.keys().copied().filter(|key| key.0 > done).min()
    }
}

/// Lines of the commits after `after`, up to `upto`, at least one commit and about `most` lines; `None` when some of
/// these commits are gone from the log.
pub(super) fn commits(
    reader: &Reader,
    heads: &mut Heads,
    (after, upto): (u64, u64),
    most: usize,
) -> Result<Option<Lines>, StoreError> {
    // A point is stored with the commit of its first reading or before, so one look is enough.
    let unknown = std::cell::Cell::new(false);
    let mut lines = walk(reader, heads, (after, upto), most, &unknown)?;
    if unknown.get() {
        heads.learn(reader.points()?);
        lines = walk(reader, heads, (after, upto), most, &unknown)?;
    }
    // Looked at last: the log goes from its beginning, so nothing was missing while it was walked over.
    let whole = reader
        .oldest_logged()?
        .is_some_and(|oldest| oldest.0 <= after + 1);
    Ok(whole.then_some(lines))
}

fn walk(
    reader: &Reader,
    heads: &Heads,
    (after, upto): (u64, u64),
    most: usize,
    unknown: &std::cell::Cell<bool>,
) -> Result<Lines, StoreError> {
    let mut lines = Lines {
        upto: after,
        ..Lines::default()
    };
    let (mut current, mut at, mut is_full) = (after, 0, false);
    reader.replay(CommitId(after), &mut |commit, entry| {
        is_full = commit.0 != current && lines.len() >= most;
        if commit.0 > upto || is_full {
            return ControlFlow::Break(());
        }
        current = commit.0;
        lines.upto = current;
        match entry {
            Entry::Now(now) => at = now.wall.as_millis(),
            Entry::Reading { reading, .. } => match heads.head(reading.point) {
                Some(head) => {
                    lines.starts.push(lines.bytes.len());
                    let value = reading.value.as_ref();
                    line::put(&mut lines.bytes, head, reading.observed, value, reading.quality);
                }
                None => unknown.set(unknown.get() || !heads.knows(reading.point)),
            },
            Entry::Input(_) => {}
        }
        lines.at = at;
        ControlFlow::Continue(())
    })?;
    if !is_full {
        // The last commits may hold nothing that is in the log: places of forwarders, parked lines.
        lines.upto = upto;
    }
    Ok(lines)
}

/// Lines of a point observed in a range, going on after `cursor`.
pub(super) fn samples(
    reader: &Reader,
    heads: &Heads,
    point: PointKey,
    (from, to): (i64, i64),
    cursor: Option<SampleCursor>,
) -> Result<(Lines, Option<SampleCursor>), StoreError> {
    let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
    let page = reader.samples(point, from, to, BATCH, cursor)?;
    let mut lines = Lines::default();
    if let Some(head) = heads.head(point) {
        for sample in &page.samples {
            lines.starts.push(lines.bytes.len());
            line::put(
                &mut lines.bytes,
                head,
                sample.observed,
                sample.value.as_ref(),
                sample.quality,
            );
        }
    }
    Ok((lines, page.next))
}
