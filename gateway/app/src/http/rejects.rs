//! Messages of the field that could not be used: a filtered list, one of them, and counts for each reason.

use super::Http;
use super::extract::{Id, Query};
use super::page::{Ask, Page};
use super::problem::Problem;
use super::wire::reject::{Reject, RejectCount};
use axum::Json;
use axum::extract::State;
use linli_ledger::{Page as Rows, RejectFilter};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which messages.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RejectsQuery {
    /// Refused for this reason, such as `truncated`.
    pub reason: Option<String>,
    /// Come over this connection.
    pub connection: Option<String>,
    /// Spoken by this device: its id in the estate, or the key of an unknown one.
    pub device: Option<String>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Which messages are counted.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CountsQuery {
    /// Come over this connection.
    pub connection: Option<String>,
    /// Spoken by this device.
    pub device: Option<String>,
}

/// Messages that could not be used, newest first
///
/// The newest 10,000 are kept, the first 1,024 bytes of each.
#[utoipa::path(get, path = "/rejects", tag = "field", params(RejectsQuery),
    responses((status = 200, body = Page<Reject>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<RejectsQuery>,
) -> Result<Json<Page<Reject>>, Problem> {
    let filter = RejectFilter {
        reason: query.reason,
        connection: query.connection,
        device: query.device,
    };
    let ask = Ask::new(
        query.limit,
        query.cursor.as_deref(),
        &format!("rejects {filter:?}"),
    )?;
    let rows = Rows {
        before: ask.after_number()?.and_then(|number| i64::try_from(number).ok()),
        limit: ask.limit + 1,
    };
    let rows = http
        .readers
        .query(move |reader| reader.rejects(&filter, rows))
        .await?;
    let page = ask.page(rows, |entry| entry.id.to_string());
    Ok(Json(Page {
        items: page.items.into_iter().map(Reject::from).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// How many messages could not be used for each reason, the most frequent first
#[utoipa::path(get, path = "/rejects/counts", tag = "field", params(CountsQuery),
    responses((status = 200, body = Page<RejectCount>)))]
pub async fn counts(
    State(http): State<Arc<Http>>,
    Query(query): Query<CountsQuery>,
) -> Result<Json<Page<RejectCount>>, Problem> {
    let filter = RejectFilter {
        reason: None,
        connection: query.connection,
        device: query.device,
    };
    let rows = http
        .readers
        .query(move |reader| reader.reject_counts(&filter))
        .await?;
    Ok(Json(Page {
        items: rows.into_iter().map(RejectCount::from).collect(),
        next_cursor: None,
    }))
}

/// One message that could not be used
#[utoipa::path(get, path = "/rejects/{id}", tag = "field", params(("id" = i64, Path, description = "Its number")),
    responses((status = 200, body = Reject)))]
pub async fn show(State(http): State<Arc<Http>>, Id(id): Id<i64>) -> Result<Json<Reject>, Problem> {
    let row = http.readers.query(move |reader| reader.reject(id)).await?;
    let row = row.ok_or_else(|| Problem::not_found("rejected message", &id.to_string()))?;
    Ok(Json(Reject::from(row)))
}
