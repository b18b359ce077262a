//! From a frame to what it says about which device: envelope, device look-up, profile. Pure but for nothing.
//!
//! It finds devices and profiles and gives every observation its times; it neither makes points nor decides what
//! is new.

use super::recover::DECODE_MEMORY;
use crate::config::Subscription;
use crate::field::{Fact, ModbusFrame, MqttFrame, Unwanted};
use crate::profiles::ANNOUNCED;
use jiff::tz::TimeZone;
use linli_decode::{
    Body, Catalogue, ClockWindow, DeviceContext, Event, Frame as Message, LorawanIdentity, Memory,
    Observation, Opened, Profile, RejectReason, Rejection, Request, Role, Wiring, Wrapping, plausible,
};
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::estate::{Device, DeviceIndex, Estate};
use linli_domain::id::DeviceId;
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Largest payload decoded, in bytes; a larger one is recorded as rejected.
pub(super) const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// One value with its times, not yet bound to a point.
#[derive(Debug)]
pub struct Seen {
    /// What was measured.
    pub measure: Measure,
    /// Which of several.
    pub instance: Option<Arc<str>>,
    /// What was seen.
    pub value: Option<Value>,
    /// How far to trust it.
    pub quality: Quality,
    /// When it was seen.
    pub observed: Timestamp,
    /// Whether `observed` is a time of its own that identifies the reading together with the point.
    pub own_time: bool,
    /// Stored by the device and sent late: kept, never evaluated.
    pub historical: bool,
}

/// What a frame says.
#[derive(Debug, Default)]
pub struct Understood {
    /// The device; `None` when the message says nothing about one.
    pub device: Option<DeviceIndex>,
    /// Identity of a LoRaWAN frame, with the bytes it covers.
    pub identity: Option<(LorawanIdentity, Vec<u8>)>,
    /// Its values. Reused between frames.
    pub seen: Vec<Seen>,
    /// What the same message says about further devices.
    pub others: Vec<(DeviceIndex, Vec<Seen>)>,
    /// What decoding would like to know.
    pub requests: Vec<Request>,
    /// What was wrong with parts of the message; the rest was understood.
    pub faults: Vec<Refused>,
}

impl Understood {
    /// Makes room for the next frame.
    pub fn clear(&mut self) {
        self.device = None;
        self.identity = None;
        self.seen.clear();
        self.others.clear();
        self.requests.clear();
        self.faults.clear();
    }
}

/// Why a frame was recorded as rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A word out of a closed set, for metrics.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub detail: String,
}

impl Refused {
    fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
    fn decode(reason: RejectReason, detail: impl std::fmt::Display) -> Self {
        Self {
            reason: reason.label(),
            detail: detail.to_string(),
        }
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::decode(rejection.reason(), &rejection)
    }
}

/// What understanding needs to know about the installation.
#[derive(Debug)]
pub struct Understanding {
    subscriptions: FxHashMap<Arc<str>, Vec<Subscription>>,
    catalogue: Catalogue,
    /// What decoding remembers between messages; it commits with the batch.
    memory: Memory,
    devices: Vec<Option<Known>>,
    gateway: Option<DeviceIndex>,
    window: ClockWindow,
    scratch: Vec<Observation>,
}

/// A device with its profile and the facts its decoding needs.
#[derive(Debug)]
struct Known {
    /// None for a device that describes itself.
    profile: Option<Arc<Profile>>,
    context: DeviceContext,
    /// What its asset makes of it, when its own document does not say.
    asset_role: Option<Role>,
}

impl Known {
    /// The facts for decoding with `profile`: what the asset suggests counts where the profile knows that use.
    fn context(&self, profile: &Profile) -> DeviceContext {
        let suggested = || self.asset_role.filter(|role| profile.roles().contains(role));
        DeviceContext {
            role: self.context.role.or_else(suggested),
            ..self.context.clone()
        }
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
        Self {
            subscriptions: subscriptions.into_iter().collect(),
            catalogue,
            memory,
            devices: Vec::new(),
            gateway: None,
            window,
            scratch: Vec::new(),
        }
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
            .map(|device| self.known(device, estate, zone.as_ref()))
            .collect();
    }

    fn known(&self, device: &Device, estate: &Estate, zone: Option<&TimeZone>) -> Option<Known> {
        let profile = self.catalogue.get(&device.profile);
        if profile.is_none() && device.profile.as_str() != ANNOUNCED {
            return None;
        }
        let asset = device.asset.and_then(|asset| estate.asset(asset));
        let bin = asset.and_then(|asset| asset.bin);
        let wiring = device.bindings.iter().filter(|b| b.invert || b.becomes.is_some());
        Some(Known {
            profile,
            asset_role: asset.and_then(|asset| Role::on(asset.kind)),
            context: DeviceContext {
                role: device.role.as_deref().and_then(Role::from_name),
                bin: bin.map(|b| linli_decode::BinGeometry {
                    empty_distance_mm: b.empty_distance_mm,
                    full_distance_mm: b.full_distance_mm,
                }),
                zone: zone.cloned(),
                wiring: wiring
                    .map(|b| Wiring {
                        measure: b.measure,
                        instance: b.instance.clone(),
                        becomes: b.becomes,
                        invert: b.invert,
                    })
                    .collect(),
                ..DeviceContext::default()
            },
        })
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
                return Err(Refused::new(
                    "too_large",
                    format!("{bytes} bytes, more than the connection takes"),
                ));
            }
            Some(Unwanted::Unrouted) => {
                return Err(Refused::new(
                    "unrouted",
                    "the topic belongs to no configured subscription",
                ));
            }
            None => {}
        }
        if frame.payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Refused::new(
                "too_large",
                format!("{} bytes, at most {MAX_PAYLOAD_BYTES}", frame.payload.len()),
            ));
        }
        let subscription = self
            .subscriptions
            .get(&frame.connection)
            .and_then(|all| all.get(frame.subscription))
            .ok_or_else(|| {
                Refused::new(
                    "no_subscription",
                    "the topic belongs to no configured subscription",
                )
            })?;
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
        let mut opened = self.memory.open(&frame.connection, &wrapping, &message)?;
        out.requests.append(&mut opened.requests);
        out.faults.extend(opened.fault.take().map(Refused::from));
        let others = std::mem::take(&mut opened.others);
        if let (Some(identity), Body::Bytes { bytes, .. }) = (opened.identity, &opened.body) {
            out.identity = Some((identity, bytes.to_vec()));
        }
        out.device = self.said(frame, opened, estate, &mut out.seen)?;
        for other in others {
            let mut seen = Vec::new();
            match self.said(frame, other, estate, &mut seen) {
                Ok(Some(device)) => out.others.push((device, seen)),
                Ok(None) => {}
                Err(refused) => out.faults.push(refused),
            }
        }
        Ok(())
    }

    /// What an opened message says about its device; `None` when it is about none.
    fn said(
        &mut self,
        frame: &MqttFrame,
        opened: Opened<'_>,
        estate: &Estate,
        out: &mut Vec<Seen>,
    ) -> Result<Option<DeviceIndex>, Refused> {
        if !matches!(opened.event, Event::Uplink | Event::Status) {
            return Ok(None);
        }
        if opened.simulated {
            return Err(Refused::new(
                "simulated",
                "made up by a console; it is no reading",
            ));
        }
        let device = estate
            .device_by_mqtt(&frame.connection, &opened.address)
            .ok_or_else(|| {
                Refused::new(
                    "unknown_device",
                    format!(
                        "{} is not in the estate: add it, or check its key",
                        opened.address
                    ),
                )
            })?;
        let known = self.devices.get(device.as_usize()).and_then(Option::as_ref);
        let known = known.ok_or_else(|| {
            Refused::new(
                "no_profile",
                "the device's profile is not in the catalogue; see `linli check`",
            )
        })?;
        let received = frame.received.wall;
        self.scratch.clear();
        let own_time = if opened.body == Body::None {
            None
        } else {
            let announced = self.memory.profile_of(&frame.connection, &opened.address);
            let profile = known.profile.as_ref().or(announced).ok_or_else(|| {
                Refused::new(
                    "no_profile",
                    format!(
                        "{} has not announced what it measures, or nothing we know",
                        opened.address
                    ),
                )
            })?;
            let context = DeviceContext {
                caution: opened.caution,
                received,
                ..known.context(profile)
            };
            let decoded = profile
                .decode(&opened.body, &context, &mut self.scratch)
                .map_err(|e| Refused::decode(e.reason(), &e))?;
            for diagnostic in &decoded.diagnostics {
                tracing::debug!(topic = %frame.topic, %diagnostic, "decoded with a remark");
            }
            decoded.own_time
        };
        self.scratch.extend(opened.envelope_readings);
        // A network server's time of a LoRaWAN frame identifies nothing more: the frame itself is already known once.
        let network = opened.observed.map(|time| (time, opened.identity.is_none()));
        self.give_times(own_time.map(|time| (time, true)).or(network), received, out);
        Ok(Some(device))
    }

    /// What a Modbus answer (or its absence) says.
    pub fn modbus(
        &mut self,
        frame: &ModbusFrame,
        estate: &Estate,
        out: &mut Understood,
    ) -> Result<(), Refused> {
        let device = estate.device_by_id(&frame.device).ok_or_else(|| {
            Refused::new(
                "unknown_device",
                format!("{} is not in the estate any more", frame.device),
            )
        })?;
        let known = self.devices.get(device.as_usize()).and_then(Option::as_ref);
        let (map, context) = known
            .and_then(|known| {
                let profile = known.profile.as_deref()?;
                Some((profile.modbus()?, known.context(profile)))
            })
            .ok_or_else(|| Refused::new("no_profile", "the device's profile has no register map"))?;
        out.device = Some(device);
        self.scratch.clear();
        match &frame.answer {
            Ok(answer) => map.decode(frame.request, &answer.data(), &context, &mut self.scratch),
            Err(reason) => map.missing(frame.request, *reason, &context, &mut self.scratch),
        }
        self.give_times(None, frame.received.wall, &mut out.seen);
        Ok(())
    }

    /// A fact is a reading of the built-in `gateway` device.
    pub fn fact(&self, fact: &Fact, out: &mut Understood) {
        out.device = self.gateway;
        out.seen.push(Seen {
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
    fn give_times(&mut self, common: Option<(Timestamp, bool)>, received: Timestamp, out: &mut Vec<Seen>) {
        for observation in self.scratch.drain(..) {
            let given = observation.observed.map(|time| (time, true)).or(common);
            let claimed = given.map(|(time, _)| time);
            let (observed, trust) = plausible(claimed, received, self.window);
            let quality = if observation.quality.is_good() {
                trust
            } else {
                observation.quality
            };
            out.push(Seen {
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
