//! Orders: list, look at, and the five verbs people have.

use super::alarms::{history, rank};
use super::auth::Principal;
use super::extract::{Body, Id, IdempotencyKey, IfMatch, Query, etag, has_version};
use super::page::{Ask, Page};
use super::problem::{Code, Problem};
use super::wire::order::{Cancel, Complete, Order, Override, Plain, Trade};
use super::wire::{Changed, Priority, Transition};
use super::{Http, command};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linli_domain::command::Action;
use linli_domain::id::{AssetId, OrderId};
use linli_ledger::{OrderFilter, OrderRow, Page as Rows, Subject};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which orders.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrdersQuery {
    /// `true`: those to which something may still happen; `false`: those that are over; all when not given.
    pub open: Option<bool>,
    /// In this state.
    pub state: Option<String>,
    /// About this asset, alone or among others.
    #[param(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// The job of this trade.
    pub role: Option<Trade>,
    /// At least this urgent.
    pub priority: Option<Priority>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The wire form of a row; its document is the core's own.
pub(super) fn wire(http: &Http, row: &OrderRow) -> Result<Order, Problem> {
    let order = serde_json::from_slice(&row.document).map_err(|error| {
        tracing::error!(%error, order = %row.id, "read the document of an order");
        Problem::new(
            Code::StoreFailed,
            format!("the document of {} cannot be read", row.id),
        )
    })?;
    Ok(Order::new(&order, &http.names()))
}

/// Orders, newest first
#[utoipa::path(get, path = "/orders", tag = "orders", params(OrdersQuery),
    responses((status = 200, body = Page<Order>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<OrdersQuery>,
) -> Result<Json<Page<Order>>, Problem> {
    let role = query.role.map(|role| match role {
        Trade::Repair => "repair".to_owned(),
        Trade::Cleaning => "cleaning".to_owned(),
        Trade::Order => "order".to_owned(),
    });
    let filter = OrderFilter {
        open: query.open,
        state: query.state,
        asset: query.asset,
        role,
        priority: query.priority.map(rank),
        ..OrderFilter::default()
    };
    let ask = Ask::new(
        query.limit,
        query.cursor.as_deref(),
        &format!("orders {filter:?}"),
    )?;
    let rows = Rows {
        before: ask.after_number()?.map(OrderId),
        limit: ask.limit + 1,
    };
    let rows = http
        .readers
        .query(move |reader| reader.orders(&filter, rows))
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

/// One order
#[utoipa::path(get, path = "/orders/{id}", tag = "orders", params(("id" = String, Path, description = "Such as `WO-42`")),
    responses((status = 200, body = Order), (status = 304, description = "Not changed")))]
pub async fn show(
    State(http): State<Arc<Http>>,
    headers: HeaderMap,
    Id(id): Id<OrderId>,
) -> Result<Response, Problem> {
    let row = http.readers.query(move |reader| reader.order(id)).await?;
    let row = row.ok_or_else(|| Problem::not_found("order", &id.to_string()))?;
    let tag = [(header::ETAG, etag(row.version))];
    if has_version(&headers, row.version) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, Json(wire(&http, &row)?)).into_response())
}

/// The life of an order, oldest first
#[utoipa::path(get, path = "/orders/{id}/transitions", tag = "orders",
    params(("id" = String, Path, description = "Such as `WO-42`")), responses((status = 200, body = Page<Transition>)))]
pub async fn transitions(
    State(http): State<Arc<Http>>,
    Id(id): Id<OrderId>,
) -> Result<Json<Page<Transition>>, Problem> {
    history(&http, Subject::Order(id), id.to_string()).await
}

/// One verb: its address, its words, and the action it stands for.
macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident($path:literal, $words:ty) => |$order:ident, $version:ident, $said:ident| $action:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "orders", request_body = $words,
            params(("id" = String, Path, description = "Such as `WO-42`"),
                ("If-Match" = String, Header, description = "The version it was decided on, such as `\"3\"`"),
                ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
            responses((status = 200, body = Changed)))]
        pub async fn $name(
            State(http): State<Arc<Http>>,
            principal: Principal,
            Id($order): Id<OrderId>,
            IfMatch($version): IfMatch,
            key: IdempotencyKey,
            body: Body<$words>,
        ) -> Result<Response, Problem> {
            let $said = body.value;
            let action = $action;
            command::run(http, principal, key, body.hash, action).await
        }
    )*};
}

verbs! {
    /// "I take it."
    accept("/orders/{id}/accept", Plain) => |order, version, _said| Action::Accept { order, version };
    /// "I begin."
    start("/orders/{id}/start", Plain) => |order, version, _said| Action::Start { order, version };
    /// "It is done." Verification by the sensors begins
    complete("/orders/{id}/complete", Complete) => |order, version, said| Action::Complete { order, version, note: said.note };
    /// A manager closes it without the sensors' agreement
    override_verification("/orders/{id}/override", Override) => |order, version, said| Action::Override {
        order,
        version,
        reason: said.reason.into(),
        note: said.note,
    };
    /// A manager ends it without work
    cancel("/orders/{id}/cancel", Cancel) => |order, version, said| Action::Cancel { order, version, reason: said.reason };
}
