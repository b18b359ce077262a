//! Zigbee2MQTT: one JSON object per device under its friendly name, which may hold slashes.
//!
//! The same tree carries commands (`/set`, `/get`), reachability (`/availability`) and the bridge's own topics
//! (`bridge/…`); a device called "bridge/state" must not appear out of them.
//! Source: Koenkk/zigbee2mqtt.io `docs/guide/usage/mqtt_topics_and_messages.md`.

use crate::frame::{Body, Event, Frame, Opened};
use crate::refusal::Rejection;
use crate::walk::{Pointers, Scalar, Sink};
use std::borrow::Cow;

/// Opens a message; `name` is the topic below the base topic.
pub(super) fn open<'a>(name: &'a str, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let opened = |name: &'a str, event| Opened::of(Cow::Borrowed(name), event, frame);
    if let Some(topic) = name.strip_prefix("bridge/") {
        return Ok(match topic {
            "state" => opened("bridge", Event::BridgeAvailability(is_online(frame.payload)?)),
            "devices" => Opened {
                body: Body::message(frame.payload),
                ..opened("bridge", Event::Inventory)
            },
            _ => opened("bridge", Event::Ignored),
        });
    }
    if frame.payload.is_empty() || is_command(name) {
        return Ok(opened(name, Event::Ignored));
    }
    if let Some(device) = name.strip_suffix("/availability") {
        return Ok(opened(device, Event::Availability(is_online(frame.payload)?)));
    }
    Ok(Opened {
        body: Body::message(frame.payload),
        ..opened(name, Event::Uplink)
    })
}

/// `<name>/set`, `<name>/get` and their forms with an attribute, `<name>/set/brightness`.
fn is_command(name: &str) -> bool {
    let is_verb = |level: &str| level == "set" || level == "get";
    match name.rsplit_once('/') {
        Some((_, last)) if is_verb(last) => true,
        Some((head, _)) => head.rsplit_once('/').is_some_and(|(_, verb)| is_verb(verb)),
        None => false,
    }
}

/// Reads `{"state":"online"}` and the older plain text form.
fn is_online(payload: &[u8]) -> Result<bool, Rejection> {
    let mut state = State(None);
    let found = match payload {
        b"online" => Some(true),
        b"offline" => Some(false),
        _ => {
            let mut wanted = Pointers::default();
            let _ = wanted.insert("/state", 0);
            wanted.walk(payload, &mut state)?;
            state.0
        }
    };
    found.ok_or_else(|| Rejection::WrongType {
        detail: "availability is neither \"online\" nor \"offline\"".to_owned(),
    })
}

struct State(Option<bool>);

impl Sink for State {
    fn member(&mut self, _slot: u16, value: Scalar<'_>) {
        self.0 = match value {
            Scalar::Text("online") => Some(true),
            Scalar::Text("offline") => Some(false),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use crate::{Body, Event, Family, Frame, Opened, Rejection, open};
    use linli_domain::time::Timestamp;

    fn message<'a>(topic: &'a str, payload: &'a str) -> Result<Opened<'a>, Rejection> {
        let pattern = Family::Zigbee2mqtt.default_pattern().unwrap().parse().unwrap();
        let frame = Frame {
            topic,
            payload: payload.as_bytes(),
            retained: false,
            received: Timestamp::from_millis(0),
        };
        open(Family::Zigbee2mqtt, &pattern, &frame)
    }

    #[test]
    fn a_friendly_name_keeps_its_slashes() {
        let opened = message("zigbee2mqtt/floor2/flat45/kitchen", "{}").unwrap();
        assert_eq!(
            (&*opened.address, opened.event),
            ("floor2/flat45/kitchen", Event::Uplink)
        );
        assert_eq!(opened.body, Body::message(b"{}"));
    }

    #[test]
    fn commands_are_not_states() {
        for topic in ["a/set", "a/get", "a/b/set", "a/set/state", "a/b/get/water_leak"] {
            let topic = format!("zigbee2mqtt/{topic}");
            assert_eq!(
                message(&topic, r#"{"water_leak":true}"#).unwrap().event,
                Event::Ignored,
                "{topic}"
            );
        }
        assert_eq!(
            message("zigbee2mqtt/set/kitchen", "{}").unwrap().event,
            Event::Uplink
        );
    }

    #[test]
    fn both_forms_of_availability_are_read_and_others_refused() {
        let event = |payload| message("zigbee2mqtt/flat45_bath/availability", payload).map(|o| o.event);
        assert_eq!(
            event(r#"{"state":"offline"}"#).unwrap(),
            Event::Availability(false)
        );
        assert_eq!(event("online").unwrap(), Event::Availability(true));
        assert_eq!(
            event(r#"{"state":1}"#).unwrap_err().reason().label(),
            "wrong_type"
        );
        assert_eq!(event("maybe").unwrap_err().reason().label(), "not_json");
    }

    #[test]
    fn the_bridge_is_not_a_device() {
        let event = |topic, payload| message(topic, payload).unwrap().event;
        assert_eq!(
            event("zigbee2mqtt/bridge/state", r#"{"state":"offline"}"#),
            Event::BridgeAvailability(false)
        );
        assert_eq!(event("zigbee2mqtt/bridge/devices", "[]"), Event::Inventory);
        assert_eq!(event("zigbee2mqtt/bridge/logging", "x"), Event::Ignored);
        assert_eq!(event("zigbee2mqtt/flat45_bath", ""), Event::Ignored);
    }
}
