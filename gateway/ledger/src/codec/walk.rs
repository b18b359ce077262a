//! A walk over the samples of a chunk that takes those in a row together that are alike, so that who sums them up does
//! one step for many.

use super::columns::Kind;
use super::seen::Look;
use crate::stretch::Edge;

/// A value, and how often it stands there.
pub(super) type Run = (u8, usize);

/// What samples in a row show that are alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Alike<'a> {
    /// Numbers, one a sample; not all need be finite.
    Numbers(&'a [f64]),
    /// The same state in each.
    State(bool),
    /// Neither: texts, or no value.
    Nothing,
}

impl<'a> Alike<'a> {
    /// The state of each.
    pub(crate) fn edge(self) -> Edge {
        match self {
            Self::State(true) => Edge::On,
            Self::State(false) => Edge::Off,
            Self::Numbers(_) | Self::Nothing => Edge::None,
        }
    }

    /// Each of them alone, given their times.
    pub(crate) fn looks(self, times: &'a [i64]) -> impl Iterator<Item = Look> + 'a {
        times.iter().enumerate().map(move |(n, at)| Look {
            at: *at,
            number: match self {
                Self::Numbers(numbers) => numbers.get(n).copied().filter(|number| number.is_finite()),
                Self::State(state) => Some(f64::from(u8::from(state))),
                Self::Nothing => None,
            },
            edge: self.edge(),
        })
    }
}

/// What is left of a walk over samples in order of time.
#[derive(Debug, Clone)]
pub(crate) struct Walk<'a> {
    pub(super) times: &'a [i64],
    pub(super) kinds: Runs<'a>,
    pub(super) numbers: &'a [f64],
    pub(super) states: Runs<'a>,
}

impl<'a> Walk<'a> {
    /// When the next sample was observed.
    pub(crate) fn at(&self) -> Option<i64> {
        self.times.first().copied()
    }

    /// How many of those that are left were observed before a time.
    pub(crate) fn before(&self, time: i64) -> usize {
        self.times.partition_point(|at| *at < time)
    }

    /// Passes over so many.
    pub(crate) fn pass(&mut self, mut count: usize) {
        while let Some((times, _)) = self.next(count) {
            count -= times.len();
        }
    }

    /// The next samples that are alike, at most so many.
    pub(crate) fn next(&mut self, most: usize) -> Option<(&'a [i64], Alike<'a>)> {
        let (kind, length) = self.kinds.peek(most)?;
        let (length, alike) = if kind == Kind::Number as u8 {
            let (numbers, rest) = self.numbers.split_at_checked(length)?;
            self.numbers = rest;
            (length, Alike::Numbers(numbers))
        } else if kind == Kind::State as u8 {
            let (state, length) = self.states.peek(length)?;
            self.states.pass(length);
            (length, Alike::State(state != 0))
        } else {
            (length, Alike::Nothing)
        };
        self.kinds.pass(length);
        let (times, rest) = self.times.split_at_checked(length)?;
        self.times = rest;
        Some((times, alike))
    }
}

/// What is left of a column of runs.
#[derive(Debug, Clone)]
pub(super) struct Runs<'a> {
    rest: &'a [Run],
    /// How much of the first is used up; always less than all of it.
    used: usize,
}

impl<'a> Runs<'a> {
    pub(super) fn of(runs: &'a [Run]) -> Self {
        Self { rest: runs, used: 0 }
    }

    /// The next value, and how often it follows, at most so often; nothing when that is never.
    fn peek(&self, most: usize) -> Option<Run> {
        let (value, length) = self.rest.first()?;
        Some((*value, (length - self.used).min(most))).filter(|(_, length)| *length > 0)
    }

    /// Passes over values that [`Runs::peek`] gave.
    fn pass(&mut self, length: usize) {
        self.used += length;
        if let Some(((_, first), rest)) = self.rest.split_first()
            && self.used >= *first
        {
            (self.rest, self.used) = (rest, 0);
        }
    }
}
