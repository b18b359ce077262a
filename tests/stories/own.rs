//! What the gateway says about itself becomes an alarm of its own, and goes when it is mended.

use crate::estate::{counter, counter_profiles, estate};
use e2e::gateway::{Gateway, Site};
use e2e::wait::until;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

async fn alarm_is(gateway: &Gateway, class: &str, condition: &str) -> Value {
    until(&format!("the alarm {class} to be {condition}"), || async {
        let alarms = gateway.list("/api/v1/alarms").await?;
        let found = alarms.iter().find(|alarm| alarm["class"] == class);
        match found {
            Some(alarm) if alarm["condition"] == condition => Ok(alarm.clone()),
            _ => Err(format!("{alarms:#?}\n{}", gateway.log())),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_nobody_has_made_for_nine_days_is_an_alarm_until_one_is_made() {
    let mut gateway = Gateway::start(&Site {
        estate: estate("embedded", &counter("embedded", "c1", false)),
        profiles: counter_profiles(),
        ..Site::default()
    })
    .await;
    let (said, code) = gateway.cli(&["backup"]).await;
    assert_eq!(code, 0, "{said}");
    gateway.terminate().await;
    let note = gateway.data().join("backup.last");
    let mut last: Value = serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    #[allow(clippy::disallowed_methods, reason = "a note of nine days ago")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    last["at"] = json!(u64::try_from(now).unwrap() - 9 * 86_400_000);
    std::fs::write(&note, last.to_string()).unwrap();

    gateway.run().await;
    let raised = alarm_is(&gateway, "backup-old", "active").await;
    assert_eq!(raised["asset"], "gateway");
    let (said, code) = gateway.cli(&["backup"]).await;
    assert_eq!(code, 0, "{said}");
    alarm_is(&gateway, "backup-old", "normal").await;
}
