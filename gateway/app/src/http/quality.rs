//! Alarm quality: whether people can work with the alarms they get.

use super::Http;
use super::extract::Query;
use super::problem::{Code, Problem};
use crate::ops::quality::{self, Quality};
use axum::Json;
use axum::extract::State;
use linli_domain::time::Timestamp;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// A week when nothing else is asked for.
const USUAL: Duration = Duration::from_secs(7 * 86_400);
/// Longest time that is measured in one answer.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// Most people on duty.
const MAX_OPERATORS: u32 = 100;

/// Over which time, for how many people.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QualityQuery {
    /// Raised at or after; a week before `to` when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Raised before; now when not given.
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// People on duty at a time, 1 to 100; 1 when not given.
    #[param(minimum = 1, maximum = 100)]
    pub operators: Option<u32>,
}

/// Alarm quality: rates, floods, chatter, standing alarms and shares, beside their targets
#[utoipa::path(get, path = "/alarms/quality", tag = "alarms", params(QualityQuery),
    responses((status = 200, body = Quality)))]
pub async fn quality(
    State(http): State<Arc<Http>>,
    Query(query): Query<QualityQuery>,
) -> Result<Json<Quality>, Problem> {
    let to = query.to.unwrap_or_else(|| http.clock.now().wall);
    let from = query.from.unwrap_or_else(|| to.minus(USUAL));
    if from >= to || to.since(from) > LONGEST {
        return Err(Problem::new(
            Code::BadQuery,
            "from lies before to, by at most 366 days",
        ));
    }
    let operators = query.operators.unwrap_or(1);
    if !(1..=MAX_OPERATORS).contains(&operators) {
        return Err(Problem::new(
            Code::BadQuery,
            format!("operators is 1 to {MAX_OPERATORS}"),
        ));
    }
    let measured = http
        .readers
        .query(move |reader| quality::between(reader, from, to, operators));
    Ok(Json(measured.await?))
}
