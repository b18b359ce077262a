//! Writes orders and what waits to become one.

use super::super::state::{BatchKey, Gathering};
use super::journal::Undo;
use super::{Store, Timer};
use crate::id::OrderId;
use crate::order::Order;
use std::sync::Arc;

impl Store {
    /// Puts an order in, or takes it out.
    pub(in crate::engine) fn set_order(&mut self, id: OrderId, order: Option<Arc<Order>>) {
        let before = match &order {
            Some(order) => self.state.orders.insert(id, order.clone()),
            None => self.state.orders.remove(&id),
        };
        if let Some(before) = &before {
            for asset in before.assets() {
                self.open.remove(&(asset.clone(), before.fault.clone()));
            }
            if let Some(deadline) = before.deadline() {
                self.timers.remove(&(deadline, Timer::Order(id)));
            }
        }
        if let Some(order) = &order {
            for asset in order.assets() {
                self.open.insert((asset.clone(), order.fault.clone()), id);
            }
            if let Some(deadline) = order.deadline() {
                self.timers.insert((deadline, Timer::Order(id)));
            }
        }
        self.await_evidence(before.as_deref(), order.as_deref());
        self.note(|| Undo::Order(id, before));
    }

    /// Keeps the points whose readings are evidence in step with an order that changes.
    fn await_evidence(&mut self, before: Option<&Order>, after: Option<&Order>) {
        let (before, after) = (
            before.filter(|order| order.awaits_evidence()),
            after.filter(|order| order.awaits_evidence()),
        );
        match (before, after) {
            (None, None) => {}
            // Tasks only join: what they bring is added.
            (Some(before), Some(after)) if before.tasks().len() == after.tasks().len() => {}
            (Some(before), Some(after)) if before.tasks().len() < after.tasks().len() => {
                self.add_evidence_of(after);
            }
            (None, Some(after)) => self.add_evidence_of(after),
            _ => self.refresh_verifying(),
        }
    }

    fn add_evidence_of(&mut self, order: &Order) {
        for asset in order.assets() {
            let watches = self.index.of_fault(asset, &order.fault).iter();
            let points = watches.filter_map(|w| self.index.watches.get(*w));
            self.verifying.extend(points.map(|w| w.point));
        }
    }

    pub(super) fn refresh_verifying(&mut self) {
        self.verifying.clear();
        let orders: Vec<Arc<Order>> = self.state.orders.values().cloned().collect();
        for order in orders.iter().filter(|order| order.awaits_evidence()) {
            self.add_evidence_of(order);
        }
    }

    /// Alarms that wait for the order they will share; none when it has opened.
    pub(in crate::engine) fn set_gathering(&mut self, key: BatchKey, gathering: Option<Gathering>) {
        let due = gathering.as_ref().map(|gathering| gathering.due);
        let before = match gathering {
            Some(gathering) => self.state.gatherings.insert(key.clone(), gathering),
            None => self.state.gatherings.remove(&key),
        };
        if let Some(before) = &before {
            self.timers.remove(&(before.due, Timer::Gathering(key.clone())));
        }
        if let Some(due) = due {
            self.timers.insert((due, Timer::Gathering(key.clone())));
        }
        self.note(|| Undo::Gathering(key, before));
    }
}
