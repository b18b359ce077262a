//! What people do to alarms: acknowledge, reset, shelve, name a cause, one or several at once.
//!
//! Who may do what to which is the core's decision; here only the words are translated.

use super::Http;
use super::auth::Principal;
use super::command::{self, reply};
use super::extract::{Body, Id, IdempotencyKey, IfMatch, Unkeyed};
use super::problem::{Code, Problem};
use super::wire::Changed;
use super::wire::annunciation::{Bulk, BulkAction, BulkDone, BulkItem, MAX_BULK, Shelve, Suppress};
use super::wire::order::Plain;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use linli_domain::command::{Action, Reply};
use linli_domain::id::AlarmId;
use std::sync::Arc;
use std::time::Duration;

/// One verb: its address, its words, and the action it stands for.
macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident($path:literal, $words:ty) => |$alarm:ident, $version:ident, $said:ident| $action:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "alarms", request_body = $words,
            params(("id" = String, Path, description = "Such as `AL-7`"),
                ("If-Match" = String, Header, description = "The version it was decided on, such as `\"3\"`"),
                ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
            responses((status = 200, body = Changed)))]
        pub async fn $name(
            State(http): State<Arc<Http>>,
            principal: Principal,
            Id($alarm): Id<AlarmId>,
            IfMatch($version): IfMatch,
            key: IdempotencyKey,
            body: Body<$words>,
        ) -> Result<Response, Problem> {
            let $said = body.value;
            command::run(http, principal, key, body.hash, $action).await
        }
    )*};
}

verbs! {
    /// "I have seen it."
    acknowledge("/alarms/{id}/ack", Plain) => |alarm, version, _said| Action::AcknowledgeAlarm { alarm, version };
    /// A manager lets go of the latch of an alarm whose condition is normal
    reset("/alarms/{id}/reset", Plain) => |alarm, version, _said| Action::ResetAlarm { alarm, version };
    /// Mute an alarm for a time. It goes on being recorded and stays in sight
    ///
    /// Staff may do so for up to 8 hours, a manager for up to 72; only a manager mutes a P1 alarm or one lives depend on.
    /// A P1 alarm that is raised while it is shelved still opens its order, unless `no_order` says otherwise.
    shelve("/alarms/{id}/shelve", Shelve) => |alarm, version, said| Action::ShelveAlarm {
        alarm,
        version,
        lasts: said.lasts,
        reason: said.reason,
        no_order: said.no_order,
    };
    /// End a shelving before its time. People hear of the alarm at once if it still goes on
    unshelve("/alarms/{id}/unshelve", Plain) => |alarm, version, _said| Action::UnshelveAlarm { alarm, version };
    /// Say which alarm explains this one. People hear of that one alone, as long as it goes on
    ///
    /// The cause must go on and be heard itself. When it is over, people hear of what outlives it. Nothing explains an
    /// alarm lives depend on; only a manager names the cause of a P1 alarm.
    suppress("/alarms/{id}/suppress", Suppress) => |alarm, version, said| Action::SuppressAlarm {
        alarm,
        version,
        cause: said.cause.0,
        reason: said.reason,
    };
    /// Take back the cause a person has named. People hear of the alarm at once if it still goes on
    unsuppress("/alarms/{id}/unsuppress", Plain) => |alarm, version, _said| Action::UnsuppressAlarm { alarm, version };
}

/// Do the same to several alarms
///
/// Each stands for itself: one that cannot be done does not keep the others from being done, and says why.
#[utoipa::path(post, path = "/alarms/bulk", tag = "alarms", request_body = Bulk,
    responses((status = 200, body = BulkDone)))]
pub async fn bulk(
    State(http): State<Arc<Http>>,
    principal: Principal,
    _: Unkeyed,
    body: Body<Bulk>,
) -> Result<Json<BulkDone>, Problem> {
    let asked = body.value;
    if !(1..=MAX_BULK).contains(&asked.alarms.len()) {
        let detail = format!("name 1 to {MAX_BULK} alarms; send the rest with another request");
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    if asked.action == BulkAction::Shelve && asked.lasts.is_none() {
        let detail = "say for how long they are shelved, such as \"for\": \"2h\"";
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    if asked.action == BulkAction::Suppress && asked.cause.is_none() {
        let detail = "say which alarm explains them, such as \"cause\": \"AL-7\"";
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    let mut items = Vec::with_capacity(asked.alarms.len());
    for alarm in &asked.alarms {
        let Ok(id) = alarm.id.parse::<AlarmId>() else {
            items.push(refused(&alarm.id, &Problem::not_found("alarm", &alarm.id)));
            continue;
        };
        let action = action(&asked, id, alarm.version);
        let key = IdempotencyKey(None);
        items.push(
            match reply(Arc::clone(&http), principal.clone(), key, body.hash, action).await {
                Ok((Reply::Alarm { alarm, version }, _)) => BulkItem::from(Changed {
                    id: alarm.to_string(),
                    version,
                }),
                Ok(_) => refused(
                    &alarm.id,
                    &Problem::new(
                        Code::Internal,
                        "the pipeline gave another answer than was asked for",
                    ),
                ),
                Err(problem) => refused(&alarm.id, &problem),
            },
        );
    }
    Ok(Json(BulkDone { items }))
}

fn action(asked: &Bulk, alarm: AlarmId, version: u32) -> Action {
    match asked.action {
        BulkAction::Ack => Action::AcknowledgeAlarm { alarm, version },
        BulkAction::Reset => Action::ResetAlarm { alarm, version },
        BulkAction::Unshelve => Action::UnshelveAlarm { alarm, version },
        BulkAction::Suppress => Action::SuppressAlarm {
            alarm,
            version,
            cause: asked.cause.map_or(AlarmId(0), |cause| cause.0),
            reason: asked.reason.clone(),
        },
        BulkAction::Unsuppress => Action::UnsuppressAlarm { alarm, version },
        BulkAction::Shelve => Action::ShelveAlarm {
            alarm,
            version,
            lasts: asked.lasts.unwrap_or(Duration::ZERO),
            reason: asked.reason.clone(),
            no_order: asked.no_order,
        },
    }
}

fn refused(id: &str, problem: &Problem) -> BulkItem {
    BulkItem {
        id: id.chars().take(32).collect(),
        done: false,
        version: None,
        code: Some(problem.word.to_owned()),
        detail: Some(problem.detail.clone()),
    }
}
