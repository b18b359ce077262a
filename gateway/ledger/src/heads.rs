//! What the writer remembers of every point: what is unsealed, what came last, and the newest samples.
//!
//! The newest samples of all points share one ring, chained per point through their positions: a chatty point
//! takes more of it, a quiet one less, and the total is bounded. The stage is the durable copy of what is unsealed.

use crate::codec::columns::StoredSample;
use crate::codec::crc::checksum;
use linli_domain::id::{CommitId, PointKey};
use linli_domain::reading::Reading;
use linli_domain::time::Timestamp;
use rustc_hash::FxHashMap;

/// Most steps along the chain of one point.
const MAX_STEPS: usize = 256;

/// The newest sample of a point: the last one that was evaluated. What came late, was stored by the device or is a
/// replay never takes its place; a point of which nothing else is known shows the one with the greatest observed time.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// The point.
    pub point: PointKey,
    /// Its newest sample.
    pub sample: StoredSample,
    /// The commit that stored it.
    pub commit: CommitId,
    /// Whether it was evaluated.
    pub evaluated: bool,
}

impl Latest {
    pub(crate) fn new(commit: CommitId, reading: &Reading, evaluated: bool) -> Self {
        Self {
            point: reading.point,
            sample: StoredSample::from(reading),
            commit,
            evaluated,
        }
    }

    /// Replaces this by a sample that is at least as new. Samples must come in commit order.
    pub(crate) fn offer(&mut self, commit: CommitId, reading: &Reading, evaluated: bool) {
        if rank(evaluated, commit, reading.observed) >= self.rank() {
            *self = Self::new(commit, reading, evaluated);
        }
    }

    /// What outranks what: evaluated samples in the order of their commits, the others by their observed time.
    pub(crate) fn rank(&self) -> (bool, u64, i64) {
        rank(self.evaluated, self.commit, self.sample.observed)
    }
}

fn rank(evaluated: bool, commit: CommitId, observed: Timestamp) -> (bool, u64, i64) {
    if evaluated {
        (true, commit.0, 0)
    } else {
        (false, 0, observed.as_millis())
    }
}

/// Writes a newest sample and the greatest observed time of its point as the column `series.latest` holds them.
///
/// A checksum over it and the watermark beside it ends the column: what is sealed of a point must not be guessed.
pub(crate) fn pack_latest(
    latest: &Latest,
    last_observed: Timestamp,
    sealed: CommitId,
) -> Result<Vec<u8>, postcard::Error> {
    let Latest {
        point,
        sample,
        commit,
        evaluated,
    } = latest;
    let mut bytes = postcard::to_stdvec(&(point, sample, commit, evaluated, last_observed))?;
    let sum = checksum(sealed.0, &bytes);
    bytes.extend(sum.to_le_bytes());
    Ok(bytes)
}

/// Reads them back. The first files ended after the commit: their newest sample was the one observed last. Later ones
/// had no checksum.
pub(crate) fn unpack_latest(bytes: &[u8], sealed: CommitId) -> Option<(Latest, Timestamp)> {
    let ((point, sample, commit), rest): ((PointKey, StoredSample, CommitId), _) =
        postcard::take_from_bytes(bytes).ok()?;
    let (evaluated, last_observed) = if rest.is_empty() {
        (true, sample.observed)
    } else {
        let (found, sum): ((bool, Timestamp), _) = postcard::take_from_bytes(rest).ok()?;
        let content = &bytes[..bytes.len() - sum.len()];
        if !sum.is_empty() && sum != checksum(sealed.0, content).to_le_bytes() {
            return None;
        }
        found
    };
    let latest = Latest {
        point,
        sample,
        commit,
        evaluated,
    };
    Some((latest, last_observed))
}

/// What is remembered of one point.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) latest: Latest,
    /// The greatest observed time, of samples that were not evaluated too.
    pub(crate) last_observed: Timestamp,
    /// Samples up to this commit are in chunks.
    pub(crate) sealed: CommitId,
    /// Row of the newest chunk; 0 when there is none.
    pub(crate) last_chunk: i64,
    /// What lies in the stage only.
    pub(crate) unsealed: Unsealed,
    /// What arrived since a sealing pass took the point.
    pub(crate) since_pass: Option<Unsealed>,
    /// Position after the newest sample in the ring; 0 when none is there.
    newest: u64,
}

/// Samples of a point that are in no chunk yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unsealed {
    pub(crate) samples: usize,
    /// Commit of the oldest; of no meaning without samples.
    pub(crate) first: u64,
    /// When that commit was made.
    pub(crate) since: Timestamp,
}

impl Unsealed {
    fn add(&mut self, commit: CommitId, at: Timestamp) {
        if self.samples == 0 {
            self.first = commit.0;
            self.since = at;
        }
        self.samples += 1;
    }
}

#[derive(Debug)]
struct Head {
    point: PointKey,
    commit: CommitId,
    sample: StoredSample,
    /// Position after the sample before it of the same point; 0 when there is none.
    before: u64,
}

/// What a look at the newest samples says about an observed time.
#[derive(Debug, PartialEq)]
pub(crate) enum Lookup {
    /// Here it is.
    Found(StoredSample),
    /// Not stored at all.
    Absent,
    /// Not among the newest; the chunks must be asked, and the stage too when `stage`.
    Unknown { stage: bool },
}

/// Everything remembered, by point.
#[derive(Debug)]
pub(crate) struct Heads {
    series: FxHashMap<PointKey, Series>,
    ring: Vec<Head>,
    capacity: usize,
    /// Samples ever put into the ring.
    put: u64,
}

impl Heads {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            series: FxHashMap::default(),
            ring: Vec::new(),
            capacity: capacity.max(1),
            put: 0,
        }
    }

    /// Takes over what the file says about the sealed samples of a point.
    pub(crate) fn restore(
        &mut self,
        latest: Latest,
        last_observed: Timestamp,
        sealed: CommitId,
        last_chunk: i64,
    ) {
        let unsealed = Unsealed::default();
        let series = Series {
            latest,
            last_observed,
            sealed,
            last_chunk,
            unsealed,
            since_pass: None,
            newest: 0,
        };
        self.series.insert(series.latest.point, series);
    }

    /// Takes in a reading of a committed batch; at start, of a stage row. What is sealed already is passed over.
    pub(crate) fn push(&mut self, commit: CommitId, at: Timestamp, reading: &Reading, evaluated: bool) {
        let series = self.series.entry(reading.point).or_insert_with(|| Series {
            latest: Latest::new(commit, reading, evaluated),
            last_observed: reading.observed,
            sealed: CommitId(0),
            last_chunk: 0,
            unsealed: Unsealed::default(),
            since_pass: None,
            newest: 0,
        });
        if commit <= series.sealed {
            return;
        }
        series.latest.offer(commit, reading, evaluated);
        series.last_observed = series.last_observed.max(reading.observed);
        series.unsealed.add(commit, at);
        if let Some(since) = &mut series.since_pass {
            since.add(commit, at);
        }
        let head = Head {
            point: reading.point,
            commit,
            sample: StoredSample::from(reading),
            before: series.newest,
        };
        let slot = (self.put % self.capacity as u64) as usize;
        if slot < self.ring.len() {
            self.ring[slot] = head;
        } else {
            self.ring.push(head);
        }
        self.put += 1;
        series.newest = self.put;
    }

    /// Looks for a sample with exactly this observed time.
    pub(crate) fn find(&self, point: PointKey, observed: Timestamp) -> Lookup {
        let Some(series) = self.series.get(&point) else {
            return Lookup::Absent;
        };
        if observed > series.last_observed {
            return Lookup::Absent;
        }
        let (mut next, mut unsealed_seen) = (series.newest, 0);
        for _ in 0..MAX_STEPS {
            let Some(head) = self.head(next).filter(|head| head.point == point) else {
                break;
            };
            if head.sample.observed == observed {
                return Lookup::Found(head.sample.clone());
            }
            unsealed_seen += usize::from(head.commit > series.sealed);
            next = head.before;
        }
        let stage = unsealed_seen < series.unsealed.samples;
        match (stage, series.last_chunk) {
            (false, 0) => Lookup::Absent,
            _ => Lookup::Unknown { stage },
        }
    }

    fn head(&self, after: u64) -> Option<&Head> {
        let position = after.checked_sub(1)?;
        if position + (self.capacity as u64) < self.put {
            return None;
        }
        self.ring.get((position % self.capacity as u64) as usize)
    }

    pub(crate) fn get(&self, point: PointKey) -> Option<&Series> {
        self.series.get(&point)
    }

    pub(crate) fn get_mut(&mut self, point: PointKey) -> Option<&mut Series> {
        self.series.get_mut(&point)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Series> {
        self.series.values()
    }

    /// Forgets a sealing pass that did not finish.
    pub(crate) fn abandon_pass(&mut self) {
        self.series
            .values_mut()
            .for_each(|series| series.since_pass = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::reading::{Quality, Value};

    fn wet(point: u32, observed: i64) -> Reading {
        let at = Timestamp::from_millis(observed);
        Reading::new(PointKey(point), at, at, Value::State(true), Quality::Good)
    }

    #[test]
    fn a_chatty_point_pushes_a_quiet_one_out_of_the_ring_but_not_out_of_mind() {
        let at = Timestamp::from_millis(0);
        let mut heads = Heads::new(4);
        heads.push(CommitId(1), at, &wet(1, 100), true);
        for n in 0..4 {
            heads.push(CommitId(2), at, &wet(2, 200 + n), true);
        }
        assert!(matches!(
            heads.find(PointKey(2), Timestamp::from_millis(201)),
            Lookup::Found(_)
        ));
        assert_eq!(
            heads.find(PointKey(2), Timestamp::from_millis(150)),
            Lookup::Absent
        );
        assert_eq!(
            heads.find(PointKey(1), Timestamp::from_millis(100)),
            Lookup::Unknown { stage: true }
        );
        assert_eq!(
            heads.find(PointKey(1), Timestamp::from_millis(101)),
            Lookup::Absent
        );
        assert_eq!(heads.find(PointKey(3), Timestamp::from_millis(1)), Lookup::Absent);
    }

    #[test]
    fn what_was_not_evaluated_never_takes_the_place_of_what_was() {
        let mut latest = Latest::new(CommitId(1), &wet(1, 500), false);
        latest.offer(CommitId(2), &wet(1, 400), false);
        assert_eq!(latest.sample.observed.as_millis(), 500, "history by its own time");
        latest.offer(CommitId(3), &wet(1, 300), true);
        assert_eq!(
            latest.sample.observed.as_millis(),
            300,
            "anything heard live is newer"
        );
        latest.offer(CommitId(4), &wet(1, 900), false);
        latest.offer(CommitId(5), &wet(1, 200), true);
        assert_eq!(
            latest.sample.observed.as_millis(),
            200,
            "what is evaluated is in order"
        );
    }

    #[test]
    fn the_newest_sample_is_read_back_from_the_first_files_too() {
        let latest = Latest::new(CommitId(7), &wet(3, 500), false);
        let at = Timestamp::from_millis(900);
        let sealed = CommitId(5);
        assert_eq!(
            unpack_latest(&pack_latest(&latest, at, sealed).unwrap(), sealed),
            Some((latest.clone(), at))
        );
        let whole = pack_latest(&latest, at, sealed).unwrap();
        assert_eq!(
            unpack_latest(&whole, CommitId(6)),
            None,
            "the watermark beside it is another"
        );
        let second = &whole[..whole.len() - 4];
        assert_eq!(unpack_latest(second, sealed), Some((latest.clone(), at)));
        let first = postcard::to_stdvec(&(latest.point, &latest.sample, latest.commit)).unwrap();
        let (read, last_observed) = unpack_latest(&first, sealed).unwrap();
        assert_eq!((read.sample, read.evaluated), (latest.sample, true));
        assert_eq!(last_observed.as_millis(), 500);
    }
}
