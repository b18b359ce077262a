//! Comparing what came out with what a case expects.

use crate::observation::Observation;
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;
use serde_json::Value as Json;

/// What contradicts `case` in `observations`, a line each. `message_time` is the time of values without their own;
/// `received` that of a message without any.
pub(super) fn contradictions(
    case: &Json,
    observations: &[Observation],
    message_time: Option<Timestamp>,
    received: Timestamp,
) -> Vec<String> {
    let time_of = |o: &Observation| o.observed.or(message_time).unwrap_or(received);
    let mut diff = Vec::new();
    for expected in case["expect"].as_array().into_iter().flatten() {
        let of_kind: Vec<&Observation> = observations.iter().filter(|o| is_kind(expected, o)).collect();
        let want_time = time(expected, "time").or(time(case, "expect_time"));
        let meets = |o: &&Observation| {
            meets_value(expected, o)
                && expected["unit"]
                    .as_str()
                    .is_none_or(|unit| unit == o.measure.unit().symbol())
                && meets_quality(expected, o)
                && want_time.is_none_or(|want| want == time_of(o))
                && expected["historical"]
                    .as_bool()
                    .is_none_or(|want| want == o.historical)
        };
        if !of_kind.iter().any(meets) {
            let got: Vec<String> = of_kind.iter().map(|o| show(o, time_of(o))).collect();
            let got = if got.is_empty() {
                "nothing".to_owned()
            } else {
                got.join(", ")
            };
            let at = want_time.map(|time| format!(" at {time}")).unwrap_or_default();
            diff.push(format!(
                "{}: expected {}{at}, got {got}",
                name_of(expected),
                wanted(expected)
            ));
        }
    }
    for absent in case["absent"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
    {
        let there = observations.iter().find(|o| {
            let whole = o
                .instance
                .as_ref()
                .map(|instance| format!("{}[{instance}]", o.measure));
            (o.measure.name() == absent || whole.as_deref() == Some(absent)) && o.value.is_some()
        });
        diff.extend(there.map(|o| format!("{absent}: expected nothing, got {}", show(o, time_of(o)))));
    }
    for forbidden in case["forbid_time"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
    {
        let forbidden = Timestamp::parse_rfc3339(forbidden);
        let there = observations.iter().find(|o| Some(time_of(o)) == forbidden);
        diff.extend(there.map(|o| format!("{}: must not be of {}", o.measure, time_of(o))));
    }
    diff
}

fn is_kind(expected: &Json, o: &Observation) -> bool {
    expected["measure"] == o.measure.name() && expected["instance"].as_str() == o.instance.as_deref()
}

fn meets_value(expected: &Json, o: &Observation) -> bool {
    let want = &expected["value"];
    match &o.value {
        None => want.is_null(),
        Some(Value::State(got)) => want.as_bool() == Some(*got),
        Some(Value::Text(got)) => want.as_str() == Some(got),
        Some(Value::Number(got)) => want.as_f64().is_some_and(|want| {
            let tolerance = expected["tolerance"].as_f64().unwrap_or(0.0);
            (got - want).abs() <= tolerance.max(1e-9).max(1e-6 * want.abs())
        }),
    }
}

fn meets_quality(expected: &Json, o: &Observation) -> bool {
    let got = match o.quality {
        Quality::Good => "good",
        Quality::Uncertain(_) => "uncertain",
        Quality::Bad(_) => "bad",
    };
    expected["quality"].as_str().is_none_or(|want| want == got)
}

pub(super) fn time(of: &Json, key: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(of[key].as_str()?)
}

fn name_of(expected: &Json) -> String {
    let measure = expected["measure"].as_str().unwrap_or("?");
    match expected["instance"].as_str() {
        Some(instance) => format!("{measure}[{instance}]"),
        None => measure.to_owned(),
    }
}

fn wanted(expected: &Json) -> String {
    let unit = expected["unit"]
        .as_str()
        .filter(|unit| *unit != "bool" && *unit != "text");
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    format!("{}{unit}", expected["value"])
}

fn show(o: &Observation, time: Timestamp) -> String {
    let value = match &o.value {
        None => "no value".to_owned(),
        Some(Value::State(state)) => state.to_string(),
        Some(Value::Number(number)) => format!("{number} {}", o.measure.unit()),
        Some(Value::Text(text)) => format!("{text:?}"),
    };
    match o.quality {
        Quality::Good => format!("{value} at {time}"),
        Quality::Uncertain(reason) => format!("{value} (uncertain, {reason:?}) at {time}"),
        Quality::Bad(reason) => format!("{value} (bad, {reason:?}) at {time}"),
    }
}
