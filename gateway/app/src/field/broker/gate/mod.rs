//! The gate: the broker's own listeners, in front of the library.
//!
//! Responsible for everything before and around a session: TLS, how many may come from one address and how fast, who
//! may come in, how large a packet may be and how many of them, how long a client may be silent, and a last word to
//! MQTT 5 clients. What goes through is carried to the library byte by byte over a loopback connection.
//!
//! ```text
//! accept ─▶ TLS ─▶ CONNECT ─▶ admitted? ─▶ carried both ways ─▶ farewell
//!    │ too often    │ too slow    │ refused with CONNACK   │ too fast: not read for a while
//!    └─ closed      └─ closed     └─ closed                │ too large, malformed, silent: closed
//! ```

mod answers;
mod carry;
mod greet;
mod hello;
mod packets;
mod stream;
mod tls;

pub(super) use answers::{Farewell, Refusal};
pub(super) use hello::{Hello, keep_alive_s};
pub(super) use tls::{Server, TlsFileError};

use super::attempts::Source;
use super::shared::Shared;
use rustc_hash::FxHashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that have not said a whole CONNECT yet. Further ones are closed unheard.
const UNHEARD: usize = 512;
/// The same from one address, so that one machine cannot keep all others out by saying nothing.
const UNHEARD_OF_ONE: usize = 64;
/// Pause when the system has no socket left.
const NO_SOCKETS: Duration = Duration::from_millis(100);

/// The way a client came.
#[derive(Clone)]
pub(super) enum Listener {
    Plain,
    Tls(Arc<Server>),
}

impl Listener {
    /// Its word in metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls(_) => "tls",
        }
    }
}

/// The gate of one broker.
pub(super) struct Gate {
    shared: Arc<Shared>,
    /// Where the library listens.
    inner: SocketAddr,
    max_packet_bytes: u32,
    unheard: Arc<Semaphore>,
    unheard_of: Arc<Mutex<FxHashMap<Source, usize>>>,
    tasks: TaskTracker,
    /// No further clients.
    closed: CancellationToken,
    /// Everybody who is still here goes at once.
    cleared: CancellationToken,
}

impl Gate {
    pub(super) fn new(shared: Arc<Shared>, inner: SocketAddr, max_packet_bytes: u32) -> Arc<Self> {
        Arc::new(Self {
            shared,
            inner,
            max_packet_bytes,
            unheard: Arc::new(Semaphore::new(UNHEARD)),
            unheard_of: Arc::default(),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
            cleared: CancellationToken::new(),
        })
    }

    /// Takes clients from `socket` until the gate is closed.
    pub(super) fn listen(self: &Arc<Self>, socket: TcpListener, listener: Listener) {
        let gate = Arc::clone(self);
        self.tasks.spawn(async move {
            while let Some(accepted) = gate.closed.run_until_cancelled(socket.accept()).await {
                match accepted {
                    Ok((client, peer)) => gate.arrive(client, peer, &listener),
                    Err(error) => {
                        gate.shared.refused("socket", &listener.label(), &error);
                        tokio::time::sleep(NO_SOCKETS).await;
                    }
                }
            }
        });
    }

    /// Hears a client, unless too many came from its address or say nothing.
    fn arrive(self: &Arc<Self>, client: TcpStream, peer: SocketAddr, listener: &Listener) {
        let source = Source::of(peer.ip());
        let now = self.shared.clock.now().monotonic;
        if !self.shared.attempts().may_connect(source, now) {
            return self
                .shared
                .refused("rate", &peer.ip(), &"too many connections from this address");
        }
        let Some(unheard) = self.hear(source) else {
            return self
                .shared
                .refused("unheard", &peer.ip(), &"too many connections that say nothing");
        };
        let (gate, listener) = (Arc::clone(self), listener.clone());
        self.tasks.spawn(async move {
            // With Nagle's algorithm a PUBACK waits for the client's delayed TCP acknowledgement.
            let _ = client.set_nodelay(true);
            let cleared = gate.cleared.clone();
            cleared
                .run_until_cancelled(gate.receive(client, peer, listener, unheard))
                .await;
        });
    }

    fn hear(&self, source: Source) -> Option<Unheard> {
        let permit = Arc::clone(&self.unheard).try_acquire_owned().ok()?;
        let mut all = self.unheard_of.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(source).or_default();
        if *count >= UNHEARD_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Unheard {
            _permit: permit,
            source,
            all: Arc::clone(&self.unheard_of),
        })
    }

    /// No further clients.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
    }

    /// Waits for everybody to go; who is not gone by then is cut off.
    pub(super) async fn emptied(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            self.cleared.cancel();
            self.tasks.wait().await;
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// A connection that has not said a whole CONNECT yet.
struct Unheard {
    _permit: OwnedSemaphorePermit,
    source: Source,
    all: Arc<Mutex<FxHashMap<Source, usize>>>,
}

impl Drop for Unheard {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.source);
            }
        }
    }
}
