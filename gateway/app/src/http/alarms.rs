//! Alarms: list, look at, acknowledge, reset.

use super::auth::Principal;
use super::extract::{Body, Id, IdempotencyKey, IfMatch, Query, etag, has_version};
use super::page::{Ask, Page};
use super::problem::{Code, Problem};
use super::wire::alarm::Alarm;
use super::wire::order::Plain;
use super::wire::{Changed, Priority, Transition};
use super::{Http, command};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linli_domain::command::Action;
use linli_domain::id::{AlarmId, AssetId, Class};
use linli_ledger::{AlarmFilter, AlarmRow, Page as Rows, Subject};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which alarms.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlarmsQuery {
    /// `true`: those that go on; `false`: those that are over; all when not given.
    pub live: Option<bool>,
    /// About this asset.
    #[param(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// Of this class.
    #[param(value_type = Option<String>)]
    pub class: Option<Class>,
    /// At least this urgent.
    pub priority: Option<Priority>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// An urgency as the ledger counts it: 1 is the most urgent.
pub(super) fn rank(priority: Priority) -> u8 {
    match priority {
        Priority::P1 => 1,
        Priority::P2 => 2,
        Priority::P3 => 3,
        Priority::P4 => 4,
    }
}

/// The wire form of a row; its document is the core's own.
pub(super) fn wire(http: &Http, row: &AlarmRow) -> Result<Alarm, Problem> {
    let alarm = serde_json::from_slice(&row.document).map_err(|error| {
        tracing::error!(%error, alarm = %row.id, "read the document of an alarm");
        Problem::new(
            Code::StoreFailed,
            format!("the document of {} cannot be read", row.id),
        )
    })?;
    Ok(Alarm::new(&alarm, &http.names()))
}

/// Alarms, newest first
#[utoipa::path(get, path = "/alarms", tag = "alarms", params(AlarmsQuery),
    responses((status = 200, body = Page<Alarm>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<AlarmsQuery>,
) -> Result<Json<Page<Alarm>>, Problem> {
    let filter = AlarmFilter {
        live: query.live,
        asset: query.asset,
        class: query.class,
        priority: query.priority.map(rank),
        ..AlarmFilter::default()
    };
    let ask = Ask::new(
        query.limit,
        query.cursor.as_deref(),
        &format!("alarms {filter:?}"),
    )?;
    let rows = Rows {
        before: ask.after_number()?.map(AlarmId),
        limit: ask.limit + 1,
    };
    let rows = http
        .readers
        .query(move |reader| reader.alarms(&filter, rows))
        .await?;
    let page = ask.page(rows, |row| row.id.0.to_string());
    let items = page
        .items
        .iter()
        .map(|row| wire(&http, row))
        .collect::<Result<_, _>>()?;
    Ok(Json(Page {
        items,
        next_cursor: page.next_cursor,
    }))
}

/// One alarm
#[utoipa::path(get, path = "/alarms/{id}", tag = "alarms", params(("id" = String, Path, description = "Such as `AL-7`")),
    responses((status = 200, body = Alarm), (status = 304, description = "Not changed")))]
pub async fn show(
    State(http): State<Arc<Http>>,
    headers: HeaderMap,
    Id(id): Id<AlarmId>,
) -> Result<Response, Problem> {
    let row = http.readers.query(move |reader| reader.alarm(id)).await?;
    let row = row.ok_or_else(|| Problem::not_found("alarm", &id.to_string()))?;
    let alarm = wire(&http, &row)?;
    let tag = [(header::ETAG, etag(alarm.version))];
    if has_version(&headers, alarm.version) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, Json(alarm)).into_response())
}

/// The life of an alarm, oldest first
#[utoipa::path(get, path = "/alarms/{id}/transitions", tag = "alarms",
    params(("id" = String, Path, description = "Such as `AL-7`")), responses((status = 200, body = Page<Transition>)))]
pub async fn transitions(
    State(http): State<Arc<Http>>,
    Id(id): Id<AlarmId>,
) -> Result<Json<Page<Transition>>, Problem> {
    history(&http, Subject::Alarm(id), id.to_string()).await
}

/// The history of a subject; what has none does not exist.
pub(super) async fn history(
    http: &Http,
    subject: Subject,
    id: String,
) -> Result<Json<Page<Transition>>, Problem> {
    let rows = http
        .readers
        .query(move |reader| reader.transitions(subject))
        .await?;
    if rows.is_empty() {
        return Err(Problem::not_found("alarm or order", &id));
    }
    Ok(Json(Page {
        items: rows
            .into_iter()
            .map(|entry| Transition::from(entry.row))
            .collect(),
        next_cursor: None,
    }))
}

/// "I have seen it."
#[utoipa::path(post, path = "/alarms/{id}/ack", tag = "alarms", request_body = Plain,
    params(("id" = String, Path, description = "Such as `AL-7`"),
        ("If-Match" = String, Header, description = "The version it was decided on, such as `\"3\"`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = Changed)))]
pub async fn acknowledge(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(alarm): Id<AlarmId>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    body: Body<Plain>,
) -> Result<Response, Problem> {
    command::run(
        http,
        principal,
        key,
        body.hash,
        Action::AcknowledgeAlarm { alarm, version },
    )
    .await
}

/// A manager lets go of the latch of an alarm whose condition is normal
#[utoipa::path(post, path = "/alarms/{id}/reset", tag = "alarms", request_body = Plain,
    params(("id" = String, Path, description = "Such as `AL-7`"),
        ("If-Match" = String, Header, description = "The version it was decided on, such as `\"3\"`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = Changed)))]
pub async fn reset(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(alarm): Id<AlarmId>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    body: Body<Plain>,
) -> Result<Response, Problem> {
    command::run(
        http,
        principal,
        key,
        body.hash,
        Action::ResetAlarm { alarm, version },
    )
    .await
}
