//! Reading the tests of a profile. What a test means when it runs is the business of `selftest`.

use super::document::{Node, Problems, Table};
use super::field::read_value;
use super::roles::{read_measure, read_role};
use crate::context::{BinGeometry, DeviceContext};
use crate::frame::{Body, Given, NamedValue};
use crate::modbus::RegisterRequest;
use crate::refusal::RejectReason;
use jiff::tz::TimeZone;
use linli_domain::measure::Measure;
use linli_domain::reading::Value;
use linli_domain::time::Timestamp;
use std::borrow::Cow;
use std::ops::Range;
use toml::de::DeValue;

/// One observation a test asks for.
pub(super) struct Expected {
    pub(super) measure: Measure,
    pub(super) instance: Option<String>,
    /// `None`: the measure must be there without a value.
    pub(super) value: Option<Value>,
    pub(super) quality: Option<&'static str>,
    pub(super) time: Option<Timestamp>,
    /// Whether it must be one the device had stored.
    pub(super) historical: Option<bool>,
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
    pub(super) available: Option<bool>,
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
        bin: table.take("bin").and_then(|node| read_geometry(node, problems)),
        tank: table.take("tank").and_then(|node| read_geometry(node, problems)),
        zone: table.take("zone").and_then(|node| read_zone(node, problems)),
        received: table
            .take("received")
            .and_then(|node| read_time(node, problems))
            .unwrap_or_default(),
        ..DeviceContext::default()
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
    let available = table.take("available").and_then(|node| problems.boolean(node));
    table.finish(problems);
    if problems.count() == before
        && expect.is_empty()
        && absent.is_empty()
        && fails.is_none()
        && notes.is_none()
        && available.is_none()
    {
        let hint = "add `expect`, `absent`, `available`, `notes` or `fails`";
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
        available,
    })
}

fn read_input<'d>(table: &mut Table<'d>, problems: &mut Problems<'_>) -> Option<Input<'d>> {
    let f_port = table
        .take("f_port")
        .and_then(|node| problems.integer(node, 1..=255));
    let f_port = f_port.and_then(|port| u8::try_from(port).ok());
    let topic = table
        .take("topic")
        .and_then(|node| problems.text(node))
        .unwrap_or_default();
    let given: Vec<_> = ["bytes", "json", "text", "named", "registers"]
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
        [("json" | "text", node)] => {
            let text = problems.text(node)?;
            Some(Input::Body(Body::message_on(topic, text.as_bytes())))
        }
        [("named", node)] => {
            let values = problems
                .array(node)?
                .iter()
                .map(|node| read_named(node, problems));
            Some(Input::Body(Body::Named(values.collect::<Option<_>>()?)))
        }
        [(_, node)] => {
            let blocks = problems.array(node)?;
            let blocks = blocks
                .iter()
                .map(|node| read_block(node, problems))
                .collect::<Vec<_>>();
            Some(Input::Registers(blocks.into_iter().collect::<Option<_>>()?))
        }
        _ => {
            let hint = "give the message as `bytes` (hexadecimal), `json`, `text`, `named` or `registers`";
            problems.refuse(table.span.clone(), "a test needs exactly one message", hint)
        }
    }
}

/// `{ name = "temp", value = 21.5, unit = "Cel", time = "…" }`; without a value it is null.
fn read_named<'d>(node: Node<'d>, problems: &mut Problems<'_>) -> Option<NamedValue<'d>> {
    let mut table = problems.table(node)?;
    let name = table.need("name", "what the device calls the value", problems);
    let value = table.take("value");
    let unit = table.take("unit").and_then(|node| problems.text(node));
    let time = table.take("time").and_then(|node| read_time(node, problems));
    table.finish(problems);
    let value = match value {
        None => Given::Null,
        Some(node) => match node.get_ref() {
            DeValue::Boolean(state) => Given::Bool(*state),
            DeValue::String(text) => Given::Text(Cow::Borrowed(text)),
            DeValue::Integer(_) => Given::Int(problems.integer(node, i64::MIN.into()..=u64::MAX.into())?),
            _ => Given::Float(problems.number(node)?),
        },
    };
    Some(NamedValue {
        name: Cow::Borrowed(problems.text(name?)?),
        value,
        unit: unit.map(Cow::Borrowed),
        time,
        historical: false,
        doubt: None,
    })
}

fn read_zone(node: Node<'_>, problems: &mut Problems<'_>) -> Option<TimeZone> {
    let name = problems.text(node)?;
    TimeZone::get(name).ok().or_else(|| {
        let hint = "use a name of the IANA database, for example \"Asia/Shanghai\"";
        problems.refuse(node.span(), format!("unknown time zone {name:?}"), hint)
    })
}

fn read_time(node: Node<'_>, problems: &mut Problems<'_>) -> Option<Timestamp> {
    let time = Timestamp::parse_rfc3339(problems.text(node)?);
    time.or_else(|| {
        problems.refuse(
            node.span(),
            "not a time",
            "write it like \"2026-01-31T19:02:11Z\"",
        )
    })
}

/// Bytes in hexadecimal; spaces are free.
pub(super) fn read_hex(text: &str) -> Option<Vec<u8>> {
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

fn read_geometry(node: Node<'_>, problems: &mut Problems<'_>) -> Option<BinGeometry> {
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
    let value = table
        .take("value")
        .and_then(|node| read_value(node, measure.unit(), problems));
    if value.is_none() != (quality == Some("bad")) {
        let hint = "give a value, or quality = \"bad\" for a measure without one";
        problems.refuse::<()>(table.span.clone(), "a value and a quality that do not fit", hint);
    }
    let time = table.take("time").and_then(|node| read_time(node, problems));
    let historical = table.take("historical").and_then(|node| problems.boolean(node));
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
        historical,
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
