//! A group robot as people have it on their telephones: takes messages the way WeCom does and shows what a group read.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A robot on a loopback port.
#[derive(Debug)]
pub struct Robot {
    port: u16,
    group: Arc<Group>,
}

/// What a group read, and whether the robot can be reached.
#[derive(Debug, Default)]
struct Group {
    said: Mutex<Vec<String>>,
    cut_off: AtomicBool,
}

impl Robot {
    /// Starts one.
    pub async fn start() -> Self {
        let group: Arc<Group> = Arc::default();
        let app = Router::new()
            .route("/send", post(take))
            .with_state(Arc::clone(&group));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, group }
    }

    /// Its webhook address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/send", self.port)
    }

    /// What the group read, in order.
    pub fn said(&self) -> Vec<String> {
        self.group.said.lock().expect("the list").clone()
    }

    /// The way to it is cut, or there again.
    pub fn cut_off(&self, is_cut: bool) {
        self.group.cut_off.store(is_cut, Ordering::SeqCst);
    }
}

async fn take(State(group): State<Arc<Group>>, Json(body): Json<Value>) -> Result<Json<Value>, StatusCode> {
    if group.cut_off.load(Ordering::SeqCst) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    Ok(match body["markdown"]["content"].as_str() {
        Some(text) => {
            group.said.lock().expect("the list").push(text.to_owned());
            Json(json!({ "errcode": 0, "errmsg": "ok" }))
        }
        None => Json(json!({ "errcode": 40008, "errmsg": "invalid message type" })),
    })
}
