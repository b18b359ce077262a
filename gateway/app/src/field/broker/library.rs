//! The library behind the gate: how rmqtt is set up, and how its sessions are ended.
//!
//! It listens on a loopback port of its own that only the gate may use (`guests`). Limits that the gate keeps are
//! switched off here, so that each has one home.

use super::BrokerError;
use super::gate::keep_alive_s;
use super::hooks::Hooks;
use super::retained::{Retained, Storage};
use super::shared::Shared;
use crate::config::{BrokerLimits, EmbeddedBroker};
use async_trait::async_trait;
use rmqtt::codec::types::Publish;
use rmqtt::context::ServerContext;
use rmqtt::fitter::{DefaultFitter, Fitter, FitterManager};
use rmqtt::hook::Type;
use rmqtt::net::Builder;
use rmqtt::server::MqttServer;
use rmqtt::types::{ConnectInfo, Disconnect, FitterType, Id, ListenerConfig};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Internal jobs of the library that may wait; past it a connection's own work waits.
const MAX_JOBS: usize = 10_000;
/// Connections of the library on their way in at once; the gate lets in no more than its clients.
const HANDSHAKES: usize = 256;
/// Topics of one connection that MQTT 5 may write as a number, in each direction.
const TOPIC_ALIASES: u16 = 16;
/// How long the library may take over the CONNECT that the gate hands it whole.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long one session may take to end, its open commit included. Then it is left to itself.
const KICK: Duration = Duration::from_secs(6);

/// The library's state, with the retained messages in it.
pub(super) async fn context(retained: &Arc<Retained>, limits: BrokerLimits) -> ServerContext {
    let context = ServerContext::new()
        // The library's overload refusal looks at the load of the whole machine and is kept in statics.
        .busy_check_enable(false)
        .task_exec_workers(64)
        .task_exec_queue_max(MAX_JOBS)
        .build()
        .await;
    *context.extends.retain_mut().await = Box::new(Storage(Arc::clone(retained)));
    *context.extends.fitter_mgr_mut().await = Box::new(Fitters(limits));
    context
}

/// Starts it. Returns where the gate reaches it.
pub(super) async fn start(
    config: &EmbeddedBroker,
    shared: &Arc<Shared>,
) -> Result<(SocketAddr, JoinHandle<()>), BrokerError> {
    let hooks = Hooks(Arc::clone(shared));
    let register = shared.library.extends.hook_mgr().register();
    for hook in [
        Type::ClientAuthenticate,
        Type::ClientSubscribeCheckAcl,
        Type::MessagePublish,
        Type::MessagePublishCheckAcl,
        Type::MessageDropped,
        Type::ClientDisconnected,
    ] {
        register.add(hook, Box::new(hooks.clone())).await;
    }
    // Nothing registered runs before this.
    register.start().await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listen = |why: rmqtt::Error| BrokerError::Listen {
        address,
        why: format!("{why:#}"),
    };
    let limits = &config.limits;
    let listener = Builder::new()
        .name("embedded")
        .laddr(address)
        // With Nagle's algorithm a PUBACK waits for the client's delayed TCP acknowledgement.
        .nodelay(true)
        // With the default a client without a user name never reaches the hook.
        .allow_anonymous(false)
        .max_connections(2 * limits.max_clients as usize)
        .max_handshaking_limit(HANDSHAKES)
        .handshake_timeout(HANDSHAKE)
        .max_packet_size(config.max_packet_bytes)
        .max_mqueue_len(limits.max_queue as usize)
        .session_expiry_interval(limits.max_session_expiry)
        .max_session_expiry_interval(limits.max_session_expiry)
        .max_topic_aliases(TOPIC_ALIASES)
        // The default of five minutes would forget every retained message.
        .message_expiry_interval(Duration::ZERO)
        .bind()
        .and_then(rmqtt::net::Listener::tcp)
        .map_err(listen)?;
    let inner = listener.local_addr().map_err(listen)?;
    // The plain `listener` takes the configured port as id and panics at the second broker on port 0.
    let server = MqttServer::new(shared.library.clone())
        .listener_by_id(listener, 1)
        .build();
    // Not `start`: it ends the process on an error.
    let accepting = tokio::spawn(async move {
        if let Err(error) = server.run().await {
            tracing::error!(%error, "the embedded broker stopped accepting clients");
        }
    });
    Ok((inner, accepting))
}

impl Shared {
    /// Ends the session of a client, with the PUBACK of a commit that is under way; whether it ended in time.
    pub(super) async fn end_session(&self, client_id: &str) -> bool {
        self.end_sessions(|id| &*id.client_id == client_id).await
    }

    /// Ends the sessions of these clients, one after the other; whether all ended in time.
    pub(super) async fn end_sessions(&self, is_meant: impl Fn(&Id) -> bool) -> bool {
        let sessions: Vec<Id> = {
            let all = self.library.extends.shared().await;
            all.iter().map(|entry| entry.id()).filter(is_meant).collect()
        };
        let mut all_ended = true;
        for id in sessions {
            let client = id.client_id.clone();
            let entry = self.library.extends.shared().await.entry(id);
            let kick = async {
                match entry.try_lock().await {
                    Ok(mut entry) => entry.kick(true, true, true).await.map(drop),
                    Err(error) => Err(error),
                }
            };
            if !matches!(timeout(KICK, kick).await, Ok(Ok(()))) {
                tracing::debug!(?client, "the session did not end in time");
                all_ended = false;
            }
        }
        all_ended
    }
}

/// Settles with each client what the standard lets a broker settle.
struct Fitters(BrokerLimits);

impl FitterManager for Fitters {
    fn create(&self, connect: Arc<ConnectInfo>, id: Id, listener: ListenerConfig) -> FitterType {
        Arc::new(OurFitter {
            usual: DefaultFitter::new(connect, id, listener),
            max_keep_alive: self.0.max_keep_alive,
        })
    }
}

struct OurFitter {
    usual: DefaultFitter,
    max_keep_alive: Duration,
}

#[async_trait]
impl Fitter for OurFitter {
    /// Tells MQTT 5 clients what the gate holds them to. The library itself never ends a silent connection: its timer
    /// runs on while a client waits for a slow commit.
    fn keep_alive(&self, keep_alive: &mut u16) -> rmqtt::Result<u16> {
        *keep_alive = keep_alive_s(*keep_alive, self.max_keep_alive);
        Ok(0)
    }

    fn max_mqueue_len(&self) -> usize {
        self.usual.max_mqueue_len()
    }

    fn mqueue_rate_limit(&self) -> (NonZeroU32, Duration) {
        self.usual.mqueue_rate_limit()
    }

    fn max_inflight(&self) -> NonZeroU16 {
        self.usual.max_inflight()
    }

    fn session_expiry_interval(&self, disconnect: Option<&Disconnect>) -> Duration {
        self.usual.session_expiry_interval(disconnect)
    }

    fn message_expiry_interval(&self, publish: &Publish) -> Duration {
        self.usual.message_expiry_interval(publish)
    }

    fn max_client_topic_aliases(&self) -> u16 {
        self.usual.max_client_topic_aliases()
    }

    fn max_server_topic_aliases(&self) -> u16 {
        self.usual.max_server_topic_aliases()
    }
}
