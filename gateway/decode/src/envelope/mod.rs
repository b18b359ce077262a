//! Step one: from an MQTT message to who spoke and what they said. Each family has one adapter; none knows a profile.

mod auto;
mod chirpstack;
pub(crate) mod discovery;
pub(crate) mod inventory;
mod plain;
mod senml;
mod shelly;
pub(crate) mod sparkplug;
mod tts;
mod tuya;
mod ultralight;
mod wire;
mod zigbee2mqtt;

use crate::family::Family;
use crate::frame::{Event, Frame, Opened, Wrapping};
use crate::memory::{Journal, Memory, Scope};
use crate::refusal::Rejection;
use crate::topic::TopicPattern;
use std::borrow::Cow;

/// Largest message opened, in bytes. The inventory of a large Zigbee bridge stays below it.
pub(crate) const MAX_FRAME_BYTES: usize = 1 << 20;

/// What adapters with a memory remember.
pub(crate) struct State<'m> {
    pub(crate) nodes: &'m mut Journal<sparkplug::node::Node>,
    pub(crate) entities: &'m mut Journal<discovery::Entity>,
    pub(crate) inventory: &'m mut Journal<inventory::Inventoried>,
    pub(crate) discovery: &'m mut discovery::Discovery,
}

/// Opens one message by itself, with nothing remembered: enough for every family whose messages need no other.
///
/// # Errors
/// As [`Memory::open`].
pub fn open<'a>(family: Family, pattern: &TopicPattern, frame: &Frame<'a>) -> Result<Opened<'a>, Rejection> {
    Memory::default().open("", &Wrapping { family, pattern }, frame)
}

/// Opens the envelope of `frame`.
///
/// Plain messages are not parsed here, only attributed; the profile reads them once.
pub(crate) fn open_with<'a>(
    scope: &Scope<'_>,
    state: State<'_>,
    wrapping: &Wrapping<'_>,
    frame: &Frame<'a>,
) -> Result<Opened<'a>, Rejection> {
    if frame.payload.len() > MAX_FRAME_BYTES {
        return Err(Rejection::TooLarge {
            what: "a message",
            bytes: frame.payload.len(),
            limit: MAX_FRAME_BYTES,
        });
    }
    let Some(captures) = wrapping.pattern.capture(frame.topic) else {
        if wrapping.family == Family::HaDiscovery {
            return discovery::state(scope, state.discovery, frame);
        }
        return Err(Rejection::TopicMismatch {
            topic: frame.topic.chars().take(120).collect(),
            pattern: wrapping.pattern.as_str().to_owned(),
        });
    };
    match wrapping.family {
        Family::ChirpstackV4 => chirpstack::open(captures, frame),
        Family::TtsV3 => tts::open(captures, frame),
        Family::Zigbee2mqtt if captures.device == "bridge/devices" => {
            inventory::open(scope, state.inventory, frame)
        }
        Family::Zigbee2mqtt => zigbee2mqtt::open(captures.device, frame),
        Family::ShellyGen1 | Family::ShellyGen2 => shelly::open(captures, frame),
        Family::Tasmota => plain::tasmota(captures, frame),
        Family::EspHome => plain::esphome(captures, frame),
        Family::HaDiscovery => {
            discovery::announce(scope, state.entities, state.discovery, captures.device, frame)
        }
        Family::SparkplugB => sparkplug::open(scope, state.nodes, captures.device, frame),
        Family::SenMl => senml::open(captures, frame),
        Family::TuyaLink => tuya::open(captures, frame),
        Family::FiwareUl => ultralight::open(captures, frame),
        Family::Json => Ok(plain::own(captures, frame)),
    }
}

/// A last will or birth message in plain words.
fn reachable<'a>(
    device: Cow<'a, str>,
    frame: &Frame<'a>,
    online: &[u8],
    offline: &[u8],
) -> Result<Opened<'a>, Rejection> {
    let event = match frame.payload {
        [] => Event::Ignored,
        word if word == online => Event::Availability(true),
        word if word == offline => Event::Availability(false),
        _ => {
            return Err(Rejection::WrongType {
                detail: format!(
                    "availability is neither {:?} nor {:?}",
                    String::from_utf8_lossy(online),
                    String::from_utf8_lossy(offline)
                ),
            });
        }
    };
    Ok(Opened::of(device, event, frame))
}

#[cfg(test)]
mod tests;
