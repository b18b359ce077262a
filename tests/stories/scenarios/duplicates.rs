//! S10: a broker that hears no acknowledgement says everything again.

use super::{MINUTE, PUMPS, ROPE, SECOND, estate};
use crate::estate::leak_message;
use e2e::clock::StoryClock;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::proxy::Proxy;
use e2e::publisher::say;
use e2e::wait::until;
use e2e::webhook::Receiver;
use serde_json::{Value, json};
use std::sync::Arc;

/// A sensor that tells its own time, so that a repetition is known by it whoever repeats it and however often.
const TIMED: &str = r#"
[[devices]]
id = "timed"
profile = "generic.json-bin"
name = { zh = "自带时间", en = "With its own time" }
address = { mqtt = "main", key = "timed" }
"#;
const DUPLICATES: &str = "linli_messages_duplicate_total";

async fn readings(gateway: &Gateway, point: &str) -> Vec<Value> {
    // Up to a later time than now: what was read at this very moment counts.
    let path = format!(
        "/api/v1/points/{}/readings?limit=100&from=2026-06-10T00:00:00Z&to=2026-06-12T00:00:00Z",
        point.replace('/', "%2F")
    );
    gateway.list(&path).await.unwrap()
}

async fn stored(gateway: &Gateway, point: &str, count: usize) {
    until(&format!("{count} readings of {point}"), || async {
        let readings = match gateway.list("/api/v1/points?limit=500").await {
            Ok(points) if points.iter().any(|p| p["id"] == point) => readings(gateway, point).await,
            other => return Err(format!("{other:?}\n{}", gateway.log())),
        };
        if readings.len() == count {
            Ok(())
        } else {
            Err(format!("{readings:#?}\n{}", gateway.log()))
        }
    })
    .await;
}

async fn dropped(gateway: &Gateway, count: u32) {
    until(&format!("{count} repetitions to be dropped"), || async {
        let metric = gateway.metric(DUPLICATES).await;
        if (metric - f64::from(count)).abs() < 0.1 {
            Ok(())
        } else {
            Err(format!("{metric}\n{}", gateway.log()))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_says_three_times_is_one_reading_one_alarm_one_order_and_one_notice() {
    let clock = StoryClock::at("2026-06-11T03:00:00+08:00");
    let broker = Mosquitto::start().await;
    let proxy = Proxy::start(broker.port, Arc::new(|_, _| true)).await;
    let hook = Receiver::start().await;
    let site = Site {
        estate: estate(TIMED),
        broker: Some(proxy.port),
        webhook: Some((hook.url(), hook.secret.clone())),
        clock: Some(clock.clone()),
        ..Site::default()
    };
    let mut gateway = Gateway::start(&site).await;
    gateway.subscribed().await;

    // From here on the broker never hears that anything has arrived.
    proxy.swallow(true);
    let wet = leak_message(true);
    say(broker.port, ROPE, &wet, false).await;
    stored(&gateway, "rope-l3/leak.wet", 1).await;
    clock.walk(&gateway, 5 * SECOND, SECOND).await;
    gateway.order_in(PUMPS, "dispatched").await;

    // The line is cut: the broker says it again.
    proxy.hold(true).await;
    proxy.hold(false).await;
    dropped(&gateway, 1).await;

    // The gateway is killed, stays away for twenty minutes, and hears it a third time.
    proxy.hold(true).await;
    gateway.kill().await;
    clock.pass(20 * MINUTE);
    gateway.run().await;
    proxy.hold(false).await;
    dropped(&gateway, 1).await;

    gateway.settled().await;
    let all = readings(&gateway, "rope-l3/leak.wet").await;
    assert_eq!(all.len(), 1, "{all:#?}");
    let alarms = gateway.list("/api/v1/alarms?class=leak").await.unwrap();
    assert_eq!((alarms.len(), &alarms[0]["count"]), (1, &json!(1)), "{alarms:#?}");
    let orders = gateway.list("/api/v1/orders").await.unwrap();
    assert_eq!(orders.len(), 1, "{orders:#?}");
    until("the webhook to hear of the order", || async {
        let events = super::events(&hook, "org.linli.order.dispatched");
        if events.is_empty() {
            Err(gateway.log())
        } else {
            Ok(())
        }
    })
    .await;
    assert_eq!(super::events(&hook, "org.linli.order.dispatched").len(), 1);
    let mut raised = super::events(&hook, "org.linli.alarm.raised");
    raised.retain(|event| event["data"]["asset"] == PUMPS);
    assert_eq!(raised.len(), 1, "{raised:#?}");

    // The broker is told at last. Saying the same a second later, twice, is two readings more.
    proxy.swallow(false);
    proxy.hold(true).await;
    proxy.hold(false).await;
    dropped(&gateway, 2).await;
    for count in 2..=3 {
        clock.walk(&gateway, SECOND, SECOND).await;
        say(broker.port, ROPE, &wet, false).await;
        stored(&gateway, "rope-l3/leak.wet", count).await;
    }
    assert_eq!(gateway.list("/api/v1/alarms?class=leak").await.unwrap().len(), 1);

    // Told apart by its own time, a repetition needs no flag of the broker's; it may come from another client.
    let at = |ms: i64| format!("{{\"ts\":{},\"temp\":21.5}}", clock.truth().as_millis() + ms);
    let (one, other) = (at(-2_000), at(-1_000));
    for _ in 0..3 {
        say(broker.port, "site/bin/timed/up", &one, false).await;
    }
    dropped(&gateway, 4).await;
    stored(&gateway, "timed/temperature", 1).await;
    say(broker.port, "site/bin/timed/up", &other, false).await;
    stored(&gateway, "timed/temperature", 2).await;
    dropped(&gateway, 4).await;
}
