//! Alarms: list and look at. What people do to them is in [`super::alarm_verbs`].

use super::Http;
use super::extract::{Id, Query, etag, has_version};
use super::page::{Ask, Page};
use super::problem::{Code, Problem};
use super::wire::alarm::Alarm;
use super::wire::{Priority, Transition};
use crate::messages;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linli_domain::alarm::{Alarm as DomainAlarm, AlarmState};
use linli_domain::id::{AlarmId, AssetId, Class, PointKey};
use linli_domain::text::Language;
use linli_domain::time::Timestamp;
use linli_ledger::{AlarmFilter, AlarmRow, Page as Rows, Subject};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which alarms.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlarmsQuery {
    /// `true`: those that go on; `false`: those that are over; all when not given.
    pub live: Option<bool>,
    /// About this asset.
    #[param(value_type = Option<String>)]
    pub asset: Option<AssetId>,
    /// Of this class.
    #[param(value_type = Option<String>)]
    pub class: Option<Class>,
    /// At least this urgent.
    pub priority: Option<Priority>,
    /// In one of these states, with commas between them: `active_unack`, `active_ack`, `rtn_unack`, `latched`, `shelved`,
    /// `suppressed`, `out_of_service`, `unknown`, `normal`, `late`, or their names in either language.
    pub state: Option<String>,
    /// Raised at or after.
    #[param(value_type = Option<String>)]
    pub from: Option<Timestamp>,
    /// Raised before.
    #[param(value_type = Option<String>)]
    pub to: Option<Timestamp>,
    /// Explained by this alarm, such as `AL-7`: now, or when they were.
    pub cause: Option<String>,
    /// `true`: history that late readings wrote; `false`: alarms people could know of; both when not given.
    pub late: Option<bool>,
    /// Items of a page, 1 to 500, 50 when not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// An urgency as the ledger counts it: 1 is the most urgent.
pub(super) fn rank(priority: Priority) -> u8 {
    match priority {
        Priority::P1 => 1,
        Priority::P2 => 2,
        Priority::P3 => 3,
        Priority::P4 => 4,
    }
}

/// The wire form of rows; their documents are the core's own.
pub(super) async fn wire(http: &Http, rows: &[AlarmRow]) -> Result<Vec<Alarm>, Problem> {
    let read = |row: &AlarmRow| {
        serde_json::from_slice::<DomainAlarm>(&row.document).map_err(|error| {
            tracing::error!(%error, alarm = %row.id, "read the document of an alarm");
            let detail = format!("the document of {} cannot be read", row.id);
            Problem::new(Code::StoreFailed, detail)
        })
    };
    let alarms = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let points: Vec<PointKey> = alarms.iter().map(|alarm| alarm.point).collect();
    let names = http.names_of(&points).await?;
    Ok(alarms.iter().map(|alarm| Alarm::new(alarm, &names)).collect())
}

/// The codes of states as people write them: `active_unack`, `Active-Unack`, `告警未确认`.
pub(super) fn states(written: &str) -> Result<Vec<String>, Problem> {
    let code = |name: &str| {
        let plain = name.trim().to_lowercase().replace(['-', ' '], "_");
        let codes = AlarmState::CODES.into_iter().chain(["normal", "late"]);
        let mut codes = codes.filter(|code| {
            let is_word = |language| messages::word(language, "alarm_state", code) == name.trim();
            *code == plain || is_word(Language::Zh) || is_word(Language::En)
        });
        codes
            .next()
            .or_else(|| (plain == "stale").then_some("unknown"))
            .map(str::to_owned)
            .ok_or_else(|| {
                let name: String = name.chars().take(32).collect();
                let known = AlarmState::CODES.join(", ");
                Problem::new(
                    Code::BadQuery,
                    format!("there is no alarm state {name:?}; the states are {known}"),
                )
            })
    };
    written.split(',').map(code).collect()
}

/// Alarms, newest first
#[utoipa::path(get, path = "/alarms", tag = "alarms", params(AlarmsQuery),
    responses((status = 200, body = Page<Alarm>)))]
pub async fn list(
    State(http): State<Arc<Http>>,
    Query(query): Query<AlarmsQuery>,
) -> Result<Json<Page<Alarm>>, Problem> {
    let cause = query.cause.as_deref().map(|cause| {
        cause.parse::<AlarmId>().map_err(|_| {
            let cause: String = cause.chars().take(32).collect();
            Problem::new(
                Code::BadQuery,
                format!("{cause:?} is no number of an alarm such as AL-7"),
            )
        })
    });
    let filter = AlarmFilter {
        live: query.live,
        cause: cause.transpose()?,
        late: query.late,
        asset: query.asset,
        class: query.class,
        priority: query.priority.map(rank),
        states: query.state.as_deref().map_or_else(|| Ok(Vec::new()), states)?,
        raised_from: query.from,
        raised_to: query.to,
    };
    let ask = Ask::new(
        query.limit,
        query.cursor.as_deref(),
        &format!("alarms {filter:?}"),
    )?;
    let rows = Rows {
        before: ask.after_number()?.map(AlarmId),
        limit: ask.limit + 1,
    };
    let rows = http
        .readers
        .query(move |reader| reader.alarms(&filter, rows))
        .await?;
    let page = ask.page(rows, |row| row.id.0.to_string());
    Ok(Json(Page {
        items: wire(&http, &page.items).await?,
        next_cursor: page.next_cursor,
    }))
}

/// One alarm
#[utoipa::path(get, path = "/alarms/{id}", tag = "alarms", params(("id" = String, Path, description = "Such as `AL-7`")),
    responses((status = 200, body = Alarm), (status = 304, description = "Not changed")))]
pub async fn show(
    State(http): State<Arc<Http>>,
    headers: HeaderMap,
    Id(id): Id<AlarmId>,
) -> Result<Response, Problem> {
    let row = http.readers.query(move |reader| reader.alarm(id)).await?;
    let row = row.ok_or_else(|| Problem::not_found("alarm", &id.to_string()))?;
    let alarm = wire(&http, std::slice::from_ref(&row)).await?.pop();
    let alarm = alarm.ok_or_else(|| Problem::not_found("alarm", &id.to_string()))?;
    let tag = [(header::ETAG, etag(alarm.version))];
    if has_version(&headers, alarm.version) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, Json(alarm)).into_response())
}

/// The life of an alarm, oldest first
#[utoipa::path(get, path = "/alarms/{id}/transitions", tag = "alarms",
    params(("id" = String, Path, description = "Such as `AL-7`")), responses((status = 200, body = Page<Transition>)))]
pub async fn transitions(
    State(http): State<Arc<Http>>,
    Id(id): Id<AlarmId>,
) -> Result<Json<Page<Transition>>, Problem> {
    history(&http, Subject::Alarm(id), id.to_string()).await
}

/// The history of a subject; what has none does not exist.
pub(super) async fn history(
    http: &Http,
    subject: Subject,
    id: String,
) -> Result<Json<Page<Transition>>, Problem> {
    let rows = http
        .readers
        .query(move |reader| reader.transitions(subject))
        .await?;
    if rows.is_empty() {
        return Err(Problem::not_found("alarm or order", &id));
    }
    Ok(Json(Page {
        items: rows
            .into_iter()
            .map(|entry| Transition::from(entry.row))
            .collect(),
        next_cursor: None,
    }))
}
