//! Reading the tests of a profile. What a test means when it runs is the business of `selftest`.

use super::document::{Node, Problems, Table};
use super::roles::{read_measure, read_role};
use crate::context::{BinGeometry, DeviceContext};
use crate::frame::Body;
use crate::modbus::RegisterRequest;
use crate::refusal::RejectReason;
use linli_domain::measure::{Measure, Unit};
use linli_domain::reading::Value;
use linli_domain::time::Timestamp;
use std::ops::Range;

/// One observation a test asks for.
pub(super) struct Expected {
    pub(super) measure: Measure,
    pub(super) instance: Option<String>,
    /// `None`: the measure must be there without a value.
    pub(super) value: Option<Value>,
    pub(super) quality: Option<&'static str>,
    pub(super) time: Option<Timestamp>,
    pub(super) tolerance: f64,
}

/// One test as it is written.
pub(super) struct Test<'d> {
    pub(super) name: &'d str,
    pub(super) span: Range<usize>,
    pub(super) input: Input<'d>,
    pub(super) context: DeviceContext,
    pub(super) expect: Vec<Expected>,
    pub(super) absent: Vec<(Measure, Option<String>)>,
    pub(super) fails: Option<RejectReason>,
    pub(super) notes: Option<&'d str>,
}

/// The message of a test.
pub(super) enum Input<'d> {
    Body(Body<'d>),
    Registers(Vec<(RegisterRequest, Vec<u16>)>),
}

/// Reads one test.
pub(super) fn read<'d>(mut table: Table<'d>, problems: &mut Problems<'_>) -> Option<Test<'d>> {
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
