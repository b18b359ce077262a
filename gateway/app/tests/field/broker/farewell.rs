//! How connections begin again and how they end: what a client is told, and that coming back at once is no crime.

use super::raw::{Raw, connect, connect_with, publish};
use super::{Busy, Client, config, start};
use crate::pipeline::{Pipeline, within};
use linli::field::Done;
use std::time::Duration;

#[tokio::test]
async fn a_client_that_comes_back_at_once_is_taken_every_time() {
    let mut config = config();
    config.limits.connects_per_s = 1_000;
    let broker = Busy::start(config).await;
    for version in [4, 5] {
        for n in 0..100 {
            let mut raw = Raw::open(broker.addr).await;
            raw.send(&connect(version, "d1", "d1", "d1-secret", 60)).await;
            let answer = raw.packet().await.expect("a CONNACK");
            assert_eq!(
                answer[3], 0,
                "refused at try {n} of version {version}: {answer:02x?}"
            );
            if n % 2 == 0 {
                raw.send(&[0xE0, 0]).await;
            }
        }
    }
    broker.running.stop().await;
}

#[tokio::test]
async fn who_is_taken_over_is_told_so_and_the_newer_one_stays() {
    let broker = Busy::start(config()).await;
    let mut older = Raw::connect(broker.addr, 5, "d1").await;
    let mut newer = Raw::connect(broker.addr, 5, "d1").await;
    assert_eq!(older.ends().await, Some(0x8E), "session taken over");
    newer.is_served().await;
    broker.running.stop().await;
}

#[tokio::test]
async fn a_broker_that_stops_says_so() {
    let broker = Busy::start(config()).await;
    let mut told = Raw::connect(broker.addr, 5, "d1").await;
    let mut closed = Raw::connect(broker.addr, 4, "d2").await;
    broker.running.stop().await;
    assert_eq!(told.ends().await, Some(0x8B), "server shutting down");
    assert_eq!(closed.ends().await, None, "3.1.1 has no word for it");
}

#[tokio::test]
async fn a_commit_that_fails_is_told_and_the_connection_closed() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Raw::connect(running.plain.unwrap(), 5, "d1").await;
    device.send(&publish(5, b"site/bin/d1/up", Some(1), b"1")).await;
    match pipeline.message().await.done {
        Done::Waiting(client) => client.send(false).unwrap(),
        other => panic!("{other:?}"),
    }
    assert_eq!(device.ends().await, Some(0x89), "server busy");
    running.stop().await;
}

#[tokio::test]
async fn a_commit_slower_than_the_keep_alive_cuts_nobody_who_still_pings() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Raw::open(running.plain.unwrap()).await;
    device.send(&connect(4, "d1", "d1", "d1-secret", 5)).await;
    device.packet_of(2).await;
    device.send(&publish(4, b"site/bin/d1/up", Some(1), b"1")).await;
    let frame = pipeline.message().await;
    // One and a half keep-alives and more: pings are heard, though they cannot be answered yet.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        device.send(&[0xC0, 0]).await;
    }
    pipeline.committed(frame);
    assert_eq!(device.packet_of(4).await, [0x40, 2, 0, 1]);
    device.packet_of(13).await;
    running.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_closed_and_its_will_is_committed() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let mut device = Raw::open(running.plain.unwrap()).await;
    let will = [&[0u8][..], &[0, 14], b"site/bin/d1/up", &[0, 4], b"gone"].concat();
    device
        .send(&connect_with(5, 0b1100_1110, "d1", "d1", "d1-secret", 1, &will))
        .await;
    let accepted = device.packet_of(2).await;
    assert_eq!(accepted[3], 0, "{accepted:02x?}");
    let told = accepted.windows(3).any(|w| w == [0x13, 0, 5]);
    assert!(told, "a keep-alive of a second is made five: {accepted:02x?}");
    let frame = within("the will", pipeline.message()).await;
    assert_eq!(&*frame.payload, b"gone");
    pipeline.committed(frame);
    assert_eq!(device.ends().await, Some(0x8D), "keep alive timeout");
    running.stop().await;
}

#[tokio::test]
async fn what_a_client_sent_before_it_hung_up_is_not_lost() {
    let broker = Busy::start(config()).await;
    let mut device = Raw::connect(broker.addr, 4, "d1").await;
    // A tool that publishes: QoS 0, DISCONNECT, close, all at once.
    let mut goodbye = publish(4, b"site/bin/d1/up", None, b"last words");
    goodbye.extend_from_slice(&[0xE0, 0]);
    device.send(&goodbye).await;
    drop(device);
    super::until("the last words", || {
        broker.taken.lock().unwrap().contains(&"last words".to_owned())
    })
    .await;
    broker.running.stop().await;
}

#[tokio::test]
async fn a_message_of_qos_2_that_comes_again_after_a_reconnect_is_known_by_its_identity() {
    let mut pipeline = Pipeline::start();
    let running = start(&mut pipeline, Vec::new()).await;
    let addr = running.plain.unwrap();
    let exactly_once = |dup: u8| {
        let mut packet = publish(4, b"site/bin/d1/up", Some(7), b"1");
        packet[0] = 0x34 | dup;
        packet
    };
    let mut seen = Vec::new();
    for dup in [0, 8] {
        let mut device = Raw::open(addr).await;
        device
            .send(&connect_with(4, 0b1100_0000, "d1", "d1", "d1-secret", 60, &[]))
            .await;
        device.packet_of(2).await;
        device.send(&exactly_once(dup)).await;
        let frame = pipeline.message().await;
        seen.push((frame.session, frame.packet, frame.duplicate));
        pipeline.committed(frame);
        device.packet_of(5).await;
    }
    let (first, again) = (seen[0], seen[1]);
    assert_eq!(
        (first.0, first.1, again.2),
        (again.0, again.1, true),
        "the pipeline drops it"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_client_without_an_id_gets_one_of_its_users() {
    let broker = Busy::start(config()).await;
    let mut newer = Raw::open(broker.addr).await;
    newer.send(&connect(5, "", "d1", "d1-secret", 60)).await;
    let answer = newer.packet_of(2).await;
    assert_eq!(answer[3], 0);
    let assigned = answer.windows(3).any(|w| w == b"d1-");
    assert!(assigned, "it is told which: {answer:02x?}");
    let mut older = Raw::open(broker.addr).await;
    older.send(&connect(4, "", "d1", "d1-secret", 60)).await;
    assert_eq!(older.packet_of(2).await, [0x20, 2, 0, 0]);
    let mut kept = Raw::open(broker.addr).await;
    kept.send(&connect_with(4, 0b1100_0000, "", "d1", "d1-secret", 60, &[]))
        .await;
    assert_eq!(
        kept.packet_of(2).await,
        [0x20, 2, 0, 2],
        "a session needs an id of the client's own"
    );
    let _ = Client::connect(broker.addr, "d2").await;
    broker.running.stop().await;
}
