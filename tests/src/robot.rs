//! A group robot as people have it on their telephones: takes messages the way WeCom does and shows what a group read.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A robot on a loopback port.
#[derive(Debug)]
pub struct Robot {
    port: u16,
    said: Arc<Mutex<Vec<String>>>,
}

impl Robot {
    /// Starts one.
    pub async fn start() -> Self {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let app = Router::new()
            .route("/send", post(take))
            .with_state(Arc::clone(&said));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, said }
    }

    /// Its webhook address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/send", self.port)
    }

    /// What the group read, in order.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("the list").clone()
    }
}

async fn take(State(said): State<Arc<Mutex<Vec<String>>>>, Json(body): Json<Value>) -> Json<Value> {
    match body["markdown"]["content"].as_str() {
        Some(text) => {
            said.lock().expect("the list").push(text.to_owned());
            Json(json!({ "errcode": 0, "errmsg": "ok" }))
        }
        None => Json(json!({ "errcode": 40008, "errmsg": "invalid message type" })),
    }
}
