//! One life of one connection over `rumqttc`, the same for MQTT 5 and 3.1.1.
//!
//! A life is one `EventLoop`: it connects once and is thrown away at the first error. Nothing of the library's
//! state (queued acknowledgements, half-read bursts, topic aliases) can leak into the next life. When to start
//! another one, and what to subscribe to, is decided in the parent module.

use super::protocol::Version;
use super::tls::{self, TlsError};
use super::wire::{Broken, Event, broken_v5, broken_v311, event_v5, event_v311};
use crate::config::MqttConnection;
use rumqttc::{NetworkOptions, Transport, v5};
use secrecy::ExposeSecret;
use std::time::Duration;
use v5::mqttbytes::v5 as packet5;

/// From TCP to CONNACK.
const CONNECT_TIMEOUT_SECONDS: u64 = 10;
/// Packets are read up to this size; what is larger than the configuration allows is acknowledged, counted and
/// dropped by the parent. Refusing at the configured size would be worse: MQTT 3.1.1 cannot announce it, so the
/// connection would end at each redelivery; and mosquitto 2.0 forgets to give back the window of a message that it
/// drops for its size, so the session stalls after a receive maximum of them. Past this size both happen.
const READ_BYTES: u32 = 16 << 20;
/// Requests beside the acknowledgements of a full window and the subscriptions: `$SYS`, a disconnect.
const REQUEST_SLACK: usize = 16;
/// Most messages of our own that wait for the broker's acknowledgement. Packet ids of subscriptions come round with it,
/// so it is far more of them than anybody makes.
const PUBLISHES: u16 = 1_024;
/// MQTT 5 in `rumqttc` refuses shorter keep-alives with a panic.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The polling side.
pub(super) enum Link {
    V5(Box<v5::EventLoop>),
    V311(Box<rumqttc::EventLoop>),
}

/// The asking side; cheap to clone.
#[derive(Clone)]
pub(super) enum Requests {
    V5(v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

/// The request channel is closed: the life it belonged to is over.
#[derive(Debug)]
pub(super) struct Gone;

/// Prepares a life; nothing is sent before the first [`Link::next`].
pub(super) fn open(to: &MqttConnection, version: Version) -> Result<(Link, Requests), TlsError> {
    let transport = match &to.tls {
        Some(files) => tls::transport(files)?,
        None => Transport::tcp(),
    };
    // Acknowledgements of a full window must fit, or a lost one would shrink the window for ever.
    let capacity = usize::from(to.receive_maximum) + REQUEST_SLACK + to.subscriptions.len();
    Ok(match version {
        Version::V5 => {
            let (client, events) = v5::AsyncClient::new(options_v5(to, transport), capacity);
            (Link::V5(Box::new(events)), Requests::V5(client))
        }
        Version::V311 => {
            let (client, mut events) = rumqttc::AsyncClient::new(options_v311(to, transport), capacity);
            events.network_options = network_options();
            (Link::V311(Box::new(events)), Requests::V311(client))
        }
    })
}

fn network_options() -> NetworkOptions {
    let mut network = NetworkOptions::new();
    // With Nagle's algorithm bursts of acknowledgements wait 40 ms for the broker's delayed ACK.
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_TIMEOUT_SECONDS);
    network
}

fn options_v5(to: &MqttConnection, transport: Transport) -> v5::MqttOptions {
    let mut options = v5::MqttOptions::new(&to.client_id, &to.host, to.port);
    options
        .set_transport(transport)
        .set_network_options(network_options())
        .set_keep_alive(to.keep_alive.max(SHORTEST_KEEP_ALIVE))
        .set_connection_timeout(CONNECT_TIMEOUT_SECONDS)
        // A clean start would throw away everything unacknowledged and queued while the gateway was down.
        .set_clean_start(false)
        .set_session_expiry_interval(Some(
            u32::try_from(to.session_expiry.as_secs()).unwrap_or(u32::MAX),
        ))
        .set_receive_maximum(Some(to.receive_maximum.max(1)))
        // What we publish ourselves is next to nothing; unlimited, its table alone takes 14 MB.
        .set_outgoing_inflight_upper_limit(PUBLISHES)
        // The default of 10 kB would end the connection at each larger packet, and again after its redelivery.
        .set_max_packet_size(Some(READ_BYTES.max(to.max_packet_bytes)))
        // No topic alias maximum is announced: rumqttc reports an aliased message with an empty topic.
        .set_manual_acks(true);
    if let Some((user, password)) = &to.credentials {
        options.set_credentials(user, password.expose_secret());
    }
    options
}

fn options_v311(to: &MqttConnection, transport: Transport) -> rumqttc::MqttOptions {
    let mut options = rumqttc::MqttOptions::new(&to.client_id, &to.host, to.port);
    options
        .set_transport(transport)
        .set_keep_alive(to.keep_alive.max(SHORTEST_KEEP_ALIVE))
        // With an empty client id rumqttc panics here; the configuration does not allow one.
        .set_clean_session(to.client_id.is_empty())
        .set_max_packet_size(READ_BYTES.max(to.max_packet_bytes) as usize, 64 << 10)
        .set_manual_acks(true);
    if let Some((user, password)) = &to.credentials {
        options.set_credentials(user, password.expose_secret());
    }
    options
}

impl Link {
    /// The next event. Must not be dropped before it is ready: while connecting, a dropped future starts over, and
    /// beside a timer it would connect for ever without an error.
    pub(super) async fn next(&mut self) -> Result<Event, Broken> {
        match self {
            Self::V5(events) => match events.poll().await {
                Ok(event) => Ok(event_v5(event)),
                Err(error) => Err(broken_v5(&error)),
            },
            Self::V311(events) => match events.poll().await {
                Ok(event) => Ok(event_v311(event)),
                Err(error) => Err(broken_v311(&error)),
            },
        }
    }
}

impl Requests {
    /// Acknowledges a packet. Waits for room in the request channel: only a task that does not poll may call it.
    pub(super) async fn acknowledge(&self, packet: u16) -> Result<(), Gone> {
        match self {
            Self::V5(client) => {
                let mut publish =
                    packet5::Publish::new("", v5::mqttbytes::QoS::AtLeastOnce, Vec::new(), None);
                publish.pkid = packet;
                client.ack(&publish).await.map_err(|_| Gone)
            }
            Self::V311(client) => {
                let mut publish = rumqttc::Publish::new("", rumqttc::QoS::AtLeastOnce, Vec::new());
                publish.pkid = packet;
                client.ack(&publish).await.map_err(|_| Gone)
            }
        }
    }

    /// Publishes at QoS 0, not retained. Waits for room in the request channel: only a task that does not poll may
    /// call it.
    pub(super) async fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), Gone> {
        match self {
            Self::V5(client) => {
                let qos = v5::mqttbytes::QoS::AtMostOnce;
                client.publish(topic, qos, false, payload).await.map_err(|_| Gone)
            }
            Self::V311(client) => {
                let qos = rumqttc::QoS::AtMostOnce;
                client.publish(topic, qos, false, payload).await.map_err(|_| Gone)
            }
        }
    }

    /// Subscribes without waiting. `false`: the request channel is full.
    pub(super) fn subscribe(&self, filters: &[String], at_least_once: bool) -> bool {
        match self {
            Self::V5(client) => {
                let qos = if at_least_once {
                    v5::mqttbytes::QoS::AtLeastOnce
                } else {
                    v5::mqttbytes::QoS::AtMostOnce
                };
                client
                    .try_subscribe_many(filters.iter().map(|f| packet5::Filter::new(f, qos)))
                    .is_ok()
            }
            Self::V311(client) => {
                let qos = if at_least_once {
                    rumqttc::QoS::AtLeastOnce
                } else {
                    rumqttc::QoS::AtMostOnce
                };
                client
                    .try_subscribe_many(
                        filters
                            .iter()
                            .map(|f| rumqttc::SubscribeFilter::new(f.clone(), qos)),
                    )
                    .is_ok()
            }
        }
    }

    /// Says good-bye behind every acknowledgement that is already queued.
    pub(super) fn disconnect(&self) -> bool {
        match self {
            Self::V5(client) => client.try_disconnect().is_ok(),
            Self::V311(client) => client.try_disconnect().is_ok(),
        }
    }
}
