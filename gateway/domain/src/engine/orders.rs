//! What follows for orders: opening, appending, changing, ending.
//!
//! One open order lives per (asset, fault), be it one of its own or a task of a batch ([`super::batches`]). Its state
//! changes here and nowhere else, through its one table. When the sensors have a say in that is in [`super::reviews`].

use super::Engine;
use super::alarms::GATEWAY_NAME;
use super::batches::is_shared;
use super::beside::Beside;
use super::change::{Audience, Changes, Member, Notice, NoticeKind, OrderChange};
use super::crowd::MAX_MEMBERS;
use crate::alarm::Alarm;
use crate::command::Actor;
use crate::estate::OrderPlan;
use crate::id::{AlarmId, AssetId, OrderId};
use crate::order::{Order, OrderEvent, OrderState, Refused, Task, TaskEvent, TaskState};
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
        let Some(id) = self.order_of(&alarm.asset, &alarm.fault).map(|o| o.id) else {
            if is_shared(&alarm, plan) {
                self.gather(&alarm, plan, now, changes);
                return;
            }
            let order = Order {
                alarms: vec![alarm_id],
                ..self.order_for(&alarm, plan, now)
            };
            self.link_alarm(alarm_id, order.id, now, changes);
            self.open_new(order, now, changes);
            return;
        };
        self.link_alarm(alarm_id, id, now, changes);
        let listed = self.order(id).is_some_and(|o| o.alarms.contains(&alarm_id));
        let raises = self.order(id).is_some_and(|o| alarm.priority < o.priority);
        if !listed || raises {
            self.note_order(id, now, changes, |order| {
                order.priority = order.priority.min(alarm.priority);
                order.list_alarm(alarm_id);
                let tasks = order.batch.iter_mut().flat_map(|batch| &mut batch.tasks);
                for task in tasks.filter(|task| task.asset == alarm.asset) {
                    task.alarm = alarm_id;
                }
            });
        }
    }

    /// An order as a rule plans it for an alarm, without its alarms.
    pub(super) fn order_for(&mut self, alarm: &Alarm, plan: &OrderPlan, now: &Now) -> Order {
        Order {
            id: self.next_order(),
            version: 1,
            asset: alarm.asset.clone(),
            fault: alarm.fault.clone(),
            role: plan.role,
            priority: alarm.priority,
            profile: plan.profile.clone(),
            response: alarm.response.clone(),
            state: OrderState::New,
            alarms: Vec::new(),
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
            batch: None,
        }
    }

    /// Opens an order and gives it to its trade.
    pub(super) fn open_new(&mut self, order: Order, now: &Now, changes: &mut Changes) {
        let (id, order) = (order.id, Arc::new(order));
        self.store.set_order(id, Some(order.clone()));
        changes.orders.push(OrderChange {
            event: OrderEvent::Open,
            task: None,
            from: None,
            to: order.state,
            at: now.wall,
            actor: None,
            beside: Beside::of_order(OrderEvent::Open, None, &order),
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
        if to.is_terminal() {
            let tasks = order.batch.iter_mut().flat_map(|batch| &mut batch.tasks);
            tasks.for_each(|task| task.happens(TaskEvent::OrderOver, now));
        }
        let order = Arc::new(order);
        self.store
            .set_order(id, Some(order.clone()).filter(|_| !to.is_terminal()));
        changes.orders.push(OrderChange {
            order: order.clone(),
            event,
            task: None,
            from: Some(from),
            to,
            at: now.wall,
            actor: actor.cloned(),
            beside: Beside::of_order(event, None, &order),
        });
        self.notice_order(&order, (event, None), actor, now, changes);
        if to.is_terminal() {
            self.end_order(&order, actor, now, changes);
        }
        Ok(order.version)
    }

    /// Changes something about an order that is not a transition. People see it, so it counts as one.
    pub(super) fn note_order(
        &mut self,
        id: OrderId,
        now: &Now,
        changes: &mut Changes,
        change: impl FnOnce(&mut Order),
    ) {
        self.note_about(id, (OrderEvent::Note, None), now, changes, change);
    }

    /// Something happened to one asset of a batch.
    pub(super) fn note_task(
        &mut self,
        id: OrderId,
        event: OrderEvent,
        asset: AssetId,
        now: &Now,
        changes: &mut Changes,
        change: impl FnOnce(&mut Order),
    ) {
        self.note_about(id, (event, Some(asset)), now, changes, change);
    }

    fn note_about(
        &mut self,
        id: OrderId,
        (event, task): (OrderEvent, Option<AssetId>),
        now: &Now,
        changes: &mut Changes,
        change: impl FnOnce(&mut Order),
    ) {
        let Some(before) = self.order(id).filter(|order| order.state.next(event).is_ok()) else {
            return;
        };
        let from = before.state;
        let mut order = before.as_ref().clone();
        order.version = order.version.saturating_add(1);
        order.changed_by = GATEWAY_NAME.into();
        change(&mut order);
        let order = Arc::new(order);
        self.store.set_order(id, Some(order.clone()));
        changes.orders.push(OrderChange {
            event,
            task: task.clone(),
            from: Some(from),
            to: order.state,
            at: now.wall,
            actor: None,
            beside: Beside::of_order(event, task.as_ref(), &order),
            order: order.clone(),
        });
        self.notice_order(&order, (event, task.as_ref()), None, now, changes);
    }

    /// Notes how far the evidence has come. No person sees the wait: it is not a change of the order.
    pub(super) fn seek(&mut self, id: OrderId, change: impl FnOnce(&mut Order)) {
        if let Some(mut order) = self.order(id).cloned() {
            change(Arc::make_mut(&mut order));
            self.store.set_order(id, Some(order));
        }
    }

    /// A closed order lets go of its alarms' latches; alarms that waited for nothing else are over.
    fn end_order(&mut self, order: &Order, actor: Option<&Actor>, now: &Now, changes: &mut Changes) {
        let completed = order.completed_at.is_some() && matches!(order.state, OrderState::Closed(_));
        for alarm in order.all_alarms() {
            if completed {
                self.release_latch(alarm, actor, now, changes);
            } else {
                self.settle_alarm(alarm, now, changes);
            }
        }
    }

    fn notice_order(
        &self,
        order: &Order,
        (event, task): (OrderEvent, Option<&AssetId>),
        actor: Option<&Actor>,
        now: &Now,
        changes: &mut Changes,
    ) {
        let kind = match event {
            OrderEvent::Open | OrderEvent::Note => return,
            OrderEvent::TaskJoined => NoticeKind::OrderTaskJoined,
            OrderEvent::TaskEnded => NoticeKind::OrderTaskEnded,
            OrderEvent::TaskReopened => NoticeKind::OrderTaskReopened,
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
        // What happened to one task is told of that one.
        let of = task.and_then(|asset| order.tasks().iter().find(|task| task.asset == *asset));
        let asset = of.map_or(&order.asset, |task| &task.asset);
        let alarm = of.map(|task| task.alarm).or(order.alarms.last().copied());
        let (asset_name, place) = self.estate().texts_of(asset);
        // Work that goes on is about what is still to be done; what is over was about all of it.
        let all = order.state.is_terminal() || matches!(event, OrderEvent::Complete(_));
        let tasks = order.tasks().iter();
        let named: Vec<&Task> = tasks
            .filter(|task| all || matches!(task.state, TaskState::Open(_)))
            .collect();
        let members = named.iter().take(MAX_MEMBERS);
        self.publish(
            changes,
            Notice {
                kind,
                at: now.wall,
                alarm,
                order: Some(order.id),
                role: Some(order.role),
                priority: order.priority,
                asset: asset.clone(),
                asset_name,
                place,
                title: alarm.and_then(|a| self.alarm(a)).and_then(|a| a.name.clone()),
                response: order.response.clone(),
                actor: actor.map(|a| a.name.clone()),
                reason: None,
                until: None,
                audience: Audience::Everyone,
                members: members.map(|task| self.task_member(order, task)).collect(),
                count: u32::try_from(named.len()).unwrap_or(u32::MAX).max(1),
            },
        );
    }

    fn task_member(&self, order: &Order, task: &Task) -> Member {
        let (asset_name, place) = self.estate().texts_of(&task.asset);
        Member {
            alarm: task.alarm,
            asset: task.asset.clone(),
            order: Some(order.id),
            priority: order.priority,
            asset_name,
            place,
            title: self.alarm(task.alarm).and_then(|alarm| alarm.name.clone()),
        }
    }
}
