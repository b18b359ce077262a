//! Readings as lines: CSV for spreadsheets, NDJSON for programs. One writer for the command line and for HTTP.
//!
//! It reads page by page, by key, so no read lasts long however much is asked for. Nothing is printed here.

use crate::http::wire::point::{Reading as WireReading, Value};
use linli_domain::measure::Measure;
use linli_domain::reading::Reading;
use linli_domain::time::Timestamp;
use linli_ledger::{MAX_PAGE, PointRow, Reader, SampleCursor, StoreError, StoredSample};
use serde::Serialize;
use std::borrow::Cow;

/// Form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// RFC 4180, with a head line and CR LF.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Form {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// What stands before the first line.
    pub fn head(self) -> &'static str {
        match self {
            Self::Csv => {
                "point,device,measure,instance,unit,observed_at,received_at,value,quality,reason\r\n"
            }
            Self::Ndjson => "",
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    point: &'a str,
    device: &'a str,
    measure: &'a str,
    instance: Option<&'a str>,
    unit: &'a str,
    #[serde(flatten)]
    reading: WireReading,
}

/// Adds one reading as a line.
pub fn line(out: &mut Vec<u8>, form: Form, point: &PointRow, sample: StoredSample) {
    let reading = WireReading::from(&Reading {
        point: point.key,
        observed: sample.observed,
        received: sample.received,
        value: sample.value,
        quality: sample.quality,
    });
    let unit = point.measure.parse::<Measure>().map_or("", |m| m.unit().symbol());
    match form {
        Form::Ndjson => {
            let line = Line {
                point: point.id.as_str(),
                device: point.device.as_str(),
                measure: &point.measure,
                instance: point.instance.as_deref(),
                unit,
                reading,
            };
            // Writing into memory; what cannot be written is a bug the reader sees as a missing line.
            if serde_json::to_writer(&mut *out, &line).is_ok() {
                out.push(b'\n');
            }
        }
        Form::Csv => csv(out, point, unit, &reading),
    }
}

fn csv(out: &mut Vec<u8>, point: &PointRow, unit: &str, reading: &WireReading) {
    let value = match &reading.value {
        None => Cow::Borrowed(""),
        Some(Value::Number(number)) => Cow::Owned(number.to_string()),
        Some(Value::State(state)) => Cow::Borrowed(if *state { "true" } else { "false" }),
        // A spreadsheet would run a text of the field that begins like a formula.
        Some(Value::Text(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            Cow::Owned(format!("'{text}"))
        }
        Some(Value::Text(text)) => Cow::Borrowed(text.as_str()),
    };
    let name = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    };
    let (observed, received) = (reading.observed_at.to_string(), reading.received_at.to_string());
    let (quality, reason) = (
        name(serde_json::to_value(reading.quality)),
        name(serde_json::to_value(reading.reason)),
    );
    let fields = [
        point.id.as_str(),
        point.device.as_str(),
        &point.measure,
        point.instance.as_deref().unwrap_or(""),
        unit,
        &observed,
        &received,
        &value,
        &quality,
        &reason,
    ];
    for (n, field) in fields.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            out.push(b'"');
            out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(field.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Where an export stands: which point, and where in it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    point: usize,
    after: Option<SampleCursor>,
    /// Lines written so far.
    pub lines: u64,
}

/// Adds the next piece of at most `most` lines to `out`; false at the end.
pub fn piece(
    reader: &Reader,
    points: &[PointRow],
    (from, to): (Timestamp, Timestamp),
    form: Form,
    most: usize,
    progress: &mut Progress,
    out: &mut Vec<u8>,
) -> Result<bool, StoreError> {
    let mut room = most.clamp(1, MAX_PAGE);
    while room > 0 {
        let Some(point) = points.get(progress.point) else {
            return Ok(false);
        };
        let page = reader.samples(point.key, from, to, room, progress.after)?;
        room -= page.samples.len().min(room);
        progress.lines += page.samples.len() as u64;
        page.samples
            .into_iter()
            .for_each(|sample| line(out, form, point, sample));
        progress.after = page.next;
        if page.next.is_none() {
            progress.point += 1;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::id::PointKey;
    use linli_domain::reading::{Quality, Reason, Value as DomainValue};

    fn point() -> PointRow {
        PointRow {
            key: PointKey(3),
            id: "bin-7/bin.fill".parse().unwrap(),
            device: "bin-7".parse().unwrap(),
            measure: "bin.fill".into(),
            instance: None,
        }
    }

    fn sample(value: Option<DomainValue>, quality: Quality) -> StoredSample {
        StoredSample {
            observed: Timestamp::from_millis(1_767_225_600_000),
            received: Timestamp::from_millis(1_767_225_601_500),
            value,
            quality,
        }
    }

    fn written(form: Form, value: Option<DomainValue>, quality: Quality) -> String {
        let mut out = Vec::new();
        line(&mut out, form, &point(), sample(value, quality));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_of_csv_is_what_a_spreadsheet_expects() {
        assert_eq!(
            written(Form::Csv, Some(DomainValue::Number(41.5)), Quality::Good),
            "bin-7/bin.fill,bin-7,bin.fill,,%,2026-01-01T00:00:00.000Z,2026-01-01T00:00:01.500Z,41.5,good,\r\n"
        );
        let text = written(
            Form::Csv,
            Some(DomainValue::Text("a \"b\", c".into())),
            Quality::Good,
        );
        assert!(text.contains(",\"a \"\"b\"\", c\","), "{text}");
        let formula = written(Form::Csv, Some(DomainValue::Text("=cmd()".into())), Quality::Good);
        assert!(formula.contains(",'=cmd(),"), "{formula}");
    }

    #[test]
    fn a_missing_value_is_empty_and_says_why() {
        let bad = Quality::Bad(Reason::CommTimeout);
        assert!(written(Form::Csv, None, bad).ends_with(",,bad,comm_timeout\r\n"));
        let json: serde_json::Value = serde_json::from_str(&written(Form::Ndjson, None, bad)).unwrap();
        assert_eq!(
            (&json["value"], &json["quality"]),
            (&serde_json::Value::Null, &"bad".into())
        );
        assert_eq!(json["unit"], "%");
    }
}
