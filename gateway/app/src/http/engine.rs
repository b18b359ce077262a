//! The engine's whole state as text, for comparing and support.

use super::Http;
use super::command::failed;
use super::problem::Problem;
use crate::pipeline::Request;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The commit the dump belongs to.
const COMMIT: HeaderName = HeaderName::from_static("linli-commit");

/// The engine's state after a commit, as text
#[utoipa::path(get, path = "/engine/dump", tag = "engine",
    responses((status = 200, body = String, content_type = "text/plain",
        headers(("Linli-Commit" = String, description = "The commit it belongs to, such as `C42`")))))]
pub async fn dump(State(http): State<Arc<Http>>) -> Result<Response, Problem> {
    let (commit, text) = http.door.ask(Request::Dump).await.map_err(|e| failed(&e))?;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut response = ([(header::CONTENT_TYPE, kind)], text).into_response();
    if let Ok(commit) = HeaderValue::from_str(&commit.to_string()) {
        response.headers_mut().insert(COMMIT, commit);
    }
    Ok(response)
}
