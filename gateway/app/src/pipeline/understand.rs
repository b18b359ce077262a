//! From a frame to what it says about which device: envelope, device look-up, profile. Pure but for nothing.
//!
//! It finds devices and profiles and gives every observation its times; it neither makes points nor decides what
//! is new.

use super::refused::{Refused, no_profile};
use crate::config::Subscription;
use crate::field::{Fact, ModbusFrame, MqttFrame, Unwanted};
use linli_decode::{
    Body, Catalogue, ClockWindow, DeviceContext, Diagnostic, Event, Facts, Family, Frame as Message, Listed,
    LorawanIdentity, Observation, Profile, Role, inventory, open, plausible,
};
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::estate::{DeviceIndex, Estate};
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
    /// What was noticed while the rest was read.
    pub noticed: Vec<Diagnostic>,
    /// Who spoke, when it is nobody of the estate.
    pub stranger: Option<Stranger>,
    /// What a bridge calls its devices, when it said so.
    pub listed: Option<Vec<Listed>>,
}

impl Understood {
    /// Forgets the frame before.
    pub fn clear(&mut self) {
        self.device = None;
        self.identity = None;
        self.seen.clear();
        self.noticed.clear();
        self.stranger = None;
        self.listed = None;
    }
}

/// A device that is not in the estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// What identifies it on its connection.
    pub key: Box<str>,
    /// How its messages are wrapped.
    pub family: Family,
    /// The application payload of a LoRaWAN device, with its port.
    pub body: Option<(Option<u8>, Vec<u8>)>,
}

/// What understanding needs to know about the installation.
#[derive(Debug)]
pub struct Understanding {
    subscriptions: FxHashMap<Arc<str>, Vec<Subscription>>,
    catalogue: Catalogue,
    devices: Vec<Option<Known>>,
    gateway: Option<DeviceIndex>,
    window: ClockWindow,
    scratch: Vec<Observation>,
}

/// A device with its profile and the facts its decoding needs.
#[derive(Debug)]
struct Known {
    profile: Arc<Profile>,
    context: DeviceContext,
}

impl Understanding {
    /// Learns the connections' subscriptions; call [`Self::learn`] for the estate.
    pub fn new(
        subscriptions: impl IntoIterator<Item = (Arc<str>, Vec<Subscription>)>,
        catalogue: Catalogue,
        window: ClockWindow,
    ) -> Self {
        Self {
            subscriptions: subscriptions.into_iter().collect(),
            catalogue,
            devices: Vec::new(),
            gateway: None,
            window,
            scratch: Vec::new(),
        }
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
        let subscriptions = self.subscriptions.get(connection)?.iter();
        subscriptions
            .into_iter()
            .position(|s| s.pattern.capture(topic).is_some())
    }

    /// Looks up profile and geometry of every device of the estate, once.
    pub fn learn(&mut self, estate: &Estate) {
        self.gateway = DeviceId::new(GATEWAY)
            .ok()
            .and_then(|id| estate.device_by_id(&id));
        self.devices = estate
            .devices()
            .iter()
            .map(|device| {
                let profile = self.catalogue.get(&device.profile)?;
                let bin = device
                    .asset
                    .and_then(|asset| estate.asset(asset))
                    .and_then(|asset| asset.bin);
                let bin = bin.map(|b| linli_decode::BinGeometry {
                    empty_distance_mm: b.empty_distance_mm,
                    full_distance_mm: b.full_distance_mm,
                });
                let role = device.role.as_deref().and_then(Role::from_name);
                Some(Known {
                    profile,
                    context: DeviceContext {
                        role,
                        bin,
                        caution: None,
                    },
                })
            })
            .collect();
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
        if frame.payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Refused::too_large(frame.payload.len(), Some(MAX_PAYLOAD_BYTES)));
        }
        let subscription = self
            .subscriptions
            .get(&frame.connection)
            .and_then(|all| all.get(frame.subscription))
            .ok_or_else(Refused::no_subscription)?;
        let received = frame.received.wall;
        let message = Message {
            topic: &frame.topic,
            payload: &frame.payload,
            retained: frame.retained,
            received,
        };
        let opened = open(subscription.family, &subscription.pattern, &message)?;
        match opened.event {
            Event::Uplink | Event::Status => {}
            Event::Inventory => {
                // A list that cannot be read only leaves devices without the names their bridge gives them.
                out.listed = inventory(&frame.payload).ok();
                return Ok(());
            }
            _ => return Ok(()),
        }
        let Some(device) = estate.device_by_mqtt(&frame.connection, &opened.address) else {
            out.stranger = Some(Stranger {
                key: opened.address.into(),
                family: subscription.family,
                body: match opened.body {
                    Body::Bytes { f_port, bytes } => Some((f_port, bytes.into_owned())),
                    _ => None,
                },
            });
            return Ok(());
        };
        let known = self
            .devices
            .get(device.as_usize())
            .and_then(Option::as_ref)
            .ok_or_else(|| no_profile(device, estate))?;
        out.device = Some(device);
        if let (Some(identity), Body::Bytes { bytes, .. }) = (opened.identity, &opened.body) {
            out.identity = Some((identity, bytes.to_vec()));
        }
        self.scratch.clear();
        let context = DeviceContext {
            caution: opened.caution,
            ..known.context
        };
        let own_time = if matches!(opened.body, Body::None) {
            None
        } else {
            let decoded = known
                .profile
                .decode(&opened.body, &context, &mut self.scratch)
                .map_err(|error| Refused::from(error).about(&opened.body))?;
            for diagnostic in &decoded.diagnostics {
                tracing::debug!(topic = %frame.topic, %diagnostic, "decoded with a remark");
            }
            out.noticed = decoded.diagnostics;
            decoded.own_time
        };
        self.scratch.extend(opened.envelope_readings);
        // A network server's time of a LoRaWAN frame identifies nothing more: the frame itself is already known once.
        let network = opened.observed.map(|time| (time, opened.identity.is_none()));
        self.give_times(own_time.map(|time| (time, true)).or(network), received, out);
        Ok(())
    }

    /// Who spoke, as far as the topic tells: the id of a device of the estate, or the key of another.
    pub fn speaker(&self, frame: &MqttFrame, estate: &Estate) -> Option<String> {
        let subscription = self
            .subscriptions
            .get(&frame.connection)?
            .get(frame.subscription)?;
        let mut key = subscription.pattern.capture(&frame.topic)?.device.to_owned();
        if subscription.family == Family::ChirpstackV4 {
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
        let known = self
            .devices
            .get(device.as_usize())
            .and_then(Option::as_ref)
            .ok_or_else(|| no_profile(device, estate))?;
        let context = known.context;
        // A question is numbered by the profile that planned it, which may have been replaced since.
        let profile = frame.profile.as_ref().unwrap_or(&known.profile);
        let map = profile.modbus().ok_or_else(|| no_profile(device, estate))?;
        out.device = Some(device);
        self.scratch.clear();
        match &frame.answer {
            Ok(answer) => map.decode(frame.request, &answer.data(), &context, &mut self.scratch),
            Err(reason) => map.missing(frame.request, *reason, &context, &mut self.scratch),
        }
        self.give_times(None, frame.received.wall, out);
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
    fn give_times(&mut self, common: Option<(Timestamp, bool)>, received: Timestamp, out: &mut Understood) {
        for observation in self.scratch.drain(..) {
            let given = observation.observed.map(|time| (time, true)).or(common);
            let claimed = given.map(|(time, _)| time);
            let (observed, trust) = plausible(claimed, received, self.window);
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
