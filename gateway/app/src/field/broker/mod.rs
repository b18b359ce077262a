//! The embedded MQTT broker: rmqtt behind a gate and hooks of ours, for evaluation and small sites.
//!
//! A device's QoS 1 message is answered with PUBACK when its readings are committed, like everything else here.
//! Responsible for: listeners and TLS, users, topic rules, limits, the commit before the PUBACK, retained messages in
//! the ledger. What the broker hands to other clients is the library's affair; frames are made from what clients
//! publish to it.
//!
//! ```text
//! client ─TLS/TCP─▶ gate ─loopback─▶ library ─hooks─▶ pipeline
//!                     │ who? how many? how fast?  │ which topic? committed?
//! ```
//!
//! Limits that stay, all told in `docs/embedded-broker.md` with what to use instead:
//! - one message per commit and connection: the library handles one PUBLISH of a connection at a time, whatever the
//!   client's window. A waiting client counts as a full window, so the pipeline commits at once;
//! - while a client waits for its commit nothing else of its connection is served, its PINGREQ neither;
//! - sessions and their queues are not kept over a restart;
//! - QoS 2 may come twice after a reconnect;
//! - a stopped broker leaves some memory behind, so it is started once per process.

mod accounts;
mod admit;
mod attempts;
mod backlog;
mod bucket;
mod gate;
mod guests;
mod hooks;
mod library;
pub mod password;
mod policy;
mod retained;
mod shared;
mod user;
pub mod users_file;
mod watch;

pub use accounts::UsersError;

use super::facts::{About, Facts};
use super::topic::Routes;
use crate::clock::SharedClock;
use crate::config::EmbeddedBroker;
use crate::metrics::Metrics;
use crate::pipeline::Door;
use accounts::Accounts;
use gate::{Farewell, Gate, Listener, Server, TlsFileError};
use linli_ledger::RetainedRow;
use retained::Retained;
use rmqtt::codec::v5::DisconnectReasonCode;
use shared::Shared;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// At stop: how long clients may take to go once their sessions have ended. Then they are cut off.
const LEAVING: Duration = Duration::from_secs(2);

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address is not to be had.
    #[error("listen for MQTT on {address}: {why}; is another broker running there?")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        why: String,
    },
    /// The ledger holds a topic that is none.
    #[error(
        "take over the retained messages: {0}; remove the topic from the ledger with a newer version of linli"
    )]
    Retained(String),
    /// The users file cannot be used.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The certificates cannot be used.
    #[error("start the TLS listener of the broker: {0}")]
    Tls(#[from] TlsFileError),
}

/// A broker that runs. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    /// Where it listens without encryption; with port 0 in the configuration this names the one the system chose.
    pub plain: Option<SocketAddr>,
    /// Where it listens with TLS.
    pub tls: Option<SocketAddr>,
    /// Where the library listens: a loopback port for the gate alone, which refuses everybody else.
    pub inner: SocketAddr,
    gate: Arc<Gate>,
    accepting: JoinHandle<()>,
    watching: CancellationToken,
    shared: Arc<Shared>,
}

/// Starts the broker. `retained` is what the ledger holds; changes are written back through the door.
pub async fn start(
    config: EmbeddedBroker,
    door: Door,
    retained: Vec<RetainedRow>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
) -> Result<Running, BrokerError> {
    // What can fail for the operator's reasons comes first.
    let accounts = Accounts::new(&config)?;
    let server = match &config.tls {
        Some(tls) => Some(Server::new(tls, &clock)?),
        None => None,
    };
    let plain = match config.plain {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let secured = match &config.tls {
        Some(tls) => Some(bind(tls.listen).await?),
        None => None,
    };
    let retained = Retained::load(retained, &clock)
        .await
        .map_err(|e| BrokerError::Retained(e.to_string()))?;
    let retained = Arc::new(retained);
    let shared = Arc::new(Shared::new(
        Arc::clone(&config.name),
        config.limits,
        accounts,
        Routes::new(&config.subscriptions),
        Arc::clone(&retained),
        library::context(&retained, config.limits).await,
        door,
        clock,
        metrics,
    ));
    let (inner, accepting) = library::start(&config, &shared).await?;
    let gate = Gate::new(Arc::clone(&shared), inner, config.max_packet_bytes);
    let address = |socket: &Option<TcpListener>| socket.as_ref().and_then(|s| s.local_addr().ok());
    let watching = CancellationToken::new();
    let running = Running {
        plain: address(&plain),
        tls: address(&secured),
        inner,
        gate: Arc::clone(&gate),
        accepting,
        watching: watching.clone(),
        shared: Arc::clone(&shared),
    };
    tokio::spawn(watch::run(shared, config, server.clone(), watching));
    if let Some(socket) = plain {
        gate.listen(socket, Listener::Plain);
    }
    if let (Some(socket), Some(server)) = (secured, server) {
        gate.listen(socket, Listener::Tls(server));
    }
    tracing::info!(plain = ?running.plain, tls = ?running.tls, "embedded broker");
    running.tell(true).await;
    Ok(running)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, BrokerError> {
    TcpListener::bind(address)
        .await
        .map_err(|why| BrokerError::Listen {
            address,
            why: why.to_string(),
        })
}

impl Running {
    /// Takes no new clients, then ends every session; each gets the PUBACK of a commit that is under way. The
    /// pipeline must still be running.
    pub async fn stop(self) {
        self.gate.close();
        self.watching.cancel();
        let stopping = Farewell::new(DisconnectReasonCode::ServerShuttingDown, "the gateway stops");
        self.shared.guests.warn_all(&stopping);
        self.shared.end_sessions(|_| true).await;
        self.gate.emptied(LEAVING).await;
        self.accepting.abort();
        self.tell(false).await;
    }

    async fn tell(&self, up: bool) {
        let shared = &self.shared;
        shared
            .metrics
            .connector_up
            .with_label_values(&[&*shared.name, "broker"])
            .set(i64::from(up));
        let facts = Facts::new(Arc::clone(&shared.name), Arc::clone(&shared.clock));
        if shared
            .door
            .push(facts.state(About::BrokerConnected, up))
            .await
            .is_err()
        {
            tracing::debug!("the pipeline has ended");
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("plain", &self.plain)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}
