//! Recorded readings in the order in which they were received, window by window, so that months fit in a little memory.
//!
//! A thread of its own reads and sorts the next window while this one is worked on. What was received in a later window
//! than it was observed in waits for that window.

use super::BacktestError;
use linli_domain::id::PointKey;
use linli_domain::time::Timestamp;
use linli_ledger::{Reader, StoreError, StoredSample};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Samples a window should hold, about 40 MB; two windows are in memory at once.
const WANTED: u64 = 400_000;
/// Shortest and longest window. An estate so busy that the shortest holds more takes more memory.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(2 * 86_400);
/// Readings that waited longer than this are given at the end of it: nothing is held for good.
const MAX_WAITING: usize = 4_000_000;

/// One reading of the ledger.
pub(super) type Recorded = (PointKey, StoredSample);

/// Hands over everything received between `from` and `to`. The reader is lent to the thread.
pub(super) fn feed(
    reader: &mut Reader,
    from: Timestamp,
    to: Timestamp,
    take: &mut dyn FnMut(Vec<Recorded>),
) -> Result<(), BacktestError> {
    let window = window(reader)?;
    let (sender, windows) = sync_channel::<Result<Vec<Recorded>, StoreError>>(1);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut at = from;
            let mut waiting: Vec<Recorded> = Vec::new();
            while at < to {
                let next = at.plus(window).min(to);
                let read = collect(reader, at, next, &mut waiting);
                let failed = read.is_err();
                if sender.send(read).is_err() || failed {
                    return;
                }
                at = next;
            }
        });
        for read in windows {
            take(read?);
        }
        Ok(())
    })
}

/// What was received before `next`: of this window and of those before it.
fn collect(
    reader: &Reader,
    at: Timestamp,
    next: Timestamp,
    waiting: &mut Vec<Recorded>,
) -> Result<Vec<Recorded>, StoreError> {
    let mut ready = Vec::new();
    let mut later = Vec::new();
    let mut sort = |recorded: Recorded| {
        if recorded.1.received < next {
            ready.push(recorded)
        } else {
            later.push(recorded)
        }
    };
    waiting.drain(..).for_each(&mut sort);
    reader.sweep(at, next, &mut |point, sample| sort((point, sample)))?;
    if later.len() > MAX_WAITING {
        ready.append(&mut later);
    }
    *waiting = later;
    ready.sort_by_key(|(point, sample)| (sample.received, sample.observed, *point));
    Ok(ready)
}

/// How long a window is, by how much is kept of how long a time.
fn window(reader: &Reader) -> Result<Duration, StoreError> {
    let kept = reader.kept()?;
    let samples: u64 = kept.iter().map(|kept| kept.samples).sum();
    let first = kept.iter().map(|kept| kept.from).min();
    let last = kept.iter().map(|kept| kept.to).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(LONGEST);
    };
    let seconds = last.since(first).as_secs().saturating_mul(WANTED) / samples.max(1);
    Ok(Duration::from_secs(seconds).clamp(SHORTEST, LONGEST))
}
