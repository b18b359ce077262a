//! The CloudEvents 1.0 form of a notice: what other systems receive.
//!
//! The id is made of what happened, not of chance: the same notice has the same id, and a receiver can drop
//! repetitions by it. It holds no dot, because the signature joins id, time and body with dots. `time` is when it
//! happened, `recordedtime` when it was stored; the two differ after an outage.

use linli_domain::engine::{Notice, NoticeKind};
use linli_domain::estate::Estate;
use linli_domain::rule::Priority;
use linli_domain::text::Language;
use linli_domain::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;

/// Longest text taken over from the estate, in characters.
const MAX_TEXT_CHARS: usize = 1000;

/// The event as it is sent; fields in the order in which they are written.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    specversion: &'static str,
    pub(super) id: String,
    source: String,
    r#type: String,
    pub(super) subject: String,
    time: Timestamp,
    recordedtime: Timestamp,
    correlationid: String,
    severitytext: &'static str,
    severitynumber: u8,
    datacontenttype: &'static str,
    data: Data,
}

#[derive(Debug, Serialize)]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    priority: String,
    state: &'static str,
    since: Timestamp,
    asset: String,
    asset_name: String,
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    response: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// The assets of a batch order, the first of them; those still to be done while work goes on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<TaskOf>,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_count: Option<u32>,
}

#[derive(Debug, Serialize)]
struct TaskOf {
    asset: String,
    asset_name: String,
    place: String,
    alarm: String,
}

impl Event {
    /// The event of a notice. `taken` holds the ids of the same plan, so that two notices never share one.
    pub(super) fn new(
        notice: &Notice,
        estate: &Estate,
        at: Timestamp,
        language: Language,
        taken: &mut BTreeSet<String>,
    ) -> Self {
        let order = notice.order.map(|o| o.to_string());
        let alarm = notice.alarm.map(|a| a.to_string());
        let about_order = subject_kind(notice) == "order";
        let subject = order
            .as_ref()
            .filter(|_| about_order)
            .or(alarm.as_ref())
            .or(order.as_ref());
        let subject = subject.cloned().unwrap_or_else(|| notice.asset.to_string());
        let (severitytext, severitynumber) = severity(notice.priority);
        let base = format!(
            "{}_{subject}_{}_{}",
            estate.id(),
            notice.kind.name(),
            notice.at.as_millis()
        );
        let text = |text: &str| text.chars().take(MAX_TEXT_CHARS).collect::<String>();
        Self {
            specversion: "1.0",
            id: unique(&base.replace('.', "-"), taken),
            source: source(estate),
            r#type: format!("org.linli.{}", notice.kind.name().replacen('_', ".", 1)),
            time: notice.at,
            recordedtime: at,
            correlationid: order.clone().unwrap_or_else(|| subject.clone()),
            severitytext,
            severitynumber,
            datacontenttype: "application/json",
            data: Data {
                order,
                alarm,
                kind: notice.role.map(|role| role.as_str()),
                priority: notice.priority.to_string(),
                state: state(notice.kind),
                since: notice.at,
                asset: notice.asset.to_string(),
                asset_name: text(notice.asset_name.get(language)),
                place: text(notice.place.get(language)),
                title: notice.title.as_ref().map(|t| text(t.get(language))),
                response: text(notice.response.get(language)),
                reason: notice.reason.as_deref().map(text),
                until: notice.until,
                task_count: (about_order && !notice.members.is_empty()).then_some(notice.count),
                tasks: notice
                    .members
                    .iter()
                    .filter(|_| about_order)
                    .map(|member| TaskOf {
                        asset: member.asset.to_string(),
                        asset_name: text(member.asset_name.get(language)),
                        place: text(member.place.get(language)),
                        alarm: member.alarm.to_string(),
                    })
                    .collect(),
            },
            subject,
        }
    }

    /// The event of `linli notify test`.
    pub(super) fn test(estate: &Estate, at: Timestamp, nonce: &str, title: &str) -> Self {
        let (severitytext, severitynumber) = severity(Priority::P4);
        let safe: String = nonce
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(32)
            .collect();
        Self {
            specversion: "1.0",
            id: format!("{}_test_{}_{safe}", estate.id(), at.as_millis()).replace('.', "-"),
            source: source(estate),
            r#type: "org.linli.test".into(),
            subject: "test".into(),
            time: at,
            recordedtime: at,
            correlationid: "test".into(),
            severitytext,
            severitynumber,
            datacontenttype: "application/json",
            data: Data {
                order: None,
                alarm: None,
                kind: None,
                priority: Priority::P4.to_string(),
                state: "test",
                since: at,
                asset: "gateway".into(),
                asset_name: String::new(),
                place: String::new(),
                title: Some(title.to_owned()),
                response: String::new(),
                reason: None,
                until: None,
                tasks: Vec::new(),
                task_count: None,
            },
        }
    }

    /// `P1` to `P4`.
    pub(super) fn priority(&self) -> &str {
        &self.data.priority
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// Whether a notice is about an order, an alarm, or what is under repair.
pub(super) fn subject_kind(notice: &Notice) -> &'static str {
    match notice.kind {
        NoticeKind::AlarmRaised
        | NoticeKind::AlarmCleared
        | NoticeKind::AlarmUnknown
        | NoticeKind::AlarmStillActive
        | NoticeKind::AlarmShelved
        | NoticeKind::AlarmGroup
        | NoticeKind::AlarmRepeat
        | NoticeKind::AlarmDigest
        | NoticeKind::StormBegan
        | NoticeKind::StormEnded => "alarm",
        NoticeKind::OutOfService | NoticeKind::BackInService => "service",
        NoticeKind::OrderDispatched
        | NoticeKind::OrderAccepted
        | NoticeKind::OrderStarted
        | NoticeKind::OrderCompleted
        | NoticeKind::OrderReopened
        | NoticeKind::OrderClosed
        | NoticeKind::OrderCancelled
        | NoticeKind::OrderTaskJoined
        | NoticeKind::OrderTaskEnded
        | NoticeKind::OrderTaskReopened => "order",
    }
}

fn source(estate: &Estate) -> String {
    format!("/estates/{}/gateway", estate.id())
}

fn unique(base: &str, taken: &mut BTreeSet<String>) -> String {
    let mut id = base.to_owned();
    let mut again = 1;
    while !taken.insert(id.clone()) {
        again += 1;
        id = format!("{base}_{again}");
    }
    id
}

/// The state after the event, in the words of the API; of a task that of the task.
fn state(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::AlarmRaised | NoticeKind::AlarmStillActive => "active",
        NoticeKind::AlarmGroup | NoticeKind::AlarmRepeat => "active",
        NoticeKind::AlarmDigest | NoticeKind::StormBegan => "active",
        NoticeKind::StormEnded => "normal",
        NoticeKind::AlarmShelved => "shelved",
        NoticeKind::OutOfService => "out_of_service",
        NoticeKind::BackInService => "in_service",
        NoticeKind::AlarmCleared => "normal",
        NoticeKind::AlarmUnknown => "unknown",
        NoticeKind::OrderDispatched => "dispatched",
        NoticeKind::OrderAccepted => "accepted",
        NoticeKind::OrderStarted | NoticeKind::OrderReopened => "in_progress",
        NoticeKind::OrderCompleted => "pending_verification",
        NoticeKind::OrderClosed => "closed",
        NoticeKind::OrderCancelled => "cancelled",
        NoticeKind::OrderTaskJoined | NoticeKind::OrderTaskReopened => "open",
        NoticeKind::OrderTaskEnded => "ended",
    }
}

/// Text and number of the severity extension, on OpenTelemetry's scale.
fn severity(priority: Priority) -> (&'static str, u8) {
    match priority {
        Priority::P1 => ("ERROR", 17),
        Priority::P2 => ("WARN", 13),
        Priority::P3 | Priority::P4 => ("INFO", 9),
    }
}
