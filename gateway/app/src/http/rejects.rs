//! Messages of the field that could not be used.

use super::Http;
use super::extract::Query;
use super::page::{Ask, Page, PageQuery};
use super::problem::Problem;
use super::wire::outbox::Reject;
use axum::Json;
use axum::extract::State;
use linli_ledger::Page as Rows;
use std::sync::Arc;

/// Messages that could not be used, newest first
#[utoipa::path(get, path = "/rejects", tag = "field", params(PageQuery), responses((status = 200, body = Page<Reject>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Reject>>, Problem> {
    let ask = Ask::new(query.limit, query.cursor.as_deref(), "rejects")?;
    let rows = Rows {
        before: ask.after_number()?.and_then(|number| i64::try_from(number).ok()),
        limit: ask.limit + 1,
    };
    let rows = http.readers.query(move |reader| reader.rejects(rows)).await?;
    let page = ask.page(rows, |entry| entry.id.to_string());
    Ok(Json(Page {
        items: page.items.into_iter().map(Reject::from).collect(),
        next_cursor: page.next_cursor,
    }))
}
