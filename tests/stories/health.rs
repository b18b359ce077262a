//! Sensor health: devices that lost their time, send yesterday's records, sleep, hang behind a bridge that dies, froze
//! or jump. Each is told to the real program through mosquitto, and what is known of it survives kill -9.

use crate::estate::{LEAK_TOPIC, estate, leak_message};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::publisher::say;
use e2e::wait::until;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const HOUR_MS: i64 = 3_600_000;

#[allow(clippy::disallowed_methods, reason = "a device has a clock")]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Thermometers that tell the time, and an always-on leak sensor beside the one that sleeps.
const DEVICES: &str = r#"
[[devices]]
id = "lost"
profile = "generic.json-bin"
name = { zh = "时钟丢失", en = "Lost its time" }
address = { mqtt = "main", key = "lost" }

[[devices]]
id = "zone"
profile = "generic.json-bin"
name = { zh = "时区错误", en = "In another zone" }
address = { mqtt = "main", key = "zone" }

[[devices]]
id = "late"
profile = "generic.json-bin"
name = { zh = "补传", en = "Catches up" }
address = { mqtt = "main", key = "late" }

[[devices]]
id = "frozen"
profile = "generic.json-bin-untimed"
name = { zh = "冻结", en = "Frozen" }
address = { mqtt = "main", key = "frozen" }
health = { stuck_after = "1s" }

[[devices]]
id = "mains"
profile = "story.mains"
name = { zh = "市电漏水", en = "Leak sensor on mains" }
address = { mqtt = "main", key = "b3/mains" }
asset = "b3-pipe"
"#;

/// The same sensor on mains: it never sleeps.
fn mains() -> (String, String) {
    let text = "id = \"story.mains\"\ntitle = \"Leak sensor on mains\"\nversion = 1\nexpected_interval = \"2h\"\n\n[json]\n\
         values = [{ at = \"/water_leak\", measure = \"leak.wet\" }]\n\n[[tests]]\nname = \"wet\"\n\
         json = '{\"water_leak\": true}'\nexpect = [{ measure = \"leak.wet\", value = true }]\n";
    ("story-mains.toml".into(), text.into())
}

async fn started(broker: &Mosquitto) -> Gateway {
    let site = Site {
        estate: estate("main", DEVICES),
        broker: Some(broker.port),
        profiles: vec![mains()],
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    gateway
}

/// A thermometer says so, its clock ahead by so much.
async fn thermometer(broker: &Mosquitto, device: &str, celsius: f64, ahead_ms: i64) {
    let payload = format!("{{\"ts\":{},\"temp\":{celsius}}}", now_ms() + ahead_ms);
    say(broker.port, &format!("site/bin/{device}/up"), &payload, false).await;
}

/// What the engine knows of the devices and points of the story, without the gateway's own.
fn known(dump: &str) -> Vec<String> {
    let of_health = ["point", "device", "flag", "vital", "bridge", "profile", "watch"];
    let lines = dump.lines().filter(|line| !line.contains("gateway"));
    lines
        .filter(|line| of_health.iter().any(|word| line.starts_with(word)))
        .map(str::to_owned)
        .collect()
}

/// SIGKILL and a new start: everything known is known again, to the letter.
async fn killed(gateway: &mut Gateway) {
    let before = known(&gateway.dump().await.1);
    gateway.kill().await;
    gateway.run().await;
    let after = known(&gateway.dump().await.1);
    assert!(
        before.iter().any(|line| line.starts_with("device ")),
        "{before:#?}"
    );
    assert_eq!(
        before, after,
        "what is known of the devices differs after kill -9"
    );
    gateway.subscribed().await;
}

async fn latest(gateway: &Gateway, point: &str) -> Value {
    until("the point to have a reading", || async {
        let points = gateway.list("/api/v1/points?limit=500").await?;
        let found = points
            .iter()
            .find(|p| p["id"] == point && p["latest"].is_object());
        found.map(|p| p["latest"].clone()).ok_or_else(|| point.to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_found_and_survives_a_kill() {
    let broker = Mosquitto::start().await;
    let mut gateway = started(&broker).await;
    thermometer(&broker, "lost", 21.0, 5_000 - now_ms()).await;
    let lost = gateway.flags_are("lost", &["clock"]).await;
    assert_eq!(
        (&lost["clock"]["unset"], &lost["clock"]["skew_s"]),
        (&json!(true), &Value::Null)
    );
    let reading = latest(&gateway, "lost/temperature").await;
    assert_eq!(
        (&reading["reason"], &reading["observed_at"]),
        (&json!("clock_unset"), &reading["received_at"])
    );

    // Samples are taken at most every ten seconds, a surprise at once: the first two tell.
    thermometer(&broker, "zone", 20.0, 8 * HOUR_MS).await;
    until("the zone to be found", || async {
        thermometer(&broker, "zone", 20.0, 8 * HOUR_MS).await;
        let zone = gateway.get("/api/v1/devices/zone").await?;
        if zone["flags"][0]["flag"] == "clock" {
            Ok(())
        } else {
            Err(format!("{zone:#}"))
        }
    })
    .await;
    let skew = gateway.get("/api/v1/devices/zone").await.unwrap()["clock"]["skew_s"]
        .as_f64()
        .unwrap();
    assert!((skew - 28_800.0).abs() < 30.0, "{skew}");
    assert_eq!(
        latest(&gateway, "zone/temperature").await["reason"],
        "clock_ahead"
    );

    killed(&mut gateway).await;
    let zone = gateway.flags_are("zone", &["clock"]).await;
    assert_eq!(zone["clock"]["skew_s"].as_f64(), Some(skew));
    assert!((gateway.metric("linli_devices_flagged{flag=\"clock\"}").await - 2.0).abs() < 0.1);
    let (table, code) = gateway.cli(&["device", "health"]).await;
    assert!(
        code == 0 && table.contains("1970") && table.contains("+28"),
        "{table}"
    );
    assert!(table.contains("clock wrong"), "{table}");
    let (json, code) = gateway.cli(&["--json", "device", "health", "zone"]).await;
    let one: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &one["id"]), (0, &json!("zone")));
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_records_become_history_and_call_nobody() {
    let broker = Mosquitto::start().await;
    let mut gateway = started(&broker).await;
    thermometer(&broker, "late", 21.0, 0).await;
    gateway.point_is("late/temperature", json!(21.0)).await;
    for hours in (1..=24).rev() {
        thermometer(
            &broker,
            "late",
            99.0 + f64::from(hours),
            -i64::from(hours) * HOUR_MS,
        )
        .await;
    }
    let path = "/api/v1/points/late%2Ftemperature/readings?limit=100";
    until("the records to be stored", || async {
        let readings = gateway.list(path).await?;
        if readings.len() >= 24 {
            Ok(())
        } else {
            Err(format!("{} readings", readings.len()))
        }
    })
    .await;
    assert_eq!(
        latest(&gateway, "late/temperature").await["value"],
        21.0,
        "newer than all of them"
    );
    killed(&mut gateway).await;
    assert_eq!(latest(&gateway, "late/temperature").await["value"], 21.0);
    gateway.flags_are("late", &[]).await;
    assert!(
        gateway.metric("linli_readings_late_total").await < 1.0,
        "counted before the kill"
    );
    assert!(gateway.list("/api/v1/alarms").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sensor_sleeps_another_is_gone_and_a_bridge_takes_both() {
    let broker = Mosquitto::start().await;
    let mut gateway = started(&broker).await;
    let mains_topic = "zigbee2mqtt/b3/mains";
    say(broker.port, LEAK_TOPIC, &leak_message(false), false).await;
    say(broker.port, mains_topic, "{\"water_leak\":true}", false).await;
    gateway.point_is("leak-b3/leak.wet", json!(false)).await;
    gateway.order_in("b3-pipe", "dispatched").await;

    // Both say good-bye. For one that is the way it lives, for the other it is the end.
    say(
        broker.port,
        "zigbee2mqtt/b3/pipe/availability",
        "{\"state\":\"offline\"}",
        true,
    )
    .await;
    say(
        broker.port,
        "zigbee2mqtt/b3/mains/availability",
        "{\"state\":\"offline\"}",
        true,
    )
    .await;
    let gone = gateway.flags_are("mains", &["silent"]).await;
    assert_eq!(
        (&gone["availability"], &gone["freshness"]),
        (&json!("offline"), &json!("silent"))
    );
    let asleep = gateway.flags_are("leak-b3", &[]).await;
    assert_eq!(
        (&asleep["availability"], &asleep["freshness"]),
        (&json!("asleep"), &json!("fresh"))
    );
    // A shipped rule says that a sensor is silent; the rule of this story does not know any more.
    let alarms = gateway.list("/api/v1/alarms").await.unwrap();
    let alarm = alarms
        .iter()
        .find(|alarm| alarm["class"] != "silent")
        .unwrap()
        .clone();
    assert_eq!(alarm["state"], "unknown", "nobody knows whether it is still wet");
    killed(&mut gateway).await;
    gateway.flags_are("mains", &["silent"]).await;

    say(
        broker.port,
        "zigbee2mqtt/bridge/state",
        "{\"state\":\"offline\"}",
        true,
    )
    .await;
    let unheard = gateway.flags_are("leak-b3", &["silent"]).await;
    assert_eq!(
        (&unheard["availability"], &unheard["bridge"]),
        (&json!("unreachable"), &json!("main/zigbee2mqtt"))
    );
    killed(&mut gateway).await;
    say(
        broker.port,
        "zigbee2mqtt/bridge/state",
        "{\"state\":\"online\"}",
        true,
    )
    .await;
    until("the bridge to be back", || async {
        let device = gateway.get("/api/v1/devices/leak-b3").await?;
        let seen = (device["availability"].as_str(), device["freshness"].as_str());
        if seen == (Some("unknown"), Some("silent")) {
            Ok(())
        } else {
            Err(format!("{device:#}"))
        }
    })
    .await;
    // It repeats at once what it remembers, and then the sensor itself speaks.
    say(broker.port, LEAK_TOPIC, &leak_message(false), false).await;
    until("the sensor to be heard", || async {
        say(broker.port, LEAK_TOPIC, &leak_message(false), false).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let device = gateway.get("/api/v1/devices/leak-b3").await?;
        if device["freshness"] == "fresh" {
            Ok(())
        } else {
            Err(format!("{device:#}"))
        }
    })
    .await;
    gateway.flags_are("leak-b3", &[]).await;
    gateway.flags_are("mains", &["silent"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_thermometer_and_one_that_jumps_are_told() {
    let broker = Mosquitto::start().await;
    let mut gateway = started(&broker).await;
    until("the thermometer to be frozen", || async {
        say(broker.port, "site/plain/frozen/up", "{\"temp\":21.5}", false).await;
        let device = gateway.get("/api/v1/devices/frozen").await?;
        if device["flags"][0]["flag"] == "stuck" {
            Ok(())
        } else {
            Err(format!("{device:#}"))
        }
    })
    .await;
    killed(&mut gateway).await;
    let stuck = gateway.flags_are("frozen", &["stuck"]).await;
    assert_eq!(
        (&stuck["flags"][0]["value"], &stuck["flags"][0]["point"]),
        (&json!(21.5), &json!("frozen/temperature"))
    );
    say(broker.port, "site/plain/frozen/up", "{\"temp\":21.7}", false).await;
    gateway.flags_are("frozen", &[]).await;
    say(broker.port, "site/plain/frozen/up", "{\"temp\":-127}", false).await;
    let jumped = gateway.flags_are("frozen", &["jump"]).await;
    assert_eq!(jumped["flags"][0]["value"], -127.0);
    let reading = latest(&gateway, "frozen/temperature").await;
    assert_eq!(
        (&reading["quality"], &reading["reason"]),
        (&json!("uncertain"), &json!("impossible_jump"))
    );
    killed(&mut gateway).await;
    gateway.flags_are("frozen", &["jump"]).await;
    say(broker.port, "site/plain/frozen/up", "{\"temp\":21.8}", false).await;
    gateway.point_is("frozen/temperature", json!(21.8)).await;
    assert_eq!(
        latest(&gateway, "frozen/temperature").await["quality"],
        "good",
        "the sensor is itself again"
    );
}
