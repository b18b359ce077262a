//! A recording proxy between the gateway and its broker. It holds back every PUBACK of the gateway, asks a witness
//! whether the message is already in the ledger, and only then lets it pass.

use crate::mqtt;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Is this message durable? Called with topic and payload before its PUBACK passes.
pub type Witness = Arc<dyn Fn(&str, &[u8]) -> bool + Send + Sync>;

/// Messages on their way to the gateway, by packet id: topic and payload.
type Open = Mutex<HashMap<u16, (String, Vec<u8>)>>;

/// A running proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The port the gateway connects to.
    pub port: u16,
    passed: Arc<AtomicU64>,
    too_early: Arc<Mutex<Vec<String>>>,
    held: Arc<tokio::sync::watch::Sender<bool>>,
    swallows: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts a proxy in front of the broker at `broker_port`.
    pub async fn start(broker_port: u16, witness: Witness) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let held = Arc::new(tokio::sync::watch::channel(false).0);
        let proxy = Self {
            port,
            passed: Arc::default(),
            too_early: Arc::default(),
            held,
            swallows: Arc::default(),
        };
        let task = proxy.clone();
        tokio::spawn(async move {
            while let Ok((gateway, _)) = listener.accept().await {
                let (task, witness) = (task.clone(), Arc::clone(&witness));
                let mut held = task.held.subscribe();
                tokio::spawn(async move {
                    if *held.borrow() {
                        return;
                    }
                    tokio::select! {
                        _ = task.carry(gateway, broker_port, witness) => {}
                        _ = held.wait_for(|held| *held) => {}
                    }
                });
            }
        });
        proxy
    }

    /// Cuts every connection and lets none through while held, so that nothing reaches the gateway.
    pub async fn hold(&self, held: bool) {
        self.held.send_replace(held);
        if held {
            // Every connection listens until it is cut.
            self.held.closed().await;
        }
    }

    /// While it swallows, no PUBACK passes: the broker believes that nothing has arrived.
    pub fn swallow(&self, swallows: bool) {
        self.swallows.store(swallows, Ordering::Relaxed);
    }

    /// How many PUBACKs passed.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Messages that were acknowledged before they were durable.
    pub fn too_early(&self) -> Vec<String> {
        self.too_early.lock().expect("the list").clone()
    }

    async fn carry(&self, gateway: TcpStream, broker_port: u16, witness: Witness) -> std::io::Result<()> {
        let broker = TcpStream::connect(("127.0.0.1", broker_port)).await?;
        gateway.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let (mut from_gateway, mut to_gateway) = gateway.into_split();
        let (mut from_broker, mut to_broker) = broker.into_split();
        let open: Arc<Open> = Arc::default();
        let v5 = Arc::new(AtomicU64::new(0));

        let (published, version) = (Arc::clone(&open), Arc::clone(&v5));
        let down = async move {
            let mut buffer = Vec::new();
            while from_broker.read_buf(&mut buffer).await? > 0 {
                for packet in mqtt::take(&mut buffer) {
                    if let Some((topic, Some(id), payload)) =
                        packet.publish(version.load(Ordering::Relaxed) == 5)
                    {
                        published
                            .lock()
                            .expect("the map")
                            .insert(id, (topic, payload.to_vec()));
                    }
                    to_gateway.write_all(&packet.encode()).await?;
                }
            }
            to_gateway.shutdown().await
        };
        let up = async {
            let mut buffer = Vec::new();
            while from_gateway.read_buf(&mut buffer).await? > 0 {
                for packet in mqtt::take(&mut buffer) {
                    if packet.kind() == 1 {
                        v5.store(
                            u64::from(packet.body.get(6).copied().unwrap_or(4)),
                            Ordering::Relaxed,
                        );
                    }
                    if let Some(id) = packet.puback_id() {
                        if self.swallows.load(Ordering::Relaxed) {
                            continue;
                        }
                        self.judge(&open, id, &witness).await;
                    }
                    to_broker.write_all(&packet.encode()).await?;
                }
            }
            to_broker.shutdown().await
        };
        tokio::select! {
            result = down => result,
            result = up => result,
        }
    }

    async fn judge(&self, open: &Open, id: u16, witness: &Witness) {
        let message = open.lock().expect("the map").remove(&id);
        let Some((topic, payload)) = message else { return };
        let (witness, name) = (Arc::clone(witness), format!("{topic} #{id}"));
        let durable = tokio::task::spawn_blocking(move || witness(&topic, &payload))
            .await
            .unwrap_or(false);
        self.passed.fetch_add(1, Ordering::Relaxed);
        if !durable {
            self.too_early.lock().expect("the list").push(name);
        }
    }
}
