//! What the field hands to the pipeline.

use linli_decode::modbus::Read;
use linli_decode::{Profile, RegisterData};
use linli_domain::reading::Reason;
use linli_domain::time::{Now, Timestamp};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Something that arrived from the field.
#[derive(Debug)]
pub enum Frame {
    /// A message of an MQTT connection or of the embedded broker.
    Mqtt(MqttFrame),
    /// The answer (or its absence) to one Modbus request.
    Modbus(ModbusFrame),
    /// A fact about the gateway's own surroundings: a reading of the `gateway` device.
    Fact(Fact),
}

/// An MQTT message as it came.
#[derive(Debug)]
pub struct MqttFrame {
    /// The connection's name in the configuration; devices refer to it.
    pub connection: Arc<str>,
    /// Index of the subscription whose filter matched; says how the topic and payload are wrapped.
    pub subscription: usize,
    /// Topic.
    pub topic: Box<str>,
    /// Payload.
    pub payload: Box<[u8]>,
    /// Retain flag: a replay of unknown age.
    pub retained: bool,
    /// DUP flag: the broker (or device) says it sent this before.
    pub duplicate: bool,
    /// Who numbers the packet: a hash of the client or session that `packet` belongs to.
    pub session: u64,
    /// Packet id; `None` for QoS 0.
    pub packet: Option<u16>,
    /// Why the connection itself does not want it; it is recorded as rejected, and acknowledged like any other.
    pub unwanted: Option<Unwanted>,
    /// When it was read from the socket.
    pub received: Now,
    /// What it leaves behind for later subscribers of the embedded broker, committed together with it.
    pub keep: Option<Keep>,
    /// What must happen after the commit.
    pub done: Done,
}

/// A message of the embedded broker stays as the retained one of its topic; an empty payload clears the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Quality of service it was published with.
    pub qos: u8,
    /// From when it counts as gone.
    pub expires: Option<Timestamp>,
}

/// Why a connection does not want a message. Never acknowledged it would shrink the window for ever; refused it
/// would come again for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwanted {
    /// Larger than the connection's `max_packet_bytes`; only the head of the payload is here.
    TooLarge {
        /// Bytes of the whole payload.
        bytes: usize,
    },
    /// Its topic belongs to no subscription.
    Unrouted,
}

/// What must happen once the transaction that holds a frame has committed, and only then.
#[derive(Debug)]
pub enum Done {
    /// Nothing: QoS 0, Modbus, facts.
    Nothing,
    /// Acknowledge to the broker. Sent in one burst per commit; stale generations are dropped by the connection.
    Ack(AckTicket),
    /// Somebody waits for this very commit (a client of the embedded broker). `true`: committed. A waiting client
    /// counts as a full window, so the pipeline commits at once.
    Waiting(tokio::sync::oneshot::Sender<bool>),
}

/// One acknowledgement owed to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckTicket {
    /// Which connection, as registered with the door.
    pub connection: usize,
    /// Which life of that connection; packet ids of an older one mean nothing.
    pub generation: u64,
    /// The packet id.
    pub packet: u16,
}

/// The outcome of one planned request to one slave.
#[derive(Debug)]
pub struct ModbusFrame {
    /// The device that was asked.
    pub device: linli_domain::id::DeviceId,
    /// The profile that planned the request; only it knows what the answer means.
    pub profile: Arc<Profile>,
    /// The request.
    pub read: Read,
    /// Registers or bits, or why there are none.
    pub answer: Result<RegisterData, Reason>,
    /// When the answer was complete (or given up).
    pub received: Now,
}

/// A fact about the gateway's own surroundings.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Measure of the `gateway` device.
    pub measure: linli_domain::measure::Measure,
    /// Which connection, bus or disk.
    pub instance: Arc<str>,
    /// What is so.
    pub value: linli_domain::reading::Value,
    /// When.
    pub received: Now,
}

impl Frame {
    /// Bytes this frame costs the inbox.
    pub fn cost(&self) -> usize {
        match self {
            Self::Mqtt(m) => {
                let copies = if m.keep.is_some() { 2 } else { 1 };
                128 + copies * (m.topic.len() + m.payload.len())
            }
            Self::Modbus(_) => 512,
            Self::Fact(_) => 128,
        }
    }

    /// When it came.
    pub fn received(&self) -> Timestamp {
        match self {
            Self::Mqtt(m) => m.received.wall,
            Self::Modbus(m) => m.received.wall,
            Self::Fact(f) => f.received.wall,
        }
    }

    /// Where it came from, for people, and its bytes as far as there are any.
    pub fn origin(&self) -> Origin<'_> {
        let without_bytes = |connection, from: String| Origin {
            connection,
            from: from.into(),
            payload: &[],
            bytes: 0,
        };
        match self {
            Self::Mqtt(m) => Origin {
                connection: &m.connection,
                from: (&*m.topic).into(),
                payload: &m.payload,
                bytes: match m.unwanted {
                    Some(Unwanted::TooLarge { bytes }) => bytes,
                    _ => m.payload.len(),
                },
            },
            Self::Modbus(m) => {
                let request = m.read.request;
                let (function, start, count) = (request.function, request.start, request.count);
                let from = format!("{} function {function} address {start} count {count}", m.device);
                without_bytes("modbus", from)
            }
            Self::Fact(f) => without_bytes("gateway", format!("{} {}", f.measure, f.instance)),
        }
    }
}

/// Where a frame came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The connection; `modbus` and `gateway` for what came over none.
    pub connection: &'a str,
    /// Topic, or request of a slave.
    pub from: Cow<'a, str>,
    /// Its bytes, as far as they were kept.
    pub payload: &'a [u8],
    /// How many there were.
    pub bytes: usize,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.connection, self.from)
    }
}
