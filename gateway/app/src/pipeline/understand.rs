//! From a frame to what it says about which device: envelope, device look-up, profile. Pure but for what decoding remembers.
//!
//! It finds devices and profiles, gives every observation its times, and tells what a message says beside its values:
//! reachability, a join, the device's own time, the bridge. It neither makes points nor decides what is new.

mod mqtt;

use self::mqtt::Route;
use super::known::Known;
use super::recover::DECODE_MEMORY;
use super::refused::{Refused, no_profile};
use super::understood::{Listed, Said, Seen, Understood};
use crate::config::Subscription;
use crate::field::{Fact, ModbusFrame};
use jiff::tz::TimeZone;
use linli_decode::{Announced, Catalogue, ClockWindow, Memory, Observation, Profile, plausible};
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::estate::{DeviceIndex, Estate, ProfileFacts, Profiles};
use linli_domain::id::DeviceId;
use linli_domain::reading::Quality;
use linli_domain::time::{Now, Timestamp};
use rustc_hash::FxHashMap;
use std::sync::Arc;

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
