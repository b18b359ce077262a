//! `linli series states`: how long a state was true and how often it changed, the same as the API, for a shell.

use crate::cli::args::States;
use crate::cli::client::{Client, escaped, query};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::text::{self, Key};
use crate::cli::{Outcome, problem};
use linli_domain::time::{Timestamp, duration_text};
use serde_json::Value;
use std::time::Duration;

/// Sums of a bucket, or of all of them.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    on: Duration,
    known: Duration,
    changes: u64,
}

/// Asks for the buckets of a point and shows those in which its state was known.
pub(super) fn show(context: &Context, arguments: &States) -> Outcome {
    let (from, to) = (
        arguments.from.map(|from| from.to_string()),
        arguments.to.map(|to| to.to_string()),
    );
    let path = format!("/api/v1/points/{}/buckets", escaped(&arguments.point));
    let path = query(
        &path,
        &[
            ("width", Some(arguments.width.as_str())),
            ("from", from.as_deref()),
            ("to", to.as_deref()),
        ],
    );
    let answer = Client::new(context)?.get(&path)?;
    let buckets = buckets(&answer);
    if buckets.is_empty() {
        let values = [("id", arguments.point.as_str())];
        return Err(problem(context.language, Key::NoStates, &values));
    }
    output::result(context, &answer, |_| {
        let rows: Vec<Vec<String>> = buckets.iter().map(|(start, sums)| row(*start, sums)).collect();
        let head = [
            Key::HeadFrom,
            Key::HeadTrue,
            Key::HeadShare,
            Key::HeadKnown,
            Key::HeadChanges,
        ];
        let mut all = Sums::default();
        for (_, sums) in &buckets {
            all.on += sums.on;
            all.known += sums.known;
            all.changes += sums.changes;
        }
        let values = [
            ("on", duration_text::format(all.on)),
            ("known", duration_text::format(all.known)),
            ("changes", all.changes.to_string()),
        ];
        let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
        let table = output::table(&head.map(|key| text::get(context.language, key)), &rows);
        table + &text::fill(context.language, Key::StatesTotal, &values) + "\n"
    })
}

/// Buckets in which something is known of a state.
fn buckets(answer: &Value) -> Vec<(Timestamp, Sums)> {
    let column = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let (t, on, known, changes) = (
        column("t"),
        column("true_seconds"),
        column("known_seconds"),
        column("changes"),
    );
    let seconds = |value: Option<&Value>| {
        let seconds = value.and_then(Value::as_f64);
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    };
    let bucket = |(n, start): (usize, &Value)| {
        let sums = Sums {
            on: seconds(on.get(n)).unwrap_or_default(),
            known: seconds(known.get(n))?,
            changes: changes.get(n).and_then(Value::as_u64).unwrap_or(0),
        };
        #[allow(
            clippy::cast_possible_truncation,
            reason = "milliseconds of a time that was one"
        )]
        let start = Timestamp::from_millis((start.as_f64()? * 1_000.0).round() as i64);
        Some((start, sums))
    };
    t.iter().enumerate().filter_map(bucket).collect()
}

fn row(start: Timestamp, sums: &Sums) -> Vec<String> {
    let share = sums.on.as_secs_f64() / sums.known.as_secs_f64().max(0.001) * 100.0;
    vec![
        start.to_string(),
        duration_text::format(sums.on),
        format!("{share:.1} %"),
        duration_text::format(sums.known),
        sums.changes.to_string(),
    ]
}
