//! The samples of one point as columns: what the sealer collects and what a chunk holds.
//!
//! A column per aspect costs about 26 bytes a sample in memory and compresses well. Samples stand in commit order
//! while they are collected and in order of (observed, commit) once [`Columns::sort`] was called.

use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A stored reading of one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSample {
    /// When the sensor saw it.
    pub observed: Timestamp,
    /// When the gateway heard it. Once sealed, the time since `observed` is kept in whole seconds when it varies.
    pub received: Timestamp,
    /// What was seen.
    pub value: Option<Value>,
    /// How far to trust it.
    pub quality: Quality,
}

impl From<&Reading> for StoredSample {
    fn from(reading: &Reading) -> Self {
        Self {
            observed: reading.observed,
            received: reading.received,
            value: reading.value.clone(),
            quality: reading.quality,
        }
    }
}

/// What kind of value a sample has; the numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Missing = 0,
    Number = 1,
    State = 2,
    Text = 3,
}

impl Kind {
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Missing, Self::Number, Self::State, Self::Text]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

/// Samples of one point, aspect by aspect.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Columns {
    /// Milliseconds.
    pub(crate) observed: Vec<i64>,
    /// Received minus observed, milliseconds.
    pub(crate) lag: Vec<i64>,
    pub(crate) quality: Vec<u8>,
    pub(crate) kind: Vec<u8>,
    /// Values of the samples whose kind is number, in order; likewise the two below.
    pub(crate) numbers: Vec<f64>,
    pub(crate) states: Vec<bool>,
    pub(crate) texts: Vec<Arc<str>>,
}

/// A place between two samples of columns: how much of each column lies before it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) samples: usize,
    numbers: usize,
    states: usize,
    texts: usize,
}

impl Columns {
    /// Empty, with room for as many samples: growing by doubling leaves holes that the process keeps.
    pub(crate) fn with_room(samples: usize) -> Self {
        Self {
            observed: Vec::with_capacity(samples),
            lag: Vec::with_capacity(samples),
            quality: Vec::with_capacity(samples),
            kind: Vec::with_capacity(samples),
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.observed.len()
    }

    pub(crate) fn push(
        &mut self,
        observed: Timestamp,
        received: Timestamp,
        value: Option<&Value>,
        quality: Quality,
    ) {
        self.observed.push(observed.as_millis());
        self.lag
            .push(received.as_millis().wrapping_sub(observed.as_millis()));
        self.quality.push(quality.to_code());
        let kind = match value {
            None => Kind::Missing,
            Some(Value::Number(number)) => {
                self.numbers.push(*number);
                Kind::Number
            }
            Some(Value::State(state)) => {
                self.states.push(*state);
                Kind::State
            }
            Some(Value::Text(text)) => {
                self.texts.push(text.clone());
                Kind::Text
            }
        };
        self.kind.push(kind as u8);
    }

    pub(crate) fn push_sample(&mut self, sample: &StoredSample) {
        self.push(
            sample.observed,
            sample.received,
            sample.value.as_ref(),
            sample.quality,
        );
    }

    /// Every sample in order.
    pub(crate) fn samples(&self) -> impl Iterator<Item = StoredSample> + '_ {
        let (mut numbers, mut states, mut texts) =
            (self.numbers.iter(), self.states.iter(), self.texts.iter());
        (0..self.len()).map(move |n| {
            let value = match Kind::from_code(self.kind[n]) {
                Some(Kind::Number) => numbers.next().map(|number| Value::Number(*number)),
                Some(Kind::State) => states.next().map(|state| Value::State(*state)),
                Some(Kind::Text) => texts.next().map(|text| Value::Text(text.clone())),
                Some(Kind::Missing) | None => None,
            };
            StoredSample {
                observed: Timestamp::from_millis(self.observed[n]),
                received: Timestamp::from_millis(self.observed[n].wrapping_add(self.lag[n])),
                value,
                quality: Quality::from_code(self.quality[n]).unwrap_or_default(),
            }
        })
    }

    /// Puts the samples into the order of their observed time; equal times keep the order of their commits.
    pub(crate) fn sort(&mut self) {
        if self.observed.is_sorted() {
            return;
        }
        let mut samples: Vec<StoredSample> = self.samples().collect();
        samples.sort_by_key(|sample| sample.observed);
        *self = samples.iter().collect();
    }

    /// At most `most` samples from a place on, and the place behind them.
    pub(crate) fn part(&self, from: Place, most: usize) -> (Columns, Place) {
        let end = self.len().min(from.samples.saturating_add(most));
        let kind = &self.kind[from.samples..end];
        let of = |wanted: Kind| kind.iter().filter(|kind| **kind == wanted as u8).count();
        let next = Place {
            samples: end,
            numbers: from.numbers + of(Kind::Number),
            states: from.states + of(Kind::State),
            texts: from.texts + of(Kind::Text),
        };
        let part = Columns {
            observed: self.observed[from.samples..end].to_vec(),
            lag: self.lag[from.samples..end].to_vec(),
            quality: self.quality[from.samples..end].to_vec(),
            kind: kind.to_vec(),
            numbers: self.numbers[from.numbers..next.numbers].to_vec(),
            states: self.states[from.states..next.states].to_vec(),
            texts: self.texts[from.texts..next.texts].to_vec(),
        };
        (part, next)
    }

    /// Numbers, and states as 0 and 1, with their observed time.
    pub(crate) fn numeric(&self) -> impl Iterator<Item = (i64, Option<f64>)> + '_ {
        let (mut numbers, mut states) = (self.numbers.iter(), self.states.iter());
        self.observed.iter().zip(&self.kind).map(move |(observed, kind)| {
            let value = if *kind == Kind::Number as u8 {
                numbers.next().copied()
            } else if *kind == Kind::State as u8 {
                states.next().map(|state| f64::from(u8::from(*state)))
            } else {
                None
            };
            (*observed, value.filter(|value| value.is_finite()))
        })
    }
}

impl<'a> FromIterator<&'a StoredSample> for Columns {
    fn from_iter<I: IntoIterator<Item = &'a StoredSample>>(samples: I) -> Self {
        let mut columns = Columns::default();
        samples.into_iter().for_each(|sample| columns.push_sample(sample));
        columns
    }
}
