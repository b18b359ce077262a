//! The embedded MQTT broker: rmqtt behind four hooks, for evaluation and small sites.
//!
//! A device's QoS 1 message is answered with PUBACK when its readings are committed, like everything else here.
//! Responsible for: users, topic rules, the commit before the PUBACK, retained messages in the ledger. What the
//! broker hands to other clients is the library's affair; frames are made from what clients publish to it.
//!
//! Limits, all told in `docs/embedded-broker.md` with what to use instead:
//! - one message per commit and connection: the library handles one PUBLISH of a connection at a time, whatever the
//!   client's window. A waiting client counts as a full window, so the pipeline commits at once;
//! - while a client waits for its commit nothing else of its connection is served, its PINGREQ neither;
//! - sessions and their queues are not kept over a restart; queues hold 1,000 messages, then the oldest go;
//! - QoS 2 may come twice after a reconnect;
//! - a reconnect within milliseconds of a disconnect may be refused once;
//! - errors of MQTT 5 clients close the connection without a DISCONNECT packet;
//! - no TLS: bind it to loopback or a field network of its own;
//! - a stopped broker leaves some memory behind, so it is started once per process.

mod hooks;
mod policy;
mod retained;

use super::facts::{About, Facts};
use super::topic::Routes;
use crate::clock::SharedClock;
use crate::config::EmbeddedBroker;
use crate::metrics::Metrics;
use crate::pipeline::Door;
use hooks::{Hooks, Shared};
use linli_ledger::RetainedRow;
use policy::Policy;
use retained::Retained;
use rmqtt::context::ServerContext;
use rmqtt::hook::Type;
use rmqtt::net::Builder;
use rmqtt::server::MqttServer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Clients connected at once. More are refused at CONNECT.
const MAX_CONNECTIONS: usize = 1_000;
/// Messages queued for one slow subscriber. Past it the oldest are dropped, and its publishers are not told.
const MAX_QUEUE: usize = 1_000;
/// Internal jobs of the library that may wait; past it a connection's own work waits.
const MAX_JOBS: usize = 10_000;
/// At stop: how long one session may take to end, its open commit included. Then it is left to the process's end.
const KICK: Duration = Duration::from_secs(5);

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
}

/// A broker that runs. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    /// Where it listens; with port 0 in the configuration this names the one the system chose.
    pub addr: SocketAddr,
    context: ServerContext,
    accepting: JoinHandle<()>,
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
    let listen = |why: rmqtt::Error| BrokerError::Listen {
        address: config.listen,
        why: format!("{why:#}"),
    };
    let context = ServerContext::new()
        // The library's overload refusal looks at the load of the whole machine and is kept in statics.
        .busy_check_enable(false)
        .task_exec_workers(64)
        .task_exec_queue_max(MAX_JOBS)
        .build()
        .await;
    let retained = Retained::load(retained, door.clone(), Arc::clone(&clock), Arc::clone(&metrics))
        .await
        .map_err(|e| BrokerError::Retained(e.to_string()))?;
    *context.extends.retain_mut().await = Box::new(retained);
    let shared = Arc::new(Shared {
        name: Arc::clone(&config.name),
        policy: Policy::new(&config.users),
        routes: Routes::new(&config.subscriptions),
        door,
        clock,
        metrics,
    });
    let hooks = Hooks(Arc::clone(&shared));
    let register = context.extends.hook_mgr().register();
    for hook in [
        Type::ClientAuthenticate,
        Type::ClientSubscribeCheckAcl,
        Type::MessagePublishCheckAcl,
        Type::MessagePublish,
    ] {
        register.add(hook, Box::new(hooks.clone())).await;
    }
    // Nothing registered runs before this.
    register.start().await;
    let listener = Builder::new()
        .name("embedded")
        .laddr(config.listen)
        .reuseaddr(Some(true))
        // With Nagle's algorithm a PUBACK waits for the client's delayed TCP acknowledgement.
        .nodelay(true)
        // With the default a client without a user name never reaches the hook.
        .allow_anonymous(false)
        .max_connections(MAX_CONNECTIONS)
        .max_handshaking_limit(MAX_CONNECTIONS / 4)
        .max_packet_size(config.max_packet_bytes)
        .max_mqueue_len(MAX_QUEUE)
        .max_clientid_len(256)
        // The default of five minutes would forget every retained message.
        .message_expiry_interval(Duration::ZERO)
        .bind()
        .and_then(rmqtt::net::Listener::tcp)
        .map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    // The plain `listener` takes the configured port as id and panics at the second broker on port 0.
    let server = MqttServer::new(context.clone())
        .listener_by_id(listener, 1)
        .build();
    // Not `start`: it ends the process on an error.
    let accepting = tokio::spawn(async move {
        if let Err(error) = server.run().await {
            tracing::error!(%error, "the embedded broker stopped accepting clients");
        }
    });
    tracing::info!(%addr, "embedded broker");
    let running = Running {
        addr,
        context,
        accepting,
        shared,
    };
    running.tell(true).await;
    Ok(running)
}

impl Running {
    /// Takes no new clients, then ends every session; each gets the PUBACK of a commit that is under way. The
    /// pipeline must still be running.
    pub async fn stop(self) {
        self.accepting.abort();
        let sessions: Vec<_> = self
            .context
            .extends
            .shared()
            .await
            .iter()
            .map(|e| e.id())
            .collect();
        for id in sessions {
            let client = id.client_id.clone();
            let entry = self.context.extends.shared().await.entry(id);
            let kick = async {
                match entry.try_lock().await {
                    Ok(mut entry) => entry.kick(true, true, true).await.map(drop),
                    Err(error) => Err(error),
                }
            };
            if !matches!(timeout(KICK, kick).await, Ok(Ok(()))) {
                tracing::debug!(%client, "the session did not end in time");
            }
        }
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
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
