//! Functions over the samples of a range, with the arithmetic of Prometheus.

use crate::ast::OverTime;

/// The value of a function over samples of `start <= time <= end`; `None` when they are too few.
pub(crate) fn over_time(
    function: OverTime,
    samples: &[(i64, f64)],
    start: i64,
    end: i64,
    parameter: f64,
) -> Option<f64> {
    let values = || samples.iter().map(|(_, value)| *value);
    let last = samples.last()?.1;
    #[allow(clippy::cast_precision_loss, reason = "a count of samples")]
    let count = samples.len() as f64;
    // NaN loses against any number.
    let best = |better: fn(f64, f64) -> bool| {
        values().reduce(|best, value| {
            if better(value, best) || best.is_nan() {
                value
            } else {
                best
            }
        })
    };
    match function {
        OverTime::Rate => extrapolated(samples, start, end, true, true),
        OverTime::Increase => extrapolated(samples, start, end, true, false),
        OverTime::Delta => extrapolated(samples, start, end, false, false),
        OverTime::Deriv => slope(samples),
        OverTime::Avg => Some(sum(values()) / count),
        OverTime::Min => best(|a, b| a < b),
        OverTime::Max => best(|a, b| a > b),
        OverTime::Sum => Some(sum(values())),
        OverTime::Count => Some(count),
        OverTime::Last => Some(last),
        OverTime::Quantile => Some(quantile(parameter, values().collect())),
        OverTime::Stddev => {
            let mean = sum(values()) / count;
            Some((sum(values().map(|value| (value - mean).powi(2))) / count).sqrt())
        }
    }
}

/// A sum that loses little to rounding (Neumaier).
pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() {
            (sum - next) + value
        } else {
            (value - next) + sum
        };
        sum = next;
    }
    if lost.is_finite() { sum + lost } else { sum }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of a range fit")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

/// The change over a range, extended to its ends where the samples come close to them.
fn extrapolated(
    samples: &[(i64, f64)],
    start: i64,
    end: i64,
    counter: bool,
    per_second: bool,
) -> Option<f64> {
    let (&(first_at, first), &(last_at, last)) = (samples.first()?, samples.last()?);
    if samples.len() < 2 {
        return None;
    }
    let mut change = last - first;
    if counter {
        for pair in samples.windows(2) {
            if pair[1].1 < pair[0].1 {
                change += pair[0].1;
            }
        }
    }
    let (mut to_start, to_end) = (seconds(first_at - start), seconds(end - last_at));
    let sampled = seconds(last_at - first_at);
    #[allow(clippy::cast_precision_loss, reason = "a count of samples")]
    let average = sampled / (samples.len() - 1) as f64;
    if counter && change > 0.0 && first >= 0.0 {
        // A counter was never below zero.
        to_start = to_start.min(sampled * (first / change));
    }
    let near = average * 1.1;
    let extended = sampled
        + if to_start < near { to_start } else { average / 2.0 }
        + if to_end < near { to_end } else { average / 2.0 };
    let mut factor = extended / sampled;
    if per_second {
        factor /= seconds(end - start);
    }
    Some(change * factor)
}

/// The slope of the straight line that fits best, per second.
fn slope(samples: &[(i64, f64)]) -> Option<f64> {
    let (start, first) = *samples.first()?;
    if samples.len() < 2 {
        return None;
    }
    if samples.iter().all(|(_, value)| *value == first) {
        return Some(if first.is_infinite() { f64::NAN } else { 0.0 });
    }
    #[allow(clippy::cast_precision_loss, reason = "a count of samples")]
    let n = samples.len() as f64;
    let at = |sample: &(i64, f64)| seconds(sample.0 - start);
    let (x, y) = (
        sum(samples.iter().map(at)),
        sum(samples.iter().map(|sample| sample.1)),
    );
    let xy = sum(samples.iter().map(|sample| at(sample) * sample.1));
    let xx = sum(samples.iter().map(|sample| at(sample).powi(2)));
    Some((xy - x * y / n) / (xx - x * x / n))
}

/// The quantile of some values, between the two nearest.
pub(crate) fn quantile(share: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || share.is_nan() {
        return f64::NAN;
    }
    if share < 0.0 {
        return f64::NEG_INFINITY;
    }
    if share > 1.0 {
        return f64::INFINITY;
    }
    // NaN stands below every number.
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        _ => a.total_cmp(b),
    });
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among the values"
    )]
    {
        let rank = share * (values.len() - 1) as f64;
        let lower = rank.floor() as usize;
        let upper = (lower + 1).min(values.len() - 1);
        let weight = rank - rank.floor();
        values[lower] * (1.0 - weight) + values[upper] * weight
    }
}
