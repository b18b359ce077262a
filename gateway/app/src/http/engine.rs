//! The engine's whole state as text, for comparing and support.

use super::Http;
use super::command::failed;
use super::problem::Problem;
use crate::pipeline::Request;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The engine after a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EngineDump {
    /// Number of the commit it belongs to.
    pub commit: u64,
    /// The whole state as text: equal texts are equal states.
    pub state: String,
}

/// The engine's state after a commit
#[utoipa::path(get, path = "/engine/dump", tag = "engine", responses((status = 200, body = EngineDump)))]
pub async fn dump(State(http): State<Arc<Http>>) -> Result<Json<EngineDump>, Problem> {
    let (commit, state) = http.door.ask(Request::Dump).await.map_err(|e| failed(&e))?;
    Ok(Json(EngineDump {
        commit: commit.0,
        state,
    }))
}
