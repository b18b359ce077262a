//! The forwarders: how far each target has come, what ails it, and the lines it refused for good.

use super::Http;
use super::extract::Query;
use super::page::{Ask, Page};
use super::problem::Problem;
use super::wire::forwarder::{Forwarder, ParkedLine};
use axum::Json;
use axum::extract::{Path, State};
use linli_ledger::Page as Rows;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Every forwarder
#[utoipa::path(get, path = "/forwarders", tag = "outbox", responses((status = 200, body = Vec<Forwarder>)))]
pub async fn list(State(http): State<Arc<Http>>) -> Json<Vec<Forwarder>> {
    let last = http.commit().0;
    let all = http.cursors().shown().into_iter();
    Json(
        all.map(|(name, shown)| Forwarder::new(name, &shown, last))
            .collect(),
    )
}

/// Which lines.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ParkedQuery {
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Lines a target refused for good, newest first
///
/// The newest 10,000 of all targets are kept.
#[utoipa::path(get, path = "/forwarders/{id}/parked", tag = "outbox",
    params(("id" = String, Path, description = "Name of the forwarder"), ParkedQuery),
    responses((status = 200, body = Page<ParkedLine>)))]
pub async fn parked(
    State(http): State<Arc<Http>>,
    Path(name): Path<String>,
    Query(query): Query<ParkedQuery>,
) -> Result<Json<Page<ParkedLine>>, Problem> {
    if !http.cursors().shown().iter().any(|(known, _)| *known == name) {
        return Err(Problem::not_found("forwarder", &name));
    }
    let ask = Ask::new(query.limit, query.cursor.as_deref(), &format!("parked {name}"))?;
    let rows = Rows {
        before: ask.after_number()?.and_then(|number| i64::try_from(number).ok()),
        limit: ask.limit + 1,
    };
    let rows = http
        .readers
        .query(move |reader| reader.parked(&name, rows))
        .await?;
    let page = ask.page(rows, |(id, _)| id.to_string());
    Ok(Json(Page {
        items: page
            .items
            .into_iter()
            .map(|(id, row)| ParkedLine::new(id, row))
            .collect(),
        next_cursor: page.next_cursor,
    }))
}
