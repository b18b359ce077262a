//! Shelly devices: their reachability, and which topics say nothing of a sensor. What a topic holds is the
//! business of the device's profile.
//!
//! First generation: a topic for each value, plain text (`sensor/flood`), and `online` as a last will. Later ones:
//! `status/<component>` and `events/rpc`, whose notifications are states or overlays of states; a `NotifyEvent` (a
//! button, a boot) is not one.
//! Source: shelly-api-docs `gen1/#mqtt-support`, `gen2/ComponentsAndServices/Mqtt`.

use super::reachable;
use crate::frame::{Body, Event, Frame, Opened};
use crate::refusal::Rejection;
use crate::topic::Captures;
use std::borrow::Cow;

/// Opens a message of either generation.
pub(super) fn open<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let path = captures.path.unwrap_or_default();
    let device = Cow::Borrowed(captures.device);
    if path == "online" {
        return reachable(device, frame, b"true", b"false");
    }
    let event = if frame.payload.is_empty() || is_command(path) {
        Event::Ignored
    } else {
        Event::Uplink
    };
    let mut opened = Opened::of(device, event, frame);
    if event == Event::Uplink {
        opened.body = Body::message_on(path, frame.payload);
    }
    Ok(opened)
}

/// What is sent to the device, and what it answers to a person's questions.
fn is_command(path: &str) -> bool {
    let mut levels = path.split('/');
    let first = levels.next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    matches!(first, "command" | "rpc" | "announce" | "debug") || matches!(last, "command" | "set")
}

#[cfg(test)]
mod tests {
    use crate::{Body, Event, Family, Frame, open};
    use linli_domain::time::Timestamp;

    fn event(family: Family, topic: &str, payload: &str) -> (String, Event) {
        let pattern = family.default_pattern().unwrap().parse().unwrap();
        let frame = Frame {
            topic,
            payload: payload.as_bytes(),
            retained: false,
            received: Timestamp::from_millis(0),
        };
        let opened = open(family, &pattern, &frame).unwrap();
        (opened.address.to_string(), opened.event)
    }

    #[test]
    fn a_last_will_is_reachability_and_a_command_is_no_state() {
        let gen1 = |topic, payload| event(Family::ShellyGen1, topic, payload);
        let flood = "shellyflood-01792F".to_owned();
        assert_eq!(
            gen1("shellies/shellyflood-01792F/online", "false"),
            (flood.clone(), Event::Availability(false))
        );
        assert_eq!(
            gen1("shellies/shellyflood-01792F/sensor/flood", "true"),
            (flood.clone(), Event::Uplink)
        );
        assert_eq!(
            gen1("shellies/shellyflood-01792F/relay/0/command", "on"),
            (flood.clone(), Event::Ignored)
        );
        assert_eq!(
            gen1("shellies/shellyflood-01792F/sensor/flood", ""),
            (flood, Event::Ignored)
        );
        let gen2 = |topic, payload| event(Family::ShellyGen2, topic, payload).1;
        assert_eq!(gen2("shellyplus1-a8/online", "true"), Event::Availability(true));
        assert_eq!(gen2("shellyplus1-a8/rpc", "{}"), Event::Ignored);
        assert_eq!(gen2("shellyplus1-a8/status/switch:0", "{}"), Event::Uplink);
    }

    #[test]
    fn the_topic_below_the_device_reaches_the_profile() {
        let pattern = Family::ShellyGen2.default_pattern().unwrap().parse().unwrap();
        let frame = Frame {
            topic: "shellyfloodg4-a0/status/flood:0",
            payload: b"{\"alarm\":true}",
            retained: false,
            received: Timestamp::from_millis(0),
        };
        let opened = open(Family::ShellyGen2, &pattern, &frame).unwrap();
        assert_eq!(
            opened.body,
            Body::message_on("status/flood:0", b"{\"alarm\":true}")
        );
    }
}
