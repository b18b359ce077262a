//! From the engine's changes to rows of the ledger, the live feed and the outbox. Translates; decides nothing.

use super::batch::OpenBatch;
use super::door::Live;
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use linli_domain::alarm::AlarmState;
use linli_domain::command::Actor;
use linli_domain::engine::{AlarmChange, Beside, Changes, Engine, OrderChange};
use linli_domain::id::CommitId;
use linli_domain::time::Timestamp;
use linli_ledger as store;
use std::sync::Arc;

/// Adds `changes` to the batch.
pub(super) fn project(
    changes: Changes,
    engine: &Engine,
    planner: &Planner,
    at: Timestamp,
    commit: CommitId,
    metrics: &Metrics,
    batch: &mut OpenBatch,
) {
    for change in &changes.alarms {
        alarm(change, commit, metrics, batch);
    }
    for change in &changes.orders {
        order(change, commit, metrics, batch);
    }
    batch
        .devices
        .extend(changes.devices.into_iter().map(|change| change.device));
    if !changes.notices.is_empty() {
        batch.urgent = true;
        let planned = planner.plan_beside(&mut batch.events, &changes.notices, engine.estate(), at);
        batch.deliveries.extend(planned);
    }
    for event in changes.audit {
        batch.audit.push(store::AuditRow {
            at: event.at,
            actor: name(event.actor.as_ref()),
            action: event.action.to_string(),
            subject: event.subject,
            detail: event.detail,
        });
    }
}

fn alarm(change: &AlarmChange, commit: CommitId, metrics: &Metrics, batch: &mut OpenBatch) {
    let alarm = &change.alarm;
    let code = |state: AlarmState| if alarm.late { "late" } else { state.display_code() };
    let (priority, to) = (alarm.priority.to_string(), code(change.to));
    let document = serde_json::to_vec(alarm.as_ref()).unwrap_or_default();
    if change.from.is_none_or(|from| from.display_code() != to) {
        metrics
            .alarm_transitions
            .with_label_values(&[priority.as_str(), to])
            .inc();
    }
    batch.live.push(Live::Alarm(commit, alarm.id, text(&document)));
    batch.transitions.push(store::TransitionRow {
        subject: store::Subject::Alarm(alarm.id),
        at: change.at,
        from: change.from.map_or("none", |from| from.display_code()).to_owned(),
        to: to.to_owned(),
        event: label(&change.event),
        actor: name(change.actor.as_ref()),
        beside: beside(&change.beside),
    });
    batch.alarm(store::AlarmRow {
        id: alarm.id,
        asset: alarm.asset.clone(),
        class: alarm.class.clone(),
        live: alarm.ended_at.is_none(),
        priority: alarm.priority as u8 + 1,
        state: to.to_owned(),
        raised: alarm.raised_at,
        updated: change.at,
        cause: alarm.suppression.map(|suppression| suppression.source),
        document,
    });
}

fn order(change: &OrderChange, commit: CommitId, metrics: &Metrics, batch: &mut OpenBatch) {
    let order = &change.order;
    let to = change.to.name();
    let document = serde_json::to_vec(order.as_ref()).unwrap_or_default();
    if change.from.is_none_or(|from| from.name() != to) {
        metrics.order_transitions.with_label_values(&[to]).inc();
    }
    batch.live.push(Live::Order(commit, order.id, text(&document)));
    batch.transitions.push(store::TransitionRow {
        subject: store::Subject::Order(order.id),
        at: change.at,
        from: change.from.map_or("none", |from| from.name()).to_owned(),
        to: to.to_owned(),
        event: label(&change.event),
        actor: name(change.actor.as_ref()),
        beside: beside(&change.beside),
    });
    batch.order(store::OrderRow {
        id: order.id,
        asset: order.asset.clone(),
        fault: order.fault.clone(),
        open: !change.to.is_terminal(),
        state: to.to_owned(),
        version: order.version,
        priority: order.priority as u8 + 1,
        role: order.role.as_str().to_owned(),
        opened: order.opened_at,
        updated: change.at,
        document,
        tasks: order.tasks().iter().map(|task| task.asset.clone()).collect(),
    });
}

/// What stands beside a step, as the ledger keeps it.
fn beside(beside: &Beside) -> String {
    if beside.is_empty() {
        return String::new();
    }
    serde_json::to_string(beside).unwrap_or_default()
}

/// The name people see; the gateway itself where nobody acted.
fn name(actor: Option<&Actor>) -> String {
    actor.map_or_else(|| "gateway".to_owned(), |actor| actor.name.to_string())
}

/// An event's name as it is written in documents.
fn label(event: &impl serde::Serialize) -> String {
    match serde_json::to_value(event) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(serde_json::Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn text(document: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(document).into()
}
