//! A device that publishes with QoS 1 and remembers which messages were acknowledged to it.

use crate::mqtt::{self, kind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Most unacknowledged messages of one publisher.
const WINDOW: usize = 10;

/// A running publisher.
#[derive(Debug, Clone)]
pub struct Publisher {
    acknowledged: Arc<Mutex<Vec<u64>>>,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

/// What it says and how fast.
#[derive(Debug, Clone)]
pub struct Script {
    /// Port of the broker.
    pub port: u16,
    /// Client id.
    pub client: String,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// Topic.
    pub topic: String,
    /// Payload of the n-th message.
    pub payload: fn(u64) -> String,
    /// Pause between two messages.
    pub pause: Duration,
}

impl Publisher {
    /// Starts publishing; reconnects and repeats what was not acknowledged, with DUP set and the same packet id.
    pub fn start(script: Script) -> Self {
        let publisher = Self {
            acknowledged: Arc::default(),
            sent: Arc::default(),
            stop: Arc::default(),
        };
        let task = publisher.clone();
        tokio::spawn(async move {
            let mut unacknowledged: VecDeque<(u16, u64)> = VecDeque::new();
            let mut next = 0;
            while !(task.stop.load(Ordering::Relaxed) && unacknowledged.is_empty()) {
                if task
                    .session(&script, &mut unacknowledged, &mut next)
                    .await
                    .is_err()
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        publisher
    }

    /// Stops after everything is acknowledged.
    pub fn finish(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The numbers of the messages whose PUBACK it holds.
    pub fn acknowledged(&self) -> Vec<u64> {
        self.acknowledged.lock().map(|a| a.clone()).unwrap_or_default()
    }

    /// How many different messages it has sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    async fn session(
        &self,
        script: &Script,
        unacknowledged: &mut VecDeque<(u16, u64)>,
        next: &mut u64,
    ) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", script.port)).await?;
        stream.set_nodelay(true)?;
        let credentials = script.credentials.as_ref().map(|(u, p)| (u.as_str(), p.as_str()));
        stream
            .write_all(&mqtt::connect(&script.client, credentials).encode())
            .await?;
        let (mut buffer, mut connected) = (Vec::new(), false);
        let mut pause = tokio::time::interval(script.pause);
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let may_send = connected && unacknowledged.len() < WINDOW && !self.stop.load(Ordering::Relaxed);
            tokio::select! {
                read = stream.read_buf(&mut buffer) => {
                    if read? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                    for packet in mqtt::take(&mut buffer) {
                        if packet.kind() == kind::CONNACK {
                            if packet.body.get(1) != Some(&0) {
                                return Err(std::io::ErrorKind::ConnectionRefused.into());
                            }
                            connected = true;
                            for (id, number) in unacknowledged.iter() {
                                let payload = (script.payload)(*number);
                                stream.write_all(&mqtt::publish(&script.topic, *id, true, payload.as_bytes()).encode()).await?;
                            }
                        } else if let Some(id) = packet.puback_id()
                            && let Some(place) = unacknowledged.iter().position(|(known, _)| *known == id)
                            && let Some((_, number)) = unacknowledged.remove(place)
                            && let Ok(mut acknowledged) = self.acknowledged.lock() {
                            acknowledged.push(number);
                        }
                    }
                    if self.stop.load(Ordering::Relaxed) && unacknowledged.is_empty() {
                        return Ok(());
                    }
                }
                _ = pause.tick() => {
                    if self.stop.load(Ordering::Relaxed) && unacknowledged.is_empty() {
                        return Ok(());
                    }
                    if may_send {
                        let id = u16::try_from(*next % 60_000).unwrap_or(0) + 1;
                        let payload = (script.payload)(*next);
                        unacknowledged.push_back((id, *next));
                        *next += 1;
                        self.sent.store(*next, Ordering::Relaxed);
                        stream.write_all(&mqtt::publish(&script.topic, id, false, payload.as_bytes()).encode()).await?;
                    }
                }
            }
        }
    }
}

/// Says one thing, as a client of its own, and waits until the broker has it. An empty retained message takes a
/// retained one away.
///
/// # Panics
/// When the broker cannot be reached or ends the connection.
pub async fn say(port: u16, topic: &str, payload: &str, retain: bool) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the broker");
    let mut publish = mqtt::publish(topic, 1, false, payload.as_bytes());
    publish.head |= u8::from(retain);
    let client = format!("says-{}", topic.replace('/', "-"));
    let mut bytes = mqtt::connect(&client, None).encode();
    bytes.extend(publish.encode());
    stream.write_all(&bytes).await.expect("the broker listens");
    let mut buffer = Vec::new();
    loop {
        let read = stream.read_buf(&mut buffer).await.expect("an answer");
        assert!(
            read > 0,
            "the broker has ended the connection before it had {topic}"
        );
        if mqtt::take(&mut buffer)
            .iter()
            .any(|packet| packet.puback_id() == Some(1))
        {
            return;
        }
    }
}
