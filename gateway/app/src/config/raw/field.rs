//! `[broker]`, `[[mqtt]]` and `[[modbus]]`: how the field is reached.

use crate::config::raw::secret::RawSecret;
use crate::config::raw::{address, days, id, path};
use crate::config::read::{At, Table};
use crate::config::said::{self, both};
use crate::config::{ModbusTransport, MqttProtocol, Parity};
use linli_domain::id::BusId;
use linli_domain::text::Text;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// `[broker]`.
#[derive(Debug)]
pub struct Broker {
    /// Switched on; on when absent.
    pub enabled: Option<At<bool>>,
    /// Connection name.
    pub name: Option<At<String>>,
    /// Address to bind.
    pub listen: Option<At<SocketAddr>>,
    /// Largest packet.
    pub max_packet_bytes: Option<At<i64>>,
    /// Clients.
    pub users: Vec<User>,
    /// How topics are understood.
    pub subscriptions: Vec<Subscription>,
    /// Where the section stands.
    pub place: Range<usize>,
}

/// `[[broker.users]]`.
#[derive(Debug)]
pub struct User {
    /// User name.
    pub username: Option<At<String>>,
    /// Password.
    pub password: Option<RawSecret>,
    /// Filters to publish to.
    pub publish: Vec<At<String>>,
    /// Filters to subscribe to.
    pub subscribe: Vec<At<String>>,
}

/// `subscriptions` of a broker or a connection.
#[derive(Debug)]
pub struct Subscription {
    /// Envelope.
    pub family: Option<At<String>>,
    /// Topic pattern.
    pub topic: Option<At<String>>,
}

/// `[[mqtt]]`.
#[derive(Debug)]
pub struct Mqtt {
    /// Connection name.
    pub name: Option<At<String>>,
    /// Scheme, host and port.
    pub url: Option<At<Target>>,
    /// Fixed client id.
    pub client_id: Option<At<String>>,
    /// User.
    pub username: Option<At<String>>,
    /// Password.
    pub password: Option<RawSecret>,
    /// Authorities to trust.
    pub ca: Option<At<PathBuf>>,
    /// Client certificate.
    pub client_cert: Option<At<PathBuf>>,
    /// Its key.
    pub client_key: Option<At<PathBuf>>,
    /// Receive maximum.
    pub receive_maximum: Option<At<i64>>,
    /// Session expiry.
    pub session_expiry: Option<At<Duration>>,
    /// Keep-alive.
    pub keep_alive: Option<At<Duration>>,
    /// Largest packet.
    pub max_packet_bytes: Option<At<i64>>,
    /// Protocol.
    pub protocol: Option<At<MqttProtocol>>,
    /// What to subscribe to.
    pub subscriptions: Vec<Subscription>,
    /// Where the section stands.
    pub place: Range<usize>,
}

/// A broker address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `mqtts`.
    pub tls: bool,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// `[[modbus]]`.
#[derive(Debug)]
pub struct Modbus {
    /// Bus name.
    pub name: Option<At<BusId>>,
    /// How it is reached.
    pub transport: Vec<At<ModbusTransport>>,
    /// Number of transport keys that stand in the section, readable or not.
    pub transports_given: usize,
    /// Longest wait.
    pub timeout: Option<At<Duration>>,
    /// Poll period.
    pub period: Option<At<Duration>>,
    /// Pause between requests.
    pub pause: Option<At<Duration>>,
    /// Where the section stands.
    pub place: Range<usize>,
}

impl Broker {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("bind", "listen"), ("max_packet", "max_packet_bytes")]);
        let broker = Self {
            enabled: table.boolean("enabled"),
            name: connection_name(&table),
            listen: address(&table, "listen"),
            max_packet_bytes: packet_limit(&table),
            users: table.tables("users").into_iter().map(User::read).collect(),
            subscriptions: table
                .tables("subscriptions")
                .into_iter()
                .map(Subscription::read)
                .collect(),
            place: table.span.clone(),
        };
        table.finish();
        broker
    }
}

impl User {
    fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("user", "username"), ("name", "username")]);
        let username = table.parsed("username", "\"chirpstack\"", |text| match text {
            "" => Err(both!("用户名为空", "the user name is empty")),
            text => Ok(text.to_owned()),
        });
        let password = RawSecret::read(&table, "password");
        let user = Self {
            username: table.need("username", "\"chirpstack\"", username),
            password: table.need("password", "{ file = \"secrets/chirpstack\" }", password),
            publish: table.texts("publish", "[\"application/#\"]"),
            subscribe: table.texts("subscribe", "[\"application/+/device/+/command/down\"]"),
        };
        table.finish();
        user
    }
}

impl Subscription {
    fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("filter", "topic"), ("pattern", "topic"), ("format", "family")]);
        let (family, topic) = (
            table.text("family", "\"chirpstack-v4\""),
            table.text("topic", "\"application/#\""),
        );
        let subscription = Self {
            family: table.need("family", "\"chirpstack-v4\"", family),
            topic,
        };
        table.finish();
        subscription
    }
}

impl Mqtt {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[
            ("host", "url"),
            ("server", "url"),
            ("user", "username"),
            ("inflight", "receive_maximum"),
            ("topics", "subscriptions"),
        ]);
        let example = "\"mqtt://127.0.0.1:1883\"";
        let (name, url) = (connection_name(&table), url(&table, example));
        let client_id = table.parsed("client_id", "\"linli-estate-1\"", client_id);
        let mqtt = Self {
            name: table.need("name", "\"lora\"", name),
            url: table.need("url", example, url),
            client_id: table.need("client_id", "\"linli-estate-1\"", client_id),
            username: table.text("username", "\"linli\""),
            password: RawSecret::read(&table, "password"),
            ca: path(&table, "ca", "\"/etc/linli/ca.pem\""),
            client_cert: path(&table, "client_cert", "\"/etc/linli/client.pem\""),
            client_key: path(&table, "client_key", "\"/etc/linli/client.key\""),
            receive_maximum: table.integer("receive_maximum", 1..=65_535),
            session_expiry: table.duration("session_expiry", Duration::from_secs(60)..=days(365)),
            keep_alive: table.duration("keep_alive", Duration::from_secs(5)..=Duration::from_secs(65_535)),
            max_packet_bytes: packet_limit(&table),
            protocol: table.choice(
                "protocol",
                &[
                    ("auto", MqttProtocol::Auto),
                    ("5", MqttProtocol::V5),
                    ("3.1.1", MqttProtocol::V311),
                ],
            ),
            subscriptions: table
                .tables("subscriptions")
                .into_iter()
                .map(Subscription::read)
                .collect(),
            place: table.span.clone(),
        };
        if !table.has("subscriptions") {
            table.need::<()>("subscriptions", "[{ family = \"chirpstack-v4\" }]", None);
        }
        table.finish();
        mqtt
    }
}

impl Modbus {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("bus", "name"), ("interval", "period"), ("rtu", "serial")]);
        let name = id(&table, "name", "\"bus-1\"");
        let tcp = table
            .parsed("tcp", "\"10.0.0.5:502\"", host_port)
            .map(|at| at.map(ModbusTransport::Tcp));
        let over = table.parsed("rtu_over_tcp", "\"10.0.0.6:4196\"", host_port);
        let serial = table.table("serial").and_then(serial);
        let transport = [tcp, over.map(|at| at.map(ModbusTransport::RtuOverTcp)), serial];
        let modbus = Self {
            name: table.need("name", "\"bus-1\"", name),
            transport: transport.into_iter().flatten().collect(),
            transports_given: ["tcp", "rtu_over_tcp", "serial"]
                .into_iter()
                .filter(|k| table.has(k))
                .count(),
            timeout: table.duration("timeout", Duration::from_millis(20)..=Duration::from_secs(30)),
            period: table.duration("period", Duration::from_millis(100)..=days(1)),
            pause: table.duration("pause", Duration::ZERO..=Duration::from_secs(5)),
            place: table.span.clone(),
        };
        table.finish();
        modbus
    }
}

fn serial(table: Table<'_>) -> Option<At<ModbusTransport>> {
    let table = table.renamed(&[("port", "path"), ("device", "path"), ("baud_rate", "baud")]);
    let port = path(&table, "path", "\"/dev/ttyUSB0\"");
    let port = table.need("path", "\"/dev/ttyUSB0\"", port);
    let parities = [
        ("none", Parity::None),
        ("even", Parity::Even),
        ("odd", Parity::Odd),
    ];
    let transport = ModbusTransport::Rtu {
        path: port.as_ref().map(|at| at.value.clone()).unwrap_or_default(),
        baud: table
            .integer("baud", 300..=921_600)
            .map_or(9600, |at| u32::try_from(at.value).unwrap_or(9600)),
        parity: table
            .choice("parity", &parities)
            .map_or(Parity::None, |at| at.value),
        stop_bits: table
            .integer("stop_bits", 1..=2)
            .map_or(1, |at| u8::try_from(at.value).unwrap_or(1)),
    };
    let span = table.span.clone();
    table.finish();
    port.map(|_| At {
        value: transport,
        span,
    })
}

fn connection_name(table: &Table<'_>) -> Option<At<String>> {
    id::<BusId>(table, "name", "\"lora\"").map(|at| at.map(|name| name.as_str().to_owned()))
}

fn packet_limit(table: &Table<'_>) -> Option<At<i64>> {
    table.integer("max_packet_bytes", 1_024..=16 << 20)
}

fn client_id(text: &str) -> Result<String, Text> {
    if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
        return Err(both!(
            "须为 1 到 128 字节的文本",
            "it is a text of 1 to 128 bytes"
        ));
    }
    Ok(text.to_owned())
}

/// The broker's address; credentials in it are refused and not shown.
fn url(table: &Table<'_>, example: &str) -> Option<At<Target>> {
    let text = table.text("url", example)?;
    if text.value.contains('@') {
        table.sink().mask(text.span.clone());
        let message = both!("url 中含有用户或密码", "the url holds a user or a password");
        let hint = both!(
            "用户写在 username，密码写在 password",
            "they go into username and password"
        );
        table.sink().error(text.span, said::conflict(message, hint));
        return None;
    }
    table.parsed("url", example, target)
}

/// `mqtt://host[:port]` or `mqtts://host[:port]`.
fn target(text: &str) -> Result<Target, Text> {
    let (tls, rest) = match text.split_once("://") {
        Some(("mqtt", rest)) => (false, rest),
        Some(("mqtts", rest)) => (true, rest),
        _ => {
            return Err(both!(
                "地址须以 mqtt:// 或 mqtts:// 开头",
                "the address starts with mqtt:// or mqtts://"
            ));
        }
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let with_port = if split_port(rest).is_some() {
        rest.to_owned()
    } else {
        format!("{rest}:{}", if tls { 8883 } else { 1883 })
    };
    match split_port(&with_port) {
        Some((host, port)) => Ok(Target { tls, host, port }),
        None => Err(both!(
            "需要“主机”或“主机:端口”",
            "after the scheme comes a host, or a host and a port"
        )),
    }
}

fn host_port(text: &str) -> Result<String, Text> {
    split_port(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| both!("需要“主机:端口”", "it is a host and a port"))
}

/// Host (without brackets) and port of `host:port` or `[v6]:port`.
fn split_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let fits =
        !bare.is_empty() && !bare.contains(['/', ' ', '[', ']']) && (bare == host) != bare.contains(':');
    fits.then(|| (bare.to_owned(), port))
}
