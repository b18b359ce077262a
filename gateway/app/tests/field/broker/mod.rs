//! The embedded broker, with plain MQTT clients as devices and raw sockets as those who mean harm.

mod access;
mod farewell;
mod hostile;
mod limits;
mod messages;
mod raw;
mod tls;

use crate::mqtt::subscriptions;
use crate::pipeline::{A_WHILE, Pipeline, within};
use linli::config::{BrokerLimits, BrokerUser, EmbeddedBroker, UserLimits};
use linli::field::MqttFrame;
use linli::field::broker::{self, Running};
use linli::metrics::Metrics;
use linli_ledger::RetainedRow;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

pub(crate) fn user(name: &str, publish: &[&str], subscribe: &[&str]) -> BrokerUser {
    BrokerUser {
        username: name.to_owned(),
        password: Some(format!("{name}-secret").into()),
        certificate: false,
        publish: publish.iter().map(|s| (*s).to_owned()).collect(),
        subscribe: subscribe.iter().map(|s| (*s).to_owned()).collect(),
        limits: UserLimits::default(),
    }
}

pub(crate) fn config() -> EmbeddedBroker {
    EmbeddedBroker {
        plain: Some("127.0.0.1:0".parse().unwrap()),
        tls: None,
        max_packet_bytes: 256 << 10,
        limits: BrokerLimits::default(),
        users_file: None,
        users: vec![
            user("d1", &["site/bin/%u/up", "aside/#"], &["aside/#"]),
            user("d2", &["site/bin/%u/up"], &[]),
            user("watcher", &[], &["#"]),
        ],
        subscriptions: subscriptions(),
        name: "embedded".into(),
    }
}

/// A broker with the usual users.
pub(crate) async fn start(pipeline: &mut Pipeline, retained: Vec<RetainedRow>) -> Running {
    start_as(config(), pipeline, retained).await
}

pub(crate) async fn start_as(
    config: EmbeddedBroker,
    pipeline: &mut Pipeline,
    retained: Vec<RetainedRow>,
) -> Running {
    let (door, clock, metrics) = (
        pipeline.door.clone(),
        pipeline.clock.clone(),
        pipeline.metrics.clone(),
    );
    let running = broker::start(config, door, retained, clock, metrics)
        .await
        .unwrap();
    pipeline.state("gateway.broker_connected", true).await;
    running
}

/// A broker whose messages are committed at once: where it listens, its metrics, and the payloads it took in.
pub(crate) struct Busy {
    pub(crate) running: Running,
    pub(crate) addr: SocketAddr,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) taken: Arc<Mutex<Vec<String>>>,
}

impl Busy {
    pub(crate) async fn start(config: EmbeddedBroker) -> Self {
        let mut pipeline = Pipeline::start();
        let metrics = Arc::clone(&pipeline.metrics);
        let running = start_as(config, &mut pipeline, Vec::new()).await;
        Self {
            addr: running.plain.or(running.tls).unwrap(),
            running,
            metrics,
            taken: pipeline.commit_everything(),
        }
    }

    /// How often something was refused for this reason.
    pub(crate) fn refused(&self, what: &str) -> u64 {
        self.metrics.broker_refused.with_label_values(&[what]).get()
    }

    /// How often something was lost for this reason.
    pub(crate) fn lost(&self, what: &str) -> u64 {
        self.metrics.broker_lost.with_label_values(&[what]).get()
    }

    /// A well-behaved device sends, is acknowledged each time, and all of it arrives.
    pub(crate) async fn serves_well(&self, device: &mut Client, name: &str) {
        for n in 0..10 {
            let payload = format!("{name} {n}");
            device
                .publish("site/bin/d1/up", QoS::AtLeastOnce, false, &payload)
                .await;
            assert_eq!(device.puback().await, PubAckReason::Success);
            assert!(self.taken.lock().unwrap().contains(&payload), "{payload}");
        }
    }
}

/// Waits until `probe` says yes.
pub(crate) async fn until(what: &str, probe: impl Fn() -> bool) {
    within(what, async {
        while !probe() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

pub(crate) struct Client {
    pub(crate) client: AsyncClient,
    pub(crate) events: EventLoop,
}

pub(crate) fn options(addr: SocketAddr, id: &str, user: &str, password: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, addr.ip().to_string(), addr.port());
    options.set_credentials(user, password);
    options
}

impl Client {
    pub(crate) fn of(options: MqttOptions) -> Self {
        let (client, events) = AsyncClient::new(options, 100);
        Self { client, events }
    }

    pub(crate) async fn connect(addr: SocketAddr, user: &str) -> Self {
        let mut client = Self::of(options(addr, user, user, &format!("{user}-secret")));
        client
            .until("CONNACK", |p| matches!(p, Packet::ConnAck(_)).then_some(()))
            .await;
        client
    }

    pub(crate) async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Packet) -> Option<T>) -> T {
        within(what, async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await.expect(what)
                    && let Some(found) = wanted(&packet)
                {
                    return found;
                }
            }
        })
        .await
    }

    pub(crate) async fn puback(&mut self) -> PubAckReason {
        self.until("PUBACK", |p| match p {
            Packet::PubAck(ack) => Some(ack.reason),
            _ => None,
        })
        .await
    }

    pub(crate) async fn publish(&self, topic: &str, qos: QoS, retain: bool, payload: &str) {
        self.client
            .publish(topic, qos, retain, payload.to_owned())
            .await
            .unwrap();
    }

    /// Sends what is queued, and sees that no PUBACK comes.
    pub(crate) async fn no_puback(&mut self) {
        let seen = tokio::time::timeout(A_WHILE, async {
            loop {
                if let Event::Incoming(Packet::PubAck(ack)) = self.events.poll().await.unwrap() {
                    return ack;
                }
            }
        })
        .await;
        assert!(seen.is_err(), "acknowledged before the commit: {seen:?}");
    }

    pub(crate) async fn refused(mut self) -> ConnectReturnCode {
        match within("a refusal", self.events.poll()).await {
            Err(ConnectionError::ConnectionRefused(code)) => code,
            other => panic!("a refusal was expected, not {other:?}"),
        }
    }
}

/// Takes the message while the client is served.
pub(crate) async fn message(pipeline: &mut Pipeline, client: &mut Client) -> MqttFrame {
    let mut taken = std::pin::pin!(pipeline.message());
    loop {
        tokio::select! {
            message = &mut taken => return message,
            event = client.events.poll() => drop(event.unwrap()),
        }
    }
}
