//! A receiver of signed webhooks that checks every signature, written against the Standard Webhooks text.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use hmac::Mac;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// One accepted event.
#[derive(Debug, Clone)]
pub struct Received {
    /// The `webhook-id` header.
    pub id: String,
    /// The CloudEvents body.
    pub event: serde_json::Value,
}

/// A receiver on a loopback port.
#[derive(Debug)]
pub struct Receiver {
    /// Its port.
    pub port: u16,
    /// Its secret as `whsec_…`.
    pub secret: String,
    received: Arc<Mutex<Vec<Received>>>,
    forged: Arc<Mutex<Vec<String>>>,
}

/// What time it is for a receiver, in seconds since 1970.
type Seconds = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A receiver believes no message that was signed longer ago or later than this.
const TOLERANCE_SECONDS: i64 = 300;

impl Receiver {
    /// Starts one with a fixed test secret.
    pub async fn start() -> Self {
        Self::with(None).await
    }

    /// Starts one that has a clock, and as the text advises refuses what was signed too long ago by it.
    pub async fn strict(seconds: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self::with(Some(Arc::new(seconds))).await
    }

    async fn with(clock: Option<Seconds>) -> Self {
        let key: Vec<u8> = (0u8..32).collect();
        let secret = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(&key));
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let forged: Arc<Mutex<Vec<String>>> = Arc::default();
        let (good, bad) = (Arc::clone(&received), Arc::clone(&forged));
        let app = Router::new().route(
            "/hook",
            post(move |headers: HeaderMap, body: Bytes| async move {
                match verify(&key, &headers, &body, clock.as_deref().map(|seconds| seconds())) {
                    Ok(event) => {
                        good.lock().expect("the list").push(event);
                        StatusCode::NO_CONTENT
                    }
                    Err(why) => {
                        bad.lock().expect("the list").push(why);
                        StatusCode::UNAUTHORIZED
                    }
                }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            port,
            secret,
            received,
            forged,
        }
    }

    /// Where to post.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// Every accepted event, in order.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("the list").clone()
    }

    /// The types of the accepted events without repetition of a `webhook-id`.
    pub fn types(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let all = self.received();
        let new = all.iter().filter(|r| seen.insert(r.id.clone()));
        new.map(|r| r.event["type"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Requests whose signature was wrong.
    pub fn forged(&self) -> Vec<String> {
        self.forged.lock().expect("the list").clone()
    }
}

fn verify(key: &[u8], headers: &HeaderMap, body: &[u8], now: Option<i64>) -> Result<Received, String> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
            .ok_or(format!("no {name} header"))
    };
    let (id, time, signatures) = (
        header("webhook-id")?,
        header("webhook-timestamp")?,
        header("webhook-signature")?,
    );
    let signed_at = time
        .parse::<i64>()
        .map_err(|_| format!("{id}: {time} is no time"))?;
    if now.is_some_and(|now| (now - signed_at).abs() > TOLERANCE_SECONDS) {
        return Err(format!("{id}: signed at {time}"));
    }
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).map_err(|e| e.to_string())?;
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(body);
    let expected = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let signed = signatures
        .split(' ')
        .filter_map(|s| s.strip_prefix("v1,"))
        .any(|s| s == expected);
    if !signed {
        return Err(format!("{id}: {signatures} is not the signature"));
    }
    let event: serde_json::Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    for required in ["id", "source", "specversion", "type"] {
        if !event[required].is_string() {
            return Err(format!("{id}: no {required} in the CloudEvents body"));
        }
    }
    Ok(Received { id, event })
}
