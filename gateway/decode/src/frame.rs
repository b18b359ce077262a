//! What goes in and what an opened envelope holds. Data only; [`crate::open`] fills it.

use crate::observation::Observation;
use linli_domain::reading::Reason;
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// One MQTT message as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The topic it was published on.
    pub topic: &'a str,
    /// The message.
    pub payload: &'a [u8],
    /// Whether the broker replayed it from its store: a message of unknown age.
    pub retained: bool,
    /// When the gateway received it.
    pub received: Timestamp,
}

/// How the messages of a connection's subscription are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Family {
    /// Events of the ChirpStack v4 MQTT integration in JSON.
    #[serde(rename = "chirpstack-v4")]
    ChirpstackV4,
    /// State messages of Zigbee2MQTT.
    #[serde(rename = "zigbee2mqtt")]
    Zigbee2mqtt,
    /// No envelope: the topic names the device and the payload is its JSON.
    #[serde(rename = "json")]
    Json,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::ChirpstackV4, Self::Zigbee2mqtt, Self::Json];

    /// The name used in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChirpstackV4 => "chirpstack-v4",
            Self::Zigbee2mqtt => "zigbee2mqtt",
            Self::Json => "json",
        }
    }
    /// The topic pattern the family's software publishes on unless it was told otherwise; plain JSON has none.
    pub fn default_pattern(self) -> Option<&'static str> {
        match self {
            Self::ChirpstackV4 => Some("application/{application}/device/{device}/event/{event}"),
            Self::Zigbee2mqtt => Some("zigbee2mqtt/{device...}"),
            Self::Json => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the device itself said, free of its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// A decrypted LoRaWAN application payload.
    Bytes {
        /// The LoRaWAN port, which most devices use to select the layout.
        f_port: Option<u8>,
        /// The payload.
        bytes: Cow<'a, [u8]>,
    },
    /// JSON text, not yet parsed.
    Json(&'a [u8]),
    /// Nothing for a profile to decode.
    None,
}

impl<'a> Body<'a> {
    /// A borrowed application payload.
    pub fn bytes(f_port: Option<u8>, bytes: &'a [u8]) -> Self {
        Self::Bytes {
            f_port,
            bytes: Cow::Borrowed(bytes),
        }
    }
}

/// What kind of message the envelope held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A measurement; the body goes to the device's profile.
    Uplink,
    /// The network server's report on a device: everything it says is in the envelope's observations.
    Status,
    /// The device joined its network: it is alive and its frame counter restarts.
    Join,
    /// A bridge says that the device is reachable (`true`) or not.
    Availability(bool),
    /// The bridge itself is up or down, and with it every device behind it.
    BridgeAvailability(bool),
    /// The bridge's list of devices: input for onboarding.
    Inventory,
    /// A message of the family that says nothing about a sensor: a command, a log line, an acknowledgement.
    Ignored,
}

/// What identifies a LoRaWAN uplink across redeliveries and network servers, together with its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LorawanIdentity {
    /// The device.
    pub dev_eui: u64,
    /// The port; 0 when the frame carried only MAC commands.
    pub f_port: u8,
    /// The frame counter; 0 in the first frame after a join.
    pub f_cnt: u32,
}

/// An opened envelope.
#[derive(Debug, Clone)]
pub struct Opened<'a> {
    /// Who spoke: the DevEUI in lower case, a friendly name, or what the topic pattern captured.
    pub address: Cow<'a, str>,
    /// What the device said.
    pub body: Body<'a>,
    /// Identity of a LoRaWAN uplink.
    pub identity: Option<LorawanIdentity>,
    /// The envelope's own time of the message; `None` when it has none or an unreadable one.
    pub observed: Option<Timestamp>,
    /// What the envelope itself measured: signal quality, battery status.
    pub envelope_readings: Vec<Observation>,
    /// What kind of message this is.
    pub event: Event,
    /// Whether a console made the message up. It must not raise an alarm.
    pub simulated: bool,
    /// Why nothing in this message is fully trusted; goes into [`crate::DeviceContext::caution`].
    pub caution: Option<Reason>,
}

impl<'a> Opened<'a> {
    /// An opened message of `address` that carries only its kind.
    pub(crate) fn of(address: Cow<'a, str>, event: Event, frame: &Frame<'_>) -> Self {
        Self {
            address,
            body: Body::None,
            identity: None,
            observed: None,
            envelope_readings: Vec::new(),
            event,
            simulated: false,
            caution: frame.retained.then_some(Reason::Retained),
        }
    }
}
