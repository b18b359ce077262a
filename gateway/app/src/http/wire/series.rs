//! Readings over time as the API shows them: columns that a chart takes without reshaping.

use super::point::{Reading, Value};
use linli_domain::id::PointKey;
use linli_domain::reading::Reading as DomainReading;
use linli_domain::time::Timestamp;
use linli_ledger::{Edge, Spans, StoredSample};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A point in buckets: columns of equal length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Buckets {
    /// Seconds a bucket lasts.
    pub width_seconds: f64,
    /// Where each bucket begins, seconds since 1970.
    pub t: Vec<f64>,
    /// Samples in each; 0 is a gap.
    pub count: Vec<u64>,
    /// The least number.
    pub min: Vec<Option<f64>>,
    /// The greatest.
    pub max: Vec<Option<f64>>,
    /// Their mean.
    pub avg: Vec<Option<f64>>,
    /// The last.
    pub last: Vec<Option<f64>>,
    /// States: seconds the state was true; null for numbers and where nothing is known.
    pub true_seconds: Vec<Option<f64>>,
    /// States: seconds the state was known.
    pub known_seconds: Vec<Option<f64>>,
    /// States: how often it changed.
    pub changes: Vec<Option<u64>>,
}

impl Buckets {
    /// Every bucket from `from` on, the empty ones too. A state holds until the next sample, across buckets; the last
    /// one until `holds_until`, when it is later than its sample.
    #[allow(clippy::cast_precision_loss, reason = "seconds with milliseconds fit")]
    pub fn new(from: Timestamp, to: Timestamp, holds_until: Timestamp, spans: &Spans) -> Self {
        let width = i64::try_from(spans.width.as_millis()).unwrap_or(i64::MAX).max(1);
        let (from, to) = (from.as_millis(), to.as_millis());
        let count = usize::try_from((to - from - 1) / width + 1).unwrap_or(0);
        let mut columns = Self {
            width_seconds: spans.width.as_secs_f64(),
            t: Vec::with_capacity(count),
            count: Vec::with_capacity(count),
            min: Vec::with_capacity(count),
            max: Vec::with_capacity(count),
            avg: Vec::with_capacity(count),
            last: Vec::with_capacity(count),
            true_seconds: Vec::with_capacity(count),
            known_seconds: Vec::with_capacity(count),
            changes: Vec::with_capacity(count),
        };
        let states = spans.before.is_some() || spans.spans.iter().any(|span| span.stretch.knows_a_state());
        // The state that holds, and the time up to which its duration is counted.
        let mut holds = spans.before.map_or(Edge::None, |(edge, _)| edge);
        let mut next = spans.spans.iter().peekable();
        // What holds after the last sample is not known to hold for ever.
        let last_sample = spans.spans.last().map_or(from, |span| span.stretch.last_at);
        let known_until = last_sample.max(holds_until.as_millis());
        for n in 0..count {
            let start = from + n as i64 * width;
            let end = start.saturating_add(width).min(to);
            let stretch = next
                .next_if(|span| span.start.as_millis() == start)
                .map(|span| span.stretch);
            let (mut on, mut known, mut changes) = (0u64, 0u64, 0u64);
            let mut hold = |edge: Edge, from: i64, to: i64| {
                let lasted = u64::try_from(to - from).unwrap_or(0);
                known += if edge == Edge::None { 0 } else { lasted };
                on += if edge == Edge::On { lasted } else { 0 };
            };
            match &stretch {
                None => hold(holds, start, end.min(known_until.max(start))),
                Some(stretch) => {
                    hold(holds, start, stretch.first_at);
                    changes += u64::from(
                        holds != Edge::None && stretch.starts != Edge::None && holds != stretch.starts,
                    );
                    holds = stretch.ends;
                    hold(holds, stretch.last_at, end.min(known_until));
                }
            }
            let summary = stretch.map(|stretch| stretch.summary);
            if let Some(stretch) = &stretch {
                on += stretch.true_ms;
                known += stretch.known_ms;
                changes += stretch.changes;
            }
            let seconds = |millis: u64| (states && known > 0).then_some(millis as f64 / 1_000.0);
            columns.t.push(start as f64 / 1_000.0);
            columns.count.push(summary.map_or(0, |summary| summary.samples));
            columns.min.push(summary.and_then(|summary| summary.min));
            columns.max.push(summary.and_then(|summary| summary.max));
            columns.avg.push(summary.and_then(|summary| summary.mean()));
            columns.last.push(summary.and_then(|summary| summary.last));
            columns.true_seconds.push(seconds(on));
            columns.known_seconds.push(seconds(known));
            columns
                .changes
                .push((states && (known > 0 || changes > 0)).then_some(changes));
        }
        columns
    }
}

/// When a point changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// What it showed when the range began.
    pub before: Option<Value>,
    /// Readings that showed something else than the one before, oldest first.
    pub changes: Vec<Reading>,
    /// Whether these are all.
    pub complete: bool,
}

impl Changes {
    /// Changes among samples in order of time.
    pub fn new(before: Option<&StoredSample>, samples: &[StoredSample], most: usize, whole: bool) -> Self {
        let mut shown = before.map(|sample| sample.value.clone());
        let mut changes = Vec::new();
        for sample in samples {
            if shown.as_ref() == Some(&sample.value) {
                continue;
            }
            if changes.len() == most {
                return Self {
                    before: of(before),
                    changes,
                    complete: false,
                };
            }
            shown = Some(sample.value.clone());
            changes.push(Reading::from(&DomainReading {
                point: PointKey(0),
                observed: sample.observed,
                received: sample.received,
                value: sample.value.clone(),
                quality: sample.quality,
            }));
        }
        Self {
            before: of(before),
            changes,
            complete: whole,
        }
    }
}

fn of(sample: Option<&StoredSample>) -> Option<Value> {
    sample.and_then(|sample| sample.value.as_ref()).map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_ledger::{Span, Stretch, Summary};
    use std::time::Duration;

    #[test]
    fn a_state_that_was_known_only_in_the_middle_of_a_bucket_is_shown() {
        let at = Timestamp::from_millis;
        let stretch = Stretch {
            first_at: 1_000,
            last_at: 9_000,
            known_ms: 6_000,
            true_ms: 2_000,
            changes: 1,
            ..Stretch::default()
        };
        let spans = Spans {
            width: Duration::from_secs(10),
            before: None,
            spans: vec![Span {
                start: at(0),
                stretch,
            }],
            goes_on: false,
        };
        let shown = Buckets::new(at(0), at(10_000), at(0), &spans);
        assert_eq!(
            (shown.known_seconds, shown.true_seconds),
            (vec![Some(6.0)], vec![Some(2.0)])
        );
        assert_eq!(shown.changes, [Some(1)]);
    }

    #[test]
    fn a_state_holds_across_empty_buckets_until_the_last_sample() {
        let at = Timestamp::from_millis;
        let stretch = |first_at: i64, starts, ends| Stretch {
            summary: Summary {
                samples: 1,
                numeric: 1,
                ..Summary::default()
            },
            first_at,
            last_at: first_at,
            starts,
            ends,
            ..Stretch::default()
        };
        let spans = Spans {
            width: Duration::from_secs(10),
            before: Some((Edge::On, at(-5_000))),
            spans: vec![
                Span {
                    start: at(0),
                    stretch: stretch(4_000, Edge::Off, Edge::Off),
                },
                Span {
                    start: at(20_000),
                    stretch: stretch(25_000, Edge::On, Edge::On),
                },
            ],
            goes_on: false,
        };
        let held = Buckets::new(at(0), at(40_000), at(33_000), &spans);
        assert_eq!(held.true_seconds, [Some(4.0), Some(0.0), Some(5.0), Some(3.0)]);
        let buckets = Buckets::new(at(0), at(40_000), at(0), &spans);
        assert_eq!(buckets.true_seconds, [Some(4.0), Some(0.0), Some(0.0), None]);
        assert_eq!(buckets.known_seconds, [Some(10.0), Some(10.0), Some(5.0), None]);
        assert_eq!(buckets.changes, [Some(1), Some(0), Some(1), None]);
        assert_eq!(buckets.count, [1, 0, 1, 0]);
    }
}
