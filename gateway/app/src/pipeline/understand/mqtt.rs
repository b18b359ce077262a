//! What an MQTT message says: its subscription, its envelope, and for each device it speaks of the values and what stands
//! beside them (reachability, a join, the device's own time).

use super::Understanding;
use crate::config::Subscription;
use crate::field::topic::Routes;
use crate::field::{MqttFrame, Unwanted};
use crate::pipeline::refused::{Refused, no_profile};
use crate::pipeline::understood::{Listed, Said, Stranger, Understood};
use linli_decode::{Body, DeviceContext, Event, Facts, Family, Frame as Message, Opened, Wrapping};
use linli_domain::estate::Estate;
use std::sync::Arc;

/// Largest message of a device, in bytes; a larger one is recorded as rejected. The list of a large Zigbee bridge may be
/// longer: decoding has its own limit for it.
const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// Longest address of a device, in bytes; a message of a longer one is recorded as rejected.
const MAX_ADDRESS_BYTES: usize = 256;

/// A subscription, and the name of the bridge whose devices are heard on it.
#[derive(Debug)]
pub(super) struct Route {
    subscription: Subscription,
    pub(super) bridge: Option<Arc<str>>,
}

impl Route {
    pub(super) fn new(connection: &str, subscription: Subscription) -> Self {
        // The fixed part of the topics tells the bridges of one broker apart: `main/zigbee2mqtt`.
        let bridge = matches!(subscription.family, Family::Zigbee2mqtt).then(|| {
            let pattern = subscription.pattern.as_str();
            let topics = pattern.split('{').next().unwrap_or_default();
            format!("{connection}/{}", topics.trim_end_matches('/')).into()
        });
        Self { subscription, bridge }
    }
}

impl Understanding {
    /// The subscription of a connection whose pattern a topic follows.
    pub fn route(&self, connection: &str, topic: &str) -> Option<usize> {
        let routes = self.subscriptions.get(connection)?.iter();
        let all: Vec<Subscription> = routes.map(|route| route.subscription.clone()).collect();
        Routes::new(&all).subscription(topic)
    }

    /// What an MQTT message says.
    pub fn mqtt(&mut self, frame: &MqttFrame, estate: &Estate, out: &mut Understood) -> Result<(), Refused> {
        match frame.unwanted {
            Some(Unwanted::TooLarge { bytes }) => {
                return Err(Refused::too_large(bytes, None));
            }
            Some(Unwanted::Unrouted) => {
                let detail = "the topic belongs to no configured subscription";
                return Err(Refused::new("unrouted", detail, Facts::new()));
            }
            None => {}
        }
        let route = self.subscriptions.get(&frame.connection);
        let Route { subscription, bridge } = route
            .and_then(|all| all.get(frame.subscription))
            .ok_or_else(Refused::no_subscription)?;
        let is_list = subscription.family == Family::Zigbee2mqtt && frame.topic.ends_with("/bridge/devices");
        if frame.payload.len() > MAX_PAYLOAD_BYTES && !is_list {
            return Err(Refused::too_large(frame.payload.len(), Some(MAX_PAYLOAD_BYTES)));
        }
        let message = Message {
            topic: &frame.topic,
            payload: &frame.payload,
            retained: frame.retained,
            received: frame.received.wall,
        };
        let wrapping = Wrapping {
            family: subscription.family,
            pattern: &subscription.pattern,
        };
        let family = subscription.family;
        let bridge = bridge.clone();
        let mut opened = self.memory.open(&frame.connection, &wrapping, &message)?;
        out.requests.append(&mut opened.requests);
        out.faults.extend(opened.fault.take().map(Refused::from));
        let others = std::mem::take(&mut opened.others);
        let identity = match (opened.identity, &opened.body) {
            (Some(identity), Body::Bytes { bytes, .. }) => Some((identity, bytes.to_vec())),
            // Commands of the network alone: known once like any other frame.
            (Some(identity), Body::None) => Some((identity, Vec::new())),
            _ => None,
        };
        match opened.event {
            Event::BridgeAvailability(up) => {
                out.bridge = bridge.map(|bridge| (bridge, up));
                return Ok(());
            }
            Event::Inventory => {
                // A bridge lists all its devices, discovery one at a time.
                let key = (family == Family::HaDiscovery).then(|| (&*opened.address).into());
                out.listed = Some(Listed { family, key });
            }
            _ => {}
        }
        out.said.through = bridge.filter(|_| !frame.retained);
        self.said(frame, opened, family, estate, &mut out.said)?;
        // Only what was used counts as seen: what waits for its device is used when it is replayed.
        out.identity = identity.filter(|_| out.said.device.is_some());
        for other in others {
            let mut said = Said::default();
            match self.said(frame, other, family, estate, &mut said) {
                Ok(()) => out.others.push(said),
                Err(refused) => out.faults.push(refused),
            }
        }
        Ok(())
    }

    /// What an opened message says about its device, if it is about one.
    fn said(
        &mut self,
        frame: &MqttFrame,
        opened: Opened<'_>,
        family: Family,
        estate: &Estate,
        out: &mut Said,
    ) -> Result<(), Refused> {
        if opened.address.len() > MAX_ADDRESS_BYTES {
            return Err(Refused::too_large(opened.address.len(), Some(MAX_ADDRESS_BYTES)));
        }
        let found = estate.device_by_mqtt(&frame.connection, &opened.address);
        let announced = self.memory.profile_of(&frame.connection, &opened.address);
        out.sleeps = announced.is_some_and(|profile| profile.sleeps());
        match opened.event {
            Event::Uplink | Event::Status => {}
            // A bridge tells of all its devices; those that are not in the estate will speak for themselves.
            Event::Availability(online) => {
                out.available = Some(online);
                out.device = found;
                return Ok(());
            }
            Event::Join => {
                out.joined = true;
                out.device = found;
                return Ok(());
            }
            Event::BridgeAvailability(_) | Event::Inventory | Event::Ignored => return Ok(()),
        }
        if opened.simulated {
            let detail = "made up by a console; it is no reading";
            return Err(Refused::new("simulated", detail, Facts::new()));
        }
        let Some(device) = found else {
            out.stranger = Some(Stranger::of(opened, family));
            return Ok(());
        };
        let known = self.devices.get(device.as_usize()).and_then(Option::as_ref);
        let known = known.ok_or_else(|| no_profile(device, estate))?;
        out.available = opened.online;
        self.scratch.clear();
        let own_time = if opened.body == Body::None {
            None
        } else {
            let profile = known
                .profile
                .as_ref()
                .or(announced)
                .ok_or_else(|| Refused::not_announced(&opened.address))?;
            let context = DeviceContext {
                caution: opened.caution,
                received: frame.received.wall,
                ..known.context(profile)
            };
            let decoded = profile
                .decode(&opened.body, &context, &mut self.scratch)
                .map_err(|error| Refused::from(error).about(&opened.body))?;
            for diagnostic in &decoded.diagnostics {
                tracing::debug!(topic = %frame.topic, %diagnostic, "decoded with a remark");
            }
            out.available = decoded.availability.or(out.available);
            out.noticed = decoded.diagnostics;
            decoded.own_time
        };
        out.device = Some(device);
        // Only a device speaks by its own clock; the time of a LoRaWAN envelope is its network server's.
        out.clock = opened.observed.filter(|_| !family.is_lorawan());
        self.scratch.extend(opened.envelope_readings);
        // A network server's time of a LoRaWAN frame identifies nothing more: the frame itself is already known once.
        let network = opened.observed.map(|time| (time, opened.identity.is_none()));
        let common = own_time.map(|time| (time, true)).or(network);
        self.give_times(common, &frame.received, out);
        Ok(())
    }

    /// Who spoke, as far as the topic tells: the id of a device of the estate, or the key of another.
    pub fn speaker(&self, frame: &MqttFrame, estate: &Estate) -> Option<String> {
        let Route { subscription, .. } = self
            .subscriptions
            .get(&frame.connection)?
            .get(frame.subscription)?;
        let mut key = subscription.pattern.capture(&frame.topic)?.device.to_owned();
        if subscription.family.is_lorawan() {
            key.make_ascii_lowercase();
        }
        let device = estate.device_by_mqtt(&frame.connection, &key);
        match device.and_then(|device| estate.device(device)) {
            Some(device) => Some(device.id.to_string()),
            None => Some(key),
        }
    }
}
