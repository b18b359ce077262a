//! What a box without the time and without a network could not say: when it may speak again, it calls people to what is
//! still to be done, and tells of the rest.

use super::{MINUTE, PUMPS, SECOND, SECOND_ROOM, Scene, events};
use crate::estate::leak_message;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_night_without_the_time_people_are_called_to_what_is_still_to_be_done() {
    let mut scene = Scene::at("2026-06-11T02:00:00+08:00", SECOND_ROOM).await;
    scene.rope_says(false).await;
    scene.walk(MINUTE, MINUTE).await;
    scene.gateway.terminate().await;
    scene.clock.pass(10 * MINUTE);
    scene.clock.boot();
    scene.clock.set("1970-01-01T00:00:20Z");
    scene.robot.cut_off(true);
    scene.gateway.run().await;
    scene.gateway.subscribed().await;
    scene.lifted().await;

    // Two rooms are wet. The caretaker of the first finds out by himself and takes the order at the gateway's own screen.
    scene.rope_says(true).await;
    let wet = leak_message(true);
    scene.says("zigbee2mqtt/b4/pumps", &wet, "rope-l4/leak.wet").await;
    scene.walk(5 * SECOND, SECOND).await;
    let taken = scene.orders(PUMPS, "leak").await.remove(0);
    let waits = scene.orders("b4-pumps", "leak").await.remove(0);
    let taken_id = taken["id"].as_str().unwrap();
    scene.walk(2 * MINUTE, 10 * SECOND).await;
    scene.gateway.order(taken_id, "accept", json!({})).await;
    // The calls are put off for five minutes and again; the network comes while none of them is on its way.
    scene.walk(4 * MINUTE, 10 * SECOND).await;
    assert!(scene.said().is_empty(), "{:#?}", scene.said());
    assert_eq!(waits["state"], "dispatched");

    scene.all_tried().await;
    // The network is there, and with it the time.
    scene.robot.cut_off(false);
    scene.clock.set_right();
    scene.walk(2 * MINUTE, SECOND).await;
    scene.all_said().await;
    let said = scene.said();
    let about = |room: &str| -> Vec<&String> { said.iter().filter(|text| text.contains(room)).collect() };
    let place = |words: [&str; 2]| {
        said.iter()
            .position(|text| words.iter().all(|word| text.contains(word)))
    };
    let (call, rest) = (
        place(["new order", "Pump room of building 4"]),
        place(["nothing is left to do", "accepted"]),
    );
    assert!(call.is_some() && call < rest, "{said:#?}");
    let (first, second) = (about("Pump room of building 3"), about("Pump room of building 4"));
    assert_eq!((first.len(), second.len()), (1, 1), "{said:#?}");
    assert!(
        first[0].contains("nothing is left to do")
            && first[0].contains("accepted")
            && !first[0].contains("new order"),
        "{said:#?}"
    );

    // The outbox says so of each message, and systems were told every event.
    let delivered = scene
        .gateway
        .list("/api/v1/deliveries?state=delivered&limit=500")
        .await
        .unwrap();
    let mut outlived = delivered.iter().filter(|row| row["last_error"] == "outlived");
    assert!(
        outlived.clone().any(|row| row["subject"] == taken_id),
        "{delivered:#?}"
    );
    assert!(outlived.all(|row| row["channel"] != "hook"), "{delivered:#?}");
    assert_eq!(events(&scene.hook, "org.linli.order.dispatched").len(), 2);
    assert_eq!(events(&scene.hook, "org.linli.order.accepted").len(), 1);
    let given_up = scene.gateway.list("/api/v1/deliveries?state=dead").await.unwrap();
    assert!(given_up.is_empty(), "{given_up:#?}");
}
