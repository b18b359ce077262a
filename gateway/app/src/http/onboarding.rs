//! Devices that speak or were announced and are not in the estate: listed with what they may be, and decided about.
//!
//! What a device may be is worked out for each answer from its waiting messages and the profiles in use.

use super::Http;
use super::auth::Principal;
use super::command::{actor, once};
use super::extract::{Body, Id, IdempotencyKey, IfMatch, Query, etag};
use super::page::{Ask, Page};
use super::problem::{Code, Problem};
use super::wire::decision::{Accept, Decided};
use super::wire::onboarding::{UnknownDetail, UnknownDevice, UnknownState, WaitingMessage};
use super::wire::order::Plain;
use crate::ops::recognise::Recogniser;
use crate::pipeline::{self, Decision, Request};
use crate::profiles::ANNOUNCED;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use linli_decode::{Because, Guess, Memory, Role};
use linli_domain::id::ProfileId;
use linli_ledger::{Page as Rows, StoreError, UnknownRow};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which unknown devices.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OnboardingQuery {
    /// In this state; all of them when not given.
    pub state: Option<UnknownState>,
    /// With exactly this key, on every connection.
    pub key: Option<String>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// How waiting messages are shown.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShowQuery {
    /// Read with this profile; with the best guess when not given.
    #[param(value_type = Option<String>)]
    pub profile: Option<ProfileId>,
    /// In this role.
    pub role: Option<String>,
}

/// What is known about devices now; the rest is remembered by the ledger.
fn recogniser(http: &Http) -> impl FnOnce(Memory) -> Recogniser + Send + use<> {
    let (catalogue, subscriptions) = (http.profiles.catalogue(), Arc::clone(&http.subscriptions));
    let (window, now) = (http.window, http.clock.now());
    move |memory| Recogniser {
        catalogue,
        subscriptions,
        memory,
        window,
        now,
    }
}

/// Devices that speak or were announced and are not in the estate, the newest first
#[utoipa::path(get, path = "/onboarding", tag = "onboarding", params(OnboardingQuery),
    responses((status = 200, body = Page<UnknownDevice>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<OnboardingQuery>,
) -> Result<Json<Page<UnknownDevice>>, Problem> {
    let filter = format!("onboarding {:?} {:?}", query.state, query.key);
    let ask = Ask::new(query.limit, query.cursor.as_deref(), &filter)?;
    let before = ask.after_number()?.and_then(|number| i64::try_from(number).ok());
    let (limit, recogniser) = (ask.limit + 1, recogniser(&http));
    let found = http
        .readers
        .query(move |reader| {
            let state = query.state.map(Into::into);
            let rows = match query.key {
                None => reader.unknown_devices(state, Rows { before, limit })?,
                Some(key) => {
                    let mut rows = reader.unknown_devices_called(&key)?;
                    rows.retain(|row| state.is_none_or(|state| row.state == state));
                    rows
                }
            };
            let mut recogniser = recogniser(pipeline::remember(reader)?);
            let show = |row: UnknownRow| {
                let waiting = reader.unknown_payloads(row.id)?;
                let guesses = recogniser.guess(&row, &waiting);
                Ok(UnknownDevice::new(row, waiting.len(), &guesses))
            };
            rows.into_iter().map(show).collect::<Result<Vec<_>, StoreError>>()
        })
        .await?;
    Ok(Json(ask.page(found, |device| device.id.to_string())))
}

/// One unknown device with its waiting messages, read with a profile
#[utoipa::path(get, path = "/onboarding/{id}", tag = "onboarding",
    params(("id" = i64, Path, description = "Its number"), ShowQuery), responses((status = 200, body = UnknownDetail)))]
pub async fn show(
    State(http): State<Arc<Http>>,
    Id(id): Id<i64>,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    let is_announced = query.profile.as_ref().is_some_and(|id| id.as_str() == ANNOUNCED);
    let asked = query
        .profile
        .filter(|_| !is_announced)
        .map(|id| {
            let profile = http.profiles.catalogue().get(&id);
            profile.ok_or_else(|| Problem::not_found("profile", id.as_str()))
        })
        .transpose()?;
    let role = query
        .role
        .map(|name| {
            Role::from_name(&name)
                .ok_or_else(|| Problem::new(Code::BadQuery, format!("there is no role {name:?}")))
        })
        .transpose()?;
    let recogniser = recogniser(&http);
    let shown = http
        .readers
        .query(move |reader| {
            let Some(row) = reader.unknown_device(id)? else {
                return Ok(None);
            };
            let waiting = reader.unknown_payloads(id)?;
            let mut recogniser = recogniser(pipeline::remember(reader)?);
            let guesses: Vec<Guess> = recogniser.guess(&row, &waiting);
            let wanted = |guess: &&Guess| !is_announced || guess.because == Because::Announced;
            let best = || guesses.iter().find(wanted);
            let profile = asked.or_else(|| best().map(|guess| Arc::clone(&guess.profile)));
            let messages = waiting.iter().map(|message| {
                let preview = recogniser.preview(profile.as_deref(), role, &row, message);
                WaitingMessage::new(message, &preview)
            });
            let messages = messages.collect::<Vec<_>>();
            let shown_with = profile.as_ref().map(|profile| {
                // What a device says of itself has no name in the catalogue.
                let of_itself = |guess: &Guess| {
                    guess.because == Because::Announced && Arc::ptr_eq(&guess.profile, profile)
                };
                match guesses.iter().any(of_itself) {
                    true => ANNOUNCED.to_owned(),
                    false => profile.id().to_string(),
                }
            });
            Ok(Some(UnknownDetail {
                messages,
                shown_with,
                device: UnknownDevice::new(row, waiting.len(), &guesses),
            }))
        })
        .await?;
    let shown = shown.ok_or_else(|| Problem::not_found("unknown device", &id.to_string()))?;
    Ok(([(header::ETAG, etag(shown.device.version))], Json(shown)).into_response())
}

/// Take an unknown device into the estate
///
/// The estate gets a new version with the device, and its waiting messages are replayed in the same transaction: they
/// become history, and the newest value of each point is evaluated as the present state unless it is older than the
/// silence allowed to the device. Every problem of the new estate is named, and with one nothing is changed.
#[utoipa::path(post, path = "/onboarding/{id}/accept", tag = "onboarding", request_body = Accept,
    params(("id" = i64, Path, description = "Its number"),
        ("If-Match" = String, Header, description = "The version it was decided on, such as `\"1\"`"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat with the same key is answered, not done again")),
    responses((status = 200, body = Decided)))]
pub async fn accept(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<i64>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    body: Body<Accept>,
) -> Result<Response, Problem> {
    let decision = Decision::Accept(Box::new(body.value.into()));
    decide(http, principal, (id, version, decision), key, body.hash).await
}

/// Ignore an unknown device for good
///
/// Its waiting messages go; from now on its messages are counted and none is kept. Forgetting it undoes this.
#[utoipa::path(post, path = "/onboarding/{id}/ignore", tag = "onboarding", request_body = Plain,
    params(("id" = i64, Path, description = "Its number"),
        ("If-Match" = String, Header, description = "The version it was decided on, such as `\"1\"`"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat with the same key is answered, not done again")),
    responses((status = 200, body = Decided)))]
pub async fn ignore(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<i64>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    body: Body<Plain>,
) -> Result<Response, Problem> {
    decide(http, principal, (id, version, Decision::Ignore), key, body.hash).await
}

/// Forget an unknown device
///
/// What was heard and decided is gone; when it speaks again it appears as new.
#[utoipa::path(delete, path = "/onboarding/{id}", tag = "onboarding",
    params(("id" = i64, Path, description = "Its number"),
        ("If-Match" = String, Header, description = "The version it was decided on, such as `\"1\"`"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat with the same key is answered, not done again")),
    responses((status = 200, body = Decided)))]
pub async fn forget(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Id(id): Id<i64>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    body: Body<Plain>,
) -> Result<Response, Problem> {
    decide(http, principal, (id, version, Decision::Forget), key, body.hash).await
}

async fn decide(
    http: Arc<Http>,
    principal: Principal,
    (id, version, decision): (i64, u32, Decision),
    key: IdempotencyKey,
    hash: [u8; 32],
) -> Result<Response, Problem> {
    let actor = actor(&principal);
    let answer = once::<pipeline::Decided, pipeline::Decided, _, _>(
        http,
        principal,
        key,
        hash,
        move |http, idempotency| async move {
            // Accepting edits the estate, and edits come one at a time.
            let _one_at_a_time = http.editing.lock().await;
            let asked = http.door.ask(|reply| Request::Unknown {
                id,
                version,
                decision,
                actor,
                idempotency,
                reply,
            });
            asked.await?
        },
    );
    let (decided, replayed) = answer.await?;
    let version = decided.version;
    let mut response = ([(header::ETAG, etag(version))], Json(Decided::from(decided))).into_response();
    super::command::mark(&mut response, replayed);
    Ok(response)
}
