//! Stands between a broker and its subscriber and times every message of the load generator: from the moment it was
//! published, which it carries, to its arrival here and to the acknowledgement that comes back.
//!
//! It forwards whole packets and changes nothing; what it costs is in the figures of whoever is measured through it.

use crate::load::now_us;
use crate::report::quantile;
use e2e::mqtt::{self, Packet};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running tap.
#[derive(Debug)]
pub(crate) struct Tap {
    /// The port the subscriber connects to.
    pub(crate) port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By packet id: when it was published and when it came by, microseconds.
    open: HashMap<u16, (u64, u64)>,
    /// Milliseconds.
    times: Times,
    v5: bool,
    connections: usize,
}

/// Milliseconds of each acknowledged message.
#[derive(Debug, Default, Clone)]
pub(crate) struct Times {
    /// Publish to acknowledgement.
    pub(crate) whole: Vec<f64>,
    /// Out of the broker to acknowledgement: decode, step, commit.
    pub(crate) subscriber: Vec<f64>,
}

/// The median and the tails of some times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tails {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Tails {
    pub(crate) fn of(times: &[f64]) -> Self {
        let at = |share| quantile(times.to_vec(), share);
        Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
        }
    }
}

impl Tap {
    /// In front of the broker at `broker`.
    pub(crate) async fn start(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((subscriber, _)) = listener.accept().await {
                let seen = Arc::clone(&shared);
                tokio::spawn(async move { carry(subscriber, broker, &seen).await });
            }
        });
        Self { port, seen }
    }

    /// How many subscribers have come.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().expect("the times").connections
    }

    /// How many messages were acknowledged since the last [`Tap::take`].
    pub(crate) fn acknowledged(&self) -> usize {
        self.seen.lock().expect("the times").times.whole.len()
    }

    /// What was seen since the last call.
    pub(crate) fn take(&self) -> Times {
        std::mem::take(&mut self.seen.lock().expect("the times").times)
    }
}

async fn carry(subscriber: TcpStream, broker: u16, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let broker = TcpStream::connect(("127.0.0.1", broker)).await?;
    subscriber.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (mut from_subscriber, mut to_subscriber) = subscriber.into_split();
    let (mut from_broker, mut to_broker) = broker.into_split();
    let down = async {
        let mut buffer = Vec::new();
        while from_broker.read_buf(&mut buffer).await? > 0 {
            let packets = mqtt::take(&mut buffer);
            seen.lock().expect("the times").comes(&packets);
            to_subscriber.write_all(&bytes(&packets)).await?;
        }
        to_subscriber.shutdown().await
    };
    let up = async {
        let mut buffer = Vec::new();
        while from_subscriber.read_buf(&mut buffer).await? > 0 {
            let packets = mqtt::take(&mut buffer);
            seen.lock().expect("the times").answers(&packets);
            to_broker.write_all(&bytes(&packets)).await?;
        }
        to_broker.shutdown().await
    };
    tokio::select! {
        result = down => result,
        result = up => result,
    }
}

fn bytes(packets: &[Packet]) -> Vec<u8> {
    packets.iter().flat_map(Packet::encode).collect()
}

impl Seen {
    fn comes(&mut self, packets: &[Packet]) {
        let now = now_us();
        for packet in packets {
            if let Some((_, Some(id), payload)) = packet.publish(self.v5)
                && let Some(published) = published_us(payload)
            {
                self.open.insert(id, (published, now));
            }
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    fn answers(&mut self, packets: &[Packet]) {
        let now = now_us();
        for packet in packets {
            if packet.kind() == 1 {
                self.v5 = packet.body.get(6) == Some(&5);
                self.connections += 1;
            }
            let Some((published, came)) = packet.puback_id().and_then(|id| self.open.remove(&id)) else {
                continue;
            };
            let ms = |from: u64| now.saturating_sub(from) as f64 / 1_000.0;
            self.times.whole.push(ms(published));
            self.times.subscriber.push(ms(came));
        }
    }
}

/// The digits after `"u":`.
fn published_us(payload: &[u8]) -> Option<u64> {
    let at = payload.windows(4).position(|window| window == b"\"u\":")? + 4;
    let digits = payload[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let text: String = digits.map(|byte| char::from(*byte)).collect();
    text.parse().ok()
}
