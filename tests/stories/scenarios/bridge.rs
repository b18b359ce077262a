//! A Zigbee bridge that dies: one call for the bridge, and one for each device that does not come back with it.

use super::{MINUTE, PUMPS, SECOND, SECOND_ROOM, Scene};
use crate::estate::leak_message;
use e2e::wait::until;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::LastWill;
use rumqttc::v5::{AsyncClient, MqttOptions};
use serde_json::{Value, json};

const STATE: &str = "zigbee2mqtt/bridge/state";
const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

/// The bridge as the broker knows it: with a will, and its state retained.
struct Bridge(tokio::task::JoinHandle<()>);

impl Bridge {
    async fn starts(port: u16) -> Self {
        let mut options = MqttOptions::new("zigbee2mqtt", "127.0.0.1", port);
        let (offline, online) = (r#"{"state":"offline"}"#, r#"{"state":"online"}"#);
        options.set_last_will(LastWill::new(STATE, offline, QoS::AtLeastOnce, true, None));
        let (client, mut events) = AsyncClient::new(options, 10);
        client
            .publish(STATE, QoS::AtLeastOnce, true, online)
            .await
            .expect("room in its queue");
        Self(tokio::spawn(async move {
            while events.poll().await.is_ok() {}
            drop(client);
        }))
    }

    /// Its process is gone, and with it its connection; the broker says the rest.
    fn dies(self) {
        self.0.abort();
    }
}

impl Scene {
    async fn bridge_is(&self, up: bool) {
        until(&format!("the bridge to be up: {up}"), || async {
            let points = self.gateway.list("/api/v1/points?device=gateway").await?;
            let found = points
                .iter()
                .find(|p| p["id"] == "gateway/gateway.bridge_ok/main/zigbee2mqtt");
            match found.map(|point| &point["latest"]["value"]) {
                Some(Value::Bool(said)) if *said == up => Ok(()),
                other => Err(format!("{other:?}\n{}", self.gateway.log())),
            }
        })
        .await;
        self.gateway.settled().await;
    }

    async fn second_rope_says(&self, wet: bool) {
        self.says("zigbee2mqtt/b4/pumps", &leak_message(wet), "rope-l4/leak.wet")
            .await;
    }

    /// How often the group read of a lost sensor.
    fn calls_for_sensors(&self) -> usize {
        let said = self.said();
        said.iter()
            .filter(|text| text.contains("Leak sensor silent"))
            .count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_dies_is_one_call_and_its_devices_one_by_one_if_they_outlive_it() {
    let scene = Scene::at("2026-06-11T10:00:00+08:00", SECOND_ROOM).await;
    let bridge = Bridge::starts(scene.broker.port).await;
    scene.bridge_is(true).await;
    scene.walk(MINUTE, MINUTE).await;
    scene.rope_says(false).await;
    scene.second_rope_says(false).await;
    scene.walk(MINUTE, MINUTE).await;

    bridge.dies();
    scene.bridge_is(false).await;
    let lost = scene.alarm("gateway", "bridge-lost").await;
    assert_eq!(
        (&lost["condition"], &lost["priority"]),
        (&json!("active"), &json!("P3"))
    );
    for room in [PUMPS, "b4-pumps"] {
        let silent = scene.alarm(room, "silent").await;
        assert_eq!(
            (&silent["state"], &silent["suppressed_by"]),
            (&json!("suppressed"), &lost["id"]),
            "{silent:#}"
        );
        assert!(scene.orders(room, "device").await.is_empty());
    }
    scene.walk(20 * MINUTE, MINUTE).await;
    scene.all_said().await;
    let said = scene.said();
    assert_eq!(
        (
            said.iter()
                .filter(|text| text.contains("alarm A bridge is lost"))
                .count(),
            scene.calls_for_sensors()
        ),
        (1, 0),
        "{said:#?}"
    );

    // Back: it has not heard its devices yet, and they have as long to speak as they ever had.
    let _bridge = Bridge::starts(scene.broker.port).await;
    scene.bridge_is(true).await;
    scene.walk(MINUTE, SECOND).await;
    assert_eq!(scene.alarm("gateway", "bridge-lost").await["condition"], "normal");
    scene.rope_says(false).await;
    scene.walk(3 * HOUR, 10 * MINUTE).await;
    scene.rope_says(false).await;
    scene.walk(2 * HOUR + 50 * MINUTE, 10 * MINUTE).await;
    scene.all_said().await;
    assert_eq!(scene.alarm(PUMPS, "silent").await["condition"], "normal");
    assert_eq!(scene.alarm("b4-pumps", "silent").await["state"], "suppressed");
    assert_eq!(scene.calls_for_sensors(), 0, "{:#?}", scene.said());

    // Six hours after the bridge the second rope has still said nothing: somebody has to go and look.
    scene.walk(20 * MINUTE, MINUTE).await;
    scene.all_said().await;
    assert_eq!(scene.alarm("b4-pumps", "silent").await["state"], "active_unack");
    assert_eq!(scene.orders("b4-pumps", "device").await[0]["state"], "dispatched");
    assert_eq!(scene.calls_for_sensors(), 1, "{:#?}", scene.said());
    assert!(scene.orders(PUMPS, "device").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_left_the_configuration_is_not_lost_for_ever_and_its_devices_are_heard_of() {
    let mut scene = Scene::at("2026-06-11T10:00:00+08:00", SECOND_ROOM).await;
    let bridge = Bridge::starts(scene.broker.port).await;
    scene.bridge_is(true).await;
    scene.rope_says(false).await;
    scene.second_rope_says(false).await;
    scene.walk(MINUTE, MINUTE).await;
    bridge.dies();
    scene.bridge_is(false).await;
    assert_eq!(scene.alarm("gateway", "bridge-lost").await["condition"], "active");
    // A start alone changes nothing: it is configured, and lost.
    scene.gateway.terminate().await;
    scene.gateway.run().await;
    scene.gateway.subscribed().await;
    scene.walk(2 * MINUTE, 10 * SECOND).await;
    scene.bridge_is(false).await;

    // It is taken down for good, and so is its line in the configuration.
    scene.gateway.terminate().await;
    let family = "[[mqtt.subscriptions]]\nfamily = \"zigbee2mqtt\"\n";
    scene.gateway.configure(|text| text.replace(family, ""));
    scene.gateway.run().await;
    scene.gateway.subscribed().await;
    scene.bridge_is(true).await;
    scene.walk(20 * SECOND, 10 * SECOND).await;
    assert_eq!(scene.alarm("gateway", "bridge-lost").await["condition"], "normal");
    scene.walk(7 * HOUR, 10 * MINUTE).await;
    for room in [PUMPS, "b4-pumps"] {
        let silent = scene.alarm(room, "silent").await;
        assert_eq!(silent["state"], "active_unack", "{silent:#}");
    }
}
