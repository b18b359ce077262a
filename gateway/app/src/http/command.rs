//! The way of a command: who asks, was it asked before, the pipeline, and the answer in the API's words.
//!
//! A repeat of a request with an idempotency key is answered from the ledger. All commands come through here, so
//! the keys under way in this process are all there are. What is allowed is decided by the core.

use super::Http;
use super::auth::{Principal, Role};
use super::extract::{IdempotencyKey, etag};
use super::problem::{Code, CurrentVersion, Problem, ProblemPart};
use super::wire::Changed;
use crate::pipeline::{Failed, Idempotency, Undecided};
use axum::Json;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use linli_domain::command::{Action, Actor, ActorRole, Command, Refusal, Reply};
use linli_domain::id::{AlarmId, OrderId, PointKey};
use rustc_hash::FxHashSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, PoisonError};

/// Marks the answer to a repeat.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The core's word for a principal.
pub fn actor(principal: &Principal) -> Actor {
    Actor {
        token: Arc::clone(&principal.id),
        name: Arc::clone(&principal.name),
        role: match principal.role {
            Role::Staff => ActorRole::Staff,
            Role::Manager => ActorRole::Manager,
        },
    }
}

/// Idempotency keys of requests under way.
#[derive(Debug, Default)]
pub struct UnderWay(Mutex<FxHashSet<(String, String)>>);

/// One key under way; free again when dropped.
struct Claim<'a> {
    all: &'a UnderWay,
    key: (String, String),
}

impl UnderWay {
    fn claim(&self, key: (String, String)) -> Option<Claim<'_>> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Not `then_some`: a claim that is not given must not be made, for dropping it would free the key.
        keys.insert(key.clone()).then(|| Claim { all: self, key })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.all
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

/// Does a command, or answers its repeat.
pub async fn run(
    http: Arc<Http>,
    principal: Principal,
    key: IdempotencyKey,
    hash: [u8; 32],
    action: Action,
) -> Result<Response, Problem> {
    let (reply, replayed) = reply(http, principal, key, hash, action).await?;
    answer(&reply, replayed)
}

/// The same with the core's own answer, and whether it is that of an earlier request.
pub async fn reply(
    http: Arc<Http>,
    principal: Principal,
    key: IdempotencyKey,
    hash: [u8; 32],
    action: Action,
) -> Result<(Reply, bool), Problem> {
    let command = Command {
        actor: actor(&principal),
        action,
    };
    once::<Kept, Reply, _, _>(http, principal, key, hash, |http, idempotency| async move {
        Ok(http.door.command(command, idempotency).await?.reply)
    })
    .await
}

/// Asks the pipeline once for each idempotency key. The answer, and whether it is that of an earlier request; such a
/// one is kept as `K`.
pub async fn once<K, T, F, Fut>(
    http: Arc<Http>,
    principal: Principal,
    key: IdempotencyKey,
    hash: [u8; 32],
    ask: F,
) -> Result<(T, bool), Problem>
where
    K: DeserializeOwned,
    T: From<K> + Send + 'static,
    F: FnOnce(Arc<Http>, Option<Idempotency>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Failed>> + Send,
{
    // A task of its own: a client that hangs up must not free its key before the pipeline has answered.
    let task =
        tokio::spawn(async move { once_claimed::<K, T, F, Fut>(http, &principal, key, hash, ask).await });
    task.await.unwrap_or_else(|_| {
        Err(Problem::new(
            Code::Internal,
            "the command was not finished; look before repeating it",
        ))
    })
}

async fn once_claimed<K, T, F, Fut>(
    http: Arc<Http>,
    principal: &Principal,
    IdempotencyKey(key): IdempotencyKey,
    hash: [u8; 32],
    ask: F,
) -> Result<(T, bool), Problem>
where
    K: DeserializeOwned,
    T: From<K>,
    F: FnOnce(Arc<Http>, Option<Idempotency>) -> Fut,
    Fut: Future<Output = Result<T, Failed>>,
{
    let Some(key) = key else {
        let done = ask(http, None).await.map_err(|e| failed(&e))?;
        return Ok((done, false));
    };
    let owner = principal.id.to_string();
    let Some(_claim) = http.under_way.claim((owner.clone(), key.clone())) else {
        return Err(Problem::new(
            Code::RequestInFlight,
            "a request with this idempotency key is being done; ask again for its answer",
        ));
    };
    let (now, asked, by) = (http.clock.now().wall, key.clone(), owner.clone());
    if let Some(kept) = http
        .readers
        .query(move |reader| reader.answer(&asked, &by, now))
        .await?
    {
        return repeat::<K>(&kept.body_hash, &hash, &kept.answer).map(|kept| (kept.into(), true));
    }
    let idempotency = Idempotency {
        key,
        principal: owner,
        request_hash: hash,
    };
    let done = ask(Arc::clone(&http), Some(idempotency))
        .await
        .map_err(|e| failed(&e))?;
    Ok((done, false))
}

fn repeat<K: DeserializeOwned>(stored: &[u8; 32], asked: &[u8; 32], kept: &[u8]) -> Result<K, Problem> {
    if stored != asked {
        return Err(Problem::new(
            Code::IdempotencyMismatch,
            "this key belongs to another request; use a new key for a new request",
        ));
    }
    serde_json::from_slice(kept).map_err(|_| {
        Problem::new(
            Code::StoreFailed,
            "the kept answer cannot be read; look at what was changed",
        )
    })
}

/// Marks an answer that was given before.
pub fn mark(response: &mut Response, replayed: bool) {
    if replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

/// A kept answer, as the pipeline writes it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Done,
    Alarm { alarm: AlarmId, version: u32 },
    Order { order: OrderId, version: u32 },
    Point(PointKey),
}

impl From<Kept> for Reply {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Done => Self::Done,
            Kept::Alarm { alarm, version } => Self::Alarm { alarm, version },
            Kept::Order { order, version } => Self::Order { order, version },
            Kept::Point(point) => Self::Point(point),
        }
    }
}

fn answer(reply: &Reply, replayed: bool) -> Result<Response, Problem> {
    let (id, version) = match reply {
        Reply::Alarm { alarm, version } => (alarm.to_string(), *version),
        Reply::Order { order, version } => (order.to_string(), *version),
        Reply::Done | Reply::Point(_) => {
            return Err(Problem::new(
                Code::Internal,
                "the pipeline gave another answer than was asked for",
            ));
        }
    };
    let mut response = Json(Changed { id, version }).into_response();
    response.headers_mut().insert(header::ETAG, etag(version));
    mark(&mut response, replayed);
    Ok(response)
}

/// Why the pipeline did not do it, in the API's words.
pub fn failed(failed: &Failed) -> Problem {
    match failed {
        Failed::Refused(refusal) => refused(refusal),
        Failed::Store(_) => Problem::new(Code::StoreFailed, failed.to_string()),
        Failed::Stopping => Problem::new(Code::Stopping, failed.to_string()),
        Failed::Undecided(undecided) => self::undecided(undecided),
    }
}

fn undecided(undecided: &Undecided) -> Problem {
    let code = match undecided {
        Undecided::Gone { .. } => Code::NotFound,
        Undecided::Version { .. } => Code::VersionConflict,
        Undecided::TooManyIgnored { .. } => Code::Refused,
        Undecided::UnknownProfile { .. }
        | Undecided::NotAnnounced { .. }
        | Undecided::Role { .. }
        | Undecided::NeedsId => Code::InvalidBody,
    };
    Problem::new(code, undecided.to_string())
}

fn refused(refusal: &Refusal) -> Problem {
    let code = match refusal {
        Refusal::UnknownAlarm { .. }
        | Refusal::UnknownOrder { .. }
        | Refusal::UnknownPoint { .. }
        | Refusal::UnknownAsset { .. }
        | Refusal::UnknownDevice { .. } => Code::NotFound,
        Refusal::VersionConflict { .. } => Code::VersionConflict,
        Refusal::NotAssignee { .. } | Refusal::ManagerOnly { .. } | Refusal::OwnCompletion => Code::Forbidden,
        Refusal::AlarmEnded { .. }
        | Refusal::OrderEnded { .. }
        | Refusal::WrongState { .. }
        | Refusal::AlarmStillActive { .. }
        | Refusal::AlreadyAcknowledged { .. }
        | Refusal::NotShelved
        | Refusal::NoCause { .. }
        | Refusal::LivesDepend
        | Refusal::NotNamed
        | Refusal::OutOfService
        | Refusal::AlreadyOutOfService { .. }
        | Refusal::InService { .. }
        | Refusal::NotLatched => Code::InvalidTransition,
        Refusal::EstateInvalid { .. } => Code::InvalidEstate,
        _ => Code::Refused,
    };
    let mut problem = Problem::new(code, refusal.to_string());
    problem.word = refusal.code();
    if let Refusal::VersionConflict { current, by } = refusal {
        problem.current = Some(Box::new(CurrentVersion {
            version: *current,
            changed_by: by.to_string(),
        }));
    }
    if let Refusal::EstateInvalid { problems } = refusal {
        problem.errors = problems.iter().map(part).collect();
    }
    problem
}

/// One problem of an estate document.
pub fn part(problem: &linli_domain::estate::Problem) -> ProblemPart {
    let detail = match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.message),
        None => problem.message.clone(),
    };
    ProblemPart {
        pointer: problem.path.clone(),
        detail,
    }
}
