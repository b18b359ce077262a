//! What becomes of messages: acknowledged after their commit, retained over a restart, brokered to others.

use super::{Client, message, options, start};
use crate::pipeline::{A_WHILE, Pipeline, within};
use linli::field::{Done, Keep};
use linli_ledger::RetainedRow;
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PubAckReason, PublishProperties};
use std::time::Duration;

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

#[tokio::test]
async fn a_message_and_what_it_leaves_retained_are_one_commit() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    device
        .publish("site/bin/d1/up", QoS::AtLeastOnce, true, "level 7")
        .await;
    let frame = message(&mut pipeline, &mut device).await;
    let keep = Keep {
        qos: 1,
        expires: None,
    };
    assert_eq!(frame.keep, Some(keep));
    assert!(pipeline.retained.lock().unwrap().is_empty(), "no second commit");
    pipeline.committed(frame);
    assert_eq!(device.puback().await, PubAckReason::Success);
    assert!(
        pipeline.retained.lock().unwrap().is_empty(),
        "none after it either"
    );
    running.stop().await;
}

#[tokio::test]
async fn an_expiry_goes_to_the_ledger_and_what_is_left_of_it_comes_back() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    let expiry = PublishProperties {
        message_expiry_interval: Some(600),
        ..PublishProperties::default()
    };
    device
        .client
        .publish_with_properties("aside/news", QoS::AtLeastOnce, true, "for a while", expiry)
        .await
        .unwrap();
    assert_eq!(device.puback().await, PubAckReason::Success);
    running.stop().await;
    let mut row = pipeline.retained.lock().unwrap().pop().expect("a row");
    assert_eq!(
        row.expires.map(|expires| expires.since(row.at)),
        Some(Duration::from_secs(600))
    );

    // As if the gateway had been away for most of that time.
    let away = Duration::from_secs(500);
    (row.at, row.expires) = (row.at.minus(away), row.expires.map(|expires| expires.minus(away)));
    let mut gone = row.clone();
    (gone.topic, gone.expires) = ("aside/gone".into(), Some(pipeline.clock.now().wall));
    let mut after = Pipeline::start();
    let running = start(&mut after, vec![row, gone]).await;
    let mut device = Client::connect(running.plain.unwrap(), "d1").await;
    device
        .client
        .subscribe("aside/#", QoS::AtLeastOnce)
        .await
        .unwrap();
    let (topic, left) = device
        .until("the retained message", |p| match p {
            Packet::Publish(p) => Some((
                p.topic.clone(),
                p.properties.as_ref().and_then(|p| p.message_expiry_interval),
            )),
            _ => None,
        })
        .await;
    assert_eq!(&topic[..], b"aside/news");
    assert!(left.is_some_and(|left| (60..=100).contains(&left)), "{left:?}");
    running.stop().await;
}
