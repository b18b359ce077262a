//! What sums and charts want of a chunk: times, numbers and states. Times of receipt, qualities and texts are passed
//! over without being unpacked.

use super::bytes::Cursor;
use super::chunk::{MAX_SAMPLES, numbers, runs, verified};
use super::columns::Kind;
use crate::stretch::{Edge, Stretch};
use linli_domain::id::PointKey;
use linli_domain::reading::Value;

/// The samples of a chunk as sums see them.
#[derive(Debug)]
pub(crate) struct Seen {
    observed: Vec<i64>,
    kind: Vec<u8>,
    numbers: Vec<f64>,
    states: Vec<u8>,
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
    let mut cursor = verified(point, chunk)?;
    let n = length(&mut cursor)?;
    let observed = numbers(&mut cursor, n)?;
    let kind = kinds(&mut cursor, n)?;
    let count = |wanted: Kind| kind.iter().filter(|kind| **kind == wanted as u8).count();
    let numeric = count(Kind::Number);
    let numbers = if numeric > 0 {
        numbers(&mut cursor, numeric)?
    } else {
        Vec::new()
    };
    let states = runs(&mut cursor, count(Kind::State))?;
    Ok(Seen {
        observed,
        kind,
        numbers,
        states,
    })
}

/// The last sample before a time, by its time and the state it showed. The times are unpacked only when the chunk's
/// `last` one is not it.
pub(crate) fn edge_before(
    point: PointKey,
    chunk: &[u8],
    last: i64,
    before: i64,
) -> Result<Option<(i64, Edge)>, &'static str> {
    let mut cursor = verified(point, chunk)?;
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
    let kind = kinds(&mut cursor, n)?;
    let of = |wanted: Kind, kinds: &[u8]| kinds.iter().filter(|kind| **kind == wanted as u8).count();
    if length.checked_sub(1).and_then(|last| kind.get(last)) != Some(&(Kind::State as u8)) {
        return Ok(Some((at, Edge::None)));
    }
    if of(Kind::Number, &kind) > 0 {
        pass(&mut cursor)?;
    }
    let states = runs(&mut cursor, of(Kind::State, &kind))?;
    let shown = of(Kind::State, &kind[..length]).checked_sub(1);
    let state = shown.and_then(|n| states.get(n)).is_some_and(|state| *state != 0);
    Ok(Some((at, if state { Edge::On } else { Edge::Off })))
}

fn length(cursor: &mut Cursor<'_>) -> Result<usize, &'static str> {
    let n = cursor.count().filter(|n| *n <= MAX_SAMPLES);
    n.ok_or("its length makes no sense")
}

/// Passes over a packed column.
fn pass(cursor: &mut Cursor<'_>) -> Result<(), &'static str> {
    cursor.bytes().map(drop).ok_or("a column is cut short")
}

/// Passes over the times of receipt and the qualities; returns the kinds behind them.
fn kinds(cursor: &mut Cursor<'_>, n: usize) -> Result<Vec<u8>, &'static str> {
    match cursor.byte() {
        Some(0) => cursor.signed().map(drop).ok_or("a column is cut short")?,
        Some(1) => pass(cursor)?,
        _ => return Err("its times of receipt make no sense"),
    }
    let mut qualities = 0;
    while qualities < n {
        let length = cursor.byte().and_then(|_| cursor.count());
        qualities += length
            .filter(|length| (1..=n - qualities).contains(length))
            .ok_or("a run has the wrong length")?;
    }
    runs(cursor, n)
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
    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.observed.len()
    }

    /// Every sample in order of time.
    pub(crate) fn looks(&self) -> impl Iterator<Item = Look> + '_ {
        let (mut numbers, mut states) = (self.numbers.iter(), self.states.iter());
        self.observed.iter().zip(&self.kind).map(move |(at, kind)| {
            let (number, edge) = if *kind == Kind::Number as u8 {
                (numbers.next().copied(), Edge::None)
            } else if *kind == Kind::State as u8 {
                match states.next() {
                    Some(0) => (Some(0.0), Edge::Off),
                    Some(_) => (Some(1.0), Edge::On),
                    None => (None, Edge::None),
                }
            } else {
                (None, Edge::None)
            };
            Look {
                at: *at,
                number: number.filter(|number| number.is_finite()),
                edge,
            }
        })
    }
}
