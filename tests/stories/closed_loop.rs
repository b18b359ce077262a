//! From a wet sensor to a closed order: over mosquitto, over the embedded broker, with people in between.

use crate::estate::{LEAK_TOPIC, estate, leak_message};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::free_port;
use e2e::publisher::{Publisher, Script};
use e2e::wait::until;
use e2e::webhook::Receiver;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static WET_MOSQUITTO: AtomicBool = AtomicBool::new(false);
static WET_EMBEDDED: AtomicBool = AtomicBool::new(false);

/// A leak sensor that reports every 100 ms what `payload` says.
fn sensor(
    port: u16,
    client: &str,
    credentials: Option<(String, String)>,
    payload: fn(u64) -> String,
) -> Publisher {
    Publisher::start(Script {
        port,
        client: client.into(),
        credentials,
        topic: LEAK_TOPIC.into(),
        payload,
        pause: Duration::from_millis(100),
    })
}

async fn the_whole_way(gateway: &Gateway, hook: &Receiver, wet: &AtomicBool) {
    gateway.point_is("leak-b3/leak.wet", json!(false)).await;
    assert!(gateway.list("/api/v1/orders").await.unwrap().is_empty());

    wet.store(true, Ordering::SeqCst);
    let order = gateway.order_in("b3-pipe", "dispatched").await;
    let id = order["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&order["priority"], &order["role"]),
        (&json!("P1"), &json!("repair"))
    );
    let alarms = gateway.list("/api/v1/alarms").await.unwrap();
    assert_eq!(alarms.len(), 1, "{alarms:#?}");
    assert_eq!(alarms[0]["asset"], "b3-pipe");
    until("the webhook to hear of the order", || async {
        let types = hook.types();
        if types.iter().any(|t| t.contains("dispatched")) {
            Ok(())
        } else {
            Err(format!("{types:?}"))
        }
    })
    .await;
    assert_eq!(hook.forged(), Vec::<String>::new(), "every signature is right");

    gateway.order(&id, "accept", json!({})).await;
    let order = gateway.get(&format!("/api/v1/orders/{id}")).await.unwrap();
    let stale = order["version"].as_u64().map(|v| v - 1);
    let (status, problem) = gateway
        .post(
            &gateway.token(),
            &format!("/api/v1/orders/{id}/start"),
            stale,
            json!({}),
        )
        .await;
    assert_eq!(
        status, 412,
        "somebody who looked before the acceptance is told: {problem}"
    );
    gateway.order(&id, "start", json!({})).await;

    let version = gateway.get(&format!("/api/v1/orders/{id}")).await.unwrap()["version"].as_u64();
    let (status, problem) = gateway
        .post(
            &gateway.token(),
            &format!("/api/v1/orders/{id}/complete"),
            version,
            json!({}),
        )
        .await;
    assert!(status >= 400, "the profile asks for a note: {problem}");
    gateway
        .order(&id, "complete", json!({ "note": "valve closed, pipe sealed" }))
        .await;
    let order = gateway.order_in("b3-pipe", "pending_verification").await;
    assert_eq!(
        order["id"],
        id.as_str(),
        "completed is not closed while the sensor is wet"
    );

    let version = order["version"].as_u64();
    let body = json!({ "reason": "drying_residue", "note": "still wet" });
    let (status, problem) = gateway
        .post(
            &gateway.token(),
            &format!("/api/v1/orders/{id}/override"),
            version,
            body,
        )
        .await;
    assert!(status >= 400, "nobody overrides their own completion: {problem}");

    wet.store(false, Ordering::SeqCst);
    let closed = gateway.order_in("b3-pipe", "closed").await;
    assert_eq!(
        (&closed["id"], &closed["closing"]),
        (&json!(id), &json!("verified"))
    );
    until("the webhook to hear of the end", || async {
        let types = hook.types();
        if types.iter().any(|t| t.contains("closed")) {
            Ok(())
        } else {
            Err(format!("{types:?}"))
        }
    })
    .await;
    assert_eq!(
        gateway.list("/api/v1/orders").await.unwrap().len(),
        1,
        "one leak, one order"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wet_sensor_becomes_a_closed_order_through_mosquitto() {
    let broker = Mosquitto::start().await;
    let hook = Receiver::start().await;
    let site = Site {
        estate: estate("main", ""),
        broker: Some(broker.port),
        webhook: Some((hook.url(), hook.secret.clone())),
        ..Site::default()
    };
    let mut gateway = Gateway::start(&site).await;
    let sensor = sensor(broker.port, "leak-b3", None, |_| {
        leak_message(WET_MOSQUITTO.load(Ordering::SeqCst))
    });
    the_whole_way(&gateway, &hook, &WET_MOSQUITTO).await;
    sensor.finish();
    assert_eq!(gateway.terminate().await, Some(0), "an orderly end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_through_the_embedded_broker() {
    let hook = Receiver::start().await;
    let port = free_port();
    let site = Site {
        estate: estate("embedded", ""),
        embedded: Some(port),
        webhook: Some((hook.url(), hook.secret.clone())),
        ..Site::default()
    };
    let mut gateway = Gateway::start(&site).await;
    let credentials = Some(("field".to_owned(), "field".to_owned()));
    let sensor = sensor(port, "field", credentials, |_| {
        leak_message(WET_EMBEDDED.load(Ordering::SeqCst))
    });
    the_whole_way(&gateway, &hook, &WET_EMBEDDED).await;
    sensor.finish();
    assert_eq!(gateway.terminate().await, Some(0), "an orderly end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_works_an_order_from_the_shell() {
    let broker = Mosquitto::start().await;
    let site = Site {
        estate: estate("main", ""),
        broker: Some(broker.port),
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    let sensor = sensor(broker.port, "leak-b3", None, |_| leak_message(true));
    let order = gateway.order_in("b3-pipe", "dispatched").await;
    let id = order["id"].as_str().unwrap();
    let alarm = order["alarms"][0].as_str().unwrap();
    let (said, code) = gateway.cli(&["alarms", "ack", "AL-99", alarm]).await;
    assert!(code == 1 && said.contains("AL-99"), "{said}");
    let seen = gateway.get(&format!("/api/v1/alarms/{alarm}")).await.unwrap();
    assert_eq!(
        seen["state"], "active_ack",
        "one that is not there keeps no other from being seen: {said}"
    );
    for arguments in [
        vec!["orders", "list"],
        vec!["alarms", "list"],
        vec!["orders", "accept", id],
        vec!["orders", "start", id],
        vec!["orders", "complete", id, "--note", "sealed"],
        vec!["estate", "export"],
        vec!["outbox", "list"],
    ] {
        let (text, code) = gateway.cli(&arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {text}");
    }
    gateway.order_in("b3-pipe", "pending_verification").await;

    let (text, code) = gateway
        .cli(&["token", "add", "second-manager", "--role", "manager", "--json"])
        .await;
    assert_eq!(code, 0, "{text}");
    let token: serde_json::Value = serde_json::from_str(&text).unwrap();
    let version = gateway.get(&format!("/api/v1/orders/{id}")).await.unwrap()["version"].as_u64();
    let body = json!({ "reason": "sensor_faulty", "note": "the probe is corroded" });
    let (status, answer) = gateway
        .post(
            token["token"].as_str().unwrap(),
            &format!("/api/v1/orders/{id}/override"),
            version,
            body,
        )
        .await;
    assert_eq!(status, 200, "another manager may override: {answer}");
    gateway.order_in("b3-pipe", "closed").await;
    sensor.finish();
}
