//! What goes in and what an opened envelope holds. Data only; [`crate::open`] fills it.

use crate::envelope::sparkplug;
use crate::family::Family;
use crate::observation::Observation;
use crate::refusal::Rejection;
use crate::topic::TopicPattern;
use linli_domain::reading::Reason;
use linli_domain::time::Timestamp;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
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

/// How the messages of a subscription are wrapped, and where they arrive.
#[derive(Debug, Clone, Copy)]
pub struct Wrapping<'w> {
    /// The envelope.
    pub family: Family,
    /// What its topics look like.
    pub pattern: &'w TopicPattern,
}

/// What the device itself said, free of its envelope.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// A decrypted LoRaWAN application payload.
    Bytes {
        /// The LoRaWAN port, which most devices use to select the layout.
        f_port: Option<u8>,
        /// The payload.
        bytes: Cow<'a, [u8]>,
    },
    /// A message as the device published it: JSON or plain text, as its profile says.
    Message {
        /// What the topic says beside the device; empty where a device has one topic only.
        path: Cow<'a, str>,
        /// The message.
        payload: Cow<'a, [u8]>,
    },
    /// Values that carry their names.
    Named(Vec<NamedValue<'a>>),
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
    /// A message of a device with one topic.
    pub fn message(payload: &'a [u8]) -> Self {
        Self::message_on("", payload)
    }
    /// A message on one of a device's topics.
    pub fn message_on(path: &'a str, payload: &'a [u8]) -> Self {
        Self::Message {
            path: Cow::Borrowed(path),
            payload: Cow::Borrowed(payload),
        }
    }
}

/// One value that carries its name, and often its unit and time.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedValue<'a> {
    /// What the device calls it.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Given<'a>,
    /// The unit as the message writes it; `None` leaves it to the profile.
    pub unit: Option<Cow<'a, str>>,
    /// Its own time.
    pub time: Option<Timestamp>,
    /// Whether the device had stored it.
    pub historical: bool,
    /// Why the sender itself does not trust it.
    pub doubt: Option<Reason>,
}

/// A value as a message gives it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the kinds of JSON")]
pub enum Given<'a> {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Cow<'a, str>),
    /// An object or array where a value was expected.
    Composite,
}

impl<'de: 'a, 'a> Deserialize<'de> for Given<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Given<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Given<'de>, E> {
                Ok(Given::Null)
            }
            fn visit_bool<E>(self, state: bool) -> Result<Given<'de>, E> {
                Ok(Given::Bool(state))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Given<'de>, E> {
                Ok(Given::Int(number.into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Given<'de>, E> {
                Ok(Given::Int(number.into()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Given<'de>, E> {
                Ok(Given::Float(number))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Given<'de>, E> {
                Ok(Given::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Given<'de>, E> {
                Ok(Given::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Given::Composite)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Given<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Given::Composite)
            }
        }
        deserializer.deserialize_any(Any)
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

impl Request {
    /// The one message that asks for it: topic and payload. It is sent at QoS 0 and never retained, as the Sparkplug
    /// specification has it for commands.
    pub fn message(&self, now: Timestamp) -> (String, Vec<u8>) {
        match self {
            Self::Rebirth { group, node } => {
                let now_ms = u64::try_from(now.as_millis()).unwrap_or(0);
                (
                    format!("spBv1.0/{group}/NCMD/{node}"),
                    sparkplug::proto::rebirth(now_ms),
                )
            }
        }
    }
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
    /// Whether the message, whatever else it says, shows that the device is reachable: a birth certificate.
    pub online: Option<bool>,
    /// What the same message says about other devices.
    pub others: Vec<Opened<'a>>,
    /// What should be asked of somebody in answer.
    pub requests: Vec<Request>,
    /// What was wrong with the message although the rest of it was understood; to be recorded like a refusal.
    pub fault: Option<Rejection>,
}

/// Something only the field may send, and only where the configuration allows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// A Sparkplug edge node is to publish its birth certificates again.
    Rebirth {
        /// The node's group.
        group: Box<str>,
        /// The node.
        node: Box<str>,
    },
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
            online: None,
            others: Vec::new(),
            requests: Vec::new(),
            fault: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_name_in_code_and_configuration() {
        for family in Family::ALL {
            assert_eq!(
                serde_json::to_string(&family).unwrap(),
                format!("{:?}", family.name())
            );
            assert_eq!(Family::from_name(family.name()), Some(family));
            let pattern = family.default_pattern().map(str::parse::<crate::TopicPattern>);
            assert!(pattern.is_none_or(|pattern| pattern.is_ok()), "{family}");
        }
    }
}
