//! Count, extremes, sum and ends of some numbers, of a chunk or of a bucket of time.

use rusqlite::Row;

/// What is known of some samples in order of time. Numbers count as they are, states as 0 and 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// All samples, those without a number too.
    pub samples: u64,
    /// Samples with a finite number or a state.
    pub numeric: u64,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// Their sum.
    pub sum: f64,
    /// The first.
    pub first: Option<f64>,
    /// The last.
    pub last: Option<f64>,
}

impl Summary {
    /// Over samples in order of time.
    pub(crate) fn of(values: impl Iterator<Item = Option<f64>>) -> Self {
        let mut summary = Self::default();
        values.for_each(|value| summary.add(value));
        summary
    }

    /// The sums beside a chunk: `n, numeric, min, max, sum, first, last` from column `at` on.
    pub(crate) fn beside(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            samples: row.get::<_, i64>(at)? as u64,
            numeric: row.get::<_, i64>(at + 1)? as u64,
            min: row.get(at + 2)?,
            max: row.get(at + 3)?,
            sum: row.get::<_, Option<f64>>(at + 4)?.unwrap_or(0.0),
            first: row.get(at + 5)?,
            last: row.get(at + 6)?,
        })
    }

    /// Takes in the next sample.
    #[inline]
    pub(crate) fn add(&mut self, value: Option<f64>) {
        self.samples += 1;
        let Some(value) = value else {
            return;
        };
        self.numeric += 1;
        self.min = Some(self.min.map_or(value, |min| least(min, value)));
        self.max = Some(self.max.map_or(value, |max| greatest(max, value)));
        self.sum += value;
        self.first = self.first.or(Some(value));
        self.last = Some(value);
    }

    /// Takes in the next samples, one after another; those that are not finite are samples without a number.
    pub(crate) fn add_numbers(&mut self, numbers: &[f64]) {
        // Looked for beforehand and without a way out, so that the loop below stays a few instructions.
        let finite = numbers
            .iter()
            .fold(true, |finite, number| finite & number.is_finite());
        let Some((first, last)) = numbers.first().zip(numbers.last()).filter(|_| finite) else {
            let finite = |number: &f64| Some(*number).filter(|number| number.is_finite());
            numbers.iter().for_each(|number| self.add(finite(number)));
            return;
        };
        let (mut min, mut max) = (self.min.unwrap_or(*first), self.max.unwrap_or(*first));
        let mut sum = self.sum;
        for number in numbers {
            min = least(min, *number);
            max = greatest(max, *number);
            sum += number;
        }
        self.samples += numbers.len() as u64;
        self.numeric += numbers.len() as u64;
        (self.min, self.max, self.sum) = (Some(min), Some(max), sum);
        (self.first, self.last) = (self.first.or(Some(*first)), Some(*last));
    }

    /// Takes in the same state so many times.
    pub(crate) fn add_state(&mut self, state: bool, times: usize) {
        if times == 0 {
            return;
        }
        let value = f64::from(u8::from(state));
        self.add(Some(value));
        self.samples += times as u64 - 1;
        self.numeric += times as u64 - 1;
        // One by one: among fractions once times the count is not the same to the last bit.
        (1..times).filter(|_| state).for_each(|_| self.sum += value);
    }

    /// Takes in what follows.
    pub(crate) fn join(&mut self, next: &Self) {
        self.samples += next.samples;
        self.numeric += next.numeric;
        self.sum += next.sum;
        self.min = self.min.into_iter().chain(next.min).reduce(least);
        self.max = self.max.into_iter().chain(next.max).reduce(greatest);
        self.first = self.first.or(next.first);
        self.last = next.last.or(self.last);
    }

    /// The mean of the numbers; of states, the share of samples that were true.
    pub fn mean(&self) -> Option<f64> {
        (self.numeric > 0).then(|| self.sum / self.numeric as f64)
    }
}

/// Of equal ones the first, so that it is the same whichever way they are taken in.
fn least(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

fn greatest(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}
