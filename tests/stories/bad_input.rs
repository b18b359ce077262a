//! Bad input: counted by reason, visible, acknowledged once recorded, and the rest of the flow untouched.

use crate::estate::{LEAK_TOPIC, counter, counter_profiles, estate, leak_message};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::publisher::{Publisher, Script};
use e2e::wait::until;
use serde_json::json;
use std::time::Duration;

/// Topic, reason, payload.
type Bad = (&'static str, &'static str, fn(u64) -> String);

/// Messages that must be refused, by the reason they are refused for.
const BAD: &[Bad] = &[
    ("zigbee2mqtt/b3/pipe/availability", "not_json", |_| "maybe".into()),
    ("site/plain/c1/up", "too_deep", |_| {
        "[".repeat(10_000) + &"]".repeat(10_000)
    }),
    ("site/plain/c1/up", "not_json", |_| "{\"n\": NaN}".into()),
    ("site/plain/c1/up", "too_large", |_| {
        format!("{{\"n\":1,\"p\":\"{}\"}}", "x".repeat(300_000))
    }),
    (
        "application/a/device/de20fdcb2f925c2c/event/up",
        "not_json",
        |_| "\u{fffd}".into(),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_bad_message_is_counted_and_nothing_else_suffers() {
    let broker = Mosquitto::start().await;
    let site = Site {
        estate: estate("main", &counter("main", "c1", true)),
        profiles: counter_profiles(),
        broker: Some(broker.port),
        window: 5,
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    let good = Publisher::start(Script {
        port: broker.port,
        client: "leak-b3".into(),
        credentials: None,
        topic: LEAK_TOPIC.into(),
        payload: |_| leak_message(false),
        pause: Duration::from_millis(50),
    });
    let bad: Vec<Publisher> = BAD
        .iter()
        .enumerate()
        .map(|(n, (topic, _, payload))| {
            Publisher::start(Script {
                port: broker.port,
                client: format!("bad-{n}"),
                credentials: None,
                topic: (*topic).into(),
                payload: *payload,
                pause: Duration::from_millis(40),
            })
        })
        .collect();
    until("every bad message to be recorded", || async {
        let rejects = gateway.list("/api/v1/rejects?limit=200").await?;
        let recorded = |topic: &str, reason: &str| {
            rejects.iter().any(|r| {
                let field = |name: &str| r[name].as_str().unwrap_or_default();
                field("origin").ends_with(topic) && field("reason").starts_with(reason)
            })
        };
        let missing: Vec<_> = BAD
            .iter()
            .filter(|(topic, reason, _)| !recorded(topic, reason))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?} in {rejects:?}"))
        }
    })
    .await;
    for publisher in &bad {
        publisher.finish();
    }
    gateway.point_is("leak-b3/leak.wet", json!(false)).await;
    // More bad messages than the window holds have come: had one of each kind kept its place, nothing would flow.
    let seen = gateway.metric("linli_readings_stored_total").await;
    until("the window not to shrink", || async {
        let stored = gateway.metric("linli_readings_stored_total").await;
        if stored > seen + 20.0 {
            Ok(())
        } else {
            Err(format!("{stored} readings, {seen} before"))
        }
    })
    .await;
    good.finish();
    assert!(gateway.metric("linli_messages_rejected_total").await >= 5.0);
    assert!(
        gateway.log().contains("frame refused"),
        "visible in the log:\n{}",
        gateway.log()
    );
    assert!(gateway.list("/api/v1/alarms").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_lies_about_the_time_is_believed_in_its_value_only() {
    let broker = Mosquitto::start().await;
    let site = Site {
        estate: estate("main", &counter("main", "c1", true)),
        profiles: counter_profiles(),
        broker: Some(broker.port),
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    let liar = Publisher::start(Script {
        port: broker.port,
        client: "c1".into(),
        credentials: None,
        topic: "site/bin/c1/up".into(),
        // 1970 and the year 2100 in turn
        payload: |n| {
            format!(
                "{{\"n\":{n},\"ts\":{}}}",
                if n % 2 == 0 { 5_000 } else { 4_102_444_800_000_u64 }
            )
        },
        pause: Duration::from_millis(50),
    });
    until("the liar to be heard", || async {
        let points = gateway.list("/api/v1/points?limit=500").await?;
        let latest = points
            .iter()
            .find(|p| p["id"] == "c1/pulse.count")
            .map(|p| p["latest"].clone());
        match latest {
            Some(latest) if latest["value"].as_f64().unwrap_or(0.0) > 4.0 => {
                // Even numbers claim 1970, odd ones the year 2100.
                let reason = if latest["value"].as_f64().unwrap_or(0.0) % 2.0 == 0.0 {
                    "clock_unset"
                } else {
                    "clock_ahead"
                };
                assert_eq!(
                    (&latest["quality"], &latest["reason"]),
                    (&json!("uncertain"), &json!(reason))
                );
                assert_eq!(
                    latest["observed_at"], latest["received_at"],
                    "the time of receipt stands in"
                );
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    liar.finish();
}
