//! Deliveries of the outbox: list, send again, and a test message.

use super::Http;
use super::auth::Principal;
use super::command::failed;
use super::extract::{Body, Id, Query, Unkeyed};
use super::page::{Ask, Page};
use super::problem::{Code, Problem};
use super::wire::order::Plain;
use super::wire::outbox::{Delivery, DeliveryState, TestNotice, TestSent};
use crate::pipeline::Request;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linli_domain::id::ChannelId;
use linli_ledger::{DeliveryState as State_, DeliveryUpdate, NewDelivery, Page as Rows};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which deliveries.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// In this state; `dead` when not given.
    pub state: Option<DeliveryState>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Deliveries in a state, newest first
#[utoipa::path(get, path = "/deliveries", tag = "outbox", params(DeliveriesQuery),
    responses((status = 200, body = Page<Delivery>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let state = query.state.unwrap_or(DeliveryState::Dead);
    let ask = Ask::new(
        query.limit,
        query.cursor.as_deref(),
        &format!("deliveries {state:?}"),
    )?;
    let rows = Rows {
        before: ask.after_number()?.and_then(|number| i64::try_from(number).ok()),
        limit: ask.limit + 1,
    };
    let rows = http
        .readers
        .query(move |reader| reader.deliveries(state.into(), rows))
        .await?;
    let page = ask.page(rows, |row| row.id.to_string());
    Ok(Json(Page {
        items: page.items.into_iter().map(Delivery::from).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// Send a delivery again, now
///
/// Its attempts are counted anew. One that was taken by its channel is not sent again.
#[utoipa::path(post, path = "/deliveries/{id}/retry", tag = "outbox", request_body = Plain,
    params(("id" = i64, Path, description = "Its number")), responses((status = 200, body = Delivery)))]
pub async fn retry(
    State(http): State<Arc<Http>>,
    Id(id): Id<i64>,
    _: Body<Plain>,
) -> Result<Json<Delivery>, Problem> {
    let read = || http.readers.query(move |reader| reader.delivery(id));
    let missing = || Problem::not_found("delivery", &id.to_string());
    let delivery = read().await?.ok_or_else(missing)?;
    if delivery.state == State_::Delivered {
        return Err(Problem::new(
            Code::InvalidTransition,
            "the channel has taken it; sending it again would double it",
        ));
    }
    let update = DeliveryUpdate {
        id,
        state: State_::Pending,
        attempts: 0,
        next_at: http.clock.now().wall,
        last_error: delivery.last_error,
        delivered_at: None,
    };
    let asked = http
        .door
        .ask(|reply| Request::Deliveries(vec![update], reply))
        .await;
    asked.and_then(|done| done).map_err(|e| failed(&e))?;
    Ok(Json(Delivery::from(read().await?.ok_or_else(missing)?)))
}

/// Send a test message over one channel or over all
#[utoipa::path(post, path = "/notify/test", tag = "outbox", request_body = TestNotice,
    responses((status = 202, body = TestSent)))]
pub async fn test(
    State(http): State<Arc<Http>>,
    principal: Principal,
    _: Unkeyed,
    body: Body<TestNotice>,
) -> Result<(StatusCode, Json<TestSent>), Problem> {
    let channels: Vec<ChannelId> = match body.value.channel {
        None => http.channels.clone(),
        Some(name) => match http.channels.iter().find(|id| id.as_str() == name) {
            Some(id) => vec![id.clone()],
            None => return Err(Problem::not_found("channel", &name)),
        },
    };
    if channels.is_empty() {
        return Err(Problem::new(
            Code::Refused,
            "no channel is configured; add one to linli.toml",
        ));
    }
    let now = http.clock.now().wall;
    let nonce = format!("{}-{}", principal.id, now.as_millis());
    let estate = Arc::clone(&http.progress.borrow().estate);
    let messages: Vec<NewDelivery> = channels
        .iter()
        .filter_map(|channel| http.planner.test(channel, &estate, now, &nonce))
        .collect();
    let subject = messages
        .first()
        .map(|message| message.subject.clone())
        .unwrap_or_default();
    let channels = messages.iter().map(|message| message.channel.clone()).collect();
    let asked = http.door.ask(|reply| Request::Notify(messages, reply)).await;
    asked.and_then(|done| done).map_err(|e| failed(&e))?;
    Ok((StatusCode::ACCEPTED, Json(TestSent { channels, subject })))
}
