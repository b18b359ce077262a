//! S1: a leak at three in the morning.

use super::{MINUTE, PUMPS, SECOND, Scene};
use e2e::clock::instant;
use e2e::wait::until;
use serde_json::json;

/// The person on duty; the name must not leave the house.
const ENGINEER: &str = "王建国";

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_at_three_in_the_morning_calls_one_person_and_waits_for_ten_dry_minutes() {
    let scene = Scene::at("2026-06-11T02:50:00+08:00", "").await;
    let gateway = &scene.gateway;
    let engineer = gateway.token_of(ENGINEER, "staff").await;
    scene.rope_says(false).await;
    scene.walk_to("2026-06-11T03:00:00+08:00", MINUTE).await;

    scene.rope_says(true).await;
    assert!(
        scene.alarms(PUMPS, "leak").await.is_empty(),
        "one wet moment is no leak yet"
    );
    scene.clock.pass(5 * SECOND);
    scene.rope_says(true).await;
    gateway.settled().await;
    let alarm = scene.alarm(PUMPS, "leak").await;
    assert_eq!(
        (&alarm["state"], &alarm["latched"], &alarm["priority"]),
        (&json!("active_unack"), &json!(true), &json!("P1"))
    );
    let raised = instant(alarm["raised_at"].as_str().unwrap());
    assert!(raised <= instant("2026-06-11T03:00:06+08:00"), "{raised}");
    let orders = gateway.list("/api/v1/orders").await.unwrap();
    assert_eq!(orders.len(), 1, "{orders:#?}");
    let order = &orders[0];
    let id = order["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (
            &order["priority"],
            &order["asset"],
            &order["state"],
            &order["alarms"]
        ),
        (
            &json!("P1"),
            &json!(PUMPS),
            &json!("dispatched"),
            &json!([alarm["id"]])
        )
    );

    // The clock of the story stands at 03:00:05: nothing may be waited for any more.
    scene.heard("org.linli.order.dispatched", 1).await;
    until("the group to read of it", || async {
        let said = scene.said();
        if said.is_empty() {
            Err(gateway.log())
        } else {
            Ok(())
        }
    })
    .await;

    scene.walk_to("2026-06-11T03:03:00+08:00", 30 * SECOND).await;
    gateway.press(&engineer, &id, "accept", json!({})).await;
    scene.walk_to("2026-06-11T03:15:00+08:00", MINUTE).await;
    scene.rope_says(true).await;
    gateway.press(&engineer, &id, "start", json!({})).await;
    scene.walk_to("2026-06-11T03:45:00+08:00", 5 * MINUTE).await;
    scene.rope_says(false).await;
    scene.walk_to("2026-06-11T03:50:00+08:00", MINUTE).await;
    let done = json!({ "note": "关阀，更换接头" });
    gateway.press(&engineer, &id, "complete", done).await;

    // Dry since 03:45, normal since 03:55; but ten dry minutes count from the completion, and somebody must have looked.
    scene.walk_to("2026-06-11T03:55:00+08:00", MINUTE).await;
    scene.rope_says(false).await;
    scene.walk_to("2026-06-11T03:59:59+08:00", 30 * SECOND).await;
    let (order, alarm) = (scene.order(&id).await, scene.alarm(PUMPS, "leak").await);
    assert_eq!(order["state"], "pending_verification", "{order:#}");
    assert_eq!(
        (&alarm["condition"], &alarm["latched"], &alarm["live"]),
        (&json!("normal"), &json!(true), &json!(true)),
        "the latch holds until somebody can be sure"
    );
    scene.walk(SECOND, SECOND).await;
    let (order, alarm) = (scene.order(&id).await, scene.alarm(PUMPS, "leak").await);
    assert_eq!(
        (&order["state"], &order["closing"], &order["reopened"]),
        (&json!("closed"), &json!("verified"), &json!(0))
    );
    assert_eq!(
        (&alarm["state"], &alarm["latched"], &alarm["count"]),
        (&json!("rtn_unack"), &json!(false), &json!(1)),
        "let go, and listed until somebody has seen it: {alarm:#}"
    );
    for (what, time) in [
        (&order["opened_at"], "2026-06-11T03:00:05+08:00"),
        (&order["accepted_at"], "2026-06-11T03:03:00+08:00"),
        (&order["started_at"], "2026-06-11T03:15:00+08:00"),
        (&order["completed_at"], "2026-06-11T03:50:00+08:00"),
        (&order["ended_at"], "2026-06-11T04:00:00+08:00"),
        (&alarm["cleared_at"], "2026-06-11T03:55:00+08:00"),
    ] {
        assert_eq!(what, &json!(instant(time)));
    }

    let path = format!("/api/v1/alarms/{}/ack", alarm["id"].as_str().unwrap());
    let (status, answer) = gateway
        .post(&engineer, &path, alarm["version"].as_u64(), json!({}))
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(scene.alarm(PUMPS, "leak").await["live"], false);

    scene.all_said().await;
    assert_eq!(scene.hook.forged(), Vec::<String>::new());
    let told = scene.hook.received();
    let told = told.iter().map(|received| received.event.to_string());
    for text in told.chain(scene.said()) {
        assert!(!text.contains(ENGINEER), "a name has left the house: {text}");
    }
    assert_eq!(super::events(&scene.hook, "org.linli.order.dispatched").len(), 1);
}
