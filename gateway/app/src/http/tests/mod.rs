//! Stories of the API, told to the real router with a real ledger and the real pipeline behind it.
//!
//! This file holds the estate of the stories and the one helper that knows how to ask; the stories are beside it.

mod access;
mod alarm_life;
mod commands;
mod described;
mod devices;
mod editing;
mod listening;
mod listings;
mod onboarding;
mod page;
mod profiles;
mod recording;
mod refusals;
mod rules;
mod series;
mod serving;
mod site;
mod watching;

use site::{config, estate};

use super::layers::Peer;
use super::{Http, Readers, auth};
use crate::clock::{SharedClock, SystemClock};
use crate::field::{Done, Frame, MqttFrame};
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use crate::pipeline::{self, Core, Door, Loop, Pace, Progress, Request as Asked, Understanding};
use crate::profiles::Profiles;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use linli_domain::estate::EstateDoc;
use linli_domain::time::Timestamp;
use linli_ledger::Ledger;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Longer than anything here takes on a loaded machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway without a listener.
pub(super) struct Story {
    pub(super) http: Arc<Http>,
    pub(super) router: Router,
    pub(super) door: Door,
    pub(super) manager: String,
    pub(super) staff: String,
    /// The live feed, for stories in which it is behind.
    pub(super) feed: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
    pub(super) folder: tempfile::TempDir,
}

impl Drop for Story {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    /// The code of a refusal, having looked that it is a whole problem.
    pub(super) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16(), "{self:?}");
        assert_eq!(body["instance"], self.header("x-request-id"), "{self:?}");
        for field in ["type", "title", "detail"] {
            assert!(
                body[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field}: {self:?}"
            );
        }
        body["code"].as_str().unwrap().to_owned()
    }
}

/// A request being put together.
pub(super) struct Asking<'a> {
    story: &'a Story,
    request: axum::http::request::Builder,
    body: Body,
    peer: &'static str,
}

impl Asking<'_> {
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }
    pub(super) fn token(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }
    pub(super) fn version(self, version: u64) -> Self {
        self.with("if-match", &format!("\"{version}\""))
    }
    pub(super) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
            .with("content-type", "application/json")
    }
    pub(super) fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }
    pub(super) fn from(mut self, peer: &'static str) -> Self {
        self.peer = peer;
        self
    }
    pub(super) fn build(self) -> Request<Body> {
        let named = self
            .request
            .headers_ref()
            .is_some_and(|h| h.contains_key(header::HOST));
        let request = if named {
            self.request
        } else {
            self.request.header(header::HOST, "localhost:8080")
        };
        request
            .extension(Peer(self.peer.parse().unwrap()))
            .body(self.body)
            .unwrap()
    }
    pub(super) async fn send(self) -> Answer {
        let router = self.story.router.clone();
        let response = router.oneshot(self.build()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

impl Story {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let metrics = Metrics::new().unwrap();
        let config = config(folder.path());
        let seed: Arc<EstateDoc> = Arc::new(serde_json::from_value(estate()).unwrap());
        let mut ledger = Ledger::open(folder.path(), &linli_ledger::Options::default()).unwrap();
        let recovered = pipeline::recover(&mut ledger, &seed, &clock).unwrap();
        let estate = Arc::clone(recovered.engine.estate());
        let profiles = Profiles::open(Some(folder.path().join("profiles"))).unwrap();
        let understanding = Understanding::new(
            config.subscriptions(),
            profiles.catalogue(),
            recovered.memory.clone(),
            config.clock_window,
        );
        let planner = Planner::new(config.routes.clone(), config.channels.clone(), config.language);
        let readers = Readers::open(folder.path()).unwrap();
        let (door, inbox) = pipeline::open(Vec::new());
        let core = Core::new(
            recovered,
            ledger,
            understanding,
            planner,
            Arc::clone(&clock),
            Arc::clone(&metrics),
        );
        let (progress, progressed) = watch::channel(Progress::new(&estate));
        let pace = Pace::new(Duration::from_millis(1), 1000);
        std::thread::spawn(move || Loop::new(core, inbox, pace, progress).run());

        let mut texts = Vec::new();
        for (name, role) in [("admin", auth::Role::Manager), ("zhang", auth::Role::Staff)] {
            let (token, text) = auth::mint(name, role, clock.now().wall).unwrap();
            let author = "story".to_owned();
            door.ask(|reply| Asked::Token { token, author, reply })
                .await
                .unwrap()
                .unwrap();
            texts.push(text.expose_secret().to_owned());
        }
        let bound = "127.0.0.1:8080".parse().unwrap();
        let http = Http::new(
            &config,
            bound,
            door.clone(),
            readers,
            progressed,
            profiles,
            &metrics,
            &clock,
        );
        http.load().await.unwrap();
        let stop = CancellationToken::new();
        let feed = tokio::spawn(super::live::feed(Arc::clone(&http), stop.clone()));
        let router = super::router(Arc::clone(&http));
        let staff = texts.pop().unwrap();
        let manager = texts.pop().unwrap();
        Self {
            http,
            router,
            door,
            feed,
            manager,
            staff,
            stop,
            folder,
        }
    }

    /// A request from this machine without a token.
    pub(super) fn ask(&self, method: Method, path: &str) -> Asking<'_> {
        Asking {
            story: self,
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
            peer: "127.0.0.1:50000",
        }
    }
    /// GET with the staff's token.
    pub(super) fn get(&self, path: &str) -> Asking<'_> {
        self.ask(Method::GET, path).token(&self.staff)
    }
    /// POST with the staff's token.
    pub(super) fn post(&self, path: &str) -> Asking<'_> {
        self.ask(Method::POST, path).token(&self.staff)
    }
    /// POST with the manager's token.
    pub(super) fn manage(&self, path: &str) -> Asking<'_> {
        self.ask(Method::POST, path).token(&self.manager)
    }

    /// The sensor of a building speaks.
    pub(super) async fn says(&self, device: &str, wet: bool) {
        let payload = format!("{{\"battery\":100,\"water_leak\":{wet}}}");
        self.hears(&format!("zigbee2mqtt/{device}"), &payload).await;
    }

    /// A message comes over the connection `main`.
    pub(super) async fn hears(&self, topic: &str, payload: &str) {
        let frame = MqttFrame {
            connection: "main".into(),
            subscription: usize::from(topic.starts_with("application/")),
            topic: topic.into(),
            payload: payload.as_bytes().into(),
            retained: false,
            duplicate: false,
            session: 1,
            packet: None,
            unwanted: None,
            keep: None,
            received: self.http.clock.now(),
            done: Done::Nothing,
        };
        self.door.push(vec![Frame::Mqtt(frame)]).await.unwrap();
    }

    /// Asks until the answer is as wanted.
    pub(super) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = std::time::Instant::now();
        loop {
            let last = self.get(path).send().await.json();
            if wanted(&last) {
                return last;
            }
            assert!(began.elapsed() < PATIENCE, "{path} stays {last:#}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A leak in building 3: the order it opens.
    pub(super) async fn leak(&self) -> Value {
        self.says("leak-b3", true).await;
        let page = self
            .until("/api/v1/orders", |page| page["items"][0].is_object())
            .await;
        page["items"][0].clone()
    }
}
