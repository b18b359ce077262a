//! What follows for orders: opening, appending, changing, ending.
//!
//! One open order lives per (asset, fault). Its state changes here and nowhere else, through its one table. When
//! the sensors have a say in that is in [`super::reviews`].

use super::Engine;
use super::alarms::GATEWAY_NAME;
use super::change::{AlarmEvent, Audience, Changes, Notice, NoticeKind, OrderChange};
use crate::command::Actor;
use crate::estate::OrderPlan;
use crate::id::{AlarmId, OrderId};
use crate::order::{MAX_ALARMS_PER_ORDER, Order, OrderEvent, OrderState, Refused};
use crate::time::Now;
use std::sync::Arc;

impl Engine {
    /// Gives a raised alarm its order: the open one of its key, or a new one, dispatched at once.
    pub(super) fn link_order(
        &mut self,
        alarm_id: AlarmId,
        plan: &OrderPlan,
        now: &Now,
        changes: &mut Changes,
    ) {
        let Some(alarm) = self.alarm(alarm_id).cloned() else {
            return;
        };
        let open = self.order_of(&alarm.asset, &alarm.fault).map(|o| o.id);
        let id = open.unwrap_or_else(|| self.next_order());
        if alarm.order != Some(id) {
            self.change_alarm(alarm_id, AlarmEvent::Linked, None, now, changes, |a| {
                a.order = Some(id)
            });
        }
        if open.is_some() {
            let listed = self.order(id).is_some_and(|o| o.alarms.contains(&alarm_id));
            let raises = self.order(id).is_some_and(|o| alarm.priority < o.priority);
            if !listed || raises {
                self.note_order(id, now, changes, |order| {
                    order.priority = order.priority.min(alarm.priority);
                    if listed {
                    } else if order.alarms.len() < MAX_ALARMS_PER_ORDER {
                        order.alarms.push(alarm_id);
                    } else {
                        order.more_alarms = order.more_alarms.saturating_add(1);
                    }
                });
            }
            return;
        }
        let order = Arc::new(Order {
            id,
            version: 1,
            asset: alarm.asset.clone(),
            fault: alarm.fault.clone(),
            role: plan.role,
            priority: alarm.priority,
            profile: plan.profile.clone(),
            response: alarm.response.clone(),
            state: OrderState::New,
            alarms: vec![alarm_id],
            more_alarms: 0,
            opened_at: now.wall,
            accepted_at: None,
            started_at: None,
            completed_at: None,
            ended_at: None,
            assignee: None,
            completer: None,
            note: None,
            reopened: 0,
            sensor_normal: false,
            changed_by: GATEWAY_NAME.into(),
        });
        self.store.set_order(id, Some(order.clone()));
        changes.orders.push(OrderChange {
            event: OrderEvent::Open,
            from: None,
            to: order.state,
            at: now.wall,
            actor: None,
            order,
        });
        // A fresh order allows it: see the table.
        let _dispatched = self.change_order(id, OrderEvent::Dispatch, None, now, changes, |_| {});
    }

    pub(super) fn next_order(&mut self) -> OrderId {
        let counters = self.store.counters();
        let id = OrderId(counters.next_order);
        counters.next_order = counters.next_order.saturating_add(1);
        id
    }

    /// The only way an open order moves to another state.
    pub(super) fn change_order(
        &mut self,
        id: OrderId,
        event: OrderEvent,
        actor: Option<&Actor>,
        now: &Now,
        changes: &mut Changes,
        change: impl FnOnce(&mut Order),
    ) -> Result<u32, Refused> {
        let Some(before) = self.order(id) else {
            return Ok(0);
        };
        let from = before.state;
        let to = from.next(event)?;
        let mut order = before.as_ref().clone();
        order.state = to;
        order.version = order.version.saturating_add(1);
        order.changed_by = actor.map_or_else(|| GATEWAY_NAME.into(), |a| a.name.clone());
        order.ended_at = to.is_terminal().then_some(now.wall);
        change(&mut order);
        let order = Arc::new(order);
        self.store
            .set_order(id, Some(order.clone()).filter(|_| !to.is_terminal()));
        changes.orders.push(OrderChange {
            order: order.clone(),
            event,
            from: Some(from),
            to,
            at: now.wall,
            actor: actor.cloned(),
        });
        self.notice_order(&order, event, actor, now, changes);
        if to.is_terminal() {
            self.end_order(&order, actor, now, changes);
        }
        Ok(order.version)
    }

    /// Changes something about an order that is not a transition.
    pub(super) fn note_order(
        &mut self,
        id: OrderId,
        now: &Now,
        changes: &mut Changes,
        change: impl FnOnce(&mut Order),
    ) {
        let Some(before) = self.order(id) else {
            return;
        };
        let from = before.state;
        let mut order = before.as_ref().clone();
        change(&mut order);
        let order = Arc::new(order);
        self.store.set_order(id, Some(order.clone()));
        changes.orders.push(OrderChange {
            event: OrderEvent::Note,
            from: Some(from),
            to: order.state,
            at: now.wall,
            actor: None,
            order,
        });
    }

    /// A closed order lets go of its alarms' latches; alarms that waited for nothing else are over.
    fn end_order(&mut self, order: &Order, actor: Option<&Actor>, now: &Now, changes: &mut Changes) {
        let completed = order.completed_at.is_some() && matches!(order.state, OrderState::Closed(_));
        for alarm in &order.alarms {
            if completed {
                self.release_latch(*alarm, actor, now, changes);
            } else {
                self.settle_alarm(*alarm, now, changes);
            }
        }
    }

    fn notice_order(
        &self,
        order: &Order,
        event: OrderEvent,
        actor: Option<&Actor>,
        now: &Now,
        changes: &mut Changes,
    ) {
        let kind = match event {
            OrderEvent::Open | OrderEvent::Note => return,
            OrderEvent::Dispatch => NoticeKind::OrderDispatched,
            OrderEvent::Accept => NoticeKind::OrderAccepted,
            OrderEvent::Start => NoticeKind::OrderStarted,
            OrderEvent::Complete(_) => NoticeKind::OrderCompleted,
            OrderEvent::SensorBad => NoticeKind::OrderReopened,
            OrderEvent::SensorOk | OrderEvent::Override(_) | OrderEvent::SelfCleared => {
                NoticeKind::OrderClosed
            }
            OrderEvent::Cancel => NoticeKind::OrderCancelled,
        };
        let (asset_name, place) = self.estate().texts_of(&order.asset);
        let alarm = order.alarms.last().copied();
        self.publish(
            changes,
            Notice {
                kind,
                at: now.wall,
                alarm,
                order: Some(order.id),
                role: Some(order.role),
                priority: order.priority,
                asset: order.asset.clone(),
                asset_name,
                place,
                title: alarm.and_then(|a| self.alarm(a)).and_then(|a| a.name.clone()),
                response: order.response.clone(),
                actor: actor.map(|a| a.name.clone()),
                reason: None,
                until: None,
                audience: Audience::Everyone,
                members: Vec::new(),
                count: 1,
            },
        );
    }
}
