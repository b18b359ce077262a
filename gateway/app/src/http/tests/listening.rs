//! The live feed as a client sees it.

use super::*;
use futures_util::StreamExt;

/// An open stream.
pub(super) struct Ear {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Ear {
    pub(super) async fn open(story: &Story, query: &str, last: Option<&str>) -> Self {
        let asking = story.get(&format!("/api/v1/events{query}"));
        let asking = match last {
            Some(id) => asking.with("last-event-id", id),
            None => asking,
        };
        let response = story.router.clone().oneshot(asking.build()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }
    /// The next block: the lines up to an empty one.
    async fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return block;
            }
            let wait = tokio::time::timeout(PATIENCE, self.body.next());
            let piece = wait
                .await
                .expect("an event in time")
                .expect("the stream goes on")
                .unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
    /// The next event of any name: name and data.
    async fn any(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await;
            if let (Some(name), Some(data)) = (field(&block, "event"), field(&block, "data")) {
                return (name, serde_json::from_str(&data).unwrap());
            }
        }
    }
    /// The next event of this name: its id and its data.
    pub(super) async fn event(&mut self, name: &str) -> (String, Value) {
        loop {
            let block = self.block().await;
            if field(&block, "event").as_deref() == Some(name) {
                let data = field(&block, "data").unwrap();
                return (field(&block, "id").unwrap(), serde_json::from_str(&data).unwrap());
            }
        }
    }
}

/// A field of a block.
fn field(block: &str, name: &str) -> Option<String> {
    let rest = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
    block.lines().find_map(rest)
}

#[tokio::test]
async fn a_listener_hears_readings_alarms_and_orders_after_their_commit() {
    let story = Story::new().await;
    let mut ear = Ear::open(&story, "", None).await;
    assert!(ear.block().await.contains("retry: 3000"));
    story.says("leak-b3", true).await;
    let (_, point) = ear.event("point").await;
    assert!(point["id"].as_str().unwrap().starts_with("leak-b3/"), "{point}");
    // An order may be told before or after the reading that led to it; both are committed.
    let mut order = Value::Null;
    let mut wet = false;
    while !wet || order.is_null() {
        let (name, data) = ear.any().await;
        match name.as_str() {
            "order" => order = data,
            "readings" => {
                let items = data.as_array().unwrap();
                wet |= items
                    .iter()
                    .any(|r| r["point"] == "leak-b3/leak.wet" && r["value"] == true);
            }
            _ => {}
        }
    }
    assert_eq!(order["asset"], "b3-pipe");
    let listed = story
        .get(&format!("/api/v1/orders/{}", order["id"].as_str().unwrap()))
        .send()
        .await;
    assert_eq!(listed.status, 200, "what is heard is already there");
    assert_eq!(story.http.metrics.live_listeners.get(), 1);
    drop(ear);
    assert_eq!(story.http.metrics.live_listeners.get(), 0);
}

#[tokio::test]
async fn a_listener_that_was_away_hears_what_it_missed() {
    let story = Story::new().await;
    let mut ear = Ear::open(&story, "?topics=orders", None).await;
    story.leak().await;
    let (id, _) = ear.event("order").await;
    drop(ear);
    story.says("leak-b4", true).await;
    story
        .until("/api/v1/orders", |page| {
            page["items"].as_array().unwrap().len() == 2
        })
        .await;
    let mut ear = Ear::open(&story, "?topics=orders", Some(&id)).await;
    loop {
        let (_, order) = ear.event("order").await;
        if order["asset"] == "b4-pipe" {
            break;
        }
    }
}

#[tokio::test]
async fn a_listener_with_an_unknown_number_starts_over() {
    let story = Story::new().await;
    for last in ["99999.1", "nonsense"] {
        let mut ear = Ear::open(&story, "", Some(last)).await;
        assert!(ear.block().await.starts_with("event: reset\n"));
    }
    let mut ear = Ear::open(&story, "?after=77.7", None).await;
    assert!(ear.block().await.starts_with("event: reset\n"));
}

#[tokio::test]
async fn a_listener_that_does_not_listen_is_told_to_start_over_and_holds_up_nobody() {
    let story = Story::new().await;
    let mut ear = Ear::open(&story, "?topics=readings", None).await;
    ear.block().await;
    let before = story.http.metrics.live_resets.get();
    let clock = story.http.clock.now().wall;
    for commit in 1..=400 {
        let reading = linli_domain::reading::Reading::missing(
            linli_domain::id::PointKey(1),
            clock,
            clock,
            linli_domain::reading::Reason::Stale,
        );
        story.http.live.take(vec![pipeline::Live::Readings(
            linli_domain::id::CommitId(commit),
            std::sync::Arc::new(vec![(reading, true)]),
        )]);
    }
    let (id, _) = ear.event("reset").await;
    assert_eq!(id, story.http.live.newest().to_string());
    assert_eq!(story.http.metrics.live_resets.get(), before + 1);
}

#[tokio::test]
async fn there_is_room_for_so_many_listeners() {
    let story = Story::new().await;
    let mut ears = Vec::new();
    for _ in 0..super::super::events::MAX_LISTENERS {
        ears.push(Ear::open(&story, "", None).await);
    }
    let answer = story.get("/api/v1/events").send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem().as_str()),
        (429, "too_many_listeners")
    );
    ears.pop();
    Ear::open(&story, "", None).await;
    let anonymous = story.ask(Method::GET, "/api/v1/events").send().await;
    assert_eq!(anonymous.problem(), "unauthenticated");
}

#[tokio::test]
async fn the_stream_ends_with_the_server() {
    let story = Story::new().await;
    let mut ear = Ear::open(&story, "", None).await;
    ear.block().await;
    story.http.shutdown.cancel();
    assert!(
        tokio::time::timeout(PATIENCE, ear.body.next())
            .await
            .unwrap()
            .is_none()
    );
}
