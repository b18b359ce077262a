//! Count, extremes, sum and ends of some numbers, of a chunk or of a bucket of time.

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

    /// Over finite numbers in order of time.
    pub(crate) fn of_numbers(numbers: &[f64]) -> Self {
        Self {
            samples: numbers.len() as u64,
            numeric: numbers.len() as u64,
            min: numbers.iter().copied().reduce(f64::min),
            max: numbers.iter().copied().reduce(f64::max),
            sum: numbers.iter().sum(),
            first: numbers.first().copied(),
            last: numbers.last().copied(),
        }
    }

    /// Takes in the next sample.
    #[inline]
    pub(crate) fn add(&mut self, value: Option<f64>) {
        self.samples += 1;
        let Some(value) = value else {
            return;
        };
        self.numeric += 1;
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
        self.sum += value;
        self.first = self.first.or(Some(value));
        self.last = Some(value);
    }

    /// Takes in what follows.
    pub(crate) fn join(&mut self, next: &Self) {
        self.samples += next.samples;
        self.numeric += next.numeric;
        self.sum += next.sum;
        self.min = self.min.into_iter().chain(next.min).reduce(f64::min);
        self.max = self.max.into_iter().chain(next.max).reduce(f64::max);
        self.first = self.first.or(next.first);
        self.last = next.last.or(self.last);
    }

    /// The mean of the numbers; of states, the share of samples that were true.
    pub fn mean(&self) -> Option<f64> {
        (self.numeric > 0).then(|| self.sum / self.numeric as f64)
    }
}
