//! The disk is full to the last byte: nothing acknowledged is lost, people are told what to do, and when there is room
//! everything goes on by itself.

use crate::estate::{LEAK_TOPIC, estate, leak_message};
use e2e::disk::SmallDisk;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::publisher::{Publisher, Script};
use e2e::wait::until;
use linli_domain::time::Timestamp;
use linli_ledger::Reader;
use serde_json::json;
use std::time::Duration;

async fn page(gateway: &Gateway, language: &str) -> Result<String, String> {
    let request = reqwest::Client::new()
        .get(format!("{}/status?lang={language}", gateway.base()))
        .bearer_auth(gateway.token());
    let answer = request.send().await.map_err(|error| error.to_string())?;
    answer.text().await.map_err(|error| error.to_string())
}

/// Changes of the leak sensor that are stored.
fn stored(gateway: &Gateway) -> Result<usize, String> {
    let reader = Reader::open(&gateway.data()).map_err(|error| error.to_string())?;
    let points = reader.points().map_err(|error| error.to_string())?;
    let Some(point) = points
        .iter()
        .find(|point| &*point.id.to_string() == "leak-b3/leak.wet")
    else {
        return Ok(0);
    };
    let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
    let page = reader.samples(point.key, from, to, 10_000, None);
    page.map(|page| page.samples.len())
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_outlived() {
    if !SmallDisk::possible() {
        return;
    }
    let broker = Mosquitto::start().await;
    let mut gateway = Gateway::start(&Site {
        estate: estate("main", ""),
        broker: Some(broker.port),
        small_disk_mb: Some(48),
        store: "min_free_mb = 16\n".into(),
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    let sensor = Publisher::start(Script {
        port: broker.port,
        client: "leak-b3".into(),
        credentials: None,
        topic: LEAK_TOPIC.into(),
        payload: |n| leak_message(n % 2 == 0),
        pause: Duration::from_millis(2),
    });
    until("some changes to be stored", || async {
        let count = stored(&gateway)?;
        if count > 50 {
            Ok(())
        } else {
            Err(format!("{count}"))
        }
    })
    .await;

    let disk = gateway.disk().expect("a disk of its own");
    disk.fill();
    for (language, words) in [("en", "The disk is full"), ("zh", "磁盘已满")] {
        until("people to be told", || async {
            let shown = page(&gateway, language).await?;
            if shown.contains(words) && shown.contains("role=\"alert\"") {
                Ok(())
            } else {
                Err(gateway.log())
            }
        })
        .await;
    }
    assert!(
        gateway.log().contains("database or disk is full"),
        "{}",
        gateway.log()
    );
    let (status, problem) = gateway
        .post(
            &gateway.token(),
            "/api/v1/tokens",
            None,
            json!({ "name": "tablet", "role": "staff" }),
        )
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (503, &json!("store_failed")),
        "{problem}"
    );
    assert!(problem.to_string().contains("try again"), "{problem}");
    assert!(
        gateway.get("/api/v1/points?limit=5").await.is_ok(),
        "what is stored can be read"
    );

    let (said, code) = gateway.cli(&["backup", "--lang", "zh-CN"]).await;
    assert!(code == 1 && said.contains("没有备份"), "{code} {said}");

    disk.make_room();
    sensor.finish();
    until("everything to be acknowledged and stored once", || async {
        let (sent, acknowledged) = (sensor.sent() as usize, sensor.acknowledged().len());
        let count = stored(&gateway)?;
        if sent == acknowledged && count == sent {
            Ok(())
        } else {
            Err(format!(
                "{sent} sent, {acknowledged} acknowledged, {count} stored\n{}",
                gateway.log()
            ))
        }
    })
    .await;
    until("people to be told that it is over", || async {
        let shown = page(&gateway, "en").await?;
        if shown.contains("role=\"alert\"") {
            Err(shown)
        } else {
            Ok(())
        }
    })
    .await;
    gateway.kill().await;
    gateway.run().await;
    let seen = Reader::open(&gateway.data())
        .unwrap()
        .examine(&mut |_| {})
        .unwrap();
    assert_eq!(seen.findings, []);
    println!("{} changes of state, each stored once", sensor.sent());
}
