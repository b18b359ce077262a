//! From the engine's changes to rows of the ledger, the live feed and the outbox. Translates; decides nothing.

use super::batch::OpenBatch;
use super::door::Live;
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use linli_domain::alarm::Alarm;
use linli_domain::engine::{AlarmChange, Changes, Engine, OrderChange};
use linli_domain::id::CommitId;
use linli_domain::order::Order;
use linli_domain::time::Timestamp;
use linli_ledger as store;
use std::sync::Arc;

/// Adds `changes` to the batch.
pub fn project(
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
    if !changes.notices.is_empty() {
        batch.urgent = true;
        batch.deliveries.extend(planner.plan(&changes.notices, engine.estate(), at));
    }
    for event in changes.audit {
        batch.audit.push(store::AuditRow {
            at: event.at,
            actor: event.actor.to_string(),
            action: event.action.to_string(),
            subject: event.subject.to_string(),
            detail: event.detail.to_string(),
        });
    }
}

fn alarm(change: &AlarmChange, commit: CommitId, metrics: &Metrics, batch: &mut OpenBatch) {
    let alarm = &change.alarm;
    let document = serde_json::to_vec(alarm).unwrap_or_default();
    metrics.alarm_transitions.with_label_values(&[&alarm.priority.to_string(), &change.to]).inc();
    batch.live.push(Live::Alarm(commit, alarm.id, text(&document)));
    batch.transitions.push(store::TransitionRow {
        subject: store::Subject::Alarm(alarm.id),
        at: change.at,
        from: change.from.to_string(),
        to: change.to.to_string(),
        event: change.event.to_string(),
        actor: change.actor.to_string(),
        note: String::new(),
    });
    batch.alarm(alarm_row(alarm, change.at, document));
}

fn alarm_row(alarm: &Alarm, updated: Timestamp, document: Vec<u8>) -> store::AlarmRow {
    store::AlarmRow {
        id: alarm.id,
        asset: alarm.asset.clone(),
        class: alarm.class.clone(),
        live: alarm.is_live(),
        priority: alarm.priority.rank(),
        state: alarm.state_label().to_owned(),
        raised: alarm.raised,
        updated,
        document,
    }
}

fn order(change: &OrderChange, commit: CommitId, metrics: &Metrics, batch: &mut OpenBatch) {
    let order = &change.order;
    let document = serde_json::to_vec(order).unwrap_or_default();
    metrics.order_transitions.with_label_values(&[&change.to]).inc();
    batch.live.push(Live::Order(commit, order.id, text(&document)));
    batch.transitions.push(store::TransitionRow {
        subject: store::Subject::Order(order.id),
        at: change.at,
        from: change.from.to_string(),
        to: change.to.to_string(),
        event: change.event.to_string(),
        actor: change.actor.to_string(),
        note: change.note.to_string(),
    });
    batch.order(order_row(order, change.at, document));
}

fn order_row(order: &Order, updated: Timestamp, document: Vec<u8>) -> store::OrderRow {
    store::OrderRow {
        id: order.id,
        asset: order.asset.clone(),
        fault: order.fault.clone(),
        open: order.is_open(),
        state: order.state.label().to_owned(),
        version: order.version,
        priority: order.priority.rank(),
        role: order.role.to_string(),
        opened: order.opened,
        updated,
        document,
    }
}

fn text(document: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(document).into()
}
