//! S9: a box that wakes up in 1970, is told the time, and is set wrong while people work.

use super::{MINUTE, PUMPS, SECOND, SECOND_ROOM, Scene, audit, events};
use crate::estate::leak_message;
use e2e::clock::StoryClock;
use e2e::wait::until;
use e2e::webhook::Receiver;
use serde_json::{Value, json};

/// A device that sends its own time.
const TIMED: &str = r#"
[[devices]]
id = "timed"
profile = "generic.json-bin"
name = { zh = "自带时间", en = "With its own time" }
address = { mqtt = "main", key = "timed" }
"#;
const ROPE_4: &str = "zigbee2mqtt/b4/pumps";

impl Scene {
    async fn rope_4_says(&self, wet: bool) {
        self.says(ROPE_4, &leak_message(wet), "rope-l4/leak.wet").await;
    }

    async fn press_alarm(&self, alarm: &Value, verb: &str, body: Value) {
        let path = format!("/api/v1/alarms/{}/{verb}", alarm["id"].as_str().unwrap());
        let version = alarm["version"].as_u64();
        let (status, answer) = self
            .gateway
            .post(&self.gateway.token(), &path, version, body)
            .await;
        assert_eq!(status, 200, "{verb}: {answer}");
    }

    async fn pending(&self) -> Vec<Value> {
        self.gateway
            .list("/api/v1/deliveries?state=pending")
            .await
            .unwrap()
    }

    async fn strict_at(begins: &str) -> Self {
        let clock = StoryClock::at(begins);
        let truth = clock.clone();
        let hook = Receiver::strict(move || truth.truth().as_millis() / 1_000).await;
        Self::with(clock, hook, &format!("{SECOND_ROOM}{TIMED}")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_wakes_up_in_1970_raises_at_once_and_tells_when_it_knows_the_time() {
    let mut scene = Scene::strict_at("2026-06-11T02:00:00+08:00").await;
    scene.rope_says(false).await;
    scene.rope_4_says(false).await;
    scene.walk(MINUTE, MINUTE).await;
    let went = scene.clock.truth();

    // Power comes back without a network, and the pump room stands in water.
    scene.gateway.terminate().await;
    scene.clock.pass(10 * MINUTE);
    scene.clock.boot();
    scene.clock.set("1970-01-01T00:00:20Z");
    scene.gateway.run().await;
    scene.gateway.subscribed().await;
    // It cannot be earlier than when power went; how much later it is nobody knows yet.
    let woke = scene.lifted().await;
    assert!(went < woke && woke < went.plus(MINUTE), "{woke}");
    scene.rope_says(true).await;
    scene.walk(5 * SECOND, SECOND).await;
    let alarm = scene.alarm(PUMPS, "leak").await;
    assert_eq!(
        (&alarm["state"], &alarm["latched"], &alarm["raised_at"]),
        (
            &json!("active_unack"),
            &json!(true),
            &json!(scene.clock.believed())
        )
    );
    let raised = scene.clock.truth();
    let order = scene.orders(PUMPS, "leak").await.remove(0);
    assert_eq!(
        (&order["state"], &order["priority"]),
        (&json!("dispatched"), &json!("P1"))
    );
    let claimed = format!("{{\"ts\":{},\"temp\":21.5}}", scene.clock.truth().as_millis());
    scene
        .says("site/bin/timed/up", &claimed, "timed/temperature")
        .await;
    let points = scene.gateway.list("/api/v1/points?limit=500").await.unwrap();
    let latest = points.iter().find(|p| p["id"] == "timed/temperature").unwrap();
    assert_eq!(latest["latest"]["reason"], "clock_invalid", "{latest:#}");

    // The group of people reads it. Systems believe no signature of 1970: it waits, and nothing is used up.
    let held = |rows: &[Value]| {
        rows.iter()
            .filter(|row| row["channel"] == "hook")
            .all(|row| row["last_error"] == "clock" && row["attempts"] == 0)
    };
    for _ in 0..12 {
        scene.walk(MINUTE, 30 * SECOND).await;
        until("what systems refuse to wait for the clock", || async {
            let rows = scene.pending().await;
            if !rows.is_empty() && held(&rows) {
                Ok(())
            } else {
                Err(format!("{rows:#?}"))
            }
        })
        .await;
    }
    assert!(scene.hook.received().is_empty(), "{:?}", scene.hook.types());
    assert!(scene.hook.forged().len() > 12, "it was tried again and again");
    assert!(
        !scene.said().is_empty(),
        "people are told whatever the clock says"
    );
    let wrong = scene.alarm("gateway", "clock-wrong").await;
    assert_eq!(wrong["condition"], "active");

    // Meanwhile one alarm is shelved for an hour, and the other rope has been wet for two seconds when the time comes.
    let body = json!({ "for": "1h", "reason": "valve works" });
    scene
        .press_alarm(&scene.alarm(PUMPS, "leak").await, "shelve", body)
        .await;
    scene.rope_4_says(true).await;
    scene.walk(2 * SECOND, SECOND).await;
    scene.clock.set_right();
    scene.walk(SECOND, SECOND).await;
    assert!(
        scene.alarms("b4-pumps", "leak").await.is_empty(),
        "three seconds are not fifty-six years"
    );
    scene.walk(2 * SECOND, SECOND).await;
    assert_eq!(scene.alarm("b4-pumps", "leak").await["state"], "active_unack");
    let alarm = scene.alarm(PUMPS, "leak").await;
    assert_eq!(alarm["state"], "shelved");
    let opened = scene.orders(PUMPS, "leak").await.remove(0);
    assert_eq!(
        (&alarm["raised_at"], &opened["opened_at"]),
        (&json!(raised), &json!(raised)),
        "dated right"
    );
    scene.walk(2 * MINUTE, SECOND).await;
    scene.all_said().await;
    assert_eq!(
        events(&scene.hook, "org.linli.alarm.raised").len(),
        3,
        "two leaks and a clock"
    );
    assert_eq!(events(&scene.hook, "org.linli.order.dispatched").len(), 2);
    let given_up = scene.gateway.list("/api/v1/deliveries?state=dead").await.unwrap();
    assert!(given_up.is_empty(), "{given_up:#?}");
    let jumps = audit(&scene.gateway, "clock.jump");
    assert_eq!(jumps.len(), 1, "{jumps:?}");
    assert_eq!(scene.alarm("gateway", "clock-wrong").await["condition"], "normal");

    // Nothing of 1970 is stored: what it heard before it knew the time comes after what it had heard before.
    let path = "/api/v1/points/rope-l3%2Fleak.wet/readings?limit=100";
    let readings = scene.gateway.list(path).await.unwrap();
    let heard = |wet: bool| {
        let reading = readings.iter().find(|reading| reading["value"] == wet);
        e2e::clock::instant(reading.expect("a reading")["received_at"].as_str().unwrap())
    };
    assert!(
        heard(false) < went && woke <= heard(true) && heard(true) < woke.plus(MINUTE),
        "{readings:#?}"
    );

    scene.walk(56 * MINUTE, MINUTE).await;
    assert_eq!(scene.alarm(PUMPS, "leak").await["state"], "shelved");
    scene.walk(2 * MINUTE, MINUTE).await;
    assert_eq!(
        scene.alarm(PUMPS, "leak").await["state"],
        "active_unack",
        "after an hour that was lived"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_while_people_work_moves_no_delay() {
    let mut scene = Scene::strict_at("2026-06-11T02:00:00+08:00").await;
    let gateway = &scene.gateway;
    scene.rope_says(true).await;
    scene.walk(5 * SECOND, SECOND).await;
    let id = scene.orders(PUMPS, "leak").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    gateway.order(&id, "accept", json!({})).await;
    gateway.order(&id, "start", json!({})).await;
    scene.rope_says(false).await;
    scene.walk(MINUTE, MINUTE).await;
    gateway.order(&id, "complete", json!({ "note": "sealed" })).await;
    let completed = scene.clock.truth();

    // Two hours ahead, a minute after the completion.
    scene.walk(MINUTE, MINUTE).await;
    scene.clock.jump(7_200);
    scene.walk(20 * SECOND, 5 * SECOND).await;
    assert_eq!(scene.order(&id).await["state"], "pending_verification");
    assert_eq!(scene.alarm(PUMPS, "leak").await["condition"], "clearing");
    let set = scene.alarm("gateway", "clock-set").await;
    assert_eq!(
        (&set["condition"], &set["priority"]),
        (&json!("active"), &json!("P4"))
    );
    assert_eq!(audit(gateway, "clock.jump").len(), 1);
    scene.rope_says(false).await;
    let ten_minutes = completed.plus(10 * MINUTE).since(scene.clock.truth());
    scene.walk(ten_minutes - 5 * SECOND, 5 * SECOND).await;
    assert_eq!(scene.order(&id).await["state"], "pending_verification");
    scene.walk(10 * SECOND, SECOND).await;
    let order = scene.order(&id).await;
    assert_eq!(
        (&order["state"], &order["closing"]),
        (&json!("closed"), &json!("verified"))
    );

    // An hour back, while the next leak is being worked on.
    scene.rope_4_says(true).await;
    scene.walk(5 * SECOND, SECOND).await;
    let id = scene.orders("b4-pumps", "leak").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    gateway.order(&id, "accept", json!({})).await;
    scene.clock.jump(-3_600);
    scene.walk(20 * SECOND, 5 * SECOND).await;
    gateway.order(&id, "start", json!({})).await;
    scene.rope_4_says(false).await;
    scene.walk(MINUTE, MINUTE).await;
    gateway.order(&id, "complete", json!({ "note": "sealed" })).await;
    let completed = scene.clock.truth();
    scene.walk(5 * SECOND, SECOND).await;
    scene.rope_4_says(false).await;
    let ten_minutes = completed.plus(10 * MINUTE).since(scene.clock.truth());
    scene.walk(ten_minutes - 5 * SECOND, 5 * SECOND).await;
    assert_eq!(scene.order(&id).await["state"], "pending_verification");
    scene.walk(10 * SECOND, SECOND).await;
    assert_eq!(scene.order(&id).await["state"], "closed");
    let alarm = scene.alarm("b4-pumps", "leak").await;
    assert_eq!(alarm["condition"], "normal", "{alarm:#}");

    // No duration anywhere is negative.
    let quality = gateway.get("/api/v1/alarms/quality").await.unwrap();
    for figure in quality["figures"].as_array().unwrap() {
        assert!(figure["value"].as_f64() >= Some(0.0), "{figure}");
    }
    for name in ["linli_ingest_lag_seconds_sum", "linli_uptime_seconds"] {
        assert!(gateway.metric(name).await >= 0.0, "{name}");
    }
    // Systems believed no signature while the clock was set wrong. Nothing was given up: it is said once it is right, though
    // that is an hour back and the program was not there to see it.
    assert!(!scene.hook.forged().is_empty() && !scene.pending().await.is_empty());
    scene.gateway.terminate().await;
    scene.clock.set_right();
    scene.gateway.run().await;
    scene.gateway.subscribed().await;
    scene.walk(150 * MINUTE, 5 * MINUTE).await;
    scene.all_said().await;
    assert_eq!(events(&scene.hook, "org.linli.order.closed").len(), 2);
    let given_up = scene.gateway.list("/api/v1/deliveries?state=dead").await.unwrap();
    assert!(given_up.is_empty(), "{given_up:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_a_year_behind_the_ledger_is_not_believed_before_somebody_who_knows_says_so() {
    let mut scene = Scene::strict_at("2026-06-11T02:00:00+08:00").await;
    scene.rope_says(false).await;
    scene.walk(MINUTE, MINUTE).await;
    // Somebody sets the clock a year ahead; at the next start of the machine it is right. Or was it right before?
    scene.clock.set("2027-06-11T02:01:00+08:00");
    scene.walk(MINUTE, 30 * SECOND).await;
    let went = scene.clock.shown();
    scene.gateway.terminate().await;
    scene.clock.pass(10 * MINUTE);
    scene.clock.boot();
    scene.clock.set_right();
    scene.gateway.run().await;
    scene.gateway.subscribed().await;
    let woke = scene.lifted().await;
    assert!(went < woke && woke < went.plus(MINUTE), "{woke}");
    scene.walk(2 * MINUTE, 10 * SECOND).await;
    assert_eq!(scene.alarm("gateway", "clock-wrong").await["condition"], "active");

    // Another start of the program changes nothing.
    scene.gateway.terminate().await;
    scene.gateway.run().await;
    scene.gateway.subscribed().await;
    assert!(scene.lifted().await >= woke.plus(2 * MINUTE));

    let (said, code) = scene.gateway.cli(&["clock", "believe", "--lang", "en"]).await;
    let right = scene.clock.truth();
    assert!(code == 0 && said.contains(&right.to_string()), "{said}");
    scene.clock.set(&right.to_string());
    scene.rope_says(true).await;
    scene.walk(MINUTE, 10 * SECOND).await;
    let leak = scene.alarm(PUMPS, "leak").await;
    assert!(
        leak["raised_at"].as_str().unwrap().starts_with("2026-06-1"),
        "{leak}"
    );
    let wrong = scene.alarm("gateway", "clock-wrong").await;
    assert_eq!(wrong["condition"], "normal", "{wrong}");
    let (said, code) = scene.gateway.cli(&["clock", "believe", "--lang", "zh-CN"]).await;
    assert!(code == 1 && said.contains("无需确认"), "{said}");
}
