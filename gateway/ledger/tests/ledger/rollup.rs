//! Sums per minute, hour and day are what the samples say, whenever they come and whatever was let go since.

mod histories;
mod asked;
mod let_go;
mod half_gone;
mod older;

use crate::estate::{Estate, NEW_YEAR, at, leak_alarm, number, wet};
use linli_domain::id::{AlarmId, PointKey};
use linli_domain::reading::{Quality, Reading, Reason, Value};
use linli_domain::time::Timestamp;
use linli_ledger::{Batch, Budget, DAY, Edge, HOUR, Keep, MINUTE, Options, Span, Stretch};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn rolling() -> Estate {
    Estate::with(Options {
        head_samples: 16,
        seal_samples: 30,
        stage_target: 3_000,
        ..Options::default()
    })
}

fn seal(estate: &mut Estate) {
    let last = estate.ledger().last_commit();
    estate.seal_all(last, last);
}

fn spans(estate: &mut Estate, point: u32, from: i64, to: i64, width: i64) -> Vec<Span> {
    let reader = estate.reader();
    let width = Duration::from_millis(width as u64);
    reader
        .spans(PointKey(point), at(from), at(to), width)
        .unwrap()
        .spans
}

/// What a plain walk over the samples says: per bucket count, least, greatest, time true, changes.
type Plain = BTreeMap<i64, (u64, Option<f64>, Option<f64>, u64, u64)>;

fn plain(samples: &[(i64, Option<Value>)], from: i64, to: i64, width: i64) -> Plain {
    let mut buckets: BTreeMap<i64, Vec<&(i64, Option<Value>)>> = BTreeMap::new();
    for sample in samples.iter().filter(|(at, _)| (from..to).contains(at)) {
        buckets
            .entry(from + (sample.0 - from).div_euclid(width) * width)
            .or_default()
            .push(sample);
    }
    let state = |value: &Option<Value>| value.as_ref().and_then(Value::as_state);
    let figures = |inside: &Vec<&(i64, Option<Value>)>| {
        let numbers = inside.iter().filter_map(|(_, value)| match value {
            Some(Value::Number(number)) => Some(*number),
            Some(Value::State(state)) => Some(f64::from(u8::from(*state))),
            _ => None,
        });
        let (mut on, mut changes) = (0, 0);
        for pair in inside.windows(2) {
            if state(&pair[0].1) == Some(true) {
                on += (pair[1].0 - pair[0].0) as u64;
            }
            changes +=
                u64::from(matches!((state(&pair[0].1), state(&pair[1].1)), (Some(a), Some(b)) if a != b));
        }
        (
            inside.len() as u64,
            numbers.clone().reduce(f64::min),
            numbers.reduce(f64::max),
            on,
            changes,
        )
    };
    buckets
        .iter()
        .map(|(start, inside)| (*start, figures(inside)))
        .collect()
}

fn told(spans: &[Span]) -> Plain {
    let figures = |stretch: &Stretch| {
        let summary = &stretch.summary;
        (
            summary.samples,
            summary.min,
            summary.max,
            stretch.true_ms,
            stretch.changes,
        )
    };
    spans
        .iter()
        .map(|span| (span.start.as_millis() - NEW_YEAR, figures(&span.stretch)))
        .collect()
}

/// A point of the file, so that retention knows its measure.
fn known(estate: &mut Estate, key: u32, id: &str) {
    let (device, measure) = id.split_once('/').unwrap();
    let point = linli_ledger::PointRow {
        key: PointKey(key),
        id: id.parse().unwrap(),
        device: device.parse().unwrap(),
        measure: measure.into(),
        instance: None,
    };
    let now = estate.now();
    let batch = Batch {
        points: &[point],
        ..Batch::at(now)
    };
    estate.ledger().commit(&batch).unwrap();
}
