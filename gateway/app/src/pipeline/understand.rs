//! From a frame to what it says about which device: envelope, device look-up, profile. Pure but for nothing.
//!
//! It finds devices and profiles, gives every observation its times, and tells what a message says beside its values:
//! reachability, a join, the device's own time, the bridge. It neither makes points nor decides what is new.

use super::known::Known;
use super::recover::DECODE_MEMORY;
use super::refused::{Refused, no_profile};
use super::understood::{Listed, Said, Seen, Stranger, Understood};
use crate::config::Subscription;
use crate::field::topic::Routes;
use crate::field::{Fact, ModbusFrame, MqttFrame, Unwanted};
use jiff::tz::TimeZone;
use linli_decode::{
    Announced, Body, Catalogue, ClockWindow, DeviceContext, Event, Facts, Family, Frame as Message, Memory,
    Observation, Opened, Profile, Wrapping, plausible,
};
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::estate::{DeviceIndex, Estate, ProfileFacts, Profiles};
use linli_domain::id::DeviceId;
use linli_domain::reading::Quality;
use linli_domain::time::{Now, Timestamp};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Largest message of a device, in bytes; a larger one is recorded as rejected. The list of a large Zigbee bridge may be
/// longer: decoding has its own limit for it.
const MAX_PAYLOAD_BYTES: usize = 256 * 1024;
/// Longest address of a device, in bytes; a message of a longer one is recorded as rejected.
const MAX_ADDRESS_BYTES: usize = 256;

/// What understanding needs to know about the installation.
#[derive(Debug)]
pub struct Understanding {
    subscriptions: FxHashMap<Arc<str>, Vec<Route>>,
    catalogue: Catalogue,
    /// What decoding remembers between messages; it commits with the batch.
    memory: Memory,
    devices: Vec<Option<Known>>,
    gateway: Option<DeviceIndex>,
    window: ClockWindow,
    scratch: Vec<Observation>,
}

/// A subscription, and the name of the bridge whose devices are heard on it.
#[derive(Debug)]
struct Route {
    subscription: Subscription,
    bridge: Option<Arc<str>>,
}

impl Route {
    fn new(connection: &str, subscription: Subscription) -> Self {
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
    /// Learns the connections' subscriptions; call [`Self::learn`] for the estate.
    pub fn new(
        subscriptions: impl IntoIterator<Item = (Arc<str>, Vec<Subscription>)>,
        catalogue: Catalogue,
        memory: Memory,
        window: ClockWindow,
    ) -> Self {
        let routes = |(connection, all): (Arc<str>, Vec<Subscription>)| {
            let routes = all.into_iter().map(|one| Route::new(&connection, one)).collect();
            (connection, routes)
        };
        Self {
            subscriptions: subscriptions.into_iter().map(routes).collect(),
            catalogue,
            memory,
            devices: Vec::new(),
            gateway: None,
            window,
            scratch: Vec::new(),
        }
    }

    /// The bridges somebody is subscribed to.
    pub fn bridges(&self) -> impl Iterator<Item = &Arc<str>> {
        let routes = self.subscriptions.values().flatten();
        routes.filter_map(|route| route.bridge.as_ref())
    }

    /// The profiles in use.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Takes another catalogue and looks every device up in it.
    pub fn replace(&mut self, catalogue: Catalogue, estate: &Estate) {
        self.catalogue = catalogue;
        self.learn(estate);
    }

    /// The subscription of a connection whose pattern a topic follows.
    pub fn route(&self, connection: &str, topic: &str) -> Option<usize> {
        let routes = self.subscriptions.get(connection)?.iter();
        let all: Vec<Subscription> = routes.map(|route| route.subscription.clone()).collect();
        Routes::new(&all).subscription(topic)
    }

    /// What a device says it is, when it announced itself.
    pub(super) fn announced(&self, connection: &str, key: &str) -> Option<Announced<'_>> {
        self.memory.announced(connection, key)
    }

    /// What a message of `connection` listed: addresses with what is said of them.
    pub(super) fn listed<'a>(
        &'a self,
        connection: &'a str,
        listed: &'a Listed,
    ) -> Vec<(&'a str, Announced<'a>)> {
        match &listed.key {
            Some(key) => self
                .announced(connection, key)
                .map(|known| (&**key, known))
                .into_iter()
                .collect(),
            None => self.memory.listed(connection).collect(),
        }
    }

    /// What decoding remembers.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Puts back what was remembered before.
    pub(super) fn remember(&mut self, memory: Memory) {
        self.memory = memory;
    }

    /// Looks up profile and geometry of every device of the estate, once.
    pub fn learn(&mut self, estate: &Estate) {
        self.gateway = DeviceId::new(GATEWAY)
            .ok()
            .and_then(|id| estate.device_by_id(&id));
        let zone = TimeZone::get(&estate.doc().timezone).ok();
        self.devices = estate
            .devices()
            .iter()
            .map(|device| Known::of(device, estate, &self.catalogue, zone.as_ref()))
            .collect();
    }

    /// What the catalogue says about device types that the engine needs to know.
    pub fn profiles(&self) -> Profiles {
        let facts = |profile: &Arc<Profile>| {
            let facts = ProfileFacts {
                expected_interval: profile.expected_interval(),
                sleeps: profile.sleeps(),
            };
            (facts != ProfileFacts::default()).then(|| (profile.id().clone(), facts))
        };
        self.catalogue.iter().filter_map(facts).collect()
    }

    /// What decoding's memory must store with the batch: names and bytes, or none for what is forgotten.
    pub(super) fn memory_changes(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let named = |(name, bytes)| (format!("{DECODE_MEMORY}{name}"), bytes);
        self.memory.changes().into_iter().map(named).collect()
    }

    /// The batch is durable.
    pub(super) fn commit(&mut self) {
        self.memory.commit();
    }

    /// The batch failed: what its messages announced was never heard.
    pub(super) fn rollback(&mut self) {
        self.memory.rollback();
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

    /// What a Modbus answer (or its absence) says.
    pub fn modbus(
        &mut self,
        frame: &ModbusFrame,
        estate: &Estate,
        out: &mut Understood,
    ) -> Result<(), Refused> {
        let device = estate.device_by_id(&frame.device).ok_or_else(|| {
            let detail = format!("{} is not in the estate any more", frame.device);
            Refused::new(
                "unknown_device",
                detail,
                vec![("device", frame.device.to_string())],
            )
        })?;
        let known = self.devices.get(device.as_usize()).and_then(Option::as_ref);
        let known = known.ok_or_else(|| no_profile(device, estate))?;
        let map = frame.profile.modbus().ok_or_else(|| no_profile(device, estate))?;
        // Asked under a profile the device no longer has: what came says nothing about its points now. One that was
        // replaced by a newer text in the meantime still knows what it asked.
        let is_its = |now: &Arc<Profile>| now.id() == frame.profile.id();
        if !known.profile.as_ref().is_some_and(is_its) {
            return Ok(());
        }
        let context = known.context(&frame.profile);
        out.said.device = Some(device);
        self.scratch.clear();
        match &frame.answer {
            Ok(data) => map.decode(&frame.read, data, &context, &mut self.scratch),
            Err(reason) => map.missing(&frame.read, *reason, &context, &mut self.scratch),
        }
        self.give_times(None, &frame.received, &mut out.said);
        Ok(())
    }

    /// A fact is a reading of the built-in `gateway` device.
    pub fn fact(&self, fact: &Fact, out: &mut Understood) {
        out.said.device = self.gateway;
        out.said.seen.push(Seen {
            measure: fact.measure,
            instance: Some(Arc::clone(&fact.instance)),
            value: Some(fact.value.clone()),
            quality: Quality::Good,
            observed: fact.received.wall,
            own_time: false,
            historical: false,
        });
    }

    /// `common` is the time of the whole message, and whether it identifies the readings.
    fn give_times(&mut self, common: Option<(Timestamp, bool)>, received: &Now, out: &mut Said) {
        for observation in self.scratch.drain(..) {
            if !observation.historical {
                out.clock = out.clock.max(observation.observed);
            }
            let given = observation.observed.map(|time| (time, true)).or(common);
            let claimed = given.map(|(time, _)| time);
            let (observed, trust) = plausible(claimed, observation.historical, received, self.window);
            let quality = if observation.quality.is_good() {
                trust
            } else {
                observation.quality
            };
            out.seen.push(Seen {
                measure: observation.measure,
                instance: observation.instance,
                value: observation.value,
                quality,
                observed,
                own_time: given.is_some_and(|(_, identifies)| identifies) && trust.is_good(),
                historical: observation.historical,
            });
        }
    }
}
