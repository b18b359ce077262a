//! The broker comes and goes.

use crate::estate::{LEAK_TOPIC, counter, counter_profiles, estate, leak_message};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::publisher::{Publisher, Script};
use e2e::wait::until;
use std::time::Duration;

fn leak(port: u16) -> Publisher {
    Publisher::start(Script {
        port,
        client: "leak-b3".into(),
        credentials: None,
        topic: LEAK_TOPIC.into(),
        payload: |_| leak_message(true),
        pause: Duration::from_millis(50),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_stops_and_starts_and_nothing_is_lost_and_nobody_is_called_twice() {
    let mut broker = Mosquitto::start().await;
    let site = Site {
        estate: estate("main", &counter("main", "c1", false)),
        profiles: counter_profiles(),
        broker: Some(broker.port),
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    let leak = leak(broker.port);
    let counter = Publisher::start(Script {
        port: broker.port,
        client: "c1".into(),
        credentials: None,
        topic: "site/plain/c1/up".into(),
        payload: |n| format!("{{\"n\":{n}}}"),
        pause: Duration::from_millis(10),
    });
    gateway.order_in("b3-pipe", "dispatched").await;
    for _ in 0..3 {
        broker.stop().await;
        until("the gateway to notice", || async {
            let up = gateway.metric("linli_connector_up").await;
            if up == 0.0 {
                Ok(())
            } else {
                Err(format!("connector_up is {up}"))
            }
        })
        .await;
        broker.run().await;
        let seen = gateway.metric("linli_readings_stored_total").await;
        until("readings to flow again", || async {
            let now = gateway.metric("linli_readings_stored_total").await;
            if now > seen + 20.0 {
                Ok(())
            } else {
                Err(format!("{now} readings\n{}", gateway.log()))
            }
        })
        .await;
    }
    counter.finish();
    leak.finish();
    until("every acknowledged message to be stored", || async {
        let path = "/api/v1/points?limit=500";
        let points = gateway.list(path).await?;
        let last = points
            .iter()
            .find(|p| p["id"] == "c1/pulse.count")
            .map(|p| p["latest"]["value"].clone());
        match last.and_then(|v| v.as_f64()) {
            Some(n) if n + 1.0 >= counter.sent() as f64 => Ok(()),
            other => Err(format!("last {other:?} of {}\n{}", counter.sent(), gateway.log())),
        }
    })
    .await;
    let reader = linli_ledger::Reader::open(&gateway.data()).unwrap();
    let point = reader
        .points()
        .unwrap()
        .into_iter()
        .find(|p| p.id.as_str() == "c1/pulse.count")
        .unwrap();
    let (from, to) = (
        linli_domain::time::Timestamp::from_millis(0),
        linli_domain::time::Timestamp::from_millis(i64::MAX),
    );
    let page = reader.samples(point.key, from, to, 100_000, None).unwrap();
    let mut stored: Vec<u64> = page
        .samples
        .iter()
        .filter_map(|s| s.value.as_ref()?.as_number())
        .map(|n| n as u64)
        .collect();
    stored.sort_unstable();
    let mut acknowledged = counter.acknowledged();
    acknowledged.sort_unstable();
    stored.retain(|n| acknowledged.binary_search(n).is_ok());
    stored.dedup();
    assert_eq!(
        stored, acknowledged,
        "a message the broker acknowledged is missing"
    );
    let orders = gateway.list("/api/v1/orders").await.unwrap();
    let pipe: Vec<_> = orders.iter().filter(|o| o["asset"] == "b3-pipe").collect();
    assert_eq!(pipe.len(), 1, "no alarm storm: {orders:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_drops_raises_an_alarm_of_the_gateway_itself() {
    // A queue of one message for a subscriber that is away: mosquitto acknowledges the rest and drops it silently.
    let broker = Mosquitto::with("max_queued_messages 1\nmax_inflight_messages 1\n").await;
    let site = Site {
        estate: estate("main", &counter("main", "c1", false)),
        profiles: counter_profiles(),
        broker: Some(broker.port),
        ..Site::default()
    };
    let mut gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    gateway.kill().await;
    let counter = Publisher::start(Script {
        port: broker.port,
        client: "c1".into(),
        credentials: None,
        topic: "site/plain/c1/up".into(),
        payload: |n| format!("{{\"n\":{n}}}"),
        pause: Duration::from_millis(1),
    });
    until("mosquitto to have acknowledged more than it keeps", || async {
        let acknowledged = counter.acknowledged().len();
        if acknowledged > 200 {
            Ok(())
        } else {
            Err(acknowledged.to_string())
        }
    })
    .await;
    gateway.run().await;
    until("the system alarm", || async {
        let alarms = gateway.list("/api/v1/alarms").await?;
        let found = alarms.iter().any(|a| a["asset"] == "gateway");
        if found {
            Ok(())
        } else {
            Err(format!("{alarms:?}\n{}", gateway.log()))
        }
    })
    .await;
    counter.finish();
}
