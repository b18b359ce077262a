//! The tests inside a profile. They run whenever it is loaded; one that fails refuses the profile with the difference.

use super::Profile;
use super::document::{Node, Problems, Table};
use super::field::{read_measure, read_role};
use crate::frame::Body;
use crate::modbus::{RegisterData, RegisterMap, RegisterRequest};
use crate::observation::{BinGeometry, Decoded, DeviceContext, Observation};
use crate::refusal::{DecodeError, RejectReason};
use linli_domain::measure::{Measure, Unit};
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;
use std::fmt::Write as _;
use std::ops::Range;

/// Most tests of a profile.
const MAX_TESTS: usize = 256;

/// One observation a test asks for.
struct Expected {
    measure: Measure,
    instance: Option<String>,
    /// `None`: the measure must be there without a value.
    value: Option<Value>,
    quality: Option<&'static str>,
    time: Option<Timestamp>,
    tolerance: f64,
}

/// One test as it is written.
struct Test<'d> {
    name: &'d str,
    span: Range<usize>,
    input: Input<'d>,
    context: DeviceContext,
    expect: Vec<Expected>,
    absent: Vec<(Measure, Option<String>)>,
    fails: Option<RejectReason>,
    notes: Option<&'d str>,
}

enum Input<'d> {
    Body(Body<'d>),
    Registers(Vec<(RegisterRequest, Vec<u16>)>),
}

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
        let found = out
            .iter()
            .find(|o| is(o, expected.measure, expected.instance.as_deref()));
        if !found.is_some_and(|found| expected.is_met_by(found)) {
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
    for (index, request) in map.requests().iter().enumerate() {
        let words: Option<Vec<u16>> = (0..request.count)
            .map(|n| {
                let address = request.start.checked_add(n)?;
                image
                    .iter()
                    .filter(|(block, _)| block.function == request.function)
                    .find_map(|(block, values)| {
                        values
                            .get(usize::from(address.checked_sub(block.start)?))
                            .copied()
                    })
            })
            .collect();
        match words {
            Some(words) if request.function <= 2 => {
                let bits: Vec<bool> = words.iter().map(|word| *word != 0).collect();
                map.decode(index, &RegisterData::Bits(bits), context, out);
            }
            Some(words) => map.decode(index, &RegisterData::Words(words), context, out),
            None => {}
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
        value && quality && (self.time.is_none() || self.time == found.observed)
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

fn read<'d>(mut table: Table<'d>, problems: &mut Problems<'_>) -> Option<Test<'d>> {
    let before = problems.count();
    let span = table.span.clone();
    let name = table.need("name", "say in a few words what the message shows", problems);
    let name = name.and_then(|node| problems.text(node)).unwrap_or_default();
    let input = read_input(&mut table, problems);
    let context = DeviceContext {
        role: table
            .take("role")
            .and_then(|node| read_role(problems.text(node)?, node.span(), problems)),
        bin: table.take("bin").and_then(|node| read_bin(node, problems)),
        caution: None,
    };
    let expect = table
        .take("expect")
        .and_then(|node| problems.array(node))
        .unwrap_or_default();
    let expect = expect
        .iter()
        .filter_map(|node| read_expected(node, problems))
        .collect::<Vec<_>>();
    let absent = table
        .take("absent")
        .and_then(|node| problems.array(node))
        .unwrap_or_default();
    let absent = absent
        .iter()
        .filter_map(|node| read_absent(node, problems))
        .collect::<Vec<_>>();
    let fails = table.take("fails").and_then(|node| read_reason(node, problems));
    let notes = table.take("notes").and_then(|node| problems.text(node));
    table.finish(problems);
    if problems.count() == before
        && expect.is_empty()
        && absent.is_empty()
        && fails.is_none()
        && notes.is_none()
    {
        let hint = "add `expect`, `absent`, `notes` or `fails`";
        return problems.refuse(span, format!("test {name:?} asks for nothing"), hint);
    }
    let input = input?;
    (problems.count() == before).then_some(Test {
        name,
        span,
        input,
        context,
        expect,
        absent,
        fails,
        notes,
    })
}

fn read_input<'d>(table: &mut Table<'d>, problems: &mut Problems<'_>) -> Option<Input<'d>> {
    let f_port = table
        .take("f_port")
        .and_then(|node| problems.integer(node, 1..=255));
    let f_port = f_port.and_then(|port| u8::try_from(port).ok());
    let given: Vec<_> = ["bytes", "json", "registers"]
        .into_iter()
        .filter_map(|k| Some((k, table.take(k)?)))
        .collect();
    match given.as_slice() {
        [("bytes", node)] => {
            let bytes = read_hex(problems.text(node)?);
            match bytes {
                Some(bytes) => Some(Input::Body(Body::Bytes {
                    f_port,
                    bytes: bytes.into(),
                })),
                None => problems.refuse(
                    node.span(),
                    "not hexadecimal bytes",
                    "write two digits for each byte",
                ),
            }
        }
        [("json", node)] => Some(Input::Body(Body::Json(problems.text(node)?.as_bytes()))),
        [(_, node)] => {
            let blocks = problems.array(node)?;
            let blocks = blocks
                .iter()
                .map(|node| read_block(node, problems))
                .collect::<Vec<_>>();
            Some(Input::Registers(blocks.into_iter().collect::<Option<_>>()?))
        }
        _ => {
            let hint = "give the message as `bytes` (hexadecimal), `json` or `registers`";
            problems.refuse(table.span.clone(), "a test needs exactly one message", hint)
        }
    }
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect()
}

fn read_block(node: Node<'_>, problems: &mut Problems<'_>) -> Option<(RegisterRequest, Vec<u16>)> {
    let mut table = problems.table(node)?;
    let function = table.need("function", "1 to 4", problems);
    let start = table.need("start", "the first address, from 0", problems);
    let values = table.need("values", "a list of words, or of 0 and 1", problems);
    table.finish(problems);
    let function = u8::try_from(problems.integer(function?, 1..=4)?).ok()?;
    let start = u16::try_from(problems.integer(start?, 0..=0xFFFF)?).ok()?;
    let words = problems
        .array(values?)?
        .iter()
        .map(|node| problems.integer(node, 0..=0xFFFF))
        .collect::<Option<Vec<_>>>()?;
    let words: Vec<u16> = words
        .into_iter()
        .filter_map(|word| u16::try_from(word).ok())
        .collect();
    let request = RegisterRequest {
        function,
        start,
        count: u16::try_from(words.len()).ok()?,
    };
    Some((request, words))
}

fn read_bin(node: Node<'_>, problems: &mut Problems<'_>) -> Option<BinGeometry> {
    let mut table = problems.table(node)?;
    let empty = table
        .need("empty_distance_mm", "", problems)
        .and_then(|node| problems.number(node));
    let full = table
        .need("full_distance_mm", "", problems)
        .and_then(|node| problems.number(node));
    table.finish(problems);
    Some(BinGeometry {
        empty_distance_mm: empty?,
        full_distance_mm: full?,
    })
}

fn read_expected(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Expected> {
    let mut table = problems.table(node)?;
    let measure = table.need("measure", "for example measure = \"leak.wet\"", problems)?;
    let measure = read_measure(problems.text(measure)?, measure.span(), problems)?;
    let instance = table
        .take("instance")
        .and_then(|node| problems.text(node))
        .map(str::to_owned);
    let quality = table.take("quality").and_then(|node| {
        let name = problems.text(node)?;
        let found = ["good", "uncertain", "bad"]
            .into_iter()
            .find(|known| *known == name);
        found.or_else(|| {
            problems.refuse(
                node.span(),
                format!("unknown quality {name:?}"),
                "use good, uncertain or bad",
            )
        })
    });
    let value = table.take("value").and_then(|node| match measure.unit() {
        Unit::BOOL => problems.boolean(node).map(Value::State),
        Unit::TEXT => problems.text(node).map(|text| Value::Text(text.into())),
        _ => problems.number(node).map(Value::Number),
    });
    if value.is_none() != (quality == Some("bad")) {
        let hint = "give a value, or quality = \"bad\" for a measure without one";
        problems.refuse::<()>(table.span.clone(), "a value and a quality that do not fit", hint);
    }
    let time = table.take("time").and_then(|node| {
        let time = Timestamp::parse_rfc3339(problems.text(node)?);
        time.or_else(|| {
            problems.refuse(
                node.span(),
                "not a time",
                "write it like \"2026-01-31T19:02:11Z\"",
            )
        })
    });
    let tolerance = table
        .take("tolerance")
        .and_then(|node| problems.number(node))
        .unwrap_or(0.0);
    table.finish(problems);
    Some(Expected {
        measure,
        instance,
        value,
        quality,
        time,
        tolerance,
    })
}

/// `leak.wet` or `leak.wet[DI1]`.
fn read_absent(node: Node<'_>, problems: &mut Problems<'_>) -> Option<(Measure, Option<String>)> {
    let text = problems.text(node)?;
    let (measure, instance) = match text.split_once('[') {
        Some((measure, instance)) => (measure, Some(instance.trim_end_matches(']').to_owned())),
        None => (text, None),
    };
    Some((read_measure(measure, node.span(), problems)?, instance))
}

fn read_reason(node: Node<'_>, problems: &mut Problems<'_>) -> Option<RejectReason> {
    let label = problems.text(node)?;
    RejectReason::from_label(label).or_else(|| {
        let labels = RejectReason::ALL.map(RejectReason::label);
        let near = linli_domain::measure::nearest(label, labels.into_iter());
        let hint = near.map_or_else(
            || format!("use one of {}", labels.join(", ")),
            |near| format!("did you mean {near:?}?"),
        );
        problems.refuse(node.span(), format!("unknown reason {label:?}"), hint)
    })
}
