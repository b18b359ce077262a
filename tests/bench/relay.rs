//! Stands between a forwarder and VictoriaMetrics: hands every request on, counts the lines that were taken, and notes
//! how old the lines of one device were when they came by.

use crate::load::now_us;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use flate2::read::GzDecoder;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A running relay.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where the forwarder writes.
    pub(crate) port: u16,
    passed: Arc<Mutex<Passed>>,
}

/// What came by since the last look.
#[derive(Debug, Default, Clone)]
pub(crate) struct Passed {
    /// Lines the store took.
    pub(crate) lines: usize,
    /// Bytes of their bodies, as they were sent.
    pub(crate) bytes: usize,
    /// When it took the first and the last of them.
    pub(crate) first: Option<Instant>,
    pub(crate) last: Option<Instant>,
    /// Of the device that is watched: time of each line and its age on arrival, milliseconds.
    pub(crate) watched: Vec<(u64, u64)>,
}

#[derive(Clone)]
struct Relaying {
    client: reqwest::Client,
    target: u16,
    tag: Arc<str>,
    passed: Arc<Mutex<Passed>>,
}

impl Relay {
    /// In front of the store on `target`, watching the lines of `device`.
    pub(crate) async fn start(target: u16, device: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let passed: Arc<Mutex<Passed>> = Arc::default();
        let relaying = Relaying {
            client: reqwest::Client::new(),
            target,
            tag: format!(",device={device},").into(),
            passed: Arc::clone(&passed),
        };
        let routes = Router::new()
            .route("/write", post(hand_on))
            .layer(axum::extract::DefaultBodyLimit::max(16 << 20))
            .with_state(relaying);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { port, passed }
    }

    /// What came by so far.
    pub(crate) fn passed(&self) -> Passed {
        self.passed.lock().expect("the counts").clone()
    }

    /// How many lines the store took so far.
    pub(crate) fn lines(&self) -> usize {
        self.passed.lock().expect("the counts").lines
    }

    /// Counts from zero again.
    pub(crate) fn reset(&self) {
        *self.passed.lock().expect("the counts") = Passed::default();
    }
}

async fn hand_on(State(relaying): State<Relaying>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let query = uri.query().unwrap_or_default();
    let url = format!("http://127.0.0.1:{}/write?{query}", relaying.target);
    let now = now_us() / 1_000;
    let mut request = relaying.client.post(url).body(body.clone());
    let how = headers.get(CONTENT_ENCODING);
    if let Some(how) = how {
        request = request.header(CONTENT_ENCODING, how);
    }
    let sent = request.send().await;
    let status = sent.map_or(StatusCode::BAD_GATEWAY, |answer| answer.status());
    if status.is_success() {
        let mut text = String::new();
        let read = match how {
            Some(_) => GzDecoder::new(&*body).read_to_string(&mut text),
            None => (&*body).read_to_string(&mut text),
        };
        read.expect("lines, packed as their header says");
        let watched = text.lines().filter(|line| line.contains(&*relaying.tag));
        let watched = watched.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        let mut passed = relaying.passed.lock().expect("the counts");
        passed.lines += text.lines().count();
        passed.bytes += body.len();
        passed.first.get_or_insert_with(Instant::now);
        passed.last = Some(Instant::now());
        passed
            .watched
            .extend(watched.map(|at| (at, now.saturating_sub(at))));
    }
    status
}
