//! ChirpStack v4 events: protobuf messages in their JSON form, where members equal to 0, "" or false are left out.
//!
//! A missing member therefore is its default, with one exception: no `data` means no application payload. The decoded
//! `object` is not used: it is the vendor's vocabulary without units.
//! Source: chirpstack/chirpstack-docs `src/chirpstack/integrations/events.md`.

use super::wire::{self, Text, lower_case, or_default, parse, report, time};
use crate::frame::{Body, Event, Frame, LorawanIdentity, Opened};
use crate::observation::OWN;
use crate::refusal::Rejection;
use crate::topic::Captures;
use linli_domain::reading::Value;
use serde::Deserialize;
use std::borrow::Cow;

/// Most gateways considered of one uplink; the rest cannot be much stronger.
const MAX_GATEWAYS: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Uplink<'a> {
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    device_info: Option<DeviceInfo<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    f_cnt: u32,
    #[serde(default, deserialize_with = "or_default")]
    f_port: u8,
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    rx_info: Vec<Gateway>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    device_info: Option<DeviceInfo<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    margin: f64,
    #[serde(default, deserialize_with = "or_default")]
    battery_level: f64,
    #[serde(default, deserialize_with = "or_default")]
    battery_level_unavailable: bool,
    #[serde(default, deserialize_with = "or_default")]
    external_power_source: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Located<'a> {
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    device_info: Option<DeviceInfo<'a>>,
    location: Option<wire::Location>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo<'a> {
    #[serde(borrow)]
    dev_eui: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Gateway {
    #[serde(default, deserialize_with = "or_default")]
    rssi: f64,
    #[serde(default, deserialize_with = "or_default")]
    snr: f64,
}

/// Opens an event; its kind is the `{event}` level of the topic. A pattern without that level subscribes to uplinks only.
pub(super) fn open<'a>(captures: Captures<'a>, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    match captures.event.unwrap_or("up") {
        "up" => uplink(captures.device, frame),
        "status" => status(captures.device, frame),
        "join" => {
            let join: Status<'a> = parse(frame.payload)?;
            let mut opened = attributed(captures.device, join.device_info, Event::Join, frame)?.0;
            opened.observed = time(join.time);
            Ok(opened)
        }
        "location" => {
            let event: Located<'a> = parse(frame.payload)?;
            let mut opened = attributed(captures.device, event.device_info, Event::Status, frame)?.0;
            opened.observed = time(event.time);
            if let Some(location) = event.location {
                location.report(&mut opened);
            }
            Ok(opened)
        }
        // ack, txack, log, integration: about the network, not the sensor.
        _ => Ok(Opened::of(
            lower_case(Cow::Borrowed(captures.device)),
            Event::Ignored,
            frame,
        )),
    }
}

fn uplink<'a>(topic_device: &'a str, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let up: Uplink<'a> = parse(frame.payload)?;
    let (mut opened, dev_eui) = attributed(topic_device, up.device_info, Event::Uplink, frame)?;
    opened.observed = time(up.time);
    opened.identity = Some(LorawanIdentity {
        dev_eui,
        f_port: up.f_port,
        f_cnt: up.f_cnt,
    });
    if let Some(data) = up.data.filter(|data| !data.0.is_empty()) {
        opened.body = Body::Bytes {
            f_port: (up.f_port != 0).then_some(up.f_port),
            bytes: Cow::Owned(wire::application_payload("data", &data.0)?),
        };
    }
    let strongest = up
        .rx_info
        .iter()
        .take(MAX_GATEWAYS)
        .reduce(|a, b| if b.rssi > a.rssi { b } else { a });
    if let Some(gateway) = strongest {
        report(&mut opened, OWN.rssi, Value::number(gateway.rssi));
        report(&mut opened, OWN.snr, Value::number(gateway.snr));
    }
    Ok(opened)
}

fn status<'a>(topic_device: &'a str, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    let status: Status<'a> = parse(frame.payload)?;
    let (mut opened, _) = attributed(topic_device, status.device_info, Event::Status, frame)?;
    opened.observed = time(status.time);
    report(
        &mut opened,
        OWN.mains,
        Some(Value::State(status.external_power_source)),
    );
    if status.battery_level_unavailable {
        report(&mut opened, OWN.battery, None);
    } else if !status.external_power_source {
        report(&mut opened, OWN.battery, Value::number(status.battery_level));
    }
    report(&mut opened, OWN.margin, Value::number(status.margin));
    Ok(opened)
}

/// Attributes the message. Topic and payload must agree, or anybody could speak for any device.
fn attributed<'a>(
    topic_device: &'a str,
    info: Option<DeviceInfo<'a>>,
    event: Event,
    frame: &Frame<'a>,
) -> Result<(Opened<'a>, u64), Rejection> {
    let named = info.and_then(|info| info.dev_eui).map(|text| text.0);
    if let Some(named) = named
        .as_deref()
        .filter(|named| !named.eq_ignore_ascii_case(topic_device))
    {
        return Err(Rejection::IdentityConflict {
            topic: topic_device.chars().take(64).collect(),
            payload: named.chars().take(64).collect(),
        });
    }
    let (address, dev_eui) = wire::dev_eui(named.unwrap_or(Cow::Borrowed(topic_device)))?;
    Ok((Opened::of(address, event, frame), dev_eui))
}

#[cfg(test)]
#[path = "chirpstack_tests.rs"]
mod tests;
