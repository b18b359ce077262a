//! What sums and charts want of a chunk: times, numbers and states. Times of receipt, qualities and texts are passed
//! over without being unpacked; kinds and states stay the runs they are stored as, so what does not change costs
//! nothing.

use super::bytes::Cursor;
use super::chunk::{MAX_SAMPLES, each_run, numbers, numbers_into, values_into, verified};
use super::columns::Kind;
use super::walk::{Run, Runs, Walk};
use crate::stretch::{Edge, Stretch};
use linli_domain::id::PointKey;
use linli_domain::reading::Value;

/// The samples of a chunk as sums see them.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    observed: Vec<i64>,
    kinds: Vec<Run>,
    numbers: Vec<f64>,
    states: Vec<Run>,
}

/// One sample as sums see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    /// When it was observed, milliseconds.
    pub(crate) at: i64,
    /// The number, or a state as 0 or 1.
    pub(crate) number: Option<f64>,
    /// The state.
    pub(crate) edge: Edge,
}

/// Unpacks what sums want of a chunk; the error says what does not hold.
pub(crate) fn decode(point: PointKey, chunk: &[u8]) -> Result<Seen, &'static str> {
    let mut seen = Seen::default();
    seen.unpack(point, chunk)?;
    Ok(seen)
}

/// The last sample before a time, by its time and the state it showed. The times are unpacked only when the chunk's
/// `last` one is not it.
pub(crate) fn edge_before(
    point: PointKey,
    chunk: &[u8],
    last: i64,
    before: i64,
) -> Result<Option<(i64, Edge)>, &'static str> {
    let (mut cursor, _) = verified(point, chunk)?;
    let n = length(&mut cursor)?;
    let (at, length) = if last < before {
        pass(&mut cursor)?;
        (last, n)
    } else {
        let observed: Vec<i64> = numbers(&mut cursor, n)?;
        let length = observed.partition_point(|at| *at < before);
        let Some(at) = length.checked_sub(1).and_then(|last| observed.get(last)) else {
            return Ok(None);
        };
        (*at, length)
    };
    let mut kinds = Vec::new();
    kinds_into(&mut cursor, n, &mut kinds)?;
    if count(&kinds, Kind::Number, n) > 0 {
        pass(&mut cursor)?;
    }
    let mut states = Vec::new();
    runs_into(&mut cursor, count(&kinds, Kind::State, n), &mut states)?;
    let is_state = length.checked_sub(1).and_then(|last| value_at(&kinds, last)) == Some(Kind::State as u8);
    let shown = count(&kinds, Kind::State, length).checked_sub(1);
    Ok(Some((
        at,
        match shown
            .filter(|_| is_state)
            .and_then(|last| value_at(&states, last))
        {
            None => Edge::None,
            Some(0) => Edge::Off,
            Some(_) => Edge::On,
        },
    )))
}

fn length(cursor: &mut Cursor<'_>) -> Result<usize, &'static str> {
    let n = cursor.count().filter(|n| *n <= MAX_SAMPLES);
    n.ok_or("its length makes no sense")
}

/// Passes over a packed column.
fn pass(cursor: &mut Cursor<'_>) -> Result<(), &'static str> {
    cursor.bytes().map(drop).ok_or("a column is cut short")
}

/// Passes over the times of receipt and the qualities, and reads the kinds behind them.
fn kinds_into(cursor: &mut Cursor<'_>, n: usize, kinds: &mut Vec<Run>) -> Result<(), &'static str> {
    match cursor.byte() {
        Some(0) => cursor.signed().map(drop).ok_or("a column is cut short")?,
        Some(1) => pass(cursor)?,
        _ => return Err("its times of receipt make no sense"),
    }
    each_run(cursor, n, |_, _| ())?;
    runs_into(cursor, n, kinds)
}

/// Reads the runs of a column; what was in their place is gone.
fn runs_into(cursor: &mut Cursor<'_>, n: usize, runs: &mut Vec<Run>) -> Result<(), &'static str> {
    runs.clear();
    each_run(cursor, n, |value, length| runs.push((value, length)))
}

/// How many of the first `most` are of a kind.
fn count(kinds: &[Run], wanted: Kind, most: usize) -> usize {
    let mut left = most;
    let within = kinds.iter().map(|(kind, length)| {
        let within = left.min(*length);
        left -= within;
        if *kind == wanted as u8 { within } else { 0 }
    });
    within.sum()
}

/// The value that stands at a place of a column.
fn value_at(runs: &[Run], place: usize) -> Option<u8> {
    let mut end = 0;
    let run = runs.iter().find(|(_, length)| {
        end += length;
        place < end
    });
    run.map(|(value, _)| *value)
}

impl Look {
    /// One sample by its value.
    pub(crate) fn of(at: i64, value: Option<&Value>) -> Self {
        let number = match value {
            Some(Value::Number(number)) => Some(*number).filter(|number| number.is_finite()),
            Some(Value::State(state)) => Some(f64::from(u8::from(*state))),
            _ => None,
        };
        Self {
            at,
            number,
            edge: Edge::of(value),
        }
    }

    /// It alone, in a form that joins with others.
    pub(crate) fn stretch(self) -> Stretch {
        Stretch::of_look(self.at, self.number, self.edge)
    }
}

impl Seen {
    /// Unpacks a chunk in place of what was there; after an error nothing of it may be used.
    pub(crate) fn unpack(&mut self, point: PointKey, chunk: &[u8]) -> Result<(), &'static str> {
        let (mut cursor, form) = verified(point, chunk)?;
        let n = length(&mut cursor)?;
        numbers_into(&mut cursor, n, &mut self.observed)?;
        kinds_into(&mut cursor, n, &mut self.kinds)?;
        let numeric = count(&self.kinds, Kind::Number, n);
        if numeric > 0 {
            values_into(&mut cursor, form, numeric, &mut self.numbers)?;
        } else {
            self.numbers.clear();
        }
        runs_into(&mut cursor, count(&self.kinds, Kind::State, n), &mut self.states)
    }

    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.observed.len()
    }

    /// A walk over the samples from the first on.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk {
            times: &self.observed,
            kinds: Runs::of(&self.kinds),
            numbers: &self.numbers,
            states: Runs::of(&self.states),
        }
    }

    /// Every sample in order of time.
    pub(crate) fn looks(&self) -> impl Iterator<Item = Look> + '_ {
        let mut walk = self.walk();
        let alike = std::iter::from_fn(move || walk.next(usize::MAX));
        alike.flat_map(|(times, alike)| alike.looks(times))
    }
}
