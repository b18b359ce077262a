//! The MQTT client against mosquitto, and against brokers that are not as they should be.

use super::mosquitto::Mosquitto;
use super::pipeline::{Pipeline, ticket, within};
use linli::config::{MqttConnection, MqttProtocol, Subscription};
use linli::field::Unwanted;
use linli_decode::Family;
use linli_domain::reading::Value;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) fn connection(port: u16) -> MqttConnection {
    MqttConnection {
        name: "main".into(),
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        client_id: "linli-test".to_owned(),
        credentials: None,
        receive_maximum: 100,
        session_expiry: Duration::from_secs(3600),
        keep_alive: Duration::from_secs(30),
        max_packet_bytes: 256 << 10,
        protocol: MqttProtocol::Auto,
        subscriptions: subscriptions(),
    }
}

pub(crate) fn subscriptions() -> Vec<Subscription> {
    let one = |pattern: &str| Subscription::new(Family::Json, pattern.parse().unwrap());
    vec![one("site/bin/{device}/up"), one("other/{device}")]
}

/// A running connection and the way to stop it.
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(pipeline: &mut Pipeline, connection: MqttConnection) -> Self {
        let stop = CancellationToken::new();
        let tickets = pipeline.tickets.take().expect("one connection per pipeline");
        let (door, clock, metrics) = (
            pipeline.door.clone(),
            pipeline.clock.clone(),
            pipeline.metrics.clone(),
        );
        let asks = tokio::sync::mpsc::channel(1).1;
        let run = linli::field::mqtt::run(connection, 0, door, tickets, asks, clock, metrics, stop.clone());
        Self {
            stop,
            task: tokio::spawn(run),
        }
    }

    /// The way of a power cut: nothing is said to the broker.
    pub(crate) fn kill(self) {
        self.task.abort();
    }

    pub(crate) async fn stopped(self) {
        self.stop.cancel();
        within("the connection to end", self.task).await.unwrap();
    }
}

/// A device that publishes at QoS 1 and waits for its PUBACKs.
pub(crate) async fn publish(port: u16, messages: &[(&str, &str)]) {
    let mut options = MqttOptions::new(format!("device-{port}"), "127.0.0.1", port);
    options.set_clean_session(true);
    let (client, mut events) = AsyncClient::new(options, 100);
    for (topic, payload) in messages {
        client
            .publish(*topic, QoS::AtLeastOnce, false, *payload)
            .await
            .unwrap();
    }
    let mut open = messages.len();
    within("the broker's PUBACKs", async {
        while open > 0 {
            if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
                open -= 1;
            }
        }
    })
    .await;
    client.disconnect().await.unwrap();
    let _ = events.poll().await;
}

async fn connected(pipeline: &mut Pipeline, connection: MqttConnection) -> Running {
    let running = Running::start(pipeline, connection);
    pipeline.state("gateway.broker_connected", true).await;
    pipeline.state("gateway.subscriptions_ok", true).await;
    running
}

fn text(payload: &[u8]) -> &str {
    std::str::from_utf8(payload).unwrap()
}

#[tokio::test]
async fn a_message_is_acknowledged_when_its_ticket_comes_back_and_not_before() {
    let broker = Mosquitto::start("").await;
    let mut pipeline = Pipeline::start();
    // A window of one: the second message cannot come before the first is acknowledged.
    let narrow = MqttConnection {
        receive_maximum: 1,
        ..connection(broker.port)
    };
    let running = connected(&mut pipeline, narrow).await;
    publish(broker.port, &[("site/bin/d1/up", "1"), ("other/d2", "2")]).await;

    let first = pipeline.message().await;
    assert_eq!((&*first.topic, text(&first.payload)), ("site/bin/d1/up", "1"));
    assert_eq!((&*first.connection, first.subscription), ("main", 0));
    assert!(!first.retained && !first.duplicate);
    pipeline.stays_silent().await;
    pipeline.committed(first);

    let second = pipeline.message().await;
    assert_eq!((&*second.topic, second.subscription), ("other/d2", 1));
    pipeline.committed(second);
    running.stopped().await;
}

#[tokio::test]
async fn what_was_not_committed_when_the_power_went_comes_again_marked_as_repeated() {
    let broker = Mosquitto::start("").await;
    let mut before = Pipeline::start();
    // A window of two: the third message comes when the broker has the acknowledgement of the second.
    let narrow = MqttConnection {
        receive_maximum: 2,
        ..connection(broker.port)
    };
    let running = connected(&mut before, narrow).await;
    let messages = ["lost", "kept", "behind"].map(|payload| ("site/bin/d1/up", payload));
    publish(broker.port, &messages).await;
    let lost = before.message().await;
    let kept = before.message().await;
    assert_eq!((text(&lost.payload), text(&kept.payload)), ("lost", "kept"));
    before.committed(kept);
    assert_eq!(text(&before.message().await.payload), "behind");
    running.kill();

    // A new process: nothing but the client id is left.
    let mut after = Pipeline::start();
    let running = Running::start(&mut after, connection(broker.port));
    let again = after.message().await;
    assert_eq!(text(&again.payload), "lost");
    assert!(again.duplicate, "the broker marks it as repeated");
    assert_eq!(
        (again.session, again.packet),
        (lost.session, lost.packet),
        "its identity is the same"
    );
    after.committed(again);
    let behind = after.message().await;
    assert_eq!(
        text(&behind.payload),
        "behind",
        "what was committed does not come"
    );
    after.committed(behind);
    after.stays_silent().await;
    running.stopped().await;
}

#[tokio::test]
async fn tickets_of_an_older_life_acknowledge_nothing() {
    let mut broker = Mosquitto::start("persistence true").await;
    let mut pipeline = Pipeline::start();
    let narrow = MqttConnection {
        receive_maximum: 1,
        ..connection(broker.port)
    };
    let running = connected(&mut pipeline, narrow).await;
    publish(broker.port, &[("site/bin/d1/up", "1"), ("site/bin/d1/up", "2")]).await;
    let old = ticket(&pipeline.message().await);
    broker.down();
    pipeline.state("gateway.broker_connected", false).await;
    broker.up().await;

    let first = pipeline.message().await;
    pipeline.state("gateway.session_kept", true).await;
    assert_eq!(text(&first.payload), "1");
    let new = ticket(&first);
    assert_eq!(new.packet, old.packet);
    assert!(new.generation > old.generation);
    pipeline.acknowledge(old);
    pipeline.stays_silent().await;
    pipeline.acknowledge(new);
    let second = pipeline.message().await;
    assert_eq!(text(&second.payload), "2");
    pipeline.committed(second);
    running.stopped().await;
}

#[tokio::test]
async fn a_broker_that_forgot_the_session_is_told() {
    let mut broker = Mosquitto::start("persistence false").await;
    let mut pipeline = Pipeline::start();
    let running = connected(&mut pipeline, connection(broker.port)).await;
    broker.down();
    broker.up().await;
    pipeline.state("gateway.session_kept", false).await;
    // And it is subscribed again.
    pipeline.state("gateway.subscriptions_ok", true).await;
    publish(broker.port, &[("other/d1", "again")]).await;
    let message = pipeline.message().await;
    pipeline.committed(message);
    assert!(
        pipeline
            .metrics
            .render()
            .contains("linli_mqtt_sessions_lost_total{connection=\"main\"} 1")
    );
    running.stopped().await;
}

#[tokio::test]
async fn a_stop_waits_for_what_is_being_committed() {
    let broker = Mosquitto::start("").await;
    let mut pipeline = Pipeline::start();
    let running = connected(&mut pipeline, connection(broker.port)).await;
    publish(broker.port, &[("other/d1", "1")]).await;
    let message = pipeline.message().await;
    running.stop.cancel();
    pipeline.stays_silent().await;
    pipeline.committed(message);
    running.stopped().await;

    let mut after = Pipeline::start();
    let running = connected(&mut after, connection(broker.port)).await;
    after.stays_silent().await;
    running.stopped().await;
}

#[tokio::test]
async fn the_brokers_own_count_of_dropped_messages_becomes_a_fact() {
    let broker = Mosquitto::start("sys_interval 1\nmax_queued_messages 5\nmax_inflight_messages 5").await;
    let mut pipeline = Pipeline::start();
    let running = connected(&mut pipeline, connection(broker.port)).await;
    pipeline
        .fact("gateway.broker_dropped", |v| *v == Value::Number(0.0))
        .await;
    // A subscriber that is away: its queue overflows, and the publisher is told that all is well.
    let mut options = MqttOptions::new("away", "127.0.0.1", broker.port);
    options.set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("flood", QoS::AtLeastOnce).await.unwrap();
    within("the subscription", async {
        while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    })
    .await;
    drop((client, events));
    publish(broker.port, &vec![("flood", "x"); 50]).await;
    let rise = pipeline
        .fact("gateway.broker_dropped", |v| {
            v.as_number().is_some_and(|n| n > 0.0)
        })
        .await;
    assert!(rise.as_number().unwrap() >= 30.0, "{rise:?}");
    running.stopped().await;
}

#[tokio::test]
async fn a_broker_that_knows_only_3_1_1_is_spoken_to_in_3_1_1() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let levels = tokio::spawn(async move {
        let mut levels = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 512];
            let length = stream.read(&mut bytes).await.unwrap();
            // Fixed header of two bytes, then the protocol's name with its length, then the level.
            assert_eq!(&bytes[2..8], b"\0\x04MQTT", "{:?}", &bytes[..length]);
            levels.push(bytes[8]);
            let accepted = bytes[8] == 4;
            stream
                .write_all(&[0x20, 2, 0, u8::from(!accepted)])
                .await
                .unwrap();
            if accepted {
                // Until the client has had its turn; then it is sent away and must come back the same.
                let _ = stream.read(&mut bytes).await;
            }
        }
        levels
    });
    let mut pipeline = Pipeline::start();
    let running = Running::start(&mut pipeline, connection(port));
    pipeline.state("gateway.broker_connected", true).await;
    assert_eq!(within("three connections", levels).await.unwrap(), [5, 5, 4]);
    running.stopped().await;
}

#[tokio::test]
async fn many_filters_are_all_subscribed_and_a_retained_message_is_marked() {
    let broker = Mosquitto::start("").await;
    let mut options = MqttOptions::new("retainer", "127.0.0.1", broker.port);
    options.set_clean_session(true);
    let (client, mut events) = AsyncClient::new(options, 10);
    client
        .publish("many/119/d1", QoS::AtLeastOnce, true, "old")
        .await
        .unwrap();
    within("the PUBACK", async {
        while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::PubAck(_))) {}
    })
    .await;
    let many = MqttConnection {
        subscriptions: (0..120)
            .map(|n| Subscription::new(Family::Json, format!("many/{n}/{{device}}").parse().unwrap()))
            .collect(),
        ..connection(broker.port)
    };
    let mut pipeline = Pipeline::start();
    let running = Running::start(&mut pipeline, many);
    let message = pipeline.message().await;
    assert!(message.retained);
    assert_eq!(message.subscription, 119);
    pipeline.committed(message);
    publish(broker.port, &[("many/0/d1", "1"), ("many/60/d1", "2")]).await;
    for expected in [0, 60] {
        let message = pipeline.message().await;
        assert_eq!(message.subscription, expected);
        pipeline.committed(message);
    }
    running.stopped().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_does_not_block_the_ones_behind_it() {
    for protocol in [MqttProtocol::V311, MqttProtocol::V5] {
        let broker = Mosquitto::start("").await;
        let mut pipeline = Pipeline::start();
        let small = MqttConnection {
            max_packet_bytes: 1000,
            receive_maximum: 3,
            protocol,
            ..connection(broker.port)
        };
        let running = connected(&mut pipeline, small).await;
        let large = "x".repeat(5_000);
        let mut messages = vec![("other/d1", large.as_str()); 5];
        messages.push(("other/d1", "behind"));
        publish(broker.port, &messages).await;
        for _ in 0..5 {
            let message = pipeline.message().await;
            assert_eq!(
                message.unwanted,
                Some(Unwanted::TooLarge { bytes: 5_000 }),
                "{protocol:?}"
            );
            assert!(message.payload.len() <= 1024, "only its head is handed on");
            pipeline.committed(message);
        }
        let message = pipeline.message().await;
        assert_eq!(text(&message.payload), "behind", "{protocol:?}");
        pipeline.committed(message);
        running.stopped().await;
    }
}

#[tokio::test]
async fn a_broker_that_never_answers_does_not_hold_up_a_stop() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut pipeline = Pipeline::start();
    let running = Running::start(&mut pipeline, connection(mute.local_addr().unwrap().port()));
    let (mut heard, _) = within("the client to come", mute.accept()).await.unwrap();
    let hello = within("it to introduce itself", heard.read_u8()).await.unwrap();
    assert_eq!(hello, 0x10, "a CONNECT");
    // From here on time passes only while everybody waits for it.
    tokio::time::pause();
    let stop = tokio::time::Instant::now();
    running.stopped().await;
    assert_eq!(stop.elapsed(), Duration::ZERO, "nothing is owed to it");
}
