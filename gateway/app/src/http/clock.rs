//! What a person says about the machine's clock.

use super::Http;
use super::auth::Principal;
use super::extract::{Body, Unkeyed};
use super::problem::{Code, Problem};
use super::wire::order::Plain;
use super::writes::audit;
use axum::Json;
use axum::extract::State;
use linli_domain::estate::builtin::GATEWAY;
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The time the gateway goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GoesBy {
    /// The time.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Whether it is believed.
    pub believed: bool,
}

/// Say that the machine's clock is right
///
/// A clock that shows less than the last step in the ledger is not believed before it gets there, is set, or the network has
/// told the machine the time. Whoever has compared it with a watch may say so. Refused when the clock is believed, and when
/// it shows a time before the program was made.
#[utoipa::path(post, path = "/clock/believe", tag = "gateway", request_body = Plain,
    responses((status = 200, body = GoesBy)))]
pub async fn believe(
    State(http): State<Arc<Http>>,
    principal: Principal,
    _: Unkeyed,
    _: Body<Plain>,
) -> Result<Json<GoesBy>, Problem> {
    let before = http.clock.now();
    if !http.clock.believe() {
        let detail = if before.trusted {
            format!("the clock is believed already: it is {}", before.wall)
        } else {
            "the machine's clock shows a time before this program was made: set it".to_owned()
        };
        let mut problem = Problem::new(Code::InvalidTransition, detail);
        problem.word = if before.trusted {
            "clock_believed"
        } else {
            "clock_unset"
        };
        return Err(problem);
    }
    let now = http.clock.now();
    let what = format!("{} instead of {}", now.wall, before.wall);
    audit(&http, &principal.name, "clock.believe", GATEWAY, what).await?;
    Ok(Json(GoesBy {
        now: now.wall,
        believed: now.trusted,
    }))
}
