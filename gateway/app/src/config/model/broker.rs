//! The embedded broker as it is used: its listeners, its limits, and who may connect.

use super::Subscription;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The embedded broker. At least one of its listeners is there.
#[derive(Debug, Clone)]
pub struct EmbeddedBroker {
    /// The connection name devices refer to in the estate.
    pub name: Arc<str>,
    /// Address of the listener without encryption.
    pub plain: Option<SocketAddr>,
    /// The listener with TLS.
    pub tls: Option<BrokerTls>,
    /// Largest accepted packet in bytes, its fixed header not counted.
    pub max_packet_bytes: u32,
    /// What clients may cost.
    pub limits: BrokerLimits,
    /// Clients that may connect.
    pub users: Vec<BrokerUser>,
    /// File of further users with digests of their passwords; read again when it changes.
    pub users_file: Option<PathBuf>,
    /// Subscriptions as of an external connection: how each topic is understood.
    pub subscriptions: Vec<Subscription>,
}

/// The listener with TLS. All files are PEM and are read again when they change.
#[derive(Debug, Clone)]
pub struct BrokerTls {
    /// Address to bind.
    pub listen: SocketAddr,
    /// Certificate chain of the broker, its own certificate first.
    pub certificate: PathBuf,
    /// Private key of that certificate.
    pub key: PathBuf,
    /// Certificates of clients; `None`: they are not asked for one.
    pub clients: Option<ClientCertificates>,
}

/// How clients show who they are by certificate.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// Authorities that sign them.
    pub authority: PathBuf,
    /// Whether a client without one is refused; otherwise it gives a password.
    pub required: bool,
    /// Where the user's name stands.
    pub name: CertificateName,
}

/// Where in a client's certificate the user's name stands. It must stand there exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of the subject.
    CommonName,
    /// The DNS name among the subject's alternative names.
    DnsName,
}

/// One client of the embedded broker.
#[derive(Debug, Clone)]
pub struct BrokerUser {
    /// User name; client ids must equal it or start with it and a `-`.
    pub username: String,
    /// Password; without one the user stands in the users file or comes with a certificate.
    pub password: Option<SecretString>,
    /// Whether a client certificate with this name is enough.
    pub certificate: bool,
    /// Topic filters it may publish to.
    pub publish: Vec<String>,
    /// Topic filters it may subscribe to.
    pub subscribe: Vec<String>,
    /// Where it differs from the limits of all.
    pub limits: UserLimits,
}

/// What a user who gives no rules may publish and subscribe: everything below a topic level of its own name.
pub const OWN_PREFIX: &str = "%u/#";

/// Limits of one user that differ from those of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserLimits {
    /// See [`BrokerLimits::max_clients_per_user`].
    pub max_clients: Option<u32>,
    /// See [`BrokerLimits::messages_per_s`].
    pub messages_per_s: Option<u32>,
    /// See [`BrokerLimits::bytes_per_s`].
    pub bytes_per_s: Option<u32>,
}

/// What clients may cost. Past a limit a client is held back or refused and named; the others do not notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Clients known at once, connected or with a kept session. Further ones are refused at CONNECT.
    pub max_clients: u32,
    /// The same for one user; a client that comes back under its own id is never refused for this.
    pub max_clients_per_user: u32,
    /// Messages per second of one connection; five seconds' worth may come at once. Past it its socket is not read.
    pub messages_per_s: u32,
    /// Bytes per second of one connection, likewise.
    pub bytes_per_s: u32,
    /// Connections per second from one address; ten seconds' worth may come at once. Further ones are closed unheard.
    pub connects_per_s: u32,
    /// How long a client may take from the first byte to a whole CONNECT, TLS included. Then it is closed.
    pub greeting_timeout: Duration,
    /// Longest keep-alive. A client that asks for a longer one or none is held to this.
    pub max_keep_alive: Duration,
    /// How long the session of a client that is away is kept at most.
    pub max_session_expiry: Duration,
    /// Subscriptions of one client. Further ones are refused in the SUBACK.
    pub max_subscriptions: u32,
    /// Longest topic or filter in bytes. A longer one is refused like a foreign one.
    pub max_topic_bytes: u32,
    /// Most levels of a topic or filter, likewise.
    pub max_topic_levels: u32,
    /// Messages queued for one client that is slow or away. Then the oldest are dropped and counted.
    pub max_queue: u32,
    /// Bytes of messages held for all clients together. Past it the client that is furthest behind is closed.
    pub max_backlog_bytes: u32,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            max_clients: 1_000,
            max_clients_per_user: 50,
            messages_per_s: 200,
            bytes_per_s: 256 << 10,
            connects_per_s: 20,
            greeting_timeout: Duration::from_secs(10),
            max_keep_alive: Duration::from_secs(3600),
            max_session_expiry: Duration::from_secs(86_400),
            max_subscriptions: 100,
            max_topic_bytes: 256,
            max_topic_levels: 16,
            max_queue: 1_000,
            max_backlog_bytes: 64 << 20,
        }
    }
}
