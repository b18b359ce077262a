//! Watching what devices say.

use super::*;
use futures_util::StreamExt as _;

/// The stream of one watcher, read piece by piece.
pub(super) struct Watching {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Watching {
    async fn new(story: &Story, path: &str) -> Self {
        Self::open(story, path, ": watching").await
    }

    /// Opens a stream that begins with a greeting.
    pub(super) async fn open(story: &Story, path: &str, greeting: &str) -> Self {
        let request = story.get(path).build();
        let response = story.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().into_data_stream();
        let mut watching = Self {
            body,
            text: String::new(),
        };
        assert_eq!(watching.piece().await, greeting);
        watching
    }

    pub(super) async fn piece(&mut self) -> String {
        loop {
            if let Some((piece, rest)) = self.text.split_once("\n\n") {
                let (piece, rest) = (piece.to_owned(), rest.to_owned());
                self.text = rest;
                return piece;
            }
            let more = tokio::time::timeout(PATIENCE, self.body.next()).await;
            let more = more.expect("a piece").expect("a stream").unwrap();
            self.text.push_str(std::str::from_utf8(&more).unwrap());
        }
    }

    /// The next message.
    async fn heard(&mut self) -> Value {
        let piece = self.piece().await;
        let data = piece
            .strip_prefix("event: heard\ndata: ")
            .unwrap_or_else(|| panic!("{piece}"));
        serde_json::from_str(data).unwrap()
    }
}

#[tokio::test]
async fn raw_bytes_stand_beside_what_was_made_of_them() {
    let story = Story::new().await;
    let mut all = Watching::new(&story, "/api/v1/watch").await;
    story.says("leak-b3", true).await;
    let heard = all.heard().await;
    assert_eq!(
        (&heard["device"], &heard["key"], &heard["fate"], &heard["origin"]),
        (
            &json!("leak-b3"),
            &json!("leak-b3"),
            &json!("read"),
            &json!("zigbee2mqtt/leak-b3")
        )
    );
    assert!(heard["payload"]["text"].as_str().unwrap().contains("water_leak"));
    let wet = heard["values"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["measure"] == "leak.wet")
        .unwrap();
    assert_eq!((&wet["value"], &wet["quality"]), (&json!(true), &json!("good")));

    story.hears("zigbee2mqtt/leak-b3", "{\"water_leak\": NaN}").await;
    let refused = all.heard().await;
    assert_eq!(
        (&refused["fate"], &refused["refusal"]["reason"]),
        (&json!("refused"), &json!("not_json"))
    );
    assert_ne!(refused["refusal"]["hint"]["zh"], "");
    story.hears("zigbee2mqtt/leak-b3", "{\"something\":1}").await;
    assert_eq!(all.heard().await["noticed"][0]["code"], "nothing_found");
    story.says("nobody", true).await;
    let unknown = all.heard().await;
    assert_eq!(
        (&unknown["fate"], &unknown["key"]),
        (&json!("unknown"), &json!("nobody"))
    );
}

#[tokio::test]
async fn one_device_is_watched_by_its_id_and_places_are_few() {
    let story = Story::new().await;
    let mut one = Watching::new(&story, "/api/v1/watch?device=leak-b4").await;
    for device in ["leak-b3", "nobody", "leak-b4"] {
        story.says(device, false).await;
    }
    assert_eq!(one.heard().await["device"], "leak-b4");
    let mut others = Vec::new();
    for _ in 1..super::super::watch::MAX_WATCHERS {
        others.push(Watching::new(&story, "/api/v1/watch").await);
    }
    assert_eq!(
        story.get("/api/v1/watch").send().await.problem(),
        "too_many_listeners"
    );
    assert_eq!(story.http.metrics.watchers.get(), 8);
    drop(others);
    story
        .until("/api/v1/version", |_| story.http.metrics.watchers.get() == 1)
        .await;
}
