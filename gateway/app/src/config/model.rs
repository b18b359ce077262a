//! The validated configuration. Nothing here can hold a value the program would have to refuse later.

mod broker;

pub use broker::*;

use linli_decode::modbus::budget::Line;
pub use linli_decode::modbus::budget::LineSpeed;
use linli_decode::{ClockWindow, Family, TopicPattern};
use linli_domain::id::{BusId, ChannelId};
use linli_domain::order::OrderRole;
use linli_domain::text::Language;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The whole of `linli.toml`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Language of messages to people; the status page follows the browser.
    pub language: Language,
    /// The estate file that seeds an empty ledger.
    pub estate_seed: PathBuf,
    /// The folder of device profiles.
    pub profiles: PathBuf,
    /// Where and how readings are kept.
    pub store: Store,
    /// The HTTP listener.
    pub http: Http,
    /// The embedded broker, when switched on.
    pub broker: Option<EmbeddedBroker>,
    /// Connections to MQTT brokers.
    pub mqtt: Vec<MqttConnection>,
    /// Modbus buses.
    pub modbus: Vec<ModbusBus>,
    /// Delivery channels.
    pub channels: Vec<Channel>,
    /// Which notices go to which channels.
    pub routes: Vec<Route>,
    /// Copies of the readings in other stores.
    pub forwarders: Vec<Forwarder>,
    /// Logging.
    pub log: Log,
    /// Device times outside this window are replaced by the time of receipt.
    pub clock_window: ClockWindow,
}

impl Config {
    /// The subscriptions of every connection, the embedded broker's included.
    pub fn subscriptions(&self) -> impl Iterator<Item = (Arc<str>, Vec<Subscription>)> {
        let external = self
            .mqtt
            .iter()
            .map(|c| (Arc::clone(&c.name), c.subscriptions.clone()));
        let embedded = self
            .broker
            .iter()
            .map(|b| (Arc::clone(&b.name), b.subscriptions.clone()));
        external.chain(embedded)
    }
}

/// Where and how readings are kept.
#[derive(Debug, Clone)]
pub struct Store {
    /// The data folder; holds the ledger, the lock and the first token.
    pub data: PathBuf,
    /// Longest time a reading waits for its commit: durability against flash wear.
    pub commit_delay: Duration,
    /// Free bytes of the disk below which the oldest readings go.
    pub min_free: u64,
    /// Size of the ledger in bytes above which the oldest readings go.
    pub max_size: Option<u64>,
    /// How long readings are kept, by measure.
    pub keep: Vec<linli_ledger::Keep>,
}

/// A copy of the readings in another store.
#[derive(Debug, Clone)]
pub struct Forwarder {
    /// Name in metrics, and of its place in the ledger.
    pub name: String,
    /// What it speaks to.
    pub kind: ForwarderKind,
    /// Address of the store.
    pub url: String,
    /// A new target is given the history first.
    pub from_history: bool,
    /// PEM file of authorities to trust besides the system's.
    pub ca: Option<PathBuf>,
}

/// Kinds of stores.
#[derive(Debug, Clone)]
pub enum ForwarderKind {
    /// InfluxDB 2 and later.
    Influx2 {
        /// Organisation.
        org: String,
        /// Bucket.
        bucket: String,
        /// Token: never logged.
        token: SecretString,
    },
    /// InfluxDB 1.
    Influx1 {
        /// Database.
        database: String,
        /// User and password.
        credentials: Option<(String, SecretString)>,
    },
    /// VictoriaMetrics.
    VictoriaMetrics,
}

/// The HTTP listener.
#[derive(Debug, Clone)]
pub struct Http {
    /// Address to bind. Loopback unless the operator says otherwise.
    pub listen: SocketAddr,
    /// Host names accepted in requests besides loopback names.
    pub hosts: Vec<String>,
}

/// One connection to a broker.
#[derive(Debug, Clone)]
pub struct MqttConnection {
    /// The name devices refer to in the estate.
    pub name: Arc<str>,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS, when the URL says `mqtts`.
    pub tls: Option<MqttTls>,
    /// Fixed client id: the persistent session hangs on it.
    pub client_id: String,
    /// User and password.
    pub credentials: Option<(String, SecretString)>,
    /// Most unacknowledged messages (MQTT 5 receive maximum).
    pub receive_maximum: u16,
    /// How long the broker keeps the session.
    pub session_expiry: Duration,
    /// Keep-alive.
    pub keep_alive: Duration,
    /// Largest accepted packet in bytes.
    pub max_packet_bytes: u32,
    /// Protocol: MQTT 5 first, or only one version.
    pub protocol: MqttProtocol,
    /// What to subscribe to.
    pub subscriptions: Vec<Subscription>,
}

/// Which protocol versions to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttProtocol {
    /// MQTT 5 first, 3.1.1 when the broker refuses it.
    Auto,
    /// MQTT 5 only.
    V5,
    /// MQTT 3.1.1 only.
    V311,
}

/// TLS of a broker connection.
#[derive(Debug, Clone)]
pub struct MqttTls {
    /// PEM file of the authorities to trust; the system's when absent.
    pub ca: Option<PathBuf>,
    /// Client certificate and key, PEM.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// One topic filter and how its messages are wrapped.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The envelope.
    pub family: Family,
    /// Topic pattern; its filter is what is subscribed.
    pub pattern: TopicPattern,
    /// Home Assistant discovery: filters of the topics on which announced entities publish their states.
    pub states: Vec<String>,
    /// Sparkplug: whether a node may be asked for its birth certificates, the one thing that is ever published.
    pub rebirth: bool,
}

impl Subscription {
    /// A subscription with nothing special about it.
    pub fn new(family: Family, pattern: TopicPattern) -> Self {
        Self {
            family,
            pattern,
            states: Vec::new(),
            rebirth: true,
        }
    }
}

/// One Modbus bus: one line, one request at a time.
#[derive(Debug, Clone)]
pub struct ModbusBus {
    /// The name devices refer to in the estate.
    pub bus: BusId,
    /// How the bus is reached.
    pub transport: ModbusTransport,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Period of what a profile gives none.
    pub period: Duration,
    /// Least pause between two requests on the bus.
    pub pause: Duration,
    /// How late after a question a device may still answer, unless its profile says so.
    pub max_lateness: Duration,
    /// A silence this long ends a frame (RTU).
    pub frame_gap: Duration,
    /// The usual time from a question to the beginning of its answer, for the budget.
    pub turnaround: Duration,
    /// Speed of the serial line, where there is one and it is known.
    pub speed: Option<LineSpeed>,
    /// Registers may be written that a profile allows by name.
    pub writes: bool,
}

impl ModbusBus {
    /// A bus with everything else as it is by default.
    pub fn new(bus: BusId, transport: ModbusTransport) -> Self {
        let timeout = match transport {
            // A mobile network takes its time.
            ModbusTransport::Dtu(_) => Duration::from_secs(2),
            _ => Duration::from_millis(500),
        };
        Self {
            timeout,
            period: Duration::from_secs(5),
            pause: Duration::from_millis(5),
            max_lateness: Self::usual_lateness(timeout),
            // Adapters on USB deliver in steps of 16 ms, converters and mobile networks in segments.
            frame_gap: Duration::from_millis(match transport {
                ModbusTransport::Rtu { .. } | ModbusTransport::Tcp(_) => 40,
                ModbusTransport::RtuOverTcp(_) => 100,
                ModbusTransport::Dtu(_) => 300,
            }),
            turnaround: Duration::from_millis(match transport {
                ModbusTransport::Tcp(_) => 5,
                ModbusTransport::Rtu { .. } | ModbusTransport::RtuOverTcp(_) => 20,
                ModbusTransport::Dtu(_) => 300,
            }),
            speed: match &transport {
                ModbusTransport::Rtu {
                    baud,
                    parity,
                    stop_bits,
                    ..
                } => Some(LineSpeed {
                    baud: *baud,
                    bits_per_character: 9 + u8::from(*parity != Parity::None) + stop_bits,
                }),
                _ => None,
            },
            writes: false,
            bus,
            transport,
        }
    }

    /// Slow slaves answer within a second or not at all.
    pub fn usual_lateness(timeout: Duration) -> Duration {
        timeout + timeout.max(Duration::from_secs(1))
    }

    /// What is known of its line, for the budget.
    pub fn line(&self) -> Line {
        Line {
            speed: self.speed,
            turnaround: self.turnaround,
            pause: self.pause,
        }
    }
}

/// How a Modbus bus is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModbusTransport {
    /// Modbus TCP.
    Tcp(String),
    /// RTU frames over TCP (serial servers).
    RtuOverTcp(String),
    /// RTU frames over TCP from a 4G DTU that dials in.
    Dtu(Dtu),
    /// A serial port.
    Rtu {
        /// Device path.
        path: PathBuf,
        /// Bits per second.
        baud: u32,
        /// Parity.
        parity: Parity,
        /// 1 or 2.
        stop_bits: u8,
    },
}

/// A DTU that dials in and says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dtu {
    /// Address to listen on; several DTUs may share it.
    pub listen: SocketAddr,
    /// What it registers with: its first bytes.
    pub registration: Box<[u8]>,
    /// So many first bytes are the registration of whoever dials in here; `None` takes each DTU's own.
    pub id_bytes: Option<usize>,
    /// What it sends unasked to keep its connection.
    pub heartbeat: Option<Box<[u8]>>,
}

/// Serial parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// No parity bit.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// One delivery channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name.
    pub id: ChannelId,
    /// How it speaks.
    pub kind: ChannelKind,
    /// Longest wait for an answer.
    pub timeout: Duration,
}

/// How a channel speaks.
#[derive(Debug, Clone)]
pub enum ChannelKind {
    /// CloudEvents 1.0 body with Standard Webhooks headers.
    Webhook {
        /// Where to post. A credential: never logged.
        url: SecretString,
        /// Signing keys, newest first, each as `whsec_` and base64.
        keys: Vec<SecretString>,
        /// Whether private and loopback addresses are allowed as target.
        allow_private: bool,
    },
    /// WeCom group robot 企业微信群机器人.
    Wecom {
        /// Webhook address with its key. A credential: never logged.
        url: SecretString,
    },
}

/// Which notices go where.
#[derive(Debug, Clone)]
pub struct Route {
    /// Roles whose orders match; empty means all.
    pub roles: Vec<OrderRole>,
    /// The channels.
    pub channels: Vec<ChannelId>,
}

/// Logging.
#[derive(Debug, Clone)]
pub struct Log {
    /// Filter in the syntax of `RUST_LOG`.
    pub filter: String,
    /// JSON lines instead of text.
    pub json: bool,
}
