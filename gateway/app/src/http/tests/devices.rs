//! Devices and their health: what is shown of them, and that a change is told.

use super::*;

fn item<'a>(page: &'a Value, id: &str) -> &'a Value {
    let items = page["items"].as_array().unwrap();
    items.iter().find(|d| d["id"] == id).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn a_device_is_shown_with_what_is_known_of_it() {
    let story = Story::new().await;
    let page = story.get("/api/v1/devices").send().await.json();
    let quiet = item(&page, "leak-b3");
    assert_eq!(
        (&quiet["freshness"], &quiet["last_seen"], &quiet["availability"]),
        (&json!("unheard"), &Value::Null, &json!("unknown"))
    );
    assert_eq!(
        (
            &quiet["expected_interval"],
            &quiet["stale_after"],
            &quiet["silent_after"]
        ),
        (&json!("2h"), &json!("2h30m"), &json!("6h")),
        "what its profile says"
    );
    assert_eq!(item(&page, "gateway")["silent_after"], Value::Null);

    story.says("leak-b3", false).await;
    let device = story
        .until("/api/v1/devices/leak-b3", |d| {
            d["points"][0]["latest"].is_object()
        })
        .await;
    assert_eq!(
        (&device["freshness"], &device["bridge"]),
        (&json!("fresh"), &json!("main/zigbee2mqtt"))
    );
    assert!(device["last_seen"].as_str().unwrap().ends_with('Z'), "{device:#}");
    assert_eq!((&device["clock"], &device["flags"]), (&Value::Null, &json!([])));
    let points: Vec<_> = device["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["id"])
        .collect();
    assert!(points.contains(&&json!("leak-b3/leak.wet")), "{points:?}");
    let wet = story.get("/api/v1/points?measure=leak.wet").send().await.json();
    assert_eq!(wet["items"][0]["freshness"], "fresh");
}

#[tokio::test]
async fn a_point_has_its_name_before_the_live_feed_has_told_of_it() {
    let story = Story::new().await;
    story.feed.abort();
    story.says("leak-b3", false).await;
    let device = story
        .until("/api/v1/devices/leak-b3", |d| d["points"] != json!([]))
        .await;
    let points = device["points"].as_array().unwrap().iter();
    let named: Vec<_> = points.map(|point| point["id"].as_str().unwrap()).collect();
    assert_eq!(named, ["leak-b3/device.battery", "leak-b3/leak.wet"]);
}

#[tokio::test]
async fn what_is_wrong_can_be_asked_for_and_is_told_as_it_happens() {
    let story = Story::new().await;
    let mut ear = super::listening::Ear::open(&story, "?topics=devices", None).await;
    story
        .hears("zigbee2mqtt/leak-b3", "{\"battery\":9,\"water_leak\":false}")
        .await;
    story
        .hears("zigbee2mqtt/leak-b3", "{\"battery\":8,\"water_leak\":false}")
        .await;
    let (_, told) = ear.event("device").await;
    assert_eq!(
        (&told["id"], &told["flags"][0]["flag"]),
        (&json!("leak-b3"), &json!("low_battery"))
    );
    assert_eq!(
        (&told["flags"][0]["point"], &told["flags"][0]["value"]),
        (&json!("leak-b3/device.battery"), &json!(8.0))
    );
    assert_eq!(
        told["points"][0].get("latest"),
        None,
        "values have their own events"
    );

    let flagged = story.get("/api/v1/devices?flag=low_battery").send().await.json();
    assert_eq!(flagged["items"].as_array().unwrap().len(), 1);
    assert_eq!(flagged["items"][0]["id"], "leak-b3");
    let any = story
        .get("/api/v1/devices?flag=any&asset=b4-pipe")
        .send()
        .await
        .json();
    assert_eq!(any["items"], json!([]));
    let metrics = story.ask(Method::GET, "/metrics").send().await.text;
    for line in [
        "linli_devices_flagged{flag=\"low_battery\"} 1",
        "linli_devices_flagged{flag=\"stuck\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    let en = story.ask(Method::GET, "/status?lang=en").send().await.text;
    assert!(
        en.contains("battery low (Battery)") && en.contains("Devices that need care"),
        "{en}"
    );
    let zh = story.ask(Method::GET, "/status").send().await.text;
    assert!(zh.contains("电量低") && zh.contains("需要照看的设备"));

    let wrong = story.get("/api/v1/devices?flag=tired").send().await;
    assert_eq!(wrong.problem(), "bad_query");
    assert!(wrong.text.contains("poor_signal"), "it says what there is");
    assert_eq!(
        story.get("/api/v1/devices/nobody").send().await.problem(),
        "not_found"
    );
}

#[tokio::test]
async fn a_bridge_that_dies_and_comes_back_knows_nothing_of_its_devices() {
    let story = Story::new().await;
    story.says("leak-b3", false).await;
    let freshness = |device: &Value| device["freshness"].as_str().unwrap_or_default().to_owned();
    story
        .until("/api/v1/devices/leak-b3", |d| freshness(d) == "fresh")
        .await;
    story
        .hears("zigbee2mqtt/bridge/state", "{\"state\":\"offline\"}")
        .await;
    let device = story
        .until("/api/v1/devices/leak-b3", |d| freshness(d) == "silent")
        .await;
    assert_eq!(
        (&device["availability"], &device["flags"][0]["flag"]),
        (&json!("unreachable"), &json!("silent"))
    );
    let en = story.ask(Method::GET, "/status?lang=en").send().await.text;
    assert!(en.contains("not heard any more") && en.contains("bridge down"));
    story
        .hears("zigbee2mqtt/bridge/state", "{\"state\":\"online\"}")
        .await;
    let device = story
        .until("/api/v1/devices/leak-b3", |d| d["availability"] == "unknown")
        .await;
    assert_eq!(freshness(&device), "silent");
    // What the bridge repeats at once is what it remembers.
    story.says("leak-b3", true).await;
    // It may warn, and nobody heard it.
    story
        .until("/api/v1/points/leak-b3%2Fleak.wet", |point| {
            point["latest"]["reason"] == "retained"
        })
        .await;
    story
        .until("/api/v1/alarms?class=leak", |page| page["items"][0].is_object())
        .await;
    let alarms = story.get("/api/v1/alarms?class=bridge-lost").send().await.json();
    assert_eq!(alarms["items"][0]["asset"], "gateway", "{alarms:#}");
    assert_eq!(
        freshness(&story.get("/api/v1/devices/leak-b3").send().await.json()),
        "silent"
    );
}

#[tokio::test]
async fn devices_are_paged_in_the_order_of_the_estate() {
    let story = Story::new().await;
    let mut seen = Vec::new();
    let mut next = "/api/v1/devices?limit=2".to_owned();
    loop {
        let page = story.get(&next).send().await.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|d| d["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("/api/v1/devices?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["leak-b3", "leak-b4", "gateway"]);
}
