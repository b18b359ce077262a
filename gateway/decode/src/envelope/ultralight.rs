//! FIWARE UltraLight 2.0 over MQTT: `l|45#t|21.2` on `/<key>/<device>/attrs`.
//!
//! Groups of key and value are separated by `|`, groups by `#`; a group with an odd number of parts begins with the
//! time of its values. A single value may come bare on `attrs/<key>`. All values are texts; the profile says what
//! they mean.
//! Source: telefonicaid/iotagent-ul `docs/usermanual.md`.

use crate::frame::{Body, Event, Frame, Given, NamedValue, Opened};
use crate::refusal::{JsonFault, Rejection};
use crate::topic::Captures;
use linli_domain::time::Timestamp;
use std::borrow::Cow;

/// Most values of one message.
const MAX_VALUES: usize = 256;

/// Opens a message; commands to the device and their answers say nothing.
pub(super) fn open<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let device = Cow::Borrowed(captures.device);
    let path = captures.path.unwrap_or("attrs");
    let single = path.strip_prefix("attrs/");
    if frame.payload.is_empty() || (path != "attrs" && single.is_none()) {
        return Ok(Opened::of(device, Event::Ignored, frame));
    }
    let text = std::str::from_utf8(frame.payload).map_err(|e| JsonFault::NotUtf8 {
        offset: e.valid_up_to(),
    })?;
    let values = match single {
        Some(name) => vec![value(name, text.trim(), None)],
        None => values(text)?,
    };
    Ok(Opened {
        body: Body::Named(values),
        ..Opened::of(device, Event::Uplink, frame)
    })
}

fn values(text: &str) -> Result<Vec<NamedValue<'_>>, Rejection> {
    let mut values = Vec::new();
    for (index, group) in text.trim().split('#').enumerate() {
        let wrong = |detail: String| Rejection::BadRecord { index, detail };
        let parts: Vec<&str> = group.split('|').collect();
        let (time, pairs) = match parts.as_slice() {
            [time, pairs @ ..] if parts.len() % 2 == 1 => {
                let parsed = Timestamp::parse_rfc3339(time.trim());
                let time = parsed.ok_or_else(|| {
                    wrong("an odd number of parts begins with a time such as 2026-01-31T19:02:11Z".to_owned())
                })?;
                (Some(time), pairs)
            }
            pairs => (None, pairs),
        };
        for pair in pairs.chunks(2) {
            let [name, found] = pair else { continue };
            if name.trim().is_empty() {
                return Err(wrong("a value without a name".to_owned()));
            }
            if values.len() == MAX_VALUES {
                return Err(Rejection::TooMany {
                    what: "values of one message",
                    limit: MAX_VALUES,
                });
            }
            values.push(value(name.trim(), found.trim(), time));
        }
    }
    Ok(values)
}

fn value<'a>(name: &'a str, text: &'a str, time: Option<Timestamp>) -> NamedValue<'a> {
    NamedValue {
        name: Cow::Borrowed(name),
        value: if text.is_empty() {
            Given::Null
        } else {
            Given::Text(Cow::Borrowed(text))
        },
        unit: None,
        time,
        historical: false,
        doubt: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, open};

    fn said(topic: &str, payload: &str) -> Result<Vec<(String, String, bool)>, &'static str> {
        let pattern = Family::FiwareUl.default_pattern().unwrap().parse().unwrap();
        let frame = Frame {
            topic,
            payload: payload.as_bytes(),
            retained: false,
            received: Timestamp::from_millis(0),
        };
        match open(Family::FiwareUl, &pattern, &frame) {
            Ok(Opened {
                body: Body::Named(values),
                ..
            }) => Ok(values
                .into_iter()
                .map(|v| (v.name.into_owned(), format!("{:?}", v.value), v.time.is_some()))
                .collect()),
            Ok(_) => Ok(Vec::new()),
            Err(refusal) => Err(refusal.reason().label()),
        }
    }

    #[test]
    fn groups_and_times_are_taken_apart() {
        let text = |name: &str, value: &str, timed| (name.to_owned(), format!("Text({value:?})"), timed);
        assert_eq!(
            said("/ul/key/bin001/attrs", "l|45#t|21.2|h|60").unwrap(),
            [
                text("l", "45", false),
                text("t", "21.2", false),
                text("h", "60", false)
            ]
        );
        assert_eq!(
            said("/ul/key/bin001/attrs", "2016-06-13T00:35:30Z|lum|432#l|5").unwrap(),
            [text("lum", "432", true), text("l", "5", false)]
        );
        assert_eq!(
            said("/ul/key/bin001/attrs/l", "45").unwrap(),
            [text("l", "45", false)]
        );
        assert_eq!(said("/ul/key/bin001/cmd", "bin001@open|").unwrap(), []);
        assert_eq!(said("/ul/key/bin001/attrs", "noon|l|45"), Err("bad_record"));
        assert_eq!(said("/ul/key/bin001/attrs", "|45"), Err("bad_record"));
        assert_eq!(said("/ul/key/bin001/attrs", &"a|1#".repeat(300)), Err("too_many"));
    }
}
