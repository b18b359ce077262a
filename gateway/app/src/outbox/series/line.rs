//! A reading as a line of InfluxDB's line protocol. Names and tags are a contract with dashboards: only ever added to.
//!
//! ```text
//! bin_fill,estate=riverside,device=bin-7,point=bin-7/bin.fill,asset=wet-1,unit=% value=41.5 1767225600000
//! ```
//! The measurement is the measure with `.` as `_`; states are 0 and 1 in the field `value`, texts stand in `text`. A
//! reading without a value is a line too: `quality` is 2 and there is no `value`. A field `quality` of 1 says
//! uncertain; good readings carry none. Times are milliseconds.

use linli_domain::estate::Estate;
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;
use linli_ledger::PointRow;

/// What stands before the fields of every line of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head(String);

impl Head {
    /// The measurement and tags of a point, with the asset it watches now.
    pub fn new(point: &PointRow, estate: &Estate) -> Self {
        let measure = point.measure.parse::<Measure>().ok();
        let device = estate
            .device_by_id(&point.device)
            .and_then(|device| estate.device(device));
        let asset = device
            .zip(measure)
            .and_then(|(device, measure)| device.asset_of(measure, point.instance.as_deref()))
            .and_then(|asset| estate.asset(asset));
        let mut head = String::new();
        escape(&mut head, &point.measure.replace('.', "_"), &[',', ' ']);
        let tags = [
            ("estate", Some(estate.id().as_str())),
            ("device", Some(point.device.as_str())),
            ("point", Some(point.id.as_str())),
            ("instance", point.instance.as_deref()),
            ("asset", asset.map(|asset| asset.id.as_str())),
            (
                "place",
                asset
                    .and_then(|asset| estate.place(asset.place?))
                    .map(|place| place.id.as_str()),
            ),
            ("unit", measure.map(|measure| measure.unit().symbol())),
        ];
        for (name, value) in tags {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                head.push(',');
                head.push_str(name);
                head.push('=');
                escape(&mut head, value, &[',', '=', ' ']);
            }
        }
        Self(head)
    }
}

/// Adds a reading as a line. Numbers that are not finite have no form and become a line without a value.
pub fn put(out: &mut Vec<u8>, head: &Head, observed: Timestamp, value: Option<&Value>, quality: Quality) {
    let mut fields = String::new();
    match value {
        Some(Value::Number(number)) if number.is_finite() => fields = format!("value={number}"),
        Some(Value::State(state)) => fields.push_str(if *state { "value=1" } else { "value=0" }),
        Some(Value::Text(text)) => {
            fields.push_str("text=\"");
            escape_text(&mut fields, text);
            fields.push('"');
        }
        Some(Value::Number(_)) | None => {}
    }
    let quality = match quality {
        Quality::Good => 0,
        Quality::Uncertain(_) => 1,
        Quality::Bad(_) => 2,
    };
    if quality > 0 || fields.is_empty() {
        if !fields.is_empty() {
            fields.push(',');
        }
        fields.push_str(&format!("quality={quality}i"));
    }
    out.extend_from_slice(head.0.as_bytes());
    out.push(b' ');
    out.extend_from_slice(fields.as_bytes());
    out.extend_from_slice(format!(" {}\n", observed.as_millis()).as_bytes());
}

/// Names and tags: the special characters get a backslash, line breaks cannot be written at all and become spaces.
fn escape(out: &mut String, text: &str, special: &[char]) {
    for c in text.chars() {
        if c == '\n' || c == '\r' {
            out.push_str("\\ ");
            continue;
        }
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    // A trailing backslash would take the comma behind it along.
    if out.ends_with('\\') {
        out.push('_');
    }
}

fn escape_text(out: &mut String, text: &str) {
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(if c == '\n' || c == '\r' { ' ' } else { c });
    }
}
