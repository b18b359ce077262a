//! A sensor nobody has described: it appears with the right guess, is accepted from the shell, and what it said
//! meanwhile counts; another is ignored for good; a broken profile is refused; a flood of names moves nothing.

use crate::estate::{LEAK_TOPIC, counter, counter_profiles, estate, leak_message};
use base64::Engine as _;
use e2e::burst::publish;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::wait::until;
use linli_domain::time::Timestamp;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// A Dragino LWL02 as it stands on the box.
const ON_THE_BOX: &str = "A8-40-41-F8-C1-87-01-01";
const EUI: &str = "a84041f8c1870101";
const DRY: &[u8] = &[0x0C, 0x1E, 2, 0, 0, 4, 0, 0, 0, 0];
const WET: &[u8] = &[0x4C, 0x1E, 2, 0, 0, 5, 0, 0, 2, 1];

#[allow(clippy::disallowed_methods, reason = "a network server has a clock")]
fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    Timestamp::from_millis(i64::try_from(now).unwrap()).to_string()
}

/// An uplink as ChirpStack publishes it.
fn uplink(counter: u32, bytes: &[u8]) -> (String, String) {
    let message = json!({
        "deduplicationId": format!("id-{counter}"),
        "time": now(),
        "deviceInfo": { "applicationName": "estate", "deviceProfileName": "leak sensor", "devEui": EUI },
        "fCnt": counter, "fPort": 10,
        "data": base64::engine::general_purpose::STANDARD.encode(bytes),
        "rxInfo": [{ "gatewayId": "0016c001f153a14c", "rssi": -87, "snr": 8.5 }],
    });
    let topic = format!("application/a/device/{EUI}/event/up");
    (topic, message.to_string())
}

async fn gateway(broker: &Mosquitto, devices: &str) -> Gateway {
    let site = Site {
        estate: estate("main", devices),
        profiles: counter_profiles(),
        broker: Some(broker.port),
        window: 1000,
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    gateway
}

/// Waits until the unknown device with this key was heard so often.
async fn heard(gateway: &Gateway, key: &str, times: u64) -> Value {
    until(&format!("{key} to be heard {times} times"), || async {
        let found = gateway.list(&format!("/api/v1/onboarding?key={key}")).await?;
        let device = found
            .into_iter()
            .find(|device| device["heard"].as_u64() >= Some(times));
        device.ok_or_else(|| format!("not yet\n{}", gateway.log()))
    })
    .await
}

async fn shell(gateway: &Gateway, arguments: &[&str]) -> String {
    let (text, code) = gateway.cli(arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {text}\n{}", gateway.log());
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_sensor_is_recognised_accepted_and_what_it_said_meanwhile_counts() {
    let broker = Mosquitto::start().await;
    let mut gateway = gateway(&broker, "").await;
    publish(
        broker.port,
        "chirpstack",
        [uplink(1, DRY), uplink(2, DRY), uplink(3, WET)],
    )
    .await;
    let device = heard(&gateway, EUI, 3).await;
    assert_eq!(device["guesses"][0]["profile"], "dragino.lwl02", "{device:#}");
    let confidence = device["guesses"][0]["confidence"].as_f64().unwrap();
    assert!(
        confidence > 0.5,
        "by its bytes alone, for nobody names its model: {device:#}"
    );
    assert!(gateway.list("/api/v1/alarms").await.unwrap().is_empty());

    // The power goes: what waits was acknowledged, so it is there again.
    gateway.kill().await;
    gateway.run().await;
    let listed = shell(&gateway, &["device", "list", "--unknown"]).await;
    assert!(
        listed.contains(EUI) && listed.contains("dragino.lwl02"),
        "{listed}"
    );
    let shown = shell(&gateway, &["device", "show", ON_THE_BOX]).await;
    assert!(
        shown.contains("leak.wet = true  good") && shown.contains("4c 1e 02"),
        "{shown}"
    );

    let accept = [
        "device",
        "accept",
        ON_THE_BOX,
        "--name",
        "Kitchen leak",
        "--asset",
        "b3-pipe",
        "--json",
    ];
    let (said, code) = gateway.cli(&accept).await;
    assert_eq!(code, 2, "a guess that is not clear is not taken: {said}");
    assert!(said.contains("dragino.lwl02"), "{said}");
    let accept = [&accept[..], &["--profile", "dragino.lwl02"]].concat();
    let done: Value = serde_json::from_str(&shell(&gateway, &accept).await).unwrap();
    assert_eq!(
        (&done["device"], &done["replayed"]["messages"]),
        (&json!(EUI), &json!(3))
    );
    let order = gateway.order_in("b3-pipe", "dispatched").await;
    assert_eq!(order["role"], "repair");
    let alarms = gateway.list("/api/v1/alarms?live=true").await.unwrap();
    assert_eq!(alarms.len(), 1, "one leak, and none for the past: {alarms:#?}");
    let readings = format!("/api/v1/points/{EUI}%2Fleak.wet/readings");
    let history = gateway.list(&readings).await.unwrap();
    let wet: Vec<bool> = history
        .iter()
        .map(|reading| reading["value"].as_bool().unwrap())
        .collect();
    assert_eq!(wet, [false, false, true]);
    assert!(gateway.list("/api/v1/onboarding").await.unwrap().is_empty());

    // From now on it is a device like any other, over another kill too; a frame it sent before is known.
    let before = gateway.dump().await.1;
    gateway.kill().await;
    gateway.run().await;
    let lines = |dump: &str| {
        dump.lines()
            .filter(|line| line.contains(EUI))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&gateway.dump().await.1), lines(&before));
    publish(broker.port, "chirpstack", [uplink(3, WET), uplink(4, DRY)]).await;
    gateway.point_is(&format!("{EUI}/leak.wet"), json!(false)).await;
    assert_eq!(gateway.list(&readings).await.unwrap().len(), 4);
    let devices = shell(&gateway, &["device", "list"]).await;
    assert!(devices.contains("Kitchen leak"), "{devices}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignored_device_stays_ignored_over_a_restart_until_it_is_forgotten() {
    let broker = Mosquitto::start().await;
    let mut gateway = gateway(&broker, "").await;
    let says = |n: u64| {
        [(
            "zigbee2mqtt/neighbour/bath".to_owned(),
            format!("{{\"water_leak\":true,\"n\":{n}}}"),
        )]
    };
    publish(broker.port, "neighbour", says(1)).await;
    heard(&gateway, "neighbour%2Fbath", 1).await;
    shell(&gateway, &["device", "ignore", "neighbour/bath"]).await;
    gateway.terminate().await;
    gateway.run().await;
    publish(broker.port, "neighbour", says(2)).await;
    until("the message to be counted", || async {
        let counted = gateway.metric("linli_onboarding_messages_total").await;
        if counted >= 1.0 {
            Ok(())
        } else {
            Err(gateway.log())
        }
    })
    .await;
    assert_eq!(
        shell(&gateway, &["device", "list", "--unknown"]).await.trim(),
        "none"
    );
    let ignored = gateway.list("/api/v1/onboarding?state=ignored").await.unwrap();
    assert_eq!(
        (ignored.len(), &ignored[0]["waiting"]),
        (1, &json!(0)),
        "{ignored:#?}"
    );
    assert_eq!(
        gateway.metric("linli_messages_rejected_total").await,
        0.0,
        "it is no fault either"
    );
    shell(&gateway, &["device", "forget", "neighbour/bath"]).await;
    publish(broker.port, "neighbour", says(3)).await;
    assert_eq!(heard(&gateway, "neighbour%2Fbath", 1).await["state"], "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_profile_is_refused_with_its_difference_while_the_old_one_goes_on() {
    let broker = Mosquitto::start().await;
    let gateway = gateway(&broker, &counter("main", "c1", false)).await;
    let says = |n: u64| [("site/plain/c1/up".to_owned(), format!("{{\"n\":{n}}}"))];
    publish(broker.port, "c1", says(1)).await;
    gateway.point_is("c1/pulse.count", json!(1.0)).await;
    let file = gateway.folder.path().join("profiles/story-plain.toml");
    let sound = std::fs::read_to_string(&file).unwrap();
    let broken = sound.replace("version = 1", "version = 2").replace(
        "measure = \"pulse.count\" }]\n\n",
        "measure = \"pulse.count\", scale = 3 }]\n\n",
    );
    assert_ne!(sound, broken);
    std::fs::write(&file, &broken).unwrap();
    let (said, code) = gateway.cli(&["device", "reload"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("story-plain.toml:") && said.contains("21") && said.contains('7'),
        "{said}"
    );
    assert!(said.contains("story.plain version 1 stays in use"), "{said}");
    assert_eq!(gateway.metric("linli_profiles_refused").await, 1.0);
    publish(broker.port, "c1", says(2)).await;
    gateway.point_is("c1/pulse.count", json!(2.0)).await;

    // The file is corrected, and noticed without a word.
    std::fs::write(&file, broken.replace("value = 7", "value = 21")).unwrap();
    until("the corrected profile to be in use", || async {
        let refused = gateway.metric("linli_profiles_refused").await;
        let profiles = gateway.get("/api/v1/profiles").await?;
        let ours = profiles["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["id"] == "story.plain")
            .cloned();
        match ours {
            Some(ours) if ours["version"] == 2 && refused == 0.0 => Ok(()),
            other => Err(format!("{other:?}, {refused} refused\n{}", gateway.log())),
        }
    })
    .await;
    publish(broker.port, "c1", says(5)).await;
    gateway.point_is("c1/pulse.count", json!(15.0)).await;
    shell(&gateway, &["device", "profiles"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_a_hundred_thousand_names_stays_bounded_and_the_rest_goes_on() {
    const NAMES: u64 = 100_000;
    let broker = Mosquitto::start().await;
    let gateway = gateway(&broker, "").await;
    publish(broker.port, "chirpstack", [uplink(1, DRY), uplink(2, WET)]).await;
    heard(&gateway, EUI, 2).await;
    let flood = (0..NAMES).map(|n| (format!("site/plain/flood-{n}/up"), format!("{{\"n\":{n}}}")));
    publish(broker.port, "flood", flood).await;
    // In the same session order: once this is read, the flood has been taken in.
    publish(broker.port, "leak", [(LEAK_TOPIC.to_owned(), leak_message(true))]).await;
    gateway.order_in("b3-pipe", "dispatched").await;
    until("the flood to be counted", || async {
        let counted = gateway.metric("linli_onboarding_messages_total").await;
        if counted >= NAMES as f64 {
            Ok(())
        } else {
            Err(format!("{counted}"))
        }
    })
    .await;
    let kept = gateway.metric("linli_onboarding_devices_new").await;
    assert!(kept <= 1000.0, "{kept} devices");
    assert!(gateway.metric("linli_onboarding_payload_bytes").await <= f64::from(8 << 20));
    assert!(gateway.metric("linli_onboarding_displaced_total").await > 0.0);
    assert_eq!(
        heard(&gateway, EUI, 2).await["waiting"],
        2,
        "who spoke before the flood is still there"
    );
    let memory = resident_mib(gateway.pid());
    assert!(memory < 150.0, "{memory} MiB");
}

/// Resident memory of a process.
fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_watched_from_the_shell() {
    let broker = Mosquitto::start().await;
    let gateway = gateway(&broker, "").await;
    let watching = gateway.cli(&["device", "watch", "leak-b3", "--count", "2", "--json"]);
    let speaking = async {
        until("somebody to watch", || async {
            let watchers = gateway.metric("linli_watchers").await;
            if watchers >= 1.0 {
                Ok(())
            } else {
                Err(gateway.log())
            }
        })
        .await;
        let topic = || LEAK_TOPIC.to_owned();
        let said = [
            (topic(), leak_message(true)),
            (topic(), "{\"water_leak\": NaN}".into()),
        ];
        publish(broker.port, "leak", said).await;
    };
    let ((said, code), ()) = tokio::join!(watching, speaking);
    assert_eq!(code, 0, "{said}");
    let heard: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(heard.len(), 2, "{said}");
    assert!(
        heard[0]["values"]
            .as_array()
            .unwrap()
            .iter()
            .any(|v| v["measure"] == "leak.wet" && v["value"] == true)
    );
    assert_eq!(heard[1]["refusal"]["reason"], "not_json");
}
