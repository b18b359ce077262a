//! Clients that mean harm, or are broken enough to look like it. Each is refused or closed and counted, and beside it
//! a well-behaved device is served as ever.

use super::raw::{Raw, connect, packet, publish};
use super::{Busy, Client, config, until};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

async fn beside(broker: &Busy, name: &str) {
    let mut device = Client::connect(broker.addr, "d1").await;
    broker.serves_well(&mut device, name).await;
}

#[tokio::test]
async fn too_large_a_packet_is_named_before_it_is_read() {
    let mut config = config();
    config.max_packet_bytes = 2_000;
    let broker = Busy::start(config).await;
    let mut newer = Raw::connect(broker.addr, 5, "d2").await;
    // The good one before it still counts.
    let mut both = publish(5, b"site/bin/d2/up", Some(1), b"good");
    both.extend_from_slice(&packet(0x32, &[0; 3_000])[..20]);
    newer.send(&both).await;
    assert_eq!(newer.ends().await, Some(0x95), "packet too large");
    until("the good one", || {
        broker.taken.lock().unwrap().contains(&"good".to_owned())
    })
    .await;
    let mut older = Raw::connect(broker.addr, 4, "d2").await;
    older.send(&packet(0x30, &[0; 3_000])).await;
    assert_eq!(older.ends().await, None);
    // 256 MiB announced, nothing of it kept.
    let mut huge = Raw::connect(broker.addr, 4, "d2").await;
    huge.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0]).await;
    huge.ends().await;
    assert_eq!(broker.refused("packet_size"), 3);
    beside(&broker, "large").await;
    broker.running.stop().await;
}

#[tokio::test]
async fn malformed_packets_end_their_connection_and_the_newer_version_is_told_why() {
    let broker = Busy::start(config()).await;
    for (bytes, reason) in [
        (&b"\x00\x00"[..], 0x81),
        (b"\x36\x05\x00\x01a\x00\x01", 0x81),
        (b"\x30\xFF\xFF\xFF\xFF\xFF", 0x81),
        (b"\x80\x00", 0x81),
        (b"\x20\x02\x00\x00", 0x82),
        (b"\x10\x0C\x00\x04MQTT\x05\x02\x00\x3C\x00\x00", 0x82),
    ] {
        let mut newer = Raw::connect(broker.addr, 5, "d2").await;
        newer.send(bytes).await;
        assert_eq!(newer.ends().await, Some(reason), "{bytes:02x?}");
        let mut older = Raw::connect(broker.addr, 4, "d2").await;
        older.send(bytes).await;
        assert_eq!(older.ends().await, None);
    }
    assert_eq!(broker.refused("malformed"), 12);
    // What only the library understands is told as well: a topic that is no text, a subscription to nothing.
    for bytes in [
        &b"\x30\x05\x00\x02\xFF\xFE\x00"[..],
        b"\x82\x03\x00\x01\x00",
        b"\x32\x04\x00\x01a\x00",
    ] {
        let mut newer = Raw::connect(broker.addr, 5, "d2").await;
        newer.send(bytes).await;
        let reason = newer.ends().await;
        assert!(
            reason.is_some_and(|reason| reason >= 0x80),
            "{bytes:02x?}: {reason:02x?}"
        );
    }
    for nonsense in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01",
        b"\x10\x02\x00\x04",
        b"\x10\xFF\xFF\xFF\xFF\xFF",
    ] {
        let mut stranger = Raw::open(broker.addr).await;
        stranger.send(nonsense).await;
        stranger.ends().await;
    }
    beside(&broker, "malformed").await;
    broker.running.stop().await;
}

#[tokio::test]
async fn a_topic_alias_stands_for_its_topic_and_a_wrong_one_ends_the_connection() {
    let broker = Busy::start(config()).await;
    let with_alias = |topic: &[u8], alias: u8, payload: &[u8]| {
        let length = u8::try_from(topic.len()).unwrap();
        let properties = [3, 0x23, 0, alias];
        packet(0x30, &[&[0, length], topic, &properties, payload].concat())
    };
    let mut device = Raw::connect(broker.addr, 5, "d1").await;
    device.send(&with_alias(b"site/bin/d1/up", 1, b"named")).await;
    device.send(&with_alias(b"", 1, b"numbered")).await;
    until("both messages", || {
        *broker.taken.lock().unwrap() == ["named".to_owned(), "numbered".to_owned()]
    })
    .await;
    // A number for a foreign topic opens nothing.
    device.send(&with_alias(b"site/bin/d2/up", 2, b"foreign")).await;
    device.send(&with_alias(b"", 2, b"foreign")).await;
    until("the refusals", || broker.refused("publish") == 2).await;
    for alias in [0, 9, 99] {
        let mut device = Raw::connect(broker.addr, 5, "d1").await;
        device.send(&with_alias(b"", alias, b"nothing")).await;
        let reason = device.ends().await;
        assert!(
            reason.is_some_and(|reason| reason >= 0x80),
            "{alias}: {reason:02x?}"
        );
    }
    assert_eq!(broker.taken.lock().unwrap().len(), 2);
    broker.running.stop().await;
}

#[tokio::test]
async fn who_says_nothing_or_a_byte_now_and_then_is_not_waited_for() {
    let mut config = config();
    config.limits.greeting_timeout = Duration::from_secs(2);
    let broker = Busy::start(config).await;
    let mut silent = Raw::open(broker.addr).await;
    let mut loris = Raw::open(broker.addr).await;
    let hello = connect(4, "d2", "d2", "d2-secret", 60);
    let drip = async {
        for byte in &hello[..hello.len() - 1] {
            if loris.0.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        panic!("a CONNECT of {} drops was waited for", hello.len());
    };
    drip.await;
    assert_eq!(silent.ends().await, None);
    assert_eq!(broker.refused("greeting"), 2);

    // Let in, a packet that never ends is no sign of life either.
    let mut loris = Raw::open(broker.addr).await;
    loris.send(&connect(5, "d2", "d2", "d2-secret", 5)).await;
    loris.packet_of(2).await;
    loris.send(&packet(0x30, &[0; 1_000])[..3]).await;
    let (mut read, mut write) = loris.0.into_split();
    let dripping = tokio::spawn(async move {
        while write.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let mut last = Vec::new();
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut last);
    crate::pipeline::within("the end", ended)
        .await
        .unwrap_or_default();
    assert_eq!((last[0], last[2]), (0xE0, 0x8D), "{last:02x?}");
    assert_eq!(broker.refused("silent"), 1);
    dripping.abort();
    beside(&broker, "silent").await;
    broker.running.stop().await;
}

#[tokio::test]
async fn one_address_that_says_nothing_a_hundred_times_leaves_room_for_others() {
    let broker = Busy::start(config()).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Raw::open(broker.addr).await);
    }
    until("the surplus to be closed", || {
        broker.refused("unheard") == 100 - 64
    })
    .await;
    let mut other = Raw::open_from("127.0.0.7", broker.addr).await;
    other.send(&connect(4, "d2", "d2", "d2-secret", 60)).await;
    assert_eq!(other.packet().await.unwrap(), [0x20, 2, 0, 0]);
    drop(silent);
    beside(&broker, "unheard").await;
    broker.running.stop().await;
}

#[tokio::test]
async fn thousands_of_connections_from_one_address_do_not_disturb_who_is_there() {
    let broker = Busy::start(config()).await;
    let mut device = Client::connect(broker.addr, "d1").await;
    let addr = broker.addr;
    let storm = tokio::spawn(async move {
        for _ in 0..3_000 {
            let mut raw = Raw::open_from("127.0.0.8", addr).await;
            raw.send(&connect(4, "d2", "d2", "guess", 60)).await;
        }
    });
    broker.serves_well(&mut device, "in a storm").await;
    storm.await.unwrap();
    until("the storm to be refused", || broker.refused("rate") > 2_000).await;
    // Somebody new from elsewhere comes in as if nothing was.
    let mut other = Raw::open_from("127.0.0.7", broker.addr).await;
    other.send(&connect(4, "d2", "d2", "d2-secret", 60)).await;
    assert_eq!(other.packet().await.unwrap(), [0x20, 2, 0, 0]);
    broker.serves_well(&mut device, "after it").await;
    broker.running.stop().await;
}
