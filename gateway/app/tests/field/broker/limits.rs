//! What happens at each limit: the client is held back or refused and named, and the others do not notice.

use super::raw::{Raw, connect, connect_with, publish, subscribe};
use super::{Busy, Client, config, until};
use linli::clock::{Clock, SystemClock};

#[tokio::test]
async fn a_client_that_is_too_fast_is_held_back_and_named_and_nobody_else_waits() {
    let mut config = config();
    config.users[1].limits.messages_per_s = Some(20);
    let broker = Busy::start(config).await;
    let clock = SystemClock::new();
    let began = clock.now().monotonic;
    let mut flooder = Raw::connect(broker.addr, 4, "d2").await;
    let flood: Vec<u8> = (0..3_000)
        .flat_map(|_| publish(4, b"site/bin/d2/up", None, b"flood"))
        .collect();
    let flooding = tokio::spawn(async move {
        flooder.send(&flood).await;
        flooder
    });
    until("the flooder to be held back", || {
        broker.metrics.broker_throttled.with_label_values(&["d2"]).get() > 0
    })
    .await;
    let mut device = Client::connect(broker.addr, "d1").await;
    broker.serves_well(&mut device, "beside a flood").await;
    let through = broker
        .taken
        .lock()
        .unwrap()
        .iter()
        .filter(|p| *p == "flood")
        .count();
    let seconds = clock.now().monotonic.since(began).as_secs() + 1;
    // Its rate, five seconds' worth at once, and what one piece of the stream holds.
    let allowed = 20 * (seconds + 5) + 200;
    assert!(through as u64 <= allowed, "{through} of {allowed}");
    assert_eq!(
        broker.metrics.broker_throttled.with_label_values(&["d1"]).get(),
        0
    );
    flooding.abort();
    broker.running.stop().await;
}

#[tokio::test]
async fn bytes_are_held_back_like_messages() {
    let mut config = config();
    config.users[1].limits.bytes_per_s = Some(10_000);
    let broker = Busy::start(config).await;
    let mut heavy = Raw::connect(broker.addr, 4, "d2").await;
    let large = vec![b'x'; 20_000];
    let sending = tokio::spawn(async move {
        for _ in 0..10 {
            heavy.send(&publish(4, b"site/bin/d2/up", None, &large)).await;
        }
        heavy
    });
    until("the heavy one to be held back", || {
        broker.metrics.broker_throttled.with_label_values(&["d2"]).get() > 0
    })
    .await;
    assert!(broker.taken.lock().unwrap().len() < 10);
    sending.abort();
    broker.running.stop().await;
}

#[tokio::test]
async fn a_user_has_so_many_clients_and_one_that_comes_back_is_always_taken() {
    let mut config = config();
    config.users[0].limits.max_clients = Some(2);
    let broker = Busy::start(config).await;
    let answer = async |id: &'static str, flags: u8| {
        let mut raw = Raw::open(broker.addr).await;
        raw.send(&connect_with(5, flags, id, "d1", "d1-secret", 60, &[]))
            .await;
        let code = raw.packet().await.expect("a CONNACK")[3];
        (raw, code)
    };
    let (clean, kept) = (0b1100_0010, 0b1100_0000);
    let (first, code) = answer("d1-a", kept).await;
    assert_eq!(code, 0);
    let (_second, code) = answer("d1-b", clean).await;
    assert_eq!(code, 0);
    assert_eq!(answer("d1-c", clean).await.1, 0x97, "quota exceeded");
    // Its session is kept while it is away, so it counts, and it may come back.
    drop(first);
    assert_eq!(answer("d1-c", clean).await.1, 0x97);
    assert_eq!(answer("d1-a", kept).await.1, 0);
    assert_eq!(broker.refused("clients"), 2);
    Raw::connect(broker.addr, 4, "d2").await.is_served().await;
    broker.running.stop().await;
}

#[tokio::test]
async fn subscriptions_have_an_end() {
    let mut config = config();
    config.limits.max_subscriptions = 2;
    let broker = Busy::start(config).await;
    let mut watcher = Raw::connect(broker.addr, 5, "watcher").await;
    for (filter, expected) in [("a", 1), ("b", 1), ("c", 0x97), ("a", 1)] {
        watcher.send(&subscribe(5, filter.as_bytes())).await;
        assert_eq!(*watcher.packet_of(9).await.last().unwrap(), expected, "{filter}");
    }
    assert_eq!(broker.refused("subscriptions"), 1);
    broker.running.stop().await;
}

#[tokio::test]
async fn a_subscriber_that_is_away_keeps_its_newest_messages_and_the_loss_is_counted() {
    let mut config = config();
    config.limits.max_queue = 10;
    let broker = Busy::start(config).await;
    let keep = connect_with(4, 0b1100_0000, "watcher", "watcher", "watcher-secret", 60, &[]);
    let mut watcher = Raw::open(broker.addr).await;
    watcher.send(&keep).await;
    watcher.packet_of(2).await;
    watcher.send(&subscribe(4, b"#")).await;
    watcher.packet_of(9).await;
    drop(watcher);
    until("its connection to be gone", || {
        broker.metrics.broker_clients.with_label_values(&["plain"]).get() == 0
    })
    .await;
    let mut device = Raw::connect(broker.addr, 4, "d1").await;
    for n in 0..15u16 {
        device
            .send(&publish(4, b"aside/x", Some(n + 1), format!("{n}").as_bytes()))
            .await;
        device.packet_of(4).await;
    }
    until("the loss to be counted", || broker.lost("queue") == 5).await;
    let mut watcher = Raw::open(broker.addr).await;
    watcher.send(&keep).await;
    assert_eq!(
        watcher.packet_of(2).await,
        [0x20, 2, 1, 0],
        "its session was kept"
    );
    let first = watcher.packet_of(3).await;
    assert!(first.ends_with(b"5"), "the oldest went: {first:02x?}");
    broker.running.stop().await;
}

#[tokio::test]
async fn a_subscriber_that_takes_nothing_is_closed_before_it_costs_the_others() {
    let mut config = config();
    config.limits.max_backlog_bytes = 2 << 20;
    config.limits.bytes_per_s = 100 << 20;
    let broker = Busy::start(config).await;
    let mut stuck = Raw::connect(broker.addr, 5, "watcher").await;
    stuck.send(&subscribe(5, b"aside/#")).await;
    stuck.packet_of(9).await;
    let mut device = Raw::connect(broker.addr, 4, "d1").await;
    let large = vec![b'x'; 100_000];
    // Written on until the broker has enough of the one that does not read.
    while broker.refused("slow") == 0 {
        device.send(&publish(4, b"aside/x", Some(1), &large)).await;
        device.packet_of(4).await;
    }
    device.is_served().await;
    until("what was held for it to be let go", || {
        broker.metrics.broker_clients.with_label_values(&["plain"]).get() <= 2
    })
    .await;
    stuck.ends().await;
    broker.running.stop().await;
}

#[tokio::test]
async fn the_broker_has_so_many_clients() {
    let mut config = config();
    config.limits.max_clients = 2;
    let broker = Busy::start(config).await;
    let _first = Raw::connect(broker.addr, 4, "d1").await;
    let _second = Raw::connect(broker.addr, 4, "d2").await;
    let mut third = Raw::open(broker.addr).await;
    third
        .send(&connect(4, "watcher", "watcher", "watcher-secret", 60))
        .await;
    assert_eq!(third.packet().await.unwrap(), [0x20, 2, 0, 3]);
    broker.running.stop().await;
}
