//! The embedded broker, with a plain MQTT client as the device.

use super::mqtt::subscriptions;
use super::pipeline::{A_WHILE, Pipeline, within};
use linli::config::{BrokerLimits, BrokerUser, EmbeddedBroker, UserLimits};
use linli::field::broker::{self, Running};
use linli::field::{Done, MqttFrame};
use linli_ledger::RetainedRow;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, LastWill, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use std::net::SocketAddr;

fn config() -> EmbeddedBroker {
    let user = |name: &str, publish: &[&str], subscribe: &[&str]| BrokerUser {
        username: name.to_owned(),
        password: Some(format!("{name}-secret").into()),
        certificate: false,
        publish: publish.iter().map(|s| (*s).to_owned()).collect(),
        subscribe: subscribe.iter().map(|s| (*s).to_owned()).collect(),
        limits: UserLimits::default(),
    };
    EmbeddedBroker {
        plain: Some("127.0.0.1:0".parse().unwrap()),
        tls: None,
        max_packet_bytes: 256 << 10,
        limits: BrokerLimits::default(),
        users_file: None,
        users: vec![
            user("d1", &["site/bin/%u/up", "aside/#"], &["aside/#"]),
            user("watcher", &[], &["#"]),
        ],
        subscriptions: subscriptions(),
        name: "embedded".into(),
    }
}

async fn start(pipeline: &mut Pipeline, retained: Vec<RetainedRow>) -> Running {
    let (door, clock, metrics) = (
        pipeline.door.clone(),
        pipeline.clock.clone(),
        pipeline.metrics.clone(),
    );
    let running = broker::start(config(), door, retained, clock, metrics)
        .await
        .unwrap();
    pipeline.state("gateway.broker_connected", true).await;
    running
}

struct Client {
    client: AsyncClient,
    events: EventLoop,
}

fn options(addr: SocketAddr, id: &str, user: &str, password: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, addr.ip().to_string(), addr.port());
    options.set_credentials(user, password);
    options
}

impl Client {
    fn of(options: MqttOptions) -> Self {
        let (client, events) = AsyncClient::new(options, 100);
        Self { client, events }
    }

    async fn connect(addr: SocketAddr, user: &str) -> Self {
        let mut client = Self::of(options(addr, user, user, &format!("{user}-secret")));
        client
            .until("CONNACK", |p| matches!(p, Packet::ConnAck(_)).then_some(()))
            .await;
        client
    }

    async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Packet) -> Option<T>) -> T {
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

    async fn puback(&mut self) -> PubAckReason {
        self.until("PUBACK", |p| match p {
            Packet::PubAck(ack) => Some(ack.reason),
            _ => None,
        })
        .await
    }

    async fn publish(&self, topic: &str, qos: QoS, retain: bool, payload: &str) {
        self.client
            .publish(topic, qos, retain, payload.to_owned())
            .await
            .unwrap();
    }

    /// Sends what is queued, and sees that no PUBACK comes.
    async fn no_puback(&mut self) {
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

    async fn refused(mut self) -> ConnectReturnCode {
        match within("a refusal", self.events.poll()).await {
            Err(ConnectionError::ConnectionRefused(code)) => code,
            other => panic!("a refusal was expected, not {other:?}"),
        }
    }
}

/// Takes the message while the client is served.
async fn message(pipeline: &mut Pipeline, client: &mut Client) -> MqttFrame {
    let mut taken = std::pin::pin!(pipeline.message());
    loop {
        tokio::select! {
            message = &mut taken => return message,
            event = client.events.poll() => drop(event.unwrap()),
        }
    }
}

#[tokio::test]
async fn the_puback_waits_for_the_commit() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    device
        .publish("site/bin/d1/up", QoS::AtLeastOnce, false, "1")
        .await;
    let frame = message(&mut pipeline, &mut device).await;
    assert_eq!(
        (&*frame.connection, frame.subscription, frame.packet),
        ("embedded", 0, Some(1))
    );
    assert!(matches!(frame.done, Done::Waiting(_)));
    device.no_puback().await;
    pipeline.committed(frame);
    assert_eq!(device.puback().await, PubAckReason::Success);
    running.stop().await;
}

#[tokio::test]
async fn a_failed_commit_closes_the_connection() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    device
        .publish("site/bin/d1/up", QoS::AtLeastOnce, false, "1")
        .await;
    match message(&mut pipeline, &mut device).await.done {
        Done::Waiting(client) => client.send(false).unwrap(),
        other => panic!("{other:?}"),
    }
    within("the connection to close", async {
        loop {
            match device.events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(ack))) => panic!("acknowledged without a commit: {ack:?}"),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn qos_0_never_waits_and_foreign_topics_are_brokered_but_not_taken_in() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut watcher = Client::connect(running.plain.unwrap(), "watcher").await;
    watcher.client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
    watcher
        .until("SUBACK", |p| matches!(p, Packet::SubAck(_)).then_some(()))
        .await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    device.publish("aside/x", QoS::AtLeastOnce, false, "aside").await;
    assert_eq!(device.puback().await, PubAckReason::Success);
    device
        .publish("site/bin/d1/up", QoS::AtMostOnce, false, "fast")
        .await;
    let frame = message(&mut pipeline, &mut device).await;
    assert_eq!(&*frame.payload, b"fast");
    assert!(matches!(frame.done, Done::Nothing) && frame.packet.is_none());
    for expected in ["aside", "fast"] {
        let got = watcher
            .until("a message", |p| match p {
                Packet::Publish(p) => Some(p.payload.clone()),
                _ => None,
            })
            .await;
        assert_eq!(&got[..], expected.as_bytes());
    }
    running.stop().await;
}

#[tokio::test]
async fn strangers_and_borrowed_names_are_refused() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let addr = running.plain.unwrap();
    for (id, user, password, expected) in [
        ("d1", "d1", "guess", ConnectReturnCode::BadUserNamePassword),
        (
            "d1",
            "nobody",
            "d1-secret",
            ConnectReturnCode::BadUserNamePassword,
        ),
        ("watcher", "d1", "d1-secret", ConnectReturnCode::NotAuthorized),
    ] {
        let code = Client::of(options(addr, id, user, password)).refused().await;
        assert_eq!(code, expected, "{id} as {user}");
    }
    let anonymous = MqttOptions::new("d1", addr.ip().to_string(), addr.port());
    Client::of(anonymous).refused().await;
    let mut with_will = options(addr, "d1", "d1", "d1-secret");
    with_will.set_last_will(LastWill::new(
        "site/bin/d2/up",
        "gone",
        QoS::AtLeastOnce,
        false,
        None,
    ));
    assert_eq!(
        Client::of(with_will).refused().await,
        ConnectReturnCode::NotAuthorized
    );
    running.stop().await;
}

#[tokio::test]
async fn foreign_topics_are_refused_and_the_connection_goes_on() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    for topic in ["site/bin/d2/up", "$SYS/broker/version"] {
        device.publish(topic, QoS::AtLeastOnce, false, "1").await;
        assert_eq!(device.puback().await, PubAckReason::NotAuthorized, "{topic}");
    }
    device.client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
    let codes = device
        .until("SUBACK", |p| match p {
            Packet::SubAck(ack) => Some(ack.return_codes.clone()),
            _ => None,
        })
        .await;
    assert_eq!(codes, [SubscribeReasonCode::NotAuthorized]);
    pipeline.stays_silent().await;
    device
        .publish("aside/x", QoS::AtLeastOnce, false, "still here")
        .await;
    assert_eq!(device.puback().await, PubAckReason::Success);
    running.stop().await;
}

#[tokio::test]
async fn a_will_is_committed_like_any_message() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut options = options(running.plain.unwrap(), "d1", "d1", "d1-secret");
    options.set_last_will(LastWill::new(
        "site/bin/d1/up",
        "gone",
        QoS::AtLeastOnce,
        false,
        None,
    ));
    let mut device = Client::of(options);
    device
        .until("CONNACK", |p| matches!(p, Packet::ConnAck(_)).then_some(()))
        .await;
    drop(device);
    let frame = pipeline.message().await;
    assert_eq!(&*frame.payload, b"gone");
    pipeline.committed(frame);
    running.stop().await;
}

#[tokio::test]
async fn retained_messages_survive_a_restart_through_the_ledger() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    for (topic, payload) in [
        ("aside/kept", "kept"),
        ("aside/cleared", "soon gone"),
        ("aside/cleared", ""),
    ] {
        device.publish(topic, QoS::AtLeastOnce, true, payload).await;
        assert_eq!(device.puback().await, PubAckReason::Success);
    }
    running.stop().await;
    let mut rows: Vec<RetainedRow> = Vec::new();
    for row in pipeline.retained.lock().unwrap().drain(..) {
        rows.retain(|r| r.topic != row.topic);
        rows.push(row);
    }
    rows.retain(|r| r.payload.is_some());

    let mut after = Pipeline::start();
    let running = start(&mut after, rows).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    device
        .client
        .subscribe("aside/#", QoS::AtLeastOnce)
        .await
        .unwrap();
    let (topic, payload, retain) = device
        .until("the retained message", |p| match p {
            Packet::Publish(p) => Some((p.topic.clone(), p.payload.clone(), p.retain)),
            _ => None,
        })
        .await;
    assert_eq!(
        (&topic[..], &payload[..], retain),
        (&b"aside/kept"[..], &b"kept"[..], true)
    );
    let more = tokio::time::timeout(A_WHILE, async {
        loop {
            if let Event::Incoming(Packet::Publish(p)) = device.events.poll().await.unwrap() {
                return p;
            }
        }
    })
    .await;
    assert!(more.is_err(), "what was cleared came back: {more:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_stopped_broker_lets_go_of_its_clients_and_its_port() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let addr = running.plain.unwrap();
    let mut device = Client::connect(addr, "d1").await;
    running.stop().await;
    within("the session to end", async {
        while device.events.poll().await.is_ok() {}
    })
    .await;
    pipeline.state("gateway.broker_connected", false).await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}
