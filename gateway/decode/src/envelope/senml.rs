//! SenML in JSON (RFC 8428): an array of records, base values that hold for all records after them.
//!
//! The base name is the device and the name the value; a pack without a base name speaks for the device of its
//! topic. One pack may speak for several devices. Times below 2^28 are relative: to the base time, or to now.

use super::wire::{Text, parse};
use crate::frame::{Body, Event, Frame, Given, NamedValue, Opened};
use crate::refusal::Rejection;
use crate::topic::Captures;
use linli_domain::time::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

/// Most records of one pack.
const MAX_RECORDS: usize = 512;
/// Times below this are seconds from now (RFC 8428, 4.5.3).
const RELATIVE_BELOW_S: f64 = 268_435_456.0;
/// The version this reads; a pack of a later one may mean something else (RFC 8428, 4.4).
const MAX_VERSION: u32 = 10;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    bn: Option<Text<'a>>,
    bt: Option<f64>,
    #[serde(borrow)]
    bu: Option<Text<'a>>,
    bv: Option<f64>,
    bver: Option<u32>,
    #[serde(borrow)]
    n: Option<Text<'a>>,
    #[serde(borrow)]
    u: Option<Text<'a>>,
    v: Option<f64>,
    vb: Option<bool>,
    #[serde(borrow)]
    vs: Option<Text<'a>>,
    t: Option<f64>,
}

/// The base values that hold at a record.
#[derive(Default)]
struct Base<'a> {
    name: Option<Cow<'a, str>>,
    time: f64,
    unit: Option<Cow<'a, str>>,
    value: f64,
}

/// Opens a pack.
pub(super) fn open<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    if frame.payload.is_empty() {
        return Ok(Opened::of(Cow::Borrowed(captures.device), Event::Ignored, frame));
    }
    let records: Vec<Record<'a>> = parse(frame.payload)?;
    if records.len() > MAX_RECORDS {
        return Err(Rejection::TooMany {
            what: "records of one pack",
            limit: MAX_RECORDS,
        });
    }
    let mut base = Base::default();
    let mut devices: Vec<(Cow<'a, str>, Vec<NamedValue<'a>>)> = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        if record.bver.is_some_and(|version| version > MAX_VERSION) {
            return Err(Rejection::BadRecord {
                index,
                detail: format!("SenML of a version after {MAX_VERSION}"),
            });
        }
        base.name = record.bn.map(|name| name.0).or(base.name);
        base.time = record.bt.unwrap_or(base.time);
        base.unit = record.bu.map(|unit| unit.0).or(base.unit);
        base.value = record.bv.unwrap_or(base.value);
        let value = match (record.v, record.vb, record.vs) {
            (Some(number), ..) => Given::Float(number + base.value),
            (None, Some(state), _) => Given::Bool(state),
            (None, None, Some(text)) => Given::Text(text.0),
            // Base values only, a sum, or data: nothing a measure is made of.
            (None, None, None) => continue,
        };
        let (device, name) = split(base.name.clone(), record.n.map(|name| name.0), captures.device);
        if name.is_empty() {
            return Err(Rejection::BadRecord {
                index,
                detail: "neither `bn` nor `n` names the value".to_owned(),
            });
        }
        let value = NamedValue {
            name,
            value,
            unit: record.u.map(|unit| unit.0).or_else(|| base.unit.clone()),
            time: time(base.time + record.t.unwrap_or(0.0), frame.received),
            historical: false,
            doubt: None,
        };
        match devices.iter_mut().find(|(known, _)| *known == device) {
            Some((_, values)) => values.push(value),
            None => devices.push((device, vec![value])),
        }
    }
    let mut opened = devices.into_iter().map(|(device, values)| Opened {
        body: Body::Named(values),
        ..Opened::of(device, Event::Uplink, frame)
    });
    let first = opened.next();
    let mut first =
        first.unwrap_or_else(|| Opened::of(Cow::Borrowed(captures.device), Event::Ignored, frame));
    first.others = opened.collect();
    Ok(first)
}

/// Device and name of a value. A base name that is all there is holds both, the name last.
fn split<'a>(
    base: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    topic_device: &'a str,
) -> (Cow<'a, str>, Cow<'a, str>) {
    let name = name.filter(|name| !name.is_empty());
    match (base.filter(|base| !base.is_empty()), name) {
        (Some(base), Some(name)) => (trimmed(base), name),
        (Some(base), None) => {
            let whole = trimmed(base);
            match whole.rfind([':', '/']) {
                Some(at) => {
                    let (device, name) = whole.split_at(at);
                    (
                        Cow::Owned(device.to_owned()),
                        Cow::Owned(name.get(1..).unwrap_or_default().to_owned()),
                    )
                }
                None => (Cow::Borrowed(topic_device), whole),
            }
        }
        (None, name) => (Cow::Borrowed(topic_device), name.unwrap_or_default()),
    }
}

/// Without the separator at its end that joins it with a name.
fn trimmed(base: Cow<'_, str>) -> Cow<'_, str> {
    match base {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches([':', '/'])),
        Cow::Owned(text) => Cow::Owned(text.trim_end_matches([':', '/']).to_owned()),
    }
}

/// Zero is now, and says nothing that the time of receipt does not.
fn time(seconds: f64, received: Timestamp) -> Option<Timestamp> {
    if seconds == 0.0 || !seconds.is_finite() {
        return None;
    }
    let millis = (seconds * 1000.0).round();
    let millis = if seconds < RELATIVE_BELOW_S {
        received.as_millis() as f64 + millis
    } else {
        millis
    };
    (-6.3e13..=2.6e14)
        .contains(&millis)
        .then(|| Timestamp::from_millis(millis as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, open};

    fn pack(payload: &str) -> Result<Vec<(String, Vec<String>)>, &'static str> {
        let pattern = "devices/{device}/senml".parse().unwrap();
        let frame = Frame {
            topic: "devices/d7/senml",
            payload: payload.as_bytes(),
            retained: false,
            received: Timestamp::from_millis(1_000_000_000_000),
        };
        let opened = open(Family::SenMl, &pattern, &frame).map_err(|e| e.reason().label())?;
        let of = |opened: &Opened<'_>| {
            let values = match &opened.body {
                Body::Named(values) => values
                    .iter()
                    .map(|v| {
                        let time = v.time.map(|t| (t.as_millis() - 1_000_000_000_000) / 1000);
                        format!("{} {:?} {:?} {time:?}", v.name, v.value, v.unit)
                    })
                    .collect(),
                _ => Vec::new(),
            };
            (opened.address.to_string(), values)
        };
        Ok(std::iter::once(&opened).chain(&opened.others).map(of).collect())
    }

    #[test]
    fn base_values_hold_for_the_records_after_them() {
        let got = pack(
            r#"[{"bn":"urn:x:1:","bu":"A","bv":1,"n":"i","v":0.2},{"n":"j","t":-5,"v":2},{"n":"w","u":"","vb":true}]"#,
        );
        let want = [
            "i Float(1.2) Some(\"A\") None",
            "j Float(3.0) Some(\"A\") Some(-5)",
            "w Bool(true) Some(\"\") None",
        ];
        assert_eq!(
            got.unwrap(),
            [("urn:x:1".to_owned(), want.map(str::to_owned).to_vec())]
        );
    }

    #[test]
    fn one_pack_may_speak_for_several_devices_or_for_that_of_its_topic() {
        let got =
            pack(r#"[{"n":"t","v":1},{"bn":"urn:a/","n":"t","v":2},{"bn":"urn:b:temp","v":3}]"#).unwrap();
        let named = |device: &str, value: &str| (device.to_owned(), vec![value.to_owned()]);
        assert_eq!(
            got,
            [
                named("d7", "t Float(1.0) None None"),
                named("urn:a", "t Float(2.0) None None"),
                named("urn:b", "temp Float(3.0) None None"),
            ]
        );
    }

    #[test]
    fn what_is_no_pack_is_refused_with_its_record() {
        assert_eq!(pack(r#"[{"v":1}]"#), Err("bad_record"));
        assert_eq!(pack(r#"[{"bver":11,"n":"t","v":1}]"#), Err("bad_record"));
        assert_eq!(pack(r#"{"n":"t"}"#), Err("wrong_type"));
        assert_eq!(pack("[{"), Err("not_json"));
        assert_eq!(
            pack(&format!("[{}]", vec![r#"{"n":"t","v":1}"#; 600].join(","))),
            Err("too_many")
        );
        assert_eq!(pack(r#"[{"bn":"x"}]"#).unwrap(), [("d7".to_owned(), Vec::new())]);
    }
}
