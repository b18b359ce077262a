//! A strict stand-in for InfluxDB 2: it unpacks bodies, checks token, organisation, bucket and every line, answers as a
//! script says, and remembers what it took. Written against InfluxDB's documentation of `/api/v2/write`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the next request is answered with.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This status; nothing is taken.
    Status(u16),
    /// 429 with `Retry-After` in seconds.
    Busy(u64),
    /// Takes everything, slowly.
    Slow(Duration),
    /// Takes everything and says nothing: the connection is cut.
    Cut,
}

#[derive(Debug, Default)]
struct Taken {
    /// Line without its time, and the times.
    lines: BTreeMap<String, BTreeSet<i64>>,
    requests: u64,
    script: VecDeque<Answer>,
    /// Everything is answered with this status until it is taken away.
    down: Option<u16>,
    /// Lines that hold this are refused.
    refuse: Option<String>,
    /// For each request that was taken, whether it held this text.
    watched: Option<(String, Vec<bool>)>,
    wrong: Vec<String>,
    /// Requests whose body was packed.
    packed: u64,
}

/// A running store.
#[derive(Debug, Clone)]
pub struct Influx {
    /// Its port.
    pub port: u16,
    /// Holds the token for the gateway.
    secret: Arc<tempfile::TempDir>,
    taken: Arc<Mutex<Taken>>,
}

/// The token it wants.
pub const TOKEN: &str = "strict-token";

impl Influx {
    /// Starts one.
    pub async fn start() -> Self {
        let taken: Arc<Mutex<Taken>> = Arc::default();
        let bucket = serde_json::json!({ "buckets": [{ "name": "readings", "retentionRules": [] }] });
        let app = Router::new()
            .route(
                "/health",
                get(|| async { axum::Json(serde_json::json!({ "name": "influxdb", "status": "pass" })) }),
            )
            .route("/api/v2/buckets", get(move || async move { axum::Json(bucket) }))
            .route("/api/v2/write", post(write))
            .with_state(Arc::clone(&taken));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let secret = tempfile::tempdir().expect("a temporary folder");
        let file = secret.path().join("token");
        std::fs::write(&file, TOKEN).expect("a token file");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, private).expect("its mode");
        Self {
            port,
            secret: Arc::new(secret),
            taken,
        }
    }

    /// The configuration of a forwarder to it.
    pub fn section(&self, name: &str) -> String {
        format!(
            "[[forwarders]]\nname = \"{name}\"\nkind = \"influxdb2\"\nurl = \"http://127.0.0.1:{}\"\norg = \"estate\"\n\
             bucket = \"readings\"\ntoken = {{ file = \"{}\" }}\n",
            self.port,
            self.secret.path().join("token").display()
        )
    }

    /// Answers these in turn before it goes on taking.
    pub fn say(&self, answers: impl IntoIterator<Item = Answer>) {
        self.taken.lock().expect("the state").script.extend(answers);
    }

    /// Answers everything with a status, or takes again.
    pub fn down(&self, status: Option<u16>) {
        self.taken.lock().expect("the state").down = status;
    }

    /// Refuses lines that hold this text, and with them their whole request, as a type conflict does.
    pub fn refuse(&self, text: &str) {
        self.taken.lock().expect("the state").refuse = Some(text.to_owned());
    }

    /// Notes from now on of each request that is taken whether it holds this text.
    pub fn watch(&self, text: &str) {
        self.taken.lock().expect("the state").watched = Some((text.to_owned(), Vec::new()));
    }

    /// The notes, in the order in which the requests were taken.
    pub fn watched(&self) -> Vec<bool> {
        let taken = self.taken.lock().expect("the state");
        taken
            .watched
            .as_ref()
            .map(|(_, notes)| notes.clone())
            .unwrap_or_default()
    }

    /// How many distinct (series, time) of a measurement it holds.
    pub fn count(&self, measurement: &str) -> usize {
        let taken = self.taken.lock().expect("the state");
        let of = |line: &&String| line.starts_with(&format!("{measurement},"));
        let lines: BTreeSet<(&str, i64)> = taken
            .lines
            .iter()
            .filter(|(line, _)| of(line))
            .flat_map(|(line, times)| {
                let series = line.split(' ').next().unwrap_or_default();
                times.iter().map(move |time| (series, *time))
            })
            .collect();
        lines.len()
    }

    /// Requests it got.
    pub fn requests(&self) -> u64 {
        self.taken.lock().expect("the state").requests
    }

    /// Requests whose body was packed, and could be unpacked.
    pub fn packed(&self) -> u64 {
        self.taken.lock().expect("the state").packed
    }

    /// Answers of the script that were not used yet.
    pub fn unsaid(&self) -> usize {
        self.taken.lock().expect("the state").script.len()
    }

    /// What no client may do, and was done.
    pub fn wrong(&self) -> Vec<String> {
        self.taken.lock().expect("the state").wrong.clone()
    }
}

async fn write(
    State(taken): State<Arc<Mutex<Taken>>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = {
        let mut taken = taken.lock().expect("the state");
        taken.requests += 1;
        if let Some(status) = taken.down {
            return StatusCode::from_u16(status).expect("a status").into_response();
        }
        taken.script.pop_front()
    };
    let body = match unpacked(&taken, &headers, &body) {
        Ok(body) => body,
        Err(said) => {
            taken.lock().expect("the state").wrong.push(said);
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    match answer {
        Some(Answer::Status(status)) => {
            return StatusCode::from_u16(status).expect("a status").into_response();
        }
        Some(Answer::Busy(seconds)) => {
            return (
                StatusCode::TOO_MANY_REQUESTS,
                [("retry-after", seconds.to_string())],
            )
                .into_response();
        }
        Some(Answer::Slow(pause)) => tokio::time::sleep(pause).await,
        Some(Answer::Cut) => {
            take(&taken, &body);
            // The client sees the connection break while it waits for the answer.
            panic!("cut");
        }
        None => {}
    }
    let wanted = [("org", "estate"), ("bucket", "readings"), ("precision", "ms")];
    let asked = wanted
        .iter()
        .all(|(key, value)| query.get(*key).is_some_and(|given| given == value));
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    if token != Some(&format!("Token {TOKEN}")) || !asked {
        taken
            .lock()
            .expect("the state")
            .wrong
            .push(format!("{query:?} {token:?}"));
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let refuse = taken.lock().expect("the state").refuse.clone();
    if let Some(text) = refuse
        && std::str::from_utf8(&body).is_ok_and(|body| body.contains(&text))
    {
        let said = r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict"}"#;
        return (StatusCode::UNPROCESSABLE_ENTITY, said).into_response();
    }
    take(&taken, &body);
    StatusCode::NO_CONTENT.into_response()
}

/// The lines of a body. Many lines that come plainly are wrong: this store has never refused packed ones.
fn unpacked<'a>(taken: &Mutex<Taken>, headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    match headers.get("content-encoding").map(|how| how.as_bytes()) {
        None if body.len() < 1_024 => Ok(Cow::Borrowed(body)),
        None => Err(format!("{} bytes were not packed", body.len())),
        Some(b"gzip") => {
            let mut lines = Vec::new();
            let read = flate2::read::GzDecoder::new(body).read_to_end(&mut lines);
            read.map_err(|error| format!("a packed body cannot be unpacked: {error}"))?;
            taken.lock().expect("the state").packed += 1;
            Ok(Cow::Owned(lines))
        }
        Some(other) => Err(format!("packed with {:?}", String::from_utf8_lossy(other))),
    }
}

fn take(taken: &Mutex<Taken>, body: &[u8]) {
    let mut taken = taken.lock().expect("the state");
    let text = String::from_utf8_lossy(body);
    if let Some((wanted, notes)) = &mut taken.watched {
        notes.push(text.contains(wanted.as_str()));
    }
    for line in text.lines() {
        let time = line
            .rsplit_once(' ')
            .and_then(|(head, time)| Some((head, time.parse::<i64>().ok()?)));
        match time {
            // A line is a measurement with tags, fields and a time: three parts, blanks escaped.
            Some((head, time)) if head.replace("\\ ", "").split(' ').count() == 2 && head.contains('=') => {
                taken.lines.entry(head.to_owned()).or_default().insert(time);
            }
            _ => taken.wrong.push(line.to_owned()),
        }
    }
}
