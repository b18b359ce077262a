//! Out of service: what is under repair is no reason to call anybody, and stands in a list until it is back.

use super::Http;
use super::auth::Principal;
use super::command::{failed, mark, reply};
use super::extract::{Body, IdempotencyKey};
use super::problem::{Code, Problem};
use super::wire::annunciation::{AllOutOfService, BringBack, OutOfService, ServiceState, TakeOut};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use linli_domain::alarm::Serviced;
use linli_domain::command::Action;
use linli_domain::id::{AssetId, DeviceId};
use std::sync::Arc;

/// What is out of service
#[utoipa::path(get, path = "/out-of-service", tag = "alarms", responses((status = 200, body = AllOutOfService)))]
pub async fn list(State(http): State<Arc<Http>>) -> Result<Json<AllOutOfService>, Problem> {
    let look = http.door.look(|engine, _| {
        let all = engine.out_of_service();
        all.map(|(what, out)| OutOfService::new(what, out, engine.guards_lives(what)))
            .collect()
    });
    let items = look.await.map_err(|error| failed(&error))?;
    Ok(Json(AllOutOfService { items }))
}

/// Take a device or an asset out of service
///
/// Its alarms go on being recorded; nobody is called and no order opens. An asset is a manager's decision. An alarm that a
/// sensor in service raises as well is announced. What lives depend on is out of service for a time that is said; when it is
/// over, it is back by itself and people are told.
#[utoipa::path(post, path = "/out-of-service", tag = "alarms", request_body = TakeOut,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = ServiceState)))]
pub async fn take_out(
    State(http): State<Arc<Http>>,
    principal: Principal,
    key: IdempotencyKey,
    body: Body<TakeOut>,
) -> Result<Response, Problem> {
    let TakeOut {
        asset,
        device,
        reason,
        lasts,
    } = body.value;
    let what = one_of(asset, device)?;
    let state = ServiceState::new(&what, true);
    let action = Action::TakeOutOfService { what, reason, lasts };
    done(http, principal, key, body.hash, action, state).await
}

/// Bring a device or an asset back into service. People hear of what still goes on
#[utoipa::path(post, path = "/out-of-service/back", tag = "alarms", request_body = BringBack,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses((status = 200, body = ServiceState)))]
pub async fn bring_back(
    State(http): State<Arc<Http>>,
    principal: Principal,
    key: IdempotencyKey,
    body: Body<BringBack>,
) -> Result<Response, Problem> {
    let BringBack { asset, device } = body.value;
    let what = one_of(asset, device)?;
    let state = ServiceState::new(&what, false);
    let action = Action::BringBack { what };
    done(http, principal, key, body.hash, action, state).await
}

fn one_of(asset: Option<AssetId>, device: Option<DeviceId>) -> Result<Serviced, Problem> {
    match (asset, device) {
        (Some(asset), None) => Ok(Serviced::Asset(asset)),
        (None, Some(device)) => Ok(Serviced::Device(device)),
        _ => Err(Problem::new(
            Code::InvalidBody,
            "name an asset or a device, one of the two",
        )),
    }
}

async fn done(
    http: Arc<Http>,
    principal: Principal,
    key: IdempotencyKey,
    hash: [u8; 32],
    action: Action,
    state: ServiceState,
) -> Result<Response, Problem> {
    let (_, replayed) = reply(http, principal, key, hash, action).await?;
    let mut response = Json(state).into_response();
    mark(&mut response, replayed);
    Ok(response)
}
