//! The estate: shown with its names, exported and imported as a document, compared before it is imported.

use super::auth::Principal;
use super::command::{actor, failed, part};
use super::extract::{Body, IfMatch, MAX_ESTATE, etag, has_version};
use super::problem::{Code, CurrentVersion, Problem};
use super::wire::Changed;
use super::wire::estate::{DocumentProblem, Estate, EstateDiff};
use super::{Http, estate_diff};
use crate::pipeline::{ESTATE, Request};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linli_domain::estate::{Estate as Resolved, EstateDoc};
use linli_domain::id::DeviceId;
use linli_domain::time::Timestamp;
use linli_ledger::DocumentRow;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::sync::Arc;

/// The newest committed document.
pub(super) async fn newest(http: &Http) -> Result<DocumentRow, Problem> {
    let row = http
        .readers
        .query(|reader| reader.document(ESTATE, ESTATE, None))
        .await?;
    row.ok_or_else(|| Problem::new(Code::Unavailable, "the ledger holds no estate yet"))
}

pub(super) fn json(row: &DocumentRow) -> Result<Value, Problem> {
    serde_json::from_slice(row.body.as_deref().unwrap_or_default()).map_err(|error| {
        tracing::error!(%error, version = row.version, "read the estate document");
        Problem::new(Code::StoreFailed, "the estate document cannot be read")
    })
}

/// The estate with its places, assets and devices
#[utoipa::path(get, path = "/estate", tag = "estate", responses((status = 200, body = Estate)))]
pub async fn show(State(http): State<Arc<Http>>) -> Result<Response, Problem> {
    let version = newest(&http).await?.version;
    let estate = Arc::clone(&http.progress.borrow().estate);
    Ok((
        [(header::ETAG, etag(version))],
        Json(Estate::new(&estate, version, &last_seen(&http))),
    )
        .into_response())
}

/// When each device last gave a value: the newest receipt among its points. A time-out is no sign of life.
fn last_seen(http: &Http) -> FxHashMap<DeviceId, Timestamp> {
    let points = http.points.table().all();
    let latest = http.live.latest(points.iter().map(|row| row.key));
    let mut seen: FxHashMap<DeviceId, Timestamp> = FxHashMap::default();
    for row in points {
        if let Some(reading) = latest.get(&row.key).filter(|reading| reading.value.is_some()) {
            let newest = seen.entry(row.device.clone()).or_insert(reading.received);
            *newest = reading.received.max(*newest);
        }
    }
    seen
}

/// The estate as the document of its file, in JSON
#[utoipa::path(get, path = "/estate/document", tag = "estate",
    responses((status = 200, body = Object), (status = 304, description = "Not changed")))]
pub async fn document(State(http): State<Arc<Http>>, headers: HeaderMap) -> Result<Response, Problem> {
    let row = newest(&http).await?;
    let tag = [(header::ETAG, etag(row.version))];
    if has_version(&headers, row.version) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, Json(json(&row)?)).into_response())
}

/// Replace the estate
///
/// The document is checked as a whole; every problem is named, and with one nothing is changed.
#[utoipa::path(put, path = "/estate", tag = "estate", request_body = Object,
    params(("If-Match" = String, Header, description = "The version it was decided on, such as `\"3\"`")),
    responses((status = 200, body = Changed)))]
pub async fn import(
    State(http): State<Arc<Http>>,
    principal: Principal,
    IfMatch(version): IfMatch,
    body: Body<EstateDoc, MAX_ESTATE>,
) -> Result<Response, Problem> {
    let document = Arc::new(body.value);
    sensible(&document)?;
    // Edits come through here and from `rules` only, so looking and editing under one lock is a compare-and-set.
    let _one_at_a_time = http.editing.lock().await;
    let current = newest(&http).await?;
    if current.version != version {
        let detail = format!(
            "the estate is at version {}; compare again, then import",
            current.version
        );
        let mut problem = Problem::new(Code::VersionConflict, detail);
        problem.current = Some(Box::new(CurrentVersion {
            version: current.version,
            changed_by: current.author,
        }));
        return Err(problem);
    }
    let row = adopt(&http, &principal, document).await?;
    let changed = Changed {
        id: http.progress.borrow().estate.id().to_string(),
        version: row.version,
    };
    Ok(([(header::ETAG, etag(row.version))], Json(changed)).into_response())
}

/// Refuses a document that makes no sense, with every problem.
pub(super) fn sensible(document: &Arc<EstateDoc>) -> Result<Resolved, Problem> {
    Resolved::resolve(Arc::clone(document)).map_err(|problems| {
        let detail = format!("{} problems; nothing was changed", problems.len());
        let mut problem = Problem::new(Code::InvalidEstate, detail);
        problem.errors = problems.iter().map(part).collect();
        problem
    })
}

/// Makes a document the estate; the row it became. The caller holds the lock on editing.
pub(super) async fn adopt(
    http: &Http,
    principal: &Principal,
    document: Arc<EstateDoc>,
) -> Result<DocumentRow, Problem> {
    let actor = actor(principal);
    let asked = http
        .door
        .ask(|reply| Request::Estate {
            document,
            actor,
            reply,
        })
        .await;
    asked.and_then(|done| done).map_err(|e| failed(&e))?;
    newest(http).await
}

/// What importing a document would change, and what is wrong with it
#[utoipa::path(post, path = "/estate/diff", tag = "estate", request_body = Object,
    responses((status = 200, body = EstateDiff)))]
pub async fn diff(
    State(http): State<Arc<Http>>,
    body: Body<EstateDoc, MAX_ESTATE>,
) -> Result<Json<EstateDiff>, Problem> {
    let row = newest(&http).await?;
    let new = serde_json::to_value(&body.value)
        .map_err(|_| Problem::new(Code::Internal, "the document could not be compared"))?;
    let problems = Resolved::resolve(Arc::new(body.value)).err().unwrap_or_default();
    Ok(Json(EstateDiff {
        version: row.version,
        changes: estate_diff::compare(&json(&row)?, &new),
        problems: problems
            .into_iter()
            .map(|problem| DocumentProblem {
                path: problem.path,
                message: problem.message,
                hint: problem.hint,
            })
            .collect(),
    }))
}
