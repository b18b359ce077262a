//! Unknown devices: shown with what they may be, accepted, ignored, forgotten.

use super::*;

const EUI: &str = "a84041f8c1870101";

impl Story {
    /// An uplink of a LoRaWAN device nobody has described; `data` in base64.
    async fn uplink(&self, counter: u32, data: &str) {
        self.uplink_of("2026-01-31T12:00:00Z", counter, data).await;
    }

    /// The same with the time its network server gave it.
    async fn uplink_of(&self, time: &str, counter: u32, data: &str) {
        let message = json!({
            "time": time, "fCnt": counter, "fPort": 10, "data": data,
            "deviceInfo": { "devEui": EUI, "deviceProfileName": "Dragino LWL02" },
        });
        let topic = format!("application/a/device/{EUI}/event/up");
        self.hears(&topic, &message.to_string()).await;
    }

    /// The one unknown device, once it is there.
    async fn stranger(&self) -> Value {
        let page = self
            .until("/api/v1/onboarding", |page| page["items"][0].is_object())
            .await;
        page["items"][0].clone()
    }
}

/// Wet since two minutes: `4c1e 02 000005 000002 01`.
const WET: &str = "TB4CAAAFAAACAQ==";
const DRY: &str = "DB4CAAAEAAAAAA==";

fn acceptance() -> Value {
    json!({ "profile": "dragino.lwl02", "name": { "zh": "厨房漏水", "en": "Kitchen leak" }, "asset": "b4-pipe" })
}

#[tokio::test]
async fn an_unknown_sensor_is_shown_with_its_messages_and_what_it_may_be() {
    let story = Story::new().await;
    story.uplink(1, DRY).await;
    story.uplink(2, WET).await;
    let found = story
        .until("/api/v1/onboarding", |page| page["items"][0]["heard"] == 2)
        .await;
    let device = &found["items"][0];
    assert_eq!(
        (
            &device["key"],
            &device["state"],
            &device["waiting"],
            &device["family"]
        ),
        (&json!(EUI), &json!("new"), &json!(2), &json!("chirpstack-v4"))
    );
    let guess = &device["guesses"][0];
    assert_eq!(
        (&guess["profile"], &guess["because"]),
        (&json!("dragino.lwl02"), &json!("named"))
    );
    assert!(guess["confidence"].as_f64().unwrap() > 0.9, "{guess:#}");
    assert_ne!(guess["because_text"]["zh"], "");

    let path = format!("/api/v1/onboarding/{}", device["id"]);
    let shown = story.get(&path).send().await.json();
    assert_eq!(shown["shown_with"], "dragino.lwl02");
    let wet = shown["messages"][1]["values"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["measure"] == "leak.wet");
    assert_eq!(wet.unwrap()["value"], true);
    assert!(
        shown["messages"][0]["payload"]["text"]
            .as_str()
            .unwrap()
            .contains(DRY)
    );
    assert_eq!(shown["messages"][1]["application"]["hex"], "4c1e0200000500000201");
    let otherwise = story
        .get(&format!("{path}?profile=bosch.tps110"))
        .send()
        .await
        .json();
    assert_eq!(
        otherwise["messages"][0]["refusal"]["reason"], "unknown_case",
        "{otherwise:#}"
    );
    assert_eq!(
        story
            .get(&format!("{path}?profile=no.such"))
            .send()
            .await
            .problem(),
        "not_found"
    );
    let by_key = story
        .get(&format!("/api/v1/onboarding?key={EUI}&state=new"))
        .send()
        .await
        .json();
    assert_eq!(by_key["items"].as_array().unwrap().len(), 1);
    let ignored = story.get("/api/v1/onboarding?state=ignored").send().await.json();
    assert_eq!(ignored["items"], json!([]));
}

#[tokio::test]
async fn an_accepted_sensor_is_in_the_estate_and_what_waited_is_read() {
    let story = Story::new().await;
    story.uplink(1, WET).await;
    let device = story.stranger().await;
    let path = format!("/api/v1/onboarding/{}/accept", device["id"]);
    let staff = story.post(&path).version(1).json(&acceptance()).send().await;
    assert_eq!(staff.problem(), "forbidden");
    assert_eq!(
        story.manage(&path).json(&acceptance()).send().await.problem(),
        "precondition_required"
    );
    let ask = || story.manage(&path).version(1).with("idempotency-key", "k-1");
    let done = ask().json(&acceptance()).send().await;
    assert_eq!(done.status, 200, "{done:?}");
    let answer = done.json();
    assert_eq!(
        (&answer["device"], &answer["estate_version"]),
        (&json!(EUI), &json!(2))
    );
    assert_eq!(answer["replayed"]["messages"], 1);
    let again = ask().json(&acceptance()).send().await;
    assert_eq!(
        (again.header("idempotency-replayed"), again.json()),
        ("true", answer)
    );
    let late = story.manage(&path).version(1).json(&acceptance()).send().await;
    assert_eq!(late.problem(), "not_found", "it is no unknown device any more");

    let order = story
        .until("/api/v1/orders", |page| page["items"][0]["asset"] == "b4-pipe")
        .await;
    assert_eq!(order["items"][0]["state"], "dispatched", "it is still wet");
    let is_it = |device: &&Value| device["id"] == EUI;
    let listed = |estate: &Value| estate["devices"].as_array().unwrap().iter().find(is_it).cloned();
    // What was heard last is told by the live feed, which follows the commit.
    let estate = story
        .until("/api/v1/estate", |estate| {
            listed(estate).is_some_and(|device| device["last_seen_at"].is_string())
        })
        .await;
    assert_eq!(listed(&estate).unwrap()["address"], format!("mqtt/main/{EUI}"));
    // The same uplink through another gateway is known.
    let before = story.http.metrics.duplicates.get();
    story.uplink(1, WET).await;
    story.uplink(2, DRY).await;
    story
        .until("/api/v1/points?measure=leak.wet", |page| {
            page["items"][0]["latest"]["value"] == false
        })
        .await;
    assert_eq!(story.http.metrics.duplicates.get(), before + 1);
    // One that is cut short says where, in the bytes of the sensor and not of its envelope.
    story.uplink(3, "DB4C").await;
    let refused = story
        .until("/api/v1/rejects", |page| page["items"][0].is_object())
        .await;
    let refused = &refused["items"][0];
    assert_eq!(
        (&refused["reason"], &refused["device"]),
        (&json!("truncated"), &json!(EUI))
    );
    assert_eq!(refused["application"], json!({ "f_port": 10, "hex": "0c1e02" }));
    assert!(
        refused["detail_text"]["zh"].as_str().unwrap().contains("偏移 3"),
        "{refused:#}"
    );
}

#[tokio::test]
async fn a_decision_that_makes_no_sense_names_every_problem() {
    let story = Story::new().await;
    story.uplink(1, WET).await;
    let device = story.stranger().await;
    let path = format!("/api/v1/onboarding/{}/accept", device["id"]);
    let refuse = |change: fn(&mut Value)| {
        let mut body = acceptance();
        change(&mut body);
        let asking = story.manage(&path).version(1).json(&body);
        asking.send()
    };
    let refused = refuse(|body| {
        body["asset"] = json!("nowhere");
        body["name"]["en"] = json!("");
        body["device"] = json!("leak-b3");
    })
    .await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (422, "estate_invalid")
    );
    assert_eq!(
        refused.json()["errors"].as_array().unwrap().len(),
        3,
        "{refused:?}"
    );
    let refused = refuse(|body| body["profile"] = json!("dragino.lwl2")).await;
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("did you mean"),
        "{refused:?}"
    );
    let refused = refuse(|body| body["typo"] = json!(1)).await;
    assert_eq!(refused.problem(), "invalid_body");
    assert_eq!(story.get("/api/v1/estate").send().await.json()["version"], 1);
}

#[tokio::test]
async fn ignored_and_forgotten_and_heard_again() {
    let story = Story::new().await;
    story.says("neighbour", true).await;
    let device = story.stranger().await;
    let path = format!("/api/v1/onboarding/{}", device["id"]);
    let ignored = story.manage(&format!("{path}/ignore")).version(1).send().await;
    assert_eq!(
        (ignored.status.as_u16(), ignored.header("etag")),
        (200, "\"2\""),
        "{ignored:?}"
    );
    let shown = story.get(&path).send().await;
    assert_eq!(
        (shown.json()["state"].clone(), shown.json()["messages"].clone()),
        (json!("ignored"), json!([]))
    );
    assert_eq!(shown.header("etag"), "\"2\"");
    let forget = |version| {
        story
            .ask(Method::DELETE, &path)
            .token(&story.manager)
            .version(version)
            .send()
    };
    assert_eq!(forget(1).await.problem(), "version_conflict");
    assert_eq!(forget(2).await.status, 200);
    assert_eq!(story.get(&path).send().await.problem(), "not_found");
    story.says("neighbour", true).await;
    assert_eq!(story.stranger().await["state"], "new");
    let audit = linli_ledger::Reader::open(story.folder.path())
        .unwrap()
        .audit(linli_ledger::Page::newest(100))
        .unwrap();
    let actions: Vec<&str> = audit.iter().map(|entry| entry.row.action.as_str()).collect();
    assert!(
        actions.contains(&"device.ignored") && actions.contains(&"device.forgotten"),
        "{actions:?}"
    );
}

#[tokio::test]
async fn what_a_bridge_lists_can_be_accepted_before_it_speaks_and_is_read_by_what_it_exposes() {
    let story = Story::new().await;
    let listed = json!([
        { "type": "Coordinator", "friendly_name": "Coordinator", "definition": null },
        { "type": "EndDevice", "friendly_name": "leak-b3", "definition": { "vendor": "Aqara", "model": "SJCGQ11LM" } },
        { "type": "EndDevice", "friendly_name": "flat45/window", "power_source": "Battery", "definition": {
            "vendor": "Tuya", "model": "ZG-102Z", "exposes": [
                { "type": "binary", "property": "contact", "access": 1, "value_on": false, "value_off": true },
                { "type": "numeric", "property": "battery", "access": 1, "unit": "%" } ] } },
    ]);
    story
        .hears("zigbee2mqtt/bridge/devices", &listed.to_string())
        .await;
    let device = story.stranger().await;
    assert_eq!(
        (
            &device["key"],
            &device["heard"],
            &device["vendor"],
            &device["model"]
        ),
        (
            &json!("flat45/window"),
            &json!(0),
            &json!("Tuya"),
            &json!("ZG-102Z")
        ),
        "what is in the estate, and the radio, are not unknown"
    );
    let guess = &device["guesses"][0];
    assert_eq!(
        (&guess["profile"], &guess["because"]),
        (&json!("announced"), &json!("announced"))
    );
    story
        .hears("zigbee2mqtt/flat45/window", r#"{"contact":false,"battery":97}"#)
        .await;
    let path = format!("/api/v1/onboarding/{}", device["id"]);
    let shown = story.until(&path, |shown| shown["heard"] == 1).await;
    assert_eq!(shown["shown_with"], "announced");
    assert_eq!(
        shown["messages"][0]["values"][0]["measure"], "door.open",
        "{shown:#}"
    );

    let accept = story.manage(&format!("{path}/accept")).version(1);
    let name = json!({ "zh": "45户窗", "en": "Window of flat 45" });
    let body = json!({ "profile": "announced", "name": name, "device": "window-45" });
    let done = accept.json(&body).send().await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(done.json()["replayed"]["readings"], 2);
    story
        .until("/api/v1/points?device=window-45&measure=door.open", |page| {
            page["items"][0]["latest"]["value"] == true
        })
        .await;
    // Its list comes again at every start of the bridge.
    story
        .hears("zigbee2mqtt/bridge/devices", &listed.to_string())
        .await;
    story
        .hears("zigbee2mqtt/flat45/window", r#"{"contact":true}"#)
        .await;
    story
        .until("/api/v1/points?device=window-45&measure=door.open", |page| {
            page["items"][0]["latest"]["value"] == false
        })
        .await;
    let left = story.get("/api/v1/onboarding").send().await.json();
    assert_eq!(left["items"], json!([]));
}

#[tokio::test]
async fn a_leak_that_was_over_before_its_sensor_was_accepted_is_found_as_late_and_by_no_other_name() {
    let story = Story::new().await;
    let minutes_ago = |minutes: u64| {
        let ago = Duration::from_secs(minutes * 60);
        story.http.clock.now().wall.minus(ago).to_string()
    };
    story.uplink_of(&minutes_ago(20), 1, WET).await;
    story.uplink_of(&minutes_ago(10), 2, DRY).await;
    let heard = |page: &Value| page["items"][0]["heard"] == 2;
    let page = story.until("/api/v1/onboarding", heard).await;
    let device = &page["items"][0];
    story.says("leak-b3", true).await;
    story
        .until("/api/v1/alarms", |page| page["items"][0].is_object())
        .await;
    let path = format!("/api/v1/onboarding/{}/accept", device["id"]);
    let done = story.manage(&path).version(1).json(&acceptance()).send().await;
    assert_eq!(done.json()["replayed"]["messages"], 2, "{done:?}");

    let late = story
        .until("/api/v1/alarms?late=true", |page| page["items"][0].is_object())
        .await;
    let late = late["items"].as_array().unwrap();
    assert_eq!(late.len(), 1, "{late:#?}");
    assert_eq!(
        (&late[0]["asset"], &late[0]["state"], &late[0]["live"]),
        (&json!("b4-pipe"), &json!("late"), &json!(false))
    );
    let others = story.get("/api/v1/alarms?late=false").send().await.json();
    let assets: Vec<_> = others["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["asset"])
        .collect();
    assert_eq!(assets, [&json!("b3-pipe")]);
    let all = story.get("/api/v1/alarms").send().await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let orders = story.get("/api/v1/orders?asset=b4-pipe").send().await.json();
    assert_eq!(orders["items"], json!([]), "nobody was called for it");
}

#[tokio::test]
async fn a_device_that_says_nothing_of_itself_cannot_have_the_announced_profile() {
    let story = Story::new().await;
    story.uplink(1, WET).await;
    let device = story.stranger().await;
    let path = format!("/api/v1/onboarding/{}/accept", device["id"]);
    let mut body = acceptance();
    body["profile"] = json!("announced");
    let refused = story.manage(&path).version(1).json(&body).send().await;
    assert_eq!(refused.problem(), "invalid_body");
    assert!(refused.text.contains("has not announced"), "{refused:?}");
}
