//! A client of a broker that says single things and hears what it subscribed to: a network server, a bridge, an edge
//! node. Every message is acknowledged by the broker before the story goes on.

use crate::mqtt::{self, Packet, kind};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for an answer of the broker or for a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connected client.
#[derive(Debug)]
pub struct Talker {
    stream: TcpStream,
    buffer: Vec<u8>,
    packets: Vec<Packet>,
    next: u16,
}

impl Talker {
    /// Connects to a broker on this machine that asks for no password.
    pub async fn connect(port: u16, client: &str) -> Self {
        let mut talker = Self {
            stream: TcpStream::connect(("127.0.0.1", port)).await.expect("the broker"),
            buffer: Vec::new(),
            packets: Vec::new(),
            next: 1,
        };
        talker.send(&mqtt::connect(client, None)).await;
        talker.take(|packet| packet.kind() == kind::CONNACK).await;
        talker
    }

    /// Publishes with QoS 1 and waits for the acknowledgement.
    pub async fn say(&mut self, topic: &str, payload: impl AsRef<[u8]>) {
        self.publish(topic, payload.as_ref(), false).await;
    }

    /// The same, to be kept by the broker for whoever subscribes later.
    pub async fn retain(&mut self, topic: &str, payload: impl AsRef<[u8]>) {
        self.publish(topic, payload.as_ref(), true).await;
    }

    /// Subscribes with QoS 0.
    pub async fn listen(&mut self, filter: &str) {
        let id = self.id();
        self.send(&mqtt::subscribe(filter, id)).await;
        self.take(|packet| packet.kind() == kind::SUBACK).await;
    }

    /// The next message it is sent: topic and payload.
    pub async fn hear(&mut self) -> (String, Vec<u8>) {
        let packet = self.take(|packet| packet.kind() == kind::PUBLISH).await;
        let (topic, _, payload) = packet.publish(false).expect("a message");
        (topic, payload.to_vec())
    }

    async fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let id = self.id();
        let mut packet = mqtt::publish(topic, id, false, payload);
        packet.head |= u8::from(retain);
        self.send(&packet).await;
        self.take(|packet| packet.puback_id() == Some(id)).await;
    }

    fn id(&mut self) -> u16 {
        self.next = self.next.checked_add(1).unwrap_or(1);
        self.next
    }

    async fn send(&mut self, packet: &Packet) {
        self.stream
            .write_all(&packet.encode())
            .await
            .expect("the broker takes it");
    }

    /// The first packet that is the one wanted; others wait for their turn.
    async fn take(&mut self, wanted: impl Fn(&Packet) -> bool) -> Packet {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(place) = self.packets.iter().position(&wanted) {
                    return self.packets.remove(place);
                }
                let read = self.stream.read_buf(&mut self.buffer).await.expect("the broker");
                assert!(read > 0, "the broker hung up");
                self.packets.extend(mqtt::take(&mut self.buffer));
            }
        })
        .await
        .unwrap_or_else(|_| panic!("nothing came; waiting are {:?}", self.packets))
    }
}
