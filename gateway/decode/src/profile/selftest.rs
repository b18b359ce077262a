//! The tests inside a profile. They run whenever it is loaded; one that fails refuses the profile with the difference.

use super::Profile;
use super::document::{Node, Problems};
use super::selftest_read::{Expected, Input, Test, read};
use crate::context::DeviceContext;
use crate::modbus::{RegisterMap, RegisterRequest};
use crate::observation::{Decoded, Observation};
use crate::refusal::DecodeError;
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Value};
use std::fmt::Write as _;

/// Most tests of a profile.
const MAX_TESTS: usize = 256;

/// Runs the tests under `node` and returns how many there are.
pub(super) fn run(profile: &Profile, node: Option<Node<'_>>, problems: &mut Problems<'_>) -> usize {
    let Some(node) = node else { return 0 };
    let nodes = problems.array(node).unwrap_or_default();
    if nodes.len() > MAX_TESTS {
        problems.refuse::<()>(
            node.span(),
            format!("a profile has at most {MAX_TESTS} tests"),
            "",
        );
        return 0;
    }
    for node in nodes {
        let test = problems.table(node).and_then(|table| read(table, problems));
        if let Some(test) = test {
            let differences = compare(profile, &test);
            if !differences.is_empty() {
                let message = format!("test {:?} failed:\n{}", test.name, differences.trim_end());
                problems.refuse::<()>(test.span, message, "correct the layout or the test");
            }
        }
    }
    nodes.len()
}

/// What differs between the test and the profile, a line each.
fn compare(profile: &Profile, test: &Test<'_>) -> String {
    let mut out = Vec::new();
    let mut differences = String::new();
    match (decode(profile, test, &mut out), test.fails) {
        (Ok(decoded), None) => {
            let notes: Vec<_> = decoded.diagnostics.iter().map(|d| d.label()).collect();
            if let Some(expected) = test.notes.filter(|expected| !notes.contains(expected)) {
                let _ = writeln!(differences, "  expected the note {expected}, got {notes:?}");
            }
            if test.available.is_some() && test.available != decoded.availability {
                let (want, got) = (test.available, decoded.availability);
                let _ = writeln!(differences, "  expected available: {want:?}, got {got:?}");
            }
        }
        (Ok(_), Some(reason)) => {
            let _ = writeln!(differences, "  expected it to fail as {reason}, but it decoded");
        }
        (Err(error), Some(reason)) if error.reason() == reason => {}
        (Err(error), Some(reason)) => {
            let _ = writeln!(
                differences,
                "  expected it to fail as {reason}, but it failed as {}: {error}",
                error.reason()
            );
        }
        (Err(error), None) => {
            let _ = writeln!(differences, "  it failed as {}: {error}", error.reason());
        }
    }
    for expected in &test.expect {
        let mut found = out
            .iter()
            .filter(|o| is(o, expected.measure, expected.instance.as_deref()));
        if !found.clone().any(|found| expected.is_met_by(found)) {
            let found = found.next();
            let name = name(expected.measure, expected.instance.as_deref());
            let got = found.map_or("nothing".to_owned(), show);
            let _ = writeln!(differences, "  {name}: expected {}, got {got}", expected.show());
        }
    }
    for (measure, instance) in &test.absent {
        if let Some(found) = out
            .iter()
            .find(|o| is(o, *measure, instance.as_deref()) && o.value.is_some())
        {
            let name = name(*measure, instance.as_deref());
            let _ = writeln!(differences, "  {name}: expected nothing, got {}", show(found));
        }
    }
    differences
}

fn decode(profile: &Profile, test: &Test<'_>, out: &mut Vec<Observation>) -> Result<Decoded, DecodeError> {
    match &test.input {
        Input::Body(body) => profile.decode(body, &test.context, out),
        Input::Registers(image) => {
            let map = profile
                .modbus()
                .ok_or(DecodeError::NoLayout { section: "modbus" })?;
            answer_from(image, map, &test.context, out);
            Ok(Decoded::default())
        }
    }
}

/// Answers the requests of `map` that the image covers.
fn answer_from(
    image: &[(RegisterRequest, Vec<u16>)],
    map: &RegisterMap,
    context: &DeviceContext,
    out: &mut Vec<Observation>,
) {
    for read in &map.plan().reads {
        if let Some(data) = map.answer(read, image) {
            map.decode(read, &data, context, out);
        }
    }
}

impl Expected {
    fn is_met_by(&self, found: &Observation) -> bool {
        let value = match (&self.value, &found.value) {
            (Some(Value::Number(want)), Some(Value::Number(got))) => {
                (got - want).abs() <= self.tolerance.max(1e-9).max(1e-6 * want.abs())
            }
            (want, got) => want == got,
        };
        let quality = self.quality.is_none_or(|want| want == severity(found.quality));
        let historical = self.historical.is_none_or(|want| want == found.historical);
        value && quality && historical && (self.time.is_none() || self.time == found.observed)
    }

    fn show(&self) -> String {
        let mut text = self.value.as_ref().map_or("no value".to_owned(), show_value);
        if let Some(quality) = self.quality {
            let _ = write!(text, " ({quality})");
        }
        if let Some(time) = self.time {
            let _ = write!(text, " at {time}");
        }
        text
    }
}

fn severity(quality: Quality) -> &'static str {
    match quality {
        Quality::Good => "good",
        Quality::Uncertain(_) => "uncertain",
        Quality::Bad(_) => "bad",
    }
}

fn is(observation: &Observation, measure: Measure, instance: Option<&str>) -> bool {
    observation.measure == measure && observation.instance.as_deref() == instance
}

fn name(measure: Measure, instance: Option<&str>) -> String {
    instance.map_or(measure.to_string(), |instance| format!("{measure}[{instance}]"))
}

fn show(observation: &Observation) -> String {
    let value = observation
        .value
        .as_ref()
        .map_or("no value".to_owned(), show_value);
    let time = observation
        .observed
        .map(|time| format!(" at {time}"))
        .unwrap_or_default();
    match observation.quality {
        Quality::Good => format!("{value}{time}"),
        Quality::Uncertain(reason) | Quality::Bad(reason) => {
            format!("{value} ({}, {reason:?}){time}", severity(observation.quality))
        }
    }
}

fn show_value(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::State(state) => state.to_string(),
        Value::Text(text) => format!("{text:?}"),
    }
}
