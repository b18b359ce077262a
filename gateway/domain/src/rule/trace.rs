//! What a rule that looks at more than one value remembers of one point.
//!
//! Slopes and rises count in the time of the readings, so that a device that sends ten readings at once is not taken for
//! one that changes fast. States and rest count in the age of the engine, which no clock that is set can move. A trace
//! holds at most [`MAX_SAMPLES`] entries; beyond them the oldest goes, so a window that is too long for a fast point
//! looks at less than it says, never at more.

use super::when::judge_number;
use super::{Verdict, When};
use crate::reading::Value;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most entries of one trace: 512 bytes.
pub const MAX_SAMPLES: usize = 32;
/// A slope is drawn through at least this many readings.
const LEAST_FOR_SLOPE: usize = 5;
/// The share of the scatter a slope must explain to be believed.
const LEAST_CONFIDENCE: f64 = 0.8;
/// A forecast is right again when the level is further away than this times the warning time.
const FORECAST_DEADBAND: f64 = 1.25;

/// What is remembered of one point for one rule.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Trace {
    /// Nothing yet.
    #[default]
    Empty,
    /// Numbers with their time in milliseconds, oldest first.
    Numbers(Vec<(i64, f64)>),
    /// A number that has rested since an age, and the age at which it was last said.
    Rest {
        /// Where it rests.
        value: f64,
        /// Since when.
        since: u64,
        /// When it was said last.
        last: u64,
    },
    /// Spells of a state as ages, oldest first; the last one may still go on.
    Spells {
        /// Begin and end of each.
        over: Vec<(u64, u64)>,
        /// Since when the state goes on.
        on: Option<u64>,
    },
}

impl Trace {
    /// Takes a value: `at` is its own time, `age` the engine's. Values of another type leave no trace.
    pub fn take(&mut self, when: When, value: &Value, at: Timestamp, age: u64) {
        match when {
            When::Rises { within, .. } | When::Falls { within, .. } | When::Reaches { within, .. } => {
                if let Some(number) = value.as_number().filter(|n| n.is_finite()) {
                    self.take_number(
                        number,
                        at.as_millis(),
                        within,
                        matches!(when, When::Reaches { .. }),
                    );
                }
            }
            When::Stuck { band, .. } => {
                let Some(number) = value.as_number().filter(|n| n.is_finite()) else {
                    return;
                };
                let moved = !matches!(self, Self::Rest { value, .. } if (*value - number).abs() <= band);
                match self {
                    Self::Rest { last, .. } if !moved => *last = age,
                    _ => {
                        *self = Self::Rest {
                            value: number,
                            since: age,
                            last: age,
                        }
                    }
                }
            }
            When::Often { state, within, .. } | When::Long { state, within, .. } => {
                if let Some(now) = value.as_state() {
                    self.take_state(now == state, age, within);
                }
            }
            When::State(_) | When::Above { .. } | When::Below { .. } | When::Silent => {}
        }
    }

    fn take_number(&mut self, number: f64, at: i64, within: Duration, thin: bool) {
        if !matches!(self, Self::Numbers(_)) {
            *self = Self::Numbers(Vec::new());
        }
        let Self::Numbers(samples) = self else {
            return;
        };
        // A clock that was set back leaves readings of the future behind.
        samples.retain(|(then, _)| *then < at);
        let oldest = at.saturating_sub(millis(within));
        samples.retain(|(then, _)| *then >= oldest);
        // A slope over days needs no reading of every minute: readings closer than a share of the window stand for one.
        let step = millis(within) / i64::try_from(MAX_SAMPLES).unwrap_or(i64::MAX);
        if thin
            && let [.., (before, _), last] = samples.as_mut_slice()
            && last.0.saturating_sub(*before) < step
        {
            *last = (at, number);
            return;
        }
        if samples.len() >= MAX_SAMPLES {
            samples.remove(0);
        }
        samples.push((at, number));
    }

    fn take_state(&mut self, is_on: bool, age: u64, within: Duration) {
        if !matches!(self, Self::Spells { .. }) {
            *self = Self::Spells {
                over: Vec::new(),
                on: None,
            };
        }
        let Self::Spells { over, on } = self else {
            return;
        };
        match (*on, is_on) {
            (None, true) => *on = Some(age),
            (Some(since), false) => {
                *on = None;
                if over.len() >= MAX_SAMPLES {
                    over.remove(0);
                }
                over.push((since, age));
            }
            (None, false) | (Some(_), true) => {}
        }
        let oldest = age.saturating_sub(unsigned(within));
        over.retain(|(_, end)| *end >= oldest);
    }

    /// What the rule says at an age of the engine; `None` while nothing is known.
    pub fn judge(&self, when: When, age: u64) -> Option<Verdict> {
        match (when, self) {
            (When::Rises { by, clear, .. }, Self::Numbers(samples)) => {
                let (_, last) = *samples.last()?;
                let low = samples.iter().map(|(_, n)| *n).fold(last, f64::min);
                Some(judge_number(last - low >= by, last - low <= clear))
            }
            (When::Falls { by, clear, .. }, Self::Numbers(samples)) => {
                let (_, last) = *samples.last()?;
                let high = samples.iter().map(|(_, n)| *n).fold(last, f64::max);
                Some(judge_number(high - last >= by, high - last <= clear))
            }
            (When::Reaches { level, ahead, .. }, Self::Numbers(samples)) => {
                let (_, last) = *samples.last()?;
                let left_ms = match slope(samples) {
                    _ if last >= level => 0.0,
                    Some((slope, confidence)) if slope > 0.0 && confidence >= LEAST_CONFIDENCE => {
                        (level - last) / slope
                    }
                    _ => return Some(Verdict::Right),
                };
                let ahead_ms = ahead.as_secs_f64() * 1_000.0;
                Some(judge_number(
                    left_ms <= ahead_ms,
                    left_ms > ahead_ms * FORECAST_DEADBAND,
                ))
            }
            (When::Stuck { after, .. }, Self::Rest { since, last, .. }) => {
                let rested = last.saturating_sub(*since) >= unsigned(after);
                Some(judge_number(rested, !rested))
            }
            (When::Often { times, within, .. }, Self::Spells { over, on }) => {
                let oldest = age.saturating_sub(unsigned(within));
                let begun = over.iter().map(|(begin, _)| *begin).chain(*on);
                let often = begun.filter(|begin| *begin >= oldest).count() >= usize::from(times);
                Some(judge_number(often, !often))
            }
            (When::Long { total, within, .. }, Self::Spells { .. }) => {
                let long = self.total(age, within) >= unsigned(total);
                Some(judge_number(long, !long))
            }
            _ => when
                .is_traced()
                .then_some(Verdict::Right)
                .filter(|_| *self != Self::Empty),
        }
    }

    /// The age at which the rule may say something else without another value; `None` when it will not.
    pub fn next_look(&self, when: When, age: u64) -> Option<u64> {
        let Self::Spells { over, on } = self else {
            return None;
        };
        match when {
            When::Often { within, .. } => {
                let window = unsigned(within);
                let oldest = age.saturating_sub(window);
                let mut begun = over.iter().map(|(begin, _)| *begin).chain(*on);
                begun
                    .find(|begin| *begin >= oldest)
                    .map(|begin| begin.saturating_add(window).saturating_add(1))
            }
            When::Long { total, within, .. } => {
                let (sum, total, window) = (self.total(age, within), unsigned(total), unsigned(within));
                if sum < total {
                    // It grows only while the state goes on, and then as fast as time.
                    on.map(|_| age.saturating_add(total - sum))
                } else if on.is_none() {
                    // It shrinks once the oldest spell leaves the window, and then as fast as time.
                    let oldest = over
                        .iter()
                        .map(|(begin, end)| (*begin, *end))
                        .find(|(_, end)| *end + window > age);
                    oldest.map(|(begin, _)| (begin + window).max(age).saturating_add(sum - total + 1))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// How long the state took out of the window that ends at an age, in milliseconds.
    fn total(&self, age: u64, within: Duration) -> u64 {
        let Self::Spells { over, on } = self else {
            return 0;
        };
        let oldest = age.saturating_sub(unsigned(within));
        let all = over.iter().copied().chain(on.map(|since| (since, age)));
        all.map(|(begin, end)| end.saturating_sub(begin.max(oldest)))
            .sum()
    }

    /// What it holds from before a time of the readings: numbers only. Spells and rest count in an age that does not say
    /// when they were.
    pub fn before(&self, at: Timestamp) -> Self {
        match self {
            Self::Numbers(samples) => {
                let earlier = samples.iter().filter(|(then, _)| *then < at.as_millis());
                Self::Numbers(earlier.copied().collect())
            }
            Self::Empty | Self::Rest { .. } | Self::Spells { .. } => Self::Empty,
        }
    }

    /// A trace that was kept in the time of the readings, as the engine would hold it at an age that is `wall` now. Spells
    /// from before the engine lived are left out, and what rests from then rests since its beginning.
    pub fn aged(self, wall: Timestamp, age: u64) -> Self {
        let ago =
            |at: u64| unsigned(wall.since(Timestamp::from_millis(i64::try_from(at).unwrap_or(i64::MAX))));
        let place = |at: u64| age.checked_sub(ago(at));
        match self {
            Self::Empty | Self::Numbers(_) => self,
            Self::Rest { value, since, last } => Self::Rest {
                value,
                since: place(since).unwrap_or(0),
                last: place(last).unwrap_or(0),
            },
            Self::Spells { over, on } => Self::Spells {
                over: over
                    .into_iter()
                    .filter_map(|(begin, end)| Some((place(begin)?, place(end)?)))
                    .collect(),
                on: on.map(|since| place(since).unwrap_or(0)),
            },
        }
    }

    /// The newest numbers it holds with their times, for the record of an alarm.
    pub fn numbers(&self) -> &[(i64, f64)] {
        match self {
            Self::Numbers(samples) => samples,
            _ => &[],
        }
    }
}

/// Least squares: the slope per millisecond, and which share of the scatter it explains.
fn slope(samples: &[(i64, f64)]) -> Option<(f64, f64)> {
    let (first, _) = *samples.first()?;
    if samples.len() < LEAST_FOR_SLOPE {
        return None;
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "a window of days in milliseconds is far below 2^52"
    )]
    let points = || samples.iter().map(|(at, n)| ((at - first) as f64, *n));
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let count = samples.len() as f64;
    let (sum_x, sum_y) = points().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points() {
        let (dx, dy) = (x - mean_x, y - mean_y);
        (xx, xy, yy) = (xx + dx * dx, xy + dx * dy, yy + dy * dy);
    }
    (xx > 0.0 && yy > 0.0).then(|| (xy / xx, xy * xy / (xx * yy)))
}

fn unsigned(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
