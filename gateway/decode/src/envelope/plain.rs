//! Families whose messages need no unwrapping: the topic names the device and what it speaks of, and the profile
//! reads the payload. Tasmota, ESPHome, and messages of one's own.

use super::reachable;
use crate::frame::{Body, Event, Frame, Opened};
use crate::refusal::Rejection;
use crate::topic::Captures;
use std::borrow::Cow;

/// Tasmota: `SENSOR`, `STATE` and the last will `LWT`.
///
/// Source: arendst/Tasmota docs `MQTT.md`; FullTopic is configurable, so the pattern says where the prefix stands.
pub(super) fn tasmota<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let device = Cow::Borrowed(captures.device);
    match captures.path.or(captures.event).unwrap_or("SENSOR") {
        "LWT" => reachable(device, frame, b"Online", b"Offline"),
        path @ ("SENSOR" | "STATE" | "RESULT") => Ok(said(device, path, frame)),
        // INFO1, UPTIME, RFRECEIVED: the firmware's own affairs.
        _ => Ok(Opened::of(device, Event::Ignored, frame)),
    }
}

/// ESPHome: `<component>/<id>/state`, and the birth and last will `status`.
///
/// Source: esphome/esphome-docs `components/mqtt.rst`.
pub(super) fn esphome<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let device = Cow::Borrowed(captures.device);
    let path = captures.path.unwrap_or_default();
    if path == "status" {
        return reachable(device, frame, b"online", b"offline");
    }
    if path.ends_with("/state") {
        return Ok(said(device, path, frame));
    }
    // Commands, and the log.
    Ok(Opened::of(device, Event::Ignored, frame))
}

/// Messages of one's own. An empty retained message only clears the broker's store.
pub(super) fn own<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Opened<'a> {
    said(
        Cow::Borrowed(captures.device),
        captures.path.unwrap_or_default(),
        frame,
    )
}

fn said<'a>(device: Cow<'a, str>, path: &'a str, frame: &Frame<'a>) -> Opened<'a> {
    if frame.payload.is_empty() {
        return Opened::of(device, Event::Ignored, frame);
    }
    Opened {
        body: Body::message_on(path, frame.payload),
        ..Opened::of(device, Event::Uplink, frame)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Event, Family, Frame, TopicPattern, open};
    use linli_domain::time::Timestamp;

    fn event(family: Family, pattern: &str, topic: &str, payload: &str) -> Event {
        let pattern: TopicPattern = pattern.parse().unwrap();
        let frame = Frame {
            topic,
            payload: payload.as_bytes(),
            retained: false,
            received: Timestamp::from_millis(0),
        };
        open(family, &pattern, &frame).unwrap().event
    }

    #[test]
    fn tasmota_is_understood_wherever_its_prefix_stands() {
        for (pattern, topic) in [
            ("tele/{device}/{path}", "tele/bin07"),
            ("{device}/tele/{path}", "bin07/tele"),
        ] {
            let event =
                |last: &str, payload| event(Family::Tasmota, pattern, &format!("{topic}/{last}"), payload);
            assert_eq!(event("SENSOR", "{}"), Event::Uplink);
            assert_eq!(event("LWT", "Offline"), Event::Availability(false));
            assert_eq!(event("LWT", "Online"), Event::Availability(true));
            assert_eq!(event("INFO1", "{}"), Event::Ignored);
        }
    }

    #[test]
    fn esphome_states_are_told_from_commands_and_logs() {
        let event = |topic, payload| event(Family::EspHome, "{device}/{path...}", topic, payload);
        assert_eq!(event("leak-3/binary_sensor/cellar/state", "ON"), Event::Uplink);
        assert_eq!(event("leak-3/status", "offline"), Event::Availability(false));
        assert_eq!(event("leak-3/switch/pump/command", "ON"), Event::Ignored);
        assert_eq!(event("leak-3/debug", "[D]"), Event::Ignored);
    }
}
