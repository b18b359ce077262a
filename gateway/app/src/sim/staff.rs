//! The simulated staff: works through the same HTTP interface as everybody, and dries the zone with its own hands.
//!
//! Each open order is accepted, started, repaired in the world and completed; whether it closes is up to the
//! sensors.

use super::Narrator;
use super::world::World;
use crate::messages::{self, Key};
use linli_domain::estate::{AssetKind, Estate};
use linli_domain::id::AssetId;
use linli_domain::text::Language;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the staff looks at its list.
const LOOK: Duration = Duration::from_millis(500);
/// How long each step takes.
const WORK: Duration = Duration::from_millis(1500);

/// A client of the gateway's API.
#[derive(Debug, Clone)]
pub(super) struct Api {
    /// Base address such as `http://127.0.0.1:8080`.
    pub base: String,
    /// Bearer token.
    pub token: String,
    /// HTTP client.
    pub client: reqwest::Client,
}

impl Api {
    /// GET as JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Value, reqwest::Error> {
        let request = self
            .client
            .get(format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        request.send().await?.error_for_status()?.json().await
    }

    /// Moves an order on; the version guards against a colleague who was faster.
    async fn act(&self, order: &Value, verb: &str, body: Value) -> Result<(), reqwest::Error> {
        let id = order["id"].as_str().unwrap_or_default();
        let version = order["version"].as_u64().unwrap_or(0);
        let request = self
            .client
            .post(format!("{}/api/v1/orders/{id}/{verb}", self.base))
            .bearer_auth(&self.token);
        let request = request.header("If-Match", format!("\"{version}\"")).json(&body);
        request.send().await?.error_for_status().map(drop)
    }
}

/// Works until cancelled.
pub(super) async fn work(
    api: Api,
    estate: Arc<Estate>,
    world: World,
    narrator: Narrator,
    stop: CancellationToken,
) {
    let mut since: HashMap<(String, String), Instant> = HashMap::new();
    let mut looks = tokio::time::interval(LOOK);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        let orders = match api.get("/api/v1/orders?limit=100").await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "the simulated staff could not read its list");
                continue;
            }
        };
        for order in orders["items"].as_array().into_iter().flatten() {
            let key = (text(order, "id"), text(order, "state"));
            if !since.contains_key(&key) {
                narrate(&narrator, order);
            }
            if since.entry(key.clone()).or_insert_with(Instant::now).elapsed() < WORK {
                continue;
            }
            let done = match key.1.as_str() {
                "dispatched" => api.act(order, "accept", serde_json::json!({})).await,
                "accepted" => api.act(order, "start", serde_json::json!({})).await,
                "in_progress" => {
                    repair(&estate, &world, &text(order, "asset"));
                    for task in order["tasks"].as_array().into_iter().flatten() {
                        repair(&estate, &world, &text(task, "asset"));
                    }
                    api.act(
                        order,
                        "complete",
                        serde_json::json!({ "note": "已处理,现场已清理" }),
                    )
                    .await
                }
                _ => Ok(()),
            };
            if let Err(error) = done {
                tracing::debug!(%error, order = key.0, "the simulated staff was refused; it looks again");
            }
        }
        since.retain(|_, seen| seen.elapsed() < Duration::from_secs(600));
    }
}

/// Says where an order stands.
fn narrate(narrator: &Narrator, order: &Value) {
    let language = narrator.language();
    let words = match language {
        Language::Zh => "zh",
        Language::En => "en",
    };
    let word = |field: &str| order[field][words].as_str().unwrap_or_default().to_owned();
    let state = text(order, "state");
    let state = messages::word(language, "order_state", &state);
    let (id, task, asset) = (text(order, "id"), word("task"), word("asset_name"));
    narrator.tell(
        Key::DemoOrder,
        &[
            ("order", &id),
            ("task", &task),
            ("asset", &asset),
            ("state", state),
        ],
    );
}

/// What a person does on site.
fn repair(estate: &Estate, world: &World, asset: &str) {
    let Ok(id) = AssetId::new(asset) else { return };
    match estate.asset_by_id(&id).map(|(_, asset)| asset.kind) {
        Some(AssetKind::Bin) => world.set_fill(&id, 5.0),
        Some(AssetKind::ParkingBay | AssetKind::FireLane) => world.park(&id, false),
        _ => world.set_wet(&id, false),
    }
}

fn text(order: &Value, field: &str) -> String {
    order[field].as_str().unwrap_or_default().to_owned()
}
