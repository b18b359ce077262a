//! The Things Stack v3: protobuf messages in their JSON form, where members equal to 0, "" or false are left out.
//!
//! The topic holds the id an operator chose; who spoke is the DevEUI of the message. Both must be of one message:
//! a topic that names another device id than the payload is refused. The decoded payload is not used.
//! Source: TheThingsIndustries/lorawan-stack-docs `doc/content/integrations/data-formats/_index.md`.

use super::wire::{self, Text, or_default, parse, report, time};
use crate::frame::{Body, Event, Frame, LorawanIdentity, Opened};
use crate::observation::OWN;
use crate::refusal::Rejection;
use crate::topic::Captures;
use linli_domain::reading::{Reason, Value};
use serde::Deserialize;
use std::borrow::Cow;

/// Most gateways considered of one uplink; the rest cannot be much stronger.
const MAX_GATEWAYS: usize = 64;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    end_device_ids: Option<Ids<'a>>,
    #[serde(borrow)]
    received_at: Option<Text<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    simulated: bool,
    #[serde(borrow)]
    uplink_message: Option<Uplink<'a>>,
    location_solved: Option<Solved>,
}

#[derive(Deserialize)]
struct Ids<'a> {
    #[serde(borrow)]
    device_id: Option<Text<'a>>,
    #[serde(borrow)]
    dev_eui: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Uplink<'a> {
    #[serde(default, deserialize_with = "or_default")]
    f_port: u8,
    #[serde(default, deserialize_with = "or_default")]
    f_cnt: u32,
    #[serde(borrow)]
    frm_payload: Option<Text<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    rx_metadata: Vec<Gateway>,
    #[serde(borrow)]
    received_at: Option<Text<'a>>,
    last_battery_percentage: Option<Battery>,
}

#[derive(Deserialize)]
struct Gateway {
    #[serde(default, deserialize_with = "or_default")]
    rssi: f64,
    #[serde(default, deserialize_with = "or_default")]
    snr: f64,
}

/// The last answer to a status request of LoRaWAN, kept by the network server.
#[derive(Deserialize)]
struct Battery {
    #[serde(default, deserialize_with = "or_default")]
    value: f64,
}

#[derive(Deserialize)]
struct Solved {
    location: Option<wire::Location>,
}

/// Opens a message; what it is stands behind the device in the topic.
pub(super) fn open<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    match captures.path.unwrap_or("up") {
        "up" => uplink(captures.device, frame),
        "join" => {
            let join: Message<'a> = parse(frame.payload)?;
            let mut opened = attributed(captures.device, join.end_device_ids, Event::Join, frame)?.0;
            opened.observed = time(join.received_at);
            Ok(opened)
        }
        "location/solved" => {
            let solved: Message<'a> = parse(frame.payload)?;
            let mut opened = attributed(captures.device, solved.end_device_ids, Event::Status, frame)?.0;
            opened.observed = time(solved.received_at);
            if let Some(location) = solved.location_solved.and_then(|solved| solved.location) {
                location.report(&mut opened);
            }
            Ok(opened)
        }
        // Downlinks, acknowledgements and data of other applications.
        _ => Ok(Opened::of(Cow::Borrowed(captures.device), Event::Ignored, frame)),
    }
}

fn uplink<'a>(topic_device: &'a str, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let message: Message<'a> = parse(frame.payload)?;
    let (mut opened, dev_eui) = attributed(topic_device, message.end_device_ids, Event::Uplink, frame)?;
    let Some(up) = message.uplink_message else {
        return Err(Rejection::MissingField {
            field: "uplink_message",
        });
    };
    // The network's time is nearer to the sensor's than the application server's.
    opened.observed = time(up.received_at).or(time(message.received_at));
    opened.simulated = message.simulated;
    if message.simulated {
        opened.caution = Some(Reason::Simulated);
    } else {
        opened.identity = Some(LorawanIdentity {
            dev_eui,
            f_port: up.f_port,
            f_cnt: up.f_cnt,
        });
    }
    if let Some(data) = up.frm_payload.filter(|data| !data.0.is_empty()) {
        opened.body = Body::Bytes {
            f_port: (up.f_port != 0).then_some(up.f_port),
            bytes: Cow::Owned(wire::application_payload("frm_payload", &data.0)?),
        };
    }
    let gateways = up.rx_metadata.iter().take(MAX_GATEWAYS);
    if let Some(gateway) = gateways.reduce(|a, b| if b.rssi > a.rssi { b } else { a }) {
        report(&mut opened, OWN.rssi, Value::number(gateway.rssi));
        report(&mut opened, OWN.snr, Value::number(gateway.snr));
    }
    if let Some(battery) = up.last_battery_percentage {
        report(&mut opened, OWN.battery, Value::number(battery.value));
    }
    Ok(opened)
}

fn attributed<'a>(
    topic_device: &'a str,
    ids: Option<Ids<'a>>,
    event: Event,
    frame: &Frame<'a>,
) -> Result<(Opened<'a>, u64), Rejection> {
    let ids = ids.ok_or(Rejection::MissingField {
        field: "end_device_ids",
    })?;
    if let Some(named) = ids.device_id.filter(|named| named.0 != topic_device) {
        return Err(Rejection::IdentityConflict {
            topic: topic_device.chars().take(64).collect(),
            payload: named.0.chars().take(64).collect(),
        });
    }
    let dev_eui = ids.dev_eui.ok_or(Rejection::MissingField { field: "dev_eui" })?;
    let (address, dev_eui) = wire::dev_eui(dev_eui.0)?;
    Ok((Opened::of(address, event, frame), dev_eui))
}

#[cfg(test)]
mod tests {
    use crate::{Body, Event, Family, Frame, Opened, Rejection, open};
    use linli_domain::time::Timestamp;

    fn message<'a>(topic: &'a str, payload: &'a str) -> Result<Opened<'a>, Rejection> {
        let pattern = Family::TtsV3.default_pattern().unwrap().parse().unwrap();
        let frame = Frame {
            topic,
            payload: payload.as_bytes(),
            retained: false,
            received: Timestamp::from_millis(0),
        };
        open(Family::TtsV3, &pattern, &frame)
    }

    const UP: &str = "v3/app@ttn/devices/bin-1/up";

    #[test]
    fn the_devices_own_id_is_its_dev_eui_in_lower_case() {
        let up = r#"{"end_device_ids":{"device_id":"bin-1","dev_eui":"6FDFF899E2FE1599"},"uplink_message":{"f_port":2,"frm_payload":"AQI="}}"#;
        let opened = message(UP, up).unwrap();
        assert_eq!(&*opened.address, "6fdff899e2fe1599");
        assert_eq!(opened.body, Body::bytes(Some(2), &[1, 2]));
        assert_eq!(opened.identity.map(|i| (i.f_port, i.f_cnt)), Some((2, 0)));
    }

    #[test]
    fn a_message_under_a_foreign_id_or_without_one_is_refused() {
        let reason = |payload| message(UP, payload).unwrap_err().reason().label();
        assert_eq!(
            reason(
                r#"{"end_device_ids":{"device_id":"bin-2","dev_eui":"6FDFF899E2FE1599"},"uplink_message":{}}"#
            ),
            "identity_conflict"
        );
        assert_eq!(
            reason(r#"{"end_device_ids":{"device_id":"bin-1"},"uplink_message":{}}"#),
            "missing_field"
        );
        assert_eq!(
            reason(r#"{"end_device_ids":{"device_id":"bin-1","dev_eui":"6FDFF899"},"uplink_message":{}}"#),
            "wrong_type"
        );
        assert_eq!(
            reason(r#"{"end_device_ids":{"device_id":"bin-1","dev_eui":"6FDFF899E2FE1599"}}"#),
            "missing_field"
        );
    }

    #[test]
    fn a_simulated_uplink_says_so_and_is_no_frame_of_the_device() {
        let up = r#"{"end_device_ids":{"device_id":"bin-1","dev_eui":"6FDFF899E2FE1599"},"simulated":true,"uplink_message":{"f_port":2,"frm_payload":"AQI="}}"#;
        let opened = message(UP, up).unwrap();
        assert!(opened.simulated && opened.identity.is_none());
    }

    #[test]
    fn downlinks_say_nothing_and_a_solved_location_is_read() {
        let ids = r#"{"end_device_ids":{"device_id":"bin-1","dev_eui":"6FDFF899E2FE1599"}"#;
        let down = message("v3/app@ttn/devices/bin-1/down/sent", "{}").unwrap();
        assert_eq!(down.event, Event::Ignored);
        let solved =
            format!(r#"{ids},"location_solved":{{"location":{{"latitude":31.2,"longitude":121.5}}}}}}"#);
        let opened = message("v3/app@ttn/devices/bin-1/location/solved", &solved).unwrap();
        let measures: Vec<_> = opened
            .envelope_readings
            .iter()
            .map(|o| o.measure.name())
            .collect();
        assert_eq!(measures, ["location.lat", "location.lon"]);
    }
}
