//! Health, readiness, metrics, version, and the API description itself.

use super::problem::{Code, Problem};
use super::{Http, routes};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};
use utoipa::ToSchema;

/// What runs here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// `linli`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What runs here
#[utoipa::path(get, path = "/version", tag = "gateway", responses((status = 200, body = Version)))]
pub async fn version() -> Json<Version> {
    Json(Version {
        name: "linli".into(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}

/// Whether the process answers
#[utoipa::path(get, path = "/healthz", tag = "gateway", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the ledger can be read and the pipeline lives
///
/// A broker that is away does not make the gateway unready: it is what the gateway is there for.
#[utoipa::path(get, path = "/readyz", tag = "gateway", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn readyz(State(http): State<Arc<Http>>) -> Result<&'static str, Problem> {
    if http.shutdown.is_cancelled() || http.progress.has_changed().is_err() {
        return Err(Problem::new(Code::Stopping, "the pipeline has ended"));
    }
    if !http.tokens.are_known() {
        return Err(Problem::new(Code::Unavailable, "the ledger is being read"));
    }
    http.readers.query(|reader| reader.oldest_logged()).await?;
    Ok("ready\n")
}

/// Metrics in the Prometheus text format
#[utoipa::path(get, path = "/metrics", tag = "gateway", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn metrics(State(http): State<Arc<Http>>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], http.metrics.render()).into_response()
}

/// The API description.
pub(super) async fn document() -> Result<Response, Problem> {
    static TEXT: LazyLock<Option<String>> = LazyLock::new(|| routes::openapi_json().ok());
    match TEXT.as_deref() {
        Some(text) => Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response()),
        None => Err(Problem::new(
            Code::Internal,
            "the description could not be written",
        )),
    }
}
