//! `[broker]` and the subscriptions that brokers and connections share.

use crate::config::CertificateName;
use crate::config::raw::secret::RawSecret;
use crate::config::raw::{address, connection_name, days, packet_limit, path};
use crate::config::read::{At, Table};
use crate::config::said::both;
use linli_domain::text::Text;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// Longest user name in bytes.
const MAX_USERNAME: usize = 64;

/// `[broker]`.
#[derive(Debug)]
pub struct Broker {
    /// Switched on; on when absent.
    pub enabled: Option<At<bool>>,
    /// Connection name.
    pub name: Option<At<String>>,
    /// Whether the listener without encryption is there; it is when absent.
    pub plain: Option<At<bool>>,
    /// Its address.
    pub listen: Option<At<SocketAddr>>,
    /// It may be reached from other machines.
    pub allow_plaintext: bool,
    /// `[broker.tls]`.
    pub tls: Option<Tls>,
    /// Largest packet.
    pub max_packet_bytes: Option<At<i64>>,
    /// `[broker.limits]`.
    pub limits: Option<Limits>,
    /// Clients.
    pub users: Vec<User>,
    /// Further clients with digests of their passwords.
    pub users_file: Option<At<PathBuf>>,
    /// How topics are understood.
    pub subscriptions: Vec<Subscription>,
    /// Where the section stands.
    pub place: Range<usize>,
}

/// `[broker.tls]`.
#[derive(Debug)]
pub struct Tls {
    /// Switched on; on when absent.
    pub enabled: Option<At<bool>>,
    /// Address to bind.
    pub listen: Option<At<SocketAddr>>,
    /// Certificate chain.
    pub certificate: Option<At<PathBuf>>,
    /// Its key.
    pub key: Option<At<PathBuf>>,
    /// Authorities of client certificates.
    pub client_ca: Option<At<PathBuf>>,
    /// Whether every client needs one.
    pub client_certificates: Option<At<bool>>,
    /// Where the user's name stands in it.
    pub client_name: Option<At<CertificateName>>,
}

/// `[broker.limits]`, key by key.
#[derive(Debug)]
pub struct Limits {
    /// Clients known at once.
    pub max_clients: Option<At<i64>>,
    /// The same for one user.
    pub max_clients_per_user: Option<At<i64>>,
    /// Messages per second of a connection.
    pub messages_per_s: Option<At<i64>>,
    /// Bytes per second of a connection.
    pub bytes_per_s: Option<At<i64>>,
    /// Connections per second from an address.
    pub connects_per_s: Option<At<i64>>,
    /// Time to a whole CONNECT.
    pub greeting_timeout: Option<At<Duration>>,
    /// Longest keep-alive.
    pub max_keep_alive: Option<At<Duration>>,
    /// Longest life of a session whose client is away.
    pub max_session_expiry: Option<At<Duration>>,
    /// Subscriptions of a client.
    pub max_subscriptions: Option<At<i64>>,
    /// Bytes of a topic.
    pub max_topic_bytes: Option<At<i64>>,
    /// Levels of a topic.
    pub max_topic_levels: Option<At<i64>>,
    /// Messages queued for a client.
    pub max_queue: Option<At<i64>>,
    /// Bytes held for all clients.
    pub max_backlog_bytes: Option<At<i64>>,
}

/// `[[broker.users]]`.
#[derive(Debug)]
pub struct User {
    /// User name.
    pub username: Option<At<String>>,
    /// Password.
    pub password: Option<RawSecret>,
    /// Whether one is written there, readable or not.
    pub has_password: bool,
    /// Whether a client certificate is enough.
    pub certificate: Option<At<bool>>,
    /// Filters to publish to; absent: below its own name.
    pub publish: Option<Vec<At<String>>>,
    /// Filters to subscribe to; absent: below its own name.
    pub subscribe: Option<Vec<At<String>>>,
    /// Clients of this user.
    pub max_clients: Option<At<i64>>,
    /// Messages per second of a connection.
    pub messages_per_s: Option<At<i64>>,
    /// Bytes per second of a connection.
    pub bytes_per_s: Option<At<i64>>,
}

/// `subscriptions` of a broker or a connection.
#[derive(Debug)]
pub struct Subscription {
    /// Envelope.
    pub family: Option<At<String>>,
    /// Topic pattern.
    pub topic: Option<At<String>>,
    /// Filters of states of announced entities.
    pub states: Vec<At<String>>,
    /// Whether Sparkplug nodes may be asked for their births.
    pub rebirth: Option<At<bool>>,
}

impl Broker {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("bind", "listen"), ("max_packet", "max_packet_bytes")]);
        let broker = Self {
            enabled: table.boolean("enabled"),
            name: connection_name(&table),
            plain: table.boolean("plain"),
            listen: address(&table, "listen"),
            allow_plaintext: table.boolean("allow_plaintext").is_some_and(|at| at.value),
            tls: table.table("tls").map(Tls::read),
            max_packet_bytes: packet_limit(&table),
            limits: table.table("limits").map(Limits::read),
            users: table.tables("users").into_iter().map(User::read).collect(),
            users_file: path(&table, "users_file", "\"secrets/broker-users\""),
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

impl Tls {
    fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[
            ("bind", "listen"),
            ("cert", "certificate"),
            ("certfile", "certificate"),
            ("keyfile", "key"),
            ("cafile", "client_ca"),
        ]);
        let (listen, certificate, key) = (
            address(&table, "listen"),
            path(&table, "certificate", "\"tls/broker.pem\""),
            path(&table, "key", "\"tls/broker.key\""),
        );
        let tls = Self {
            enabled: table.boolean("enabled"),
            listen: table.need("listen", "\"0.0.0.0:8883\"", listen),
            certificate: table.need("certificate", "\"tls/broker.pem\"", certificate),
            key: table.need("key", "\"tls/broker.key\"", key),
            client_ca: path(&table, "client_ca", "\"tls/devices-ca.pem\""),
            client_certificates: table
                .choice("client_certificates", &[("optional", false), ("required", true)]),
            client_name: table.choice(
                "client_name",
                &[
                    ("cn", CertificateName::CommonName),
                    ("dns", CertificateName::DnsName),
                ],
            ),
        };
        table.finish();
        tls
    }
}

impl Limits {
    fn read(table: Table<'_>) -> Self {
        let seconds = Duration::from_secs;
        let limits = Self {
            max_clients: table.integer("max_clients", 1..=10_000),
            max_clients_per_user: clients(&table, "max_clients_per_user"),
            messages_per_s: messages(&table),
            bytes_per_s: bytes(&table),
            connects_per_s: table.integer("connects_per_s", 1..=10_000),
            greeting_timeout: table.duration("greeting_timeout", seconds(1)..=seconds(120)),
            max_keep_alive: table.duration("max_keep_alive", seconds(10)..=seconds(43_200)),
            max_session_expiry: table.duration("max_session_expiry", seconds(60)..=days(30)),
            max_subscriptions: table.integer("max_subscriptions", 1..=10_000),
            max_topic_bytes: table.integer("max_topic_bytes", 16..=4_096),
            max_topic_levels: table.integer("max_topic_levels", 1..=64),
            max_queue: table.integer("max_queue", 1..=10_000),
            max_backlog_bytes: table.integer("max_backlog_bytes", 1 << 20..=1 << 30),
        };
        table.finish();
        limits
    }
}

impl User {
    fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("user", "username"), ("name", "username")]);
        let username = table.parsed("username", "\"chirpstack\"", |text| {
            username(text).map(|()| text.to_owned())
        });
        let rules = |key, example| table.has(key).then(|| table.texts(key, example));
        let user = Self {
            username: table.need("username", "\"chirpstack\"", username),
            password: RawSecret::read(&table, "password"),
            has_password: table.has("password"),
            certificate: table.boolean("certificate"),
            publish: rules("publish", "[\"application/#\"]"),
            subscribe: rules("subscribe", "[\"application/+/device/+/command/down\"]"),
            max_clients: clients(&table, "max_clients"),
            messages_per_s: messages(&table),
            bytes_per_s: bytes(&table),
        };
        table.finish();
        user
    }
}

fn clients(table: &Table<'_>, key: &'static str) -> Option<At<i64>> {
    table.integer(key, 1..=10_000)
}

fn messages(table: &Table<'_>) -> Option<At<i64>> {
    table.integer("messages_per_s", 1..=100_000)
}

fn bytes(table: &Table<'_>) -> Option<At<i64>> {
    table.integer("bytes_per_s", 1_024..=1 << 30)
}

/// A user's name becomes a level of topics and the beginning of client ids, so it must not widen either.
pub(crate) fn username(text: &str) -> Result<(), Text> {
    if text.is_empty() || text.len() > MAX_USERNAME {
        return Err(both!(
            "用户名须为 1 到 {MAX_USERNAME} 字节",
            "a user name has 1 to {MAX_USERNAME} bytes"
        ));
    }
    if text.contains(['+', '#', '/', '$', '%']) || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(both!(
            "用户名不能含有 + # / $ %、空白和控制字符",
            "a user name is without + # / $ %, white space and control characters"
        ));
    }
    Ok(())
}

impl Subscription {
    pub(super) fn read(table: Table<'_>) -> Self {
        let table = table.renamed(&[("filter", "topic"), ("pattern", "topic"), ("format", "family")]);
        let (family, topic) = (
            table.text("family", "\"chirpstack-v4\""),
            table.text("topic", "\"application/#\""),
        );
        let subscription = Self {
            family: table.need("family", "\"chirpstack-v4\"", family),
            topic,
            states: table.texts("states", "[\"estate/#\"]"),
            rebirth: table.boolean("rebirth"),
        };
        table.finish();
        subscription
    }
}
