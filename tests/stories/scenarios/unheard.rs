//! A sensor whose address was written down wrong: nobody ever hears it, and somebody is told.

use super::{MINUTE, SECOND, Scene};
use e2e::publisher::say;
use e2e::wait::until;

/// A second rope, which its network calls something else than the estate does.
const MISTYPED: &str = r#"
[[devices]]
id = "rope-l4"
profile = "aqara.sjcgq11lm"
name = { zh = "漏水绳 L4", en = "Leak rope L4" }
address = { mqtt = "main", key = "b3/pumsp-2" }
asset = "b3-pumps"
expected_interval = "5m"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_was_never_heard_is_told_until_it_is() {
    let scene = Scene::at("2026-06-11T09:00:00+08:00", MISTYPED).await;
    scene.rope_says(false).await;
    scene.walk(14 * MINUTE, MINUTE).await;
    assert!(scene.alarms("gateway", "devices-unheard").await.is_empty());
    scene.walk(2 * MINUTE, MINUTE).await;
    // How many there are is looked at now and then, while time passes.
    let is = |condition: &'static str| {
        let scene = &scene;
        async move {
            until(&format!("the alarm to be {condition}"), || async {
                scene.walk(SECOND, SECOND).await;
                let alarms = scene.alarms("gateway", "devices-unheard").await;
                match alarms.first() {
                    Some(alarm) if alarm["condition"] == condition => Ok(alarm.clone()),
                    _ => Err(format!("{alarms:#?}\n{}", scene.gateway.log())),
                }
            })
            .await
        }
    };
    let raised = is("active").await;
    assert_eq!(raised["value"], 1.0, "{raised:#}");
    let devices = scene.gateway.list("/api/v1/devices?limit=500").await.unwrap();
    let rope = devices.iter().find(|device| device["id"] == "rope-l4").unwrap();
    assert!(rope["last_seen"].is_null(), "{rope:#}");

    // Its network learns the name the estate has for it.
    let topic = "zigbee2mqtt/b3/pumsp-2";
    say(
        scene.broker.port,
        topic,
        &crate::estate::leak_message(false),
        false,
    )
    .await;
    is("normal").await;
}
