//! S7: a sensor that comes and goes every ten seconds for half an hour.

use super::{MINUTE, PUMPS, SECOND, Scene, audit};
use e2e::clock::instant;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_rope_that_comes_and_goes_calls_people_once_and_asks_for_a_look_at_the_sensor() {
    let scene = Scene::at("2026-06-11T10:00:00+08:00", "").await;
    let gateway = &scene.gateway;
    scene.rope_says(false).await;
    scene.walk(MINUTE, MINUTE).await;
    let began = scene.clock.truth();
    for edge in 0..180 {
        scene.rope_says(edge % 2 == 0).await;
        // The first time it must be wet for five seconds, and somebody takes the order as soon as it is there.
        scene.walk(5 * SECOND, 5 * SECOND).await;
        if edge == 0 {
            let orders = scene.orders(PUMPS, "leak").await;
            assert_eq!(orders.len(), 1, "{orders:#?}");
            gateway
                .order(orders[0]["id"].as_str().unwrap(), "accept", json!({}))
                .await;
        }
        scene.clock.pass(5 * SECOND);
    }
    assert_eq!(scene.clock.truth(), began.plus(30 * MINUTE));
    scene.all_said().await;
    let said = scene.said();
    assert!((1..=3).contains(&said.len()), "{}: {said:#?}", said.len());

    let alarm = scene.alarm(PUMPS, "leak").await;
    assert!(alarm["count"].as_u64() >= Some(90), "{alarm:#}");
    assert_eq!(
        (&alarm["flapping"], &alarm["latched"]),
        (&json!(true), &json!(true))
    );
    let (leak, care) = (
        scene.orders(PUMPS, "leak").await,
        scene.orders(PUMPS, "flapping").await,
    );
    assert_eq!((leak.len(), care.len()), (1, 1), "{leak:#?} {care:#?}");
    assert_eq!(
        (&leak[0]["state"], &care[0]["priority"], &care[0]["state"]),
        (&json!("accepted"), &json!("P4"), &json!("dispatched"))
    );
    let begins = audit(gateway, "alarm.flapping");
    assert_eq!(begins.len(), 1, "{begins:?}");
    assert!(begins[0].1.contains("four times as long"), "{begins:?}");

    // Dry since 10:30:50. It would be normal after ten minutes; now it takes four times as long.
    let dry = began.plus(1_790 * SECOND);
    scene
        .walk(dry.plus(40 * MINUTE).since(scene.clock.truth()) - SECOND, MINUTE)
        .await;
    let alarm = scene.alarm(PUMPS, "leak").await;
    assert_eq!(alarm["condition"], "clearing", "{alarm:#}");
    scene.walk(SECOND, SECOND).await;
    let alarm = scene.alarm(PUMPS, "leak").await;
    assert_eq!(alarm["cleared_at"], json!(dry.plus(40 * MINUTE)), "{alarm:#}");

    // An hour after it was wet for the last time it is itself again.
    let wet = began.plus(1_780 * SECOND);
    scene
        .walk(wet.plus(60 * MINUTE).since(scene.clock.truth()) - SECOND, MINUTE)
        .await;
    assert!(audit(gateway, "alarm.stable").is_empty());
    scene.walk(SECOND, SECOND).await;
    let stable = audit(gateway, "alarm.stable");
    assert_eq!(stable.len(), 1, "{stable:?}");
    assert_eq!(stable[0].0, wet.plus(60 * MINUTE));
    assert_eq!(scene.orders(PUMPS, "flapping").await[0]["state"], "closed");

    // The delay is as the rule says again: a short wet moment, and normal ten minutes later.
    scene.rope_says(true).await;
    scene.walk(6 * SECOND, SECOND).await;
    scene.rope_says(false).await;
    let dry = scene.clock.truth();
    scene.walk(10 * MINUTE, 10 * SECOND).await;
    let alarm = scene.alarm(PUMPS, "leak").await;
    assert_eq!(
        (&alarm["cleared_at"], &alarm["flapping"]),
        (&json!(dry.plus(10 * MINUTE)), &json!(false)),
        "{alarm:#}"
    );
    assert!(
        instant(alarm["raised_at"].as_str().unwrap()) < began.plus(MINUTE),
        "the same alarm"
    );
}
