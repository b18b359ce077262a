//! Operators between numbers, between a vector and a number, and between two vectors, one to one.

use crate::ast::{Grouping, Operator};
use crate::eval::{Outcome, Sample, unique};
use crate::{Labels, NAME};
use std::collections::{BTreeMap, BTreeSet};

/// Applies an operator.
pub(crate) fn operate(
    operator: Operator,
    left: Outcome,
    right: Outcome,
    bool: bool,
    matching: &Grouping,
) -> Result<Outcome, String> {
    match (left, right) {
        (Outcome::Scalar(left), Outcome::Scalar(right)) => {
            let holds = compare(operator, left, right);
            Ok(Outcome::Scalar(match holds {
                Some(holds) => f64::from(u8::from(holds)),
                None => calculate(operator, left, right),
            }))
        }
        (Outcome::Vector(left), Outcome::Scalar(right)) => {
            with_scalar(operator, left, bool, |value| (value, right)).map(Outcome::Vector)
        }
        (Outcome::Scalar(left), Outcome::Vector(right)) => {
            with_scalar(operator, right, bool, |value| (left, value)).map(Outcome::Vector)
        }
        (Outcome::Vector(left), Outcome::Vector(right)) => {
            one_to_one(operator, left, right, bool, matching).map(Outcome::Vector)
        }
        (Outcome::Matrix(_), _) | (_, Outcome::Matrix(_)) => {
            Err("an operator takes numbers and vectors, no ranges".into())
        }
    }
}

fn calculate(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Modulo => left % right,
        _ => f64::NAN,
    }
}

/// Whether a comparison holds; `None` for arithmetic.
fn compare(operator: Operator, left: f64, right: f64) -> Option<bool> {
    Some(match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Greater => left > right,
        Operator::Less => left < right,
        Operator::GreaterOrEqual => left >= right,
        Operator::LessOrEqual => left <= right,
        _ => return None,
    })
}

/// A vector and a number. A comparison without `bool` filters and keeps the vector's own values.
fn with_scalar(
    operator: Operator,
    samples: Vec<Sample>,
    bool: bool,
    sides: impl Fn(f64) -> (f64, f64),
) -> Result<Vec<Sample>, String> {
    let made = samples.into_iter().filter_map(|mut sample| {
        let (left, right) = sides(sample.value);
        match compare(operator, left, right) {
            Some(holds) if !bool => return holds.then_some(sample),
            Some(holds) => sample.value = f64::from(u8::from(holds)),
            None => sample.value = calculate(operator, left, right),
        }
        sample.labels.remove(NAME);
        Some(sample)
    });
    unique(made.collect())
}

fn signature(labels: &Labels, matching: &Grouping) -> Labels {
    let named = |name: &String| matching.labels.contains(name);
    let kept = labels.iter().filter(|(name, _)| {
        if matching.only {
            named(name)
        } else {
            !named(name) && *name != NAME
        }
    });
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn one_to_one(
    operator: Operator,
    left: Vec<Sample>,
    right: Vec<Sample>,
    bool: bool,
    matching: &Grouping,
) -> Result<Vec<Sample>, String> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_signature: BTreeMap<Labels, f64> = BTreeMap::new();
    for sample in &right {
        if by_signature
            .insert(signature(&sample.labels, matching), sample.value)
            .is_some()
        {
            return Err(
                "found duplicate series for the match group on the right hand-side of the operation; \
                        many-to-many matching not allowed: matching labels must be unique on one side"
                    .into(),
            );
        }
    }
    let mut matched = BTreeSet::new();
    let mut made = Vec::new();
    for sample in left {
        let signature = signature(&sample.labels, matching);
        let Some(other) = by_signature.get(&signature) else {
            continue;
        };
        let (value, keep) = match compare(operator, sample.value, *other) {
            Some(holds) if bool => (f64::from(u8::from(holds)), true),
            Some(holds) => (sample.value, holds),
            None => (calculate(operator, sample.value, *other), true),
        };
        if !keep {
            continue;
        }
        if !matched.insert(signature) {
            return Err(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                    .into(),
            );
        }
        let mut labels = sample.labels;
        if !operator.compares() || bool {
            labels.remove(NAME);
        }
        labels.retain(|name, _| matching.labels.contains(name) == matching.only);
        made.push(Sample { labels, value });
    }
    Ok(made)
}
