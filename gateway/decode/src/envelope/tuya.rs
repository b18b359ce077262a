//! TuyaLink: `tylink/<device>/thing/property/report`, each property with a time of its own in milliseconds.
//!
//! Source: the TuyaLink protocol pages of developer.tuya.com ("Property report").

use super::wire::{Text, parse};
use crate::frame::{Body, Event, Frame, Given, NamedValue, Opened};
use crate::refusal::Rejection;
use crate::topic::Captures;
use linli_domain::time::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Most properties of one report.
const MAX_PROPERTIES: usize = 256;

#[derive(Deserialize)]
struct Report<'a> {
    time: Option<i64>,
    #[serde(borrow)]
    data: Option<Properties<'a>>,
}

#[derive(Deserialize)]
struct Property<'a> {
    #[serde(borrow)]
    value: Option<Given<'a>>,
    time: Option<i64>,
}

/// Opens a message; whatever is no report of properties says nothing of a sensor.
pub(super) fn open<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let device = Cow::Borrowed(captures.device);
    if captures.path.unwrap_or("thing/property/report") != "thing/property/report" {
        return Ok(Opened::of(device, Event::Ignored, frame));
    }
    let report: Report<'a> = parse(frame.payload)?;
    let properties = report.data.ok_or(Rejection::MissingField { field: "data" })?.0;
    if properties.len() > MAX_PROPERTIES {
        return Err(Rejection::TooMany {
            what: "properties of one report",
            limit: MAX_PROPERTIES,
        });
    }
    let values = properties.into_iter().map(|(name, property)| NamedValue {
        name: name.0,
        value: property.value.unwrap_or(Given::Null),
        unit: None,
        time: property.time.map(Timestamp::from_millis),
        historical: false,
        doubt: None,
    });
    let mut opened = Opened::of(device, Event::Uplink, frame);
    opened.body = Body::Named(values.collect());
    opened.observed = report.time.map(Timestamp::from_millis);
    Ok(opened)
}

/// The properties in the order of the message.
struct Properties<'a>(Vec<(Text<'a>, Property<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Properties<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Properties<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of properties")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties<'de>, A::Error> {
                let mut entries = Vec::new();
                // One more than allowed, so that the reader can say so.
                while let Some(entry) = map.next_entry()? {
                    if entries.len() <= MAX_PROPERTIES {
                        entries.push(entry);
                    }
                }
                Ok(Properties(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, open};

    fn message<'a>(topic: &'a str, payload: &'a str) -> Result<Opened<'a>, Rejection> {
        let pattern = Family::TuyaLink.default_pattern().unwrap().parse().unwrap();
        let frame = Frame {
            topic,
            payload: payload.as_bytes(),
            retained: false,
            received: Timestamp::from_millis(0),
        };
        open(Family::TuyaLink, &pattern, &frame)
    }

    #[test]
    fn each_property_keeps_its_own_time() {
        let report = r#"{"msgId":"1","time":9,"data":{"a":{"value":"alarm","time":7},"b":{"value":62}}}"#;
        let opened = message("tylink/d1/thing/property/report", report).unwrap();
        let Body::Named(values) = &opened.body else {
            panic!("{opened:?}")
        };
        assert_eq!(values[0].time, Some(Timestamp::from_millis(7)));
        assert_eq!((&values[1].value, values[1].time), (&Given::Int(62), None));
        assert_eq!(opened.observed, Some(Timestamp::from_millis(9)));
    }

    #[test]
    fn other_topics_say_nothing_and_a_report_without_data_is_refused() {
        let event = message("tylink/d1/thing/property/set", "{}").unwrap().event;
        assert_eq!(event, Event::Ignored);
        let refused = |payload: &str| {
            let refusal = message("tylink/d1/thing/property/report", payload).unwrap_err();
            refusal.reason().label()
        };
        assert_eq!(refused("{}"), "missing_field");
        assert_eq!(refused(r#"{"data":[1]}"#), "wrong_type");
        assert_eq!(refused("x"), "not_json");
        let many: Vec<_> = (0..300).map(|n| format!(r#""p{n}":{{"value":1}}"#)).collect();
        assert_eq!(
            refused(&format!(r#"{{"data":{{{}}}}}"#, many.join(","))),
            "too_many"
        );
    }
}
