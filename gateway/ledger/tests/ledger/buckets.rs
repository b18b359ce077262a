//! Buckets that samples answer for are, to the last bit, what a plain walk over the samples says: whatever kinds of
//! values a point has, however its chunks overlap, and while some of it is not sealed yet.

use crate::estate::{Estate, NEW_YEAR, at};
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Reason, Value};
use linli_ledger::{DAY, Edge, HOUR, MINUTE, Options, Span, Stretch};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// A sample: milliseconds since new year, and what was seen.
type Sample = (i64, Option<Value>);

fn edge(value: Option<&Value>) -> Edge {
    match value {
        Some(Value::State(true)) => Edge::On,
        Some(Value::State(false)) => Edge::Off,
        _ => Edge::None,
    }
}

fn figure(value: Option<&Value>) -> Option<f64> {
    match value {
        Some(Value::Number(number)) if number.is_finite() => Some(*number),
        Some(Value::State(state)) => Some(f64::from(u8::from(*state))),
        _ => None,
    }
}

/// One bucket by its samples in order. Sums of its days are added up, as they are kept by the day.
fn walked(inside: &[&Sample]) -> Stretch {
    let (first, last) = (inside[0], inside[inside.len() - 1]);
    let mut whole = Stretch {
        first_at: NEW_YEAR + first.0,
        last_at: NEW_YEAR + last.0,
        starts: edge(first.1.as_ref()),
        ends: edge(last.1.as_ref()),
        ..Stretch::default()
    };
    let figures: Vec<f64> = inside
        .iter()
        .filter_map(|(_, value)| figure(value.as_ref()))
        .collect();
    whole.summary.samples = inside.len() as u64;
    whole.summary.numeric = figures.len() as u64;
    whole.summary.min = figures.iter().copied().reduce(f64::min);
    whole.summary.max = figures.iter().copied().reduce(f64::max);
    whole.summary.first = figures.first().copied();
    whole.summary.last = figures.last().copied();
    let days = inside.chunk_by(|a, b| a.0.div_euclid(DAY) == b.0.div_euclid(DAY));
    let of_day = |day: &[&Sample]| {
        let figures = day.iter().filter_map(|(_, value)| figure(value.as_ref()));
        figures.fold(0.0, |sum, figure| sum + figure)
    };
    whole.summary.sum = days.map(of_day).fold(0.0, |sum, day| sum + day);
    for pair in inside.windows(2) {
        let (before, after) = (edge(pair[0].1.as_ref()), edge(pair[1].1.as_ref()));
        let lasted = (pair[1].0 - pair[0].0) as u64;
        whole.known_ms += if before == Edge::None { 0 } else { lasted };
        whole.true_ms += if before == Edge::On { lasted } else { 0 };
        whole.changes += u64::from(before != Edge::None && after != Edge::None && before != after);
    }
    whole
}

fn plain(samples: &[Sample], from: i64, to: i64, width: i64) -> Vec<(i64, Stretch)> {
    let mut buckets: BTreeMap<i64, Vec<&Sample>> = BTreeMap::new();
    for sample in samples.iter().filter(|(time, _)| (from..to).contains(time)) {
        let bucket = from + (sample.0 - from).div_euclid(width) * width;
        buckets.entry(bucket).or_default().push(sample);
    }
    let buckets = buckets.into_iter();
    buckets.map(|(start, inside)| (start, walked(&inside))).collect()
}

fn asked(estate: &mut Estate, from: i64, to: i64, width: i64) -> Vec<(i64, Stretch)> {
    let width = Duration::from_millis(width.unsigned_abs());
    let spans = estate.reader().spans(PointKey(1), at(from), at(to), width);
    let told = |span: &Span| (span.start.as_millis() - NEW_YEAR, span.stretch);
    spans.unwrap().spans.iter().map(told).collect()
}

/// The sums by their bits: equal is not enough.
fn bits(buckets: &[(i64, Stretch)]) -> Vec<u64> {
    let sums = buckets.iter().map(|(_, bucket)| bucket.summary.sum.to_bits());
    sums.collect()
}

#[derive(Debug, Clone)]
enum Step {
    /// The sensor goes on, a sample each so many milliseconds.
    Goes(i64, Vec<Option<Value>>),
    /// It sends what it had kept: from so many milliseconds ago.
    Late(i64, Vec<Option<Value>>),
    /// Its clock is ahead by so many milliseconds for one sample.
    Ahead(i64, Option<Value>),
    Seal,
    Restart,
}

fn number() -> BoxedStrategy<Option<Value>> {
    // Tenths and thirds: the order in which they are added shows in the last bits of their sum.
    let number = (-4_000i32..4_000, prop::sample::select(vec![10.0, 3.0, 1.0]))
        .prop_map(|(number, part)| f64::from(number) / part);
    number.prop_map(|number| Some(Value::Number(number))).boxed()
}

fn state() -> BoxedStrategy<Option<Value>> {
    any::<bool>().prop_map(|state| Some(Value::State(state))).boxed()
}

/// Whatever a point may say, most of it numbers or states in a row.
fn values() -> impl Strategy<Value = Vec<Option<Value>>> {
    let missing = || Just(None).boxed();
    let text = || Just(Some(Value::Text("stuck".into()))).boxed();
    let endless = || {
        prop::sample::select(vec![
            Some(Value::Number(f64::INFINITY)),
            Some(Value::Number(f64::NAN)),
        ])
    };
    let steady =
        (any::<bool>(), 1usize..60).prop_map(|(state, count)| vec![Some(Value::State(state)); count]);
    let mixed = prop_oneof![6 => number(), 3 => state(), 2 => missing(), 1 => text(), 1 => endless()];
    prop_oneof![
        4 => prop::collection::vec(number(), 1..120),
        2 => steady,
        2 => prop::collection::vec(state(), 1..60),
        2 => prop::collection::vec(prop_oneof![8 => number(), 1 => missing()], 1..90),
        2 => prop::collection::vec(mixed, 1..60),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let pace = || prop::sample::select(vec![0i64, 1, 997, 20_000, 60_000, 600_000]);
    let back = prop::sample::select(vec![1i64, 90_000, HOUR, 9 * HOUR, 2 * DAY]);
    let ahead = prop::sample::select(vec![1i64, HOUR, DAY, 30 * DAY]);
    let one = prop_oneof![number(), state(), Just(None)];
    prop_oneof![
        6 => (pace(), values()).prop_map(|(pace, values)| Step::Goes(pace, values)),
        2 => (back, values()).prop_map(|(back, values)| Step::Late(back, values)),
        1 => (ahead, one).prop_map(|(ahead, one)| Step::Ahead(ahead, one)),
        4 => Just(Step::Seal),
        1 => Just(Step::Restart),
    ]
}

fn hear(estate: &mut Estate, samples: &[Sample]) {
    let quality = |value: &Option<Value>| match value {
        None => Quality::Bad(Reason::CommTimeout),
        Some(Value::Text(_)) => Quality::Uncertain(Reason::OutOfRange),
        Some(_) => Quality::Good,
    };
    let readings: Vec<Reading> = samples
        .iter()
        .map(|(time, value)| Reading {
            point: PointKey(1),
            observed: at(*time),
            received: at(*time),
            value: value.clone(),
            quality: quality(value),
        })
        .collect();
    estate.hear(&readings);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn buckets_from_samples_are_what_a_plain_walk_says_to_the_last_bit(
        steps in prop::collection::vec(step(), 1..24)
    ) {
        let mut estate = Estate::with(Options {
            head_samples: 16,
            seal_samples: 20,
            stage_target: 2_000,
            ..Options::default()
        });
        let (mut clock, mut samples) = (HOUR, Vec::<Sample>::new());
        for step in steps {
            let mut new: Vec<Sample> = Vec::new();
            match step {
                Step::Goes(pace, values) => for value in values {
                    clock += pace;
                    new.push((clock, value));
                },
                Step::Late(back, values) => for (n, value) in (0..).zip(values) {
                    new.push(((clock - back + n * 1_000).max(0), value));
                },
                Step::Ahead(ahead, value) => new.push((clock + ahead, value)),
                Step::Seal => {
                    let last = estate.ledger().last_commit();
                    estate.seal_all(last, last);
                }
                Step::Restart => estate.restart(),
            }
            if !new.is_empty() {
                hear(&mut estate, &new);
                samples.extend(new);
            }
        }
        // Of equal times the one that came first.
        samples.sort_by_key(|(time, _)| *time);
        let to = 40 * DAY;
        for (from, to, width) in [
            (0, to, 61_234),
            (0, to, 7 * HOUR + 1),
            (0, to, 31 * HOUR + 1),
            (HOUR + 12_345, clock, 3 * MINUTE + 7),
            (clock / 2, clock / 2 + HOUR, to),
        ] {
            let to = to.max(from + 1).min(from + 19_999 * width);
            let (found, expected) = (asked(&mut estate, from, to, width), plain(&samples, from, to, width));
            prop_assert_eq!(&found, &expected, "{} to {} by {}", from, to, width);
            prop_assert_eq!(bits(&found), bits(&expected));
        }
    }
}
