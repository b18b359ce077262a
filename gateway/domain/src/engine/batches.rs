//! Batch orders: alarms of one class that are one job, with a task for each asset.
//!
//! | | |
//! |---|---|
//! | gather | the first alarm waits 30 s for others; what is over by then, or kept from people, is not in the order |
//! | open | one order with a task for each asset; at once when as many wait as an order holds |
//! | join | alarms of the class within 10 min of the opening, until somebody completes it; later ones gather anew |
//! | never waits | the most urgent (P1) and what lives depend on: such an alarm opens an order of its own |
//!
//! Only alarms whose rules say the same about their order (fault, trade, profile) share one. An asset that has an open
//! order or task of the fault keeps it. How tasks end is in [`super::reviews`].

use super::Engine;
use super::change::{AlarmEvent, Changes};
use super::state::{BatchKey, Gathering};
use crate::alarm::{Alarm, Condition};
use crate::estate::OrderPlan;
use crate::id::{AlarmId, OrderId};
use crate::order::{BATCH_JOINS, BATCH_WAIT, Batch, MAX_TASKS_PER_ORDER, Order, OrderEvent, Task};
use crate::rule::Priority;
use crate::time::Now;
use std::sync::Arc;

impl BatchKey {
    fn of(alarm: &Alarm, plan: &OrderPlan) -> Self {
        Self {
            class: alarm.class.clone(),
            fault: alarm.fault.clone(),
            role: plan.role,
            profile: plan.profile.id.clone(),
        }
    }
    fn fits(&self, order: &Order) -> bool {
        let class = order.batch.as_ref().map(|batch| &batch.class);
        class == Some(&self.class)
            && order.fault == self.fault
            && order.role == self.role
            && order.profile.id == self.profile
    }
}

/// Whether an alarm shares its order with others of its class.
pub(super) fn is_shared(alarm: &Alarm, plan: &OrderPlan) -> bool {
    plan.batch && alarm.priority != Priority::P1 && !alarm.life_safety
}

impl Engine {
    /// An alarm without an order shares one: it joins an open batch, or waits for others.
    pub(super) fn gather(&mut self, alarm: &Alarm, plan: &OrderPlan, now: &Now, changes: &mut Changes) {
        let key = BatchKey::of(alarm, plan);
        if let Some(order) = self.open_batch(&key, now) {
            self.join(order, alarm, now, changes);
            return;
        }
        let known = self.store.state().gatherings.get(&key).cloned();
        let mut gathering = known.unwrap_or_else(|| Gathering {
            due: now.after(BATCH_WAIT),
            alarms: Vec::new(),
        });
        if !gathering.alarms.contains(&alarm.id) {
            gathering.alarms.push(alarm.id);
        }
        let full = gathering.alarms.len() >= MAX_TASKS_PER_ORDER;
        self.store.set_gathering(key.clone(), Some(gathering));
        if full {
            self.gathered(&key, now, changes);
        }
    }

    /// The newest batch that an alarm may still join.
    fn open_batch(&self, key: &BatchKey, now: &Now) -> Option<OrderId> {
        let takes = |order: &&Arc<Order>| {
            order.state.next(OrderEvent::TaskJoined).is_ok()
                && key.fits(order)
                && order.batch.as_ref().is_some_and(|batch| {
                    !batch.joins_until.is_due(now) && batch.tasks.len() < MAX_TASKS_PER_ORDER
                })
        };
        let mut newest_first = self.store.state().orders.values().rev();
        newest_first.find(takes).map(|order| order.id)
    }

    fn join(&mut self, id: OrderId, alarm: &Alarm, now: &Now, changes: &mut Changes) {
        self.link_alarm(alarm.id, id, now, changes);
        let task = Task::begin(alarm.asset.clone(), alarm.id, alarm.last_raised_at, now);
        let asset = task.asset.clone();
        let joins = |order: &mut Order| {
            order.priority = order.priority.min(alarm.priority);
            order.sensor_normal = false;
            order.list_alarm(alarm.id);
            if let Some(batch) = &mut order.batch {
                batch.tasks.push(task);
            }
        };
        self.note_task(id, OrderEvent::TaskJoined, asset, now, changes, joins);
    }

    /// The wait of a batch is over: its order opens, unless every alarm is over too.
    pub(super) fn gathered(&mut self, key: &BatchKey, now: &Now, changes: &mut Changes) {
        let Some(gathering) = self.store.state().gatherings.get(key).cloned() else {
            return;
        };
        self.store.set_gathering(key.clone(), None);
        let mut members: Vec<(Arc<Alarm>, OrderPlan)> = Vec::new();
        let mut others = Vec::new();
        for id in gathering.alarms {
            let Some(alarm) = self.alarm(id).filter(|a| a.state.condition != Condition::Normal) else {
                continue;
            };
            // The rule may have been edited, and an order of another rule may have been opened.
            let taken = self.order_of(&alarm.asset, &alarm.fault).is_some();
            match self.plan_of(alarm) {
                Some(plan) if !taken && is_shared(alarm, &plan) && BatchKey::of(alarm, &plan) == *key => {
                    members.push((alarm.clone(), plan));
                }
                Some(_) => others.push(id),
                None => {}
            }
        }
        if let Some((first, plan)) = members.first() {
            let tasks = members
                .iter()
                .map(|(alarm, _)| Task::begin(alarm.asset.clone(), alarm.id, alarm.last_raised_at, now));
            let order = Order {
                priority: members
                    .iter()
                    .map(|(a, _)| a.priority)
                    .min()
                    .unwrap_or(first.priority),
                alarms: members.iter().map(|(alarm, _)| alarm.id).collect(),
                batch: Some(Batch {
                    class: key.class.clone(),
                    joins_until: now.after(BATCH_JOINS),
                    tasks: tasks.collect(),
                }),
                ..self.order_for(first, plan, now)
            };
            let ids: Vec<AlarmId> = order.alarms.clone();
            for id in ids {
                self.link_alarm(id, order.id, now, changes);
            }
            let id = order.id;
            self.open_new(order, now, changes);
            // What cleared on its way back in the meantime may be proven already.
            self.review_order(id, now, changes);
        }
        for id in others {
            self.open_order(id, now, changes);
        }
    }

    pub(super) fn link_alarm(&mut self, alarm: AlarmId, order: OrderId, now: &Now, changes: &mut Changes) {
        if self.alarm(alarm).is_some_and(|a| a.order != Some(order)) {
            self.change_alarm(alarm, AlarmEvent::Linked, None, now, changes, |a| {
                a.order = Some(order);
            });
        }
    }
}
