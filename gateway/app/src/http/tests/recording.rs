//! What a gateway takes in is written down whole, and plays again.

use super::watching::Watching;
use super::*;
use crate::ops::replay::{Replay, replay};
use linli_decode::Catalogue;
use std::collections::BTreeSet;

/// Asset and class of alarms, and how many readings there were.
type Came = (BTreeSet<(String, String)>, u64);

fn keys(items: &Value, asset: &str, class: &str) -> BTreeSet<(String, String)> {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let items = items.as_array().unwrap().iter();
    items.map(|item| (text(item, asset), text(item, class))).collect()
}

async fn what_came(story: &Story) -> Came {
    let alarms = story.get("/api/v1/alarms").send().await.json();
    let points = story.get("/api/v1/points?limit=100").send().await.json();
    let mut readings = 0;
    for point in points["items"].as_array().unwrap() {
        let id = point["id"].as_str().unwrap().replace('/', "%2F");
        if id.starts_with("gateway") {
            continue;
        }
        let page = format!("/api/v1/points/{id}/readings?limit=500");
        let page = story.get(&page).send().await.json();
        readings += page["items"].as_array().unwrap().len() as u64;
    }
    (keys(&alarms["items"], "asset", "class"), readings)
}

fn played(lines: &str) -> (Came, u64) {
    played_in(estate(), lines)
}

fn played_in(estate: Value, lines: &str) -> (Came, u64) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let ledger = tempfile::tempdir().unwrap();
    let setup = Replay {
        folder: ledger.path(),
        estate: Arc::new(serde_json::from_value(estate).unwrap()),
        catalogue: Catalogue::load(crate::profiles::BUILT_IN.iter().copied()).0,
        subscriptions: config.subscriptions().collect(),
        then: Duration::from_secs(1),
    };
    let replayed = replay(setup, lines.as_bytes(), &mut |_| {}).unwrap();
    let alarms = replayed
        .history
        .iter()
        .filter(|told| told.subject.starts_with("AL-"));
    let alarms = alarms.map(|told| (told.asset.clone(), told.key.clone()));
    ((alarms.collect(), replayed.through.readings), replayed.not_played)
}

#[tokio::test]
async fn what_was_recorded_plays_again_to_the_same_readings_and_alarms() {
    let story = Story::new().await;
    let mut recording = Watching::open(&story, "/api/v1/record?for=10m", ": recording").await;
    let second = story.get("/api/v1/record").send().await;
    assert_eq!(second.problem(), "too_many_listeners");
    let wrong = story.get("/api/v1/record?for=8d").send().await;
    assert_eq!(wrong.problem(), "bad_query");

    let long = format!(
        "{{\"water_leak\":true,\"battery\":99,\"note\":\"{}\"}}",
        "x".repeat(5_000)
    );
    story.says("leak-b3", false).await;
    story.says("leak-b3", true).await;
    story.hears("zigbee2mqtt/leak-b4", &long).await;
    story.hears("zigbee2mqtt/leak-b4", "\u{1}not json").await;
    story.says("leak-b4", false).await;
    let mut lines = String::new();
    while lines.lines().count() < 5 {
        let piece = recording.piece().await;
        if let Some(line) = piece.strip_prefix("event: frame\ndata: ") {
            lines += line;
            lines.push('\n');
        } else {
            assert_eq!(piece, ": alive");
        }
    }
    assert!(lines.contains(&"x".repeat(5_000)), "the whole message");
    let came = what_came(&story).await;
    assert_eq!(came.0.len(), 2, "{came:?}");
    let again = tokio::task::spawn_blocking(move || played(&lines)).await.unwrap();
    assert_eq!(again, (came, 0));

    drop(recording);
    let end = Watching::open(&story, "/api/v1/record?for=1s", ": recording")
        .await
        .piece()
        .await;
    assert_eq!(end, "event: over\ndata: {\"frames\":0,\"missed\":0}");
}

/// A line of what was known, or of a frame.
async fn line(recording: &mut Watching) -> String {
    let piece = recording.piece().await;
    let line = piece
        .strip_prefix("event: known\ndata: ")
        .or(piece.strip_prefix("event: frame\ndata: "));
    line.unwrap_or_else(|| panic!("{piece}")).to_owned() + "\n"
}

#[tokio::test]
async fn what_was_announced_before_a_recording_began_is_in_it() {
    let story = Story::new().await;
    let listed = json!([{ "type": "EndDevice", "friendly_name": "flat45/window", "definition": {
        "vendor": "Tuya", "model": "ZG-102Z", "exposes": [
            { "type": "binary", "property": "contact", "access": 1, "value_on": false, "value_off": true } ] } }]);
    story
        .hears("zigbee2mqtt/bridge/devices", &listed.to_string())
        .await;
    let listed = |page: &Value| page["items"][0].is_object();
    story.until("/api/v1/onboarding", listed).await;
    let mut recording = Watching::open(&story, "/api/v1/record?for=10m", ": recording").await;
    let known = line(&mut recording).await;
    assert!(
        known.starts_with("{\"known\":\"inventory") && known.contains("ZG-102Z"),
        "{known}"
    );
    story
        .hears("zigbee2mqtt/flat45/window", r#"{"contact":false}"#)
        .await;
    let frame = line(&mut recording).await;

    let mut with_window = estate();
    let window = json!({ "id": "window-45", "profile": "announced", "name": { "zh": "窗", "en": "Window" },
        "address": { "mqtt": "main", "key": "flat45/window" } });
    with_window["devices"].as_array_mut().unwrap().push(window);
    let play = |lines: String| {
        let estate = with_window.clone();
        tokio::task::spawn_blocking(move || played_in(estate, &lines))
    };
    let ((_, readings), not_played) = play(format!("{known}{frame}")).await.unwrap();
    assert_eq!((readings, not_played), (1, 0));
    let ((_, readings), _) = play(frame.clone()).await.unwrap();
    assert_eq!(readings, 0, "without what was announced nobody can read it");
    let ((_, readings), not_played) = play(format!("{frame}{known}{frame}")).await.unwrap();
    assert_eq!((readings, not_played), (0, 1), "known too late");
}
