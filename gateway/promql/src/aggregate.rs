//! Aggregations: many series become one per group.

use crate::ast::{Aggregation, Grouping};
use crate::eval::Sample;
use crate::{Labels, NAME, functions};
use std::collections::BTreeMap;

/// Aggregates samples by their groups.
pub(crate) fn aggregate(
    by: Aggregation,
    samples: Vec<Sample>,
    parameter: f64,
    grouping: &Grouping,
) -> Vec<Sample> {
    let mut groups: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        groups
            .entry(group(&sample.labels, grouping))
            .or_default()
            .push(sample);
    }
    let mut all = Vec::new();
    for (labels, inside) in groups {
        match by {
            Aggregation::Topk | Aggregation::Bottomk => all.extend(first(by, inside, parameter)),
            _ => all.push(Sample {
                labels,
                value: value(by, &inside, parameter),
            }),
        }
    }
    all
}

fn group(labels: &Labels, grouping: &Grouping) -> Labels {
    let named = |name: &String| grouping.labels.contains(name);
    let kept = labels.iter().filter(|(name, _)| {
        if grouping.only {
            named(name)
        } else {
            !named(name) && *name != NAME
        }
    });
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn value(by: Aggregation, inside: &[Sample], parameter: f64) -> f64 {
    let values = || inside.iter().map(|sample| sample.value);
    #[allow(clippy::cast_precision_loss, reason = "a count of series")]
    let count = inside.len() as f64;
    // NaN loses against any number.
    let best = |better: fn(f64, f64) -> bool| {
        let best = values().reduce(|best, value| {
            if better(value, best) || best.is_nan() {
                value
            } else {
                best
            }
        });
        best.unwrap_or(f64::NAN)
    };
    match by {
        Aggregation::Sum => functions::sum(values()),
        Aggregation::Avg => functions::sum(values()) / count,
        Aggregation::Min => best(|a, b| a < b),
        Aggregation::Max => best(|a, b| a > b),
        Aggregation::Quantile => functions::quantile(parameter, values().collect()),
        Aggregation::Count | Aggregation::Topk | Aggregation::Bottomk => count,
    }
}

/// The largest or smallest few, which keep their labels.
fn first(by: Aggregation, mut inside: Vec<Sample>, parameter: f64) -> Vec<Sample> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast saturates, and a NaN or a negative number is none"
    )]
    let most = parameter as usize;
    inside.sort_by(|a, b| match (a.value.is_nan(), b.value.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Greater,
        (false, true) => std::cmp::Ordering::Less,
        _ if by == Aggregation::Topk => b.value.total_cmp(&a.value),
        _ => a.value.total_cmp(&b.value),
    });
    inside.truncate(most);
    inside
}
