//! DTUs that dial in: mobile serial converters behind a carrier's network, which cannot be dialled themselves.
//!
//! Responsible for: one listener per port, telling DTUs apart by the first bytes they send, handing each connection to
//! its bus, refusing and counting the others. What a DTU says after its registration belongs to the bus. There is no
//! proof of identity in a registration: whoever can reach the port and knows it is believed.

use crate::config::{Dtu, ModbusBus, ModbusTransport};
use crate::metrics::Metrics;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Connections of one port that have not registered yet; a further one is closed at once.
const MAX_UNREGISTERED: usize = 16;
/// Bytes read while waiting for a registration; whoever sends more without one is refused. The longest registration is
/// half as long.
const MAX_BYTES: usize = 256;
/// A DTU has this long to register.
const PATIENCE: Duration = Duration::from_secs(30);
/// Refusals are logged once in so long; all of them are counted.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The connection a DTU made for its bus: the newest, until the bus takes it.
#[derive(Debug, Default)]
pub struct Dialled(Mutex<Option<TcpStream>>);

impl Dialled {
    /// Takes the connection; the bus owns it then.
    pub(super) fn take(&self) -> Option<TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether there is one the bus has not taken.
    pub(super) fn has_new(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn put(&self, stream: TcpStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }
}

/// One bus behind a port.
#[derive(Debug, Clone)]
struct Expected {
    bus: Arc<str>,
    dtu: Dtu,
    dialled: Arc<Dialled>,
}

/// The ports of a configuration, bound and not yet served.
#[derive(Debug, Default)]
pub struct Ports {
    listening: Vec<(TcpListener, Vec<Expected>)>,
}

impl Ports {
    /// Binds every port that a DTU of `buses` dials.
    ///
    /// # Errors
    /// The address that cannot be bound, and what the system says.
    pub async fn bind(buses: &[ModbusBus]) -> Result<Self, (SocketAddr, std::io::Error)> {
        let mut by_port: BTreeMap<SocketAddr, Vec<Expected>> = BTreeMap::new();
        for bus in buses {
            if let ModbusTransport::Dtu(dtu) = &bus.transport {
                by_port.entry(dtu.listen).or_default().push(Expected {
                    bus: bus.bus.to_string().into(),
                    dtu: dtu.clone(),
                    dialled: Arc::default(),
                });
            }
        }
        let mut listening = Vec::with_capacity(by_port.len());
        for (address, expected) in by_port {
            let listener = TcpListener::bind(address)
                .await
                .map_err(|error| (address, error))?;
            listening.push((listener, expected));
        }
        Ok(Self { listening })
    }

    /// Where they listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listening
            .iter()
            .filter_map(|(listener, _)| listener.local_addr().ok())
            .collect()
    }

    /// Where the connection of this bus's DTU will be; `None` for a bus without one.
    pub fn of(&self, bus: &ModbusBus) -> Option<Arc<Dialled>> {
        let mut all = self.listening.iter().flat_map(|(_, expected)| expected);
        all.find(|expected| *expected.bus == *bus.bus.as_str())
            .map(|expected| Arc::clone(&expected.dialled))
    }

    /// Serves all ports until `shutdown`.
    pub async fn serve(self, metrics: Arc<Metrics>, shutdown: CancellationToken) {
        let mut ports = JoinSet::new();
        for (listener, expected) in self.listening {
            let port = Port {
                expected: expected.into(),
                metrics: Arc::clone(&metrics),
                refused: Arc::default(),
            };
            ports.spawn(port.serve(listener, shutdown.clone()));
        }
        while ports.join_next().await.is_some() {}
    }
}

struct Port {
    expected: Arc<[Expected]>,
    metrics: Arc<Metrics>,
    refused: Arc<Mutex<Refused>>,
}

/// Refusals since the last line of the log.
#[derive(Debug, Default)]
struct Refused {
    count: u64,
    logged: Option<Instant>,
}

/// Why a connection was not handed to a bus. A closed set: the label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Unknown,
    Silent,
    TooMany,
    Left,
}

impl Why {
    fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Silent => "silent",
            Self::TooMany => "too_many",
            Self::Left => "left",
        }
    }
}

impl Port {
    async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let mut waiting = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(_) = waiting.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) if waiting.len() < MAX_UNREGISTERED => {
                        let (expected, metrics) = (Arc::clone(&self.expected), Arc::clone(&self.metrics));
                        let refused = Arc::clone(&self.refused);
                        waiting.spawn(async move {
                            if let Err((why, heard)) = register(stream, peer, &expected).await {
                                refuse(&refused, &metrics, peer, why, &heard);
                            }
                        });
                    }
                    Ok((_, peer)) => refuse(&self.refused, &self.metrics, peer, Why::TooMany, &[]),
                    // Out of descriptors or an aborted handshake; a listener that fails at once would spin.
                    Err(error) => {
                        tracing::debug!(%error, "a DTU could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }
}

/// Reads until it is clear who dialled in, and hands the connection over.
async fn register(
    mut stream: TcpStream,
    peer: SocketAddr,
    expected: &[Expected],
) -> Result<(), (Why, Vec<u8>)> {
    let mut heard = Vec::with_capacity(MAX_BYTES);
    let read = async {
        loop {
            match who(&heard, expected) {
                Who::Bus(found) => return Ok(found),
                Who::Nobody => return Err(Why::Unknown),
                Who::Unclear if heard.len() >= MAX_BYTES => return Err(Why::Unknown),
                Who::Unclear => {}
            }
            // Not more than the registration needs: what follows it belongs to the bus.
            let mut byte = [0; 1];
            match stream.read(&mut byte).await {
                Ok(0) | Err(_) => return Err(Why::Left),
                Ok(_) => heard.extend(byte),
            }
        }
    };
    let found = match timeout(PATIENCE, read).await {
        Ok(Ok(found)) => found,
        Ok(Err(why)) => return Err((why, heard)),
        Err(_) => return Err((Why::Silent, heard)),
    };
    // A request is one small write; and a DTU that lost its radio must be noticed before the next one dials in.
    let _ = stream.set_nodelay(true);
    tracing::info!(bus = %found.bus, %peer, "a DTU has dialled in");
    found.dialled.put(stream);
    Ok(())
}

enum Who<'e> {
    Bus(&'e Expected),
    Nobody,
    /// More bytes are needed.
    Unclear,
}

/// Whose registration `heard` is. Heartbeats in front of it are skipped: some DTUs begin with one.
fn who<'e>(heard: &[u8], expected: &'e [Expected]) -> Who<'e> {
    let mut heard = heard;
    while let Some(text) = expected
        .iter()
        .filter_map(|expected| expected.dtu.heartbeat.as_deref())
        .find(|text| !text.is_empty() && heard.starts_with(text))
    {
        heard = heard.get(text.len()..).unwrap_or(&[]);
    }
    if let Some(found) = expected
        .iter()
        .find(|expected| heard.starts_with(&expected.dtu.registration))
    {
        return Who::Bus(found);
    }
    let may_become = |text: &[u8]| text.starts_with(heard);
    let open = expected.iter().any(|expected| {
        may_become(&expected.dtu.registration) || expected.dtu.heartbeat.as_deref().is_some_and(may_become)
    });
    // With a known length the whole of a stranger's registration is read, so that the log can name it.
    let incomplete = expected
        .iter()
        .filter_map(|expected| expected.dtu.id_bytes)
        .any(|bytes| heard.len() < bytes);
    if open || incomplete {
        Who::Unclear
    } else {
        Who::Nobody
    }
}

fn refuse(refused: &Mutex<Refused>, metrics: &Metrics, peer: SocketAddr, why: Why, heard: &[u8]) {
    metrics.modbus_dtu_refused.with_label_values(&[why.label()]).inc();
    let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
    refused.count += 1;
    if refused.logged.is_some_and(|logged| logged.elapsed() < LOG_EVERY) {
        return;
    }
    let shown: String = heard.iter().take(32).map(|byte| char::from(*byte)).collect();
    tracing::warn!(
        %peer, reason = why.label(), registration = ?shown, connections = refused.count,
        "refused whoever dialled in; a DTU needs a [[modbus]] section with its registration"
    );
    *refused = Refused {
        count: 0,
        logged: Some(Instant::now()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(registration: &str, id_bytes: Option<usize>) -> Expected {
        Expected {
            bus: registration.into(),
            dtu: Dtu {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                registration: registration.as_bytes().into(),
                id_bytes,
                heartbeat: Some(Box::from(&b"\xFE"[..])),
            },
            dialled: Arc::default(),
        }
    }

    fn found(heard: &[u8], expected: &[Expected]) -> Option<String> {
        match who(heard, expected) {
            Who::Bus(found) => Some(found.bus.to_string()),
            Who::Nobody => Some("nobody".to_owned()),
            Who::Unclear => None,
        }
    }

    #[test]
    fn a_dtu_is_known_by_the_first_bytes_it_sends() {
        let two = [expected("estate-1", None), expected("estate-2", None)];
        assert_eq!(found(b"", &two), None);
        assert_eq!(found(b"estate-", &two), None);
        assert_eq!(found(b"estate-2", &two).as_deref(), Some("estate-2"));
        assert_eq!(found(b"estate-2\r\n", &two).as_deref(), Some("estate-2"));
        assert_eq!(
            found(b"\xFE\xFEestate-1", &two).as_deref(),
            Some("estate-1"),
            "behind a heartbeat"
        );
        assert_eq!(found(b"estate-3", &two).as_deref(), Some("nobody"));
        assert_eq!(
            found(b"G", &two).as_deref(),
            Some("nobody"),
            "as soon as it is clear"
        );
    }

    #[test]
    fn with_a_known_length_a_stranger_is_read_to_the_end_of_its_name() {
        let one = [expected("861234567890123", Some(15))];
        assert_eq!(found(b"869", &one), None);
        assert_eq!(found(b"869999999999999", &one).as_deref(), Some("nobody"));
        assert_eq!(
            found(b"861234567890123", &one).as_deref(),
            Some("861234567890123")
        );
    }
}
