//! Looking at an order again: what its sensors say, and what follows from it.
//!
//! It happens when a watch under the order's key changes, when evidence arrives, and when a delay is over. What
//! counts as agreement is decided by [`crate::order::verify`].

use super::Engine;
use super::change::Changes;
use crate::alarm::Watch;
use crate::id::{AssetId, Fault, OrderId, PointKey};
use crate::order::verify::Sensors;
use crate::order::{Order, OrderEvent, OrderState};
use crate::time::{Now, Timestamp};

impl Engine {
    /// A watch under an order's key has changed.
    pub(super) fn follow_order(
        &mut self,
        asset: &AssetId,
        fault: &Fault,
        raised: bool,
        now: &Now,
        changes: &mut Changes,
    ) {
        let Some(order) = self.order_of(asset, fault) else {
            return;
        };
        let id = order.id;
        if raised && matches!(order.state, OrderState::PendingVerification(_)) {
            self.reopen(id, now, changes);
        } else {
            self.review_order(id, now, changes);
        }
    }

    /// A reading of a point under verification was evaluated.
    pub(super) fn review_evidence(&mut self, point: PointKey, now: &Now, changes: &mut Changes) {
        let watches = self
            .store
            .index()
            .points
            .get(point.0 as usize)
            .map(|p| p.watches());
        for n in watches.unwrap_or_default() {
            let order = self
                .store
                .index()
                .watches
                .get(n)
                .and_then(|d| self.order_of(&d.asset, &d.rule.fault));
            if let Some(id) = order.map(|o| o.id) {
                self.review_order(id, now, changes);
            }
        }
    }

    /// Looks at an order again.
    pub(super) fn review_order(&mut self, id: OrderId, now: &Now, changes: &mut Changes) {
        let Some(order) = self.order(id).cloned() else {
            return;
        };
        match order.state {
            OrderState::PendingVerification(verification) => {
                let sensors = self.sensors(&order, verification.completed);
                let (next, event) = verification.review(now, order.profile.verify, sensors);
                match event {
                    Some(OrderEvent::SensorBad) => self.reopen(id, now, changes),
                    Some(event) => {
                        let _closed = self.change_order(id, event, None, now, changes, |_| {});
                    }
                    None if next != verification => self.note_order(id, now, changes, |order| {
                        order.state = OrderState::PendingVerification(next);
                    }),
                    None => {}
                }
            }
            OrderState::New | OrderState::Dispatched | OrderState::Accepted | OrderState::InProgress => {
                let normal = self.sensors(&order, Timestamp::from_millis(i64::MAX)).normal;
                let closes = order.profile.auto_close && order.state.next(OrderEvent::SelfCleared).is_ok();
                if normal && closes {
                    let _closed = self.change_order(id, OrderEvent::SelfCleared, None, now, changes, |_| {});
                } else if normal != order.sensor_normal {
                    self.note_order(id, now, changes, |order| order.sensor_normal = normal);
                }
            }
            OrderState::Closed(_) | OrderState::Cancelled => {}
        }
    }

    fn reopen(&mut self, id: OrderId, now: &Now, changes: &mut Changes) {
        let _back = self.change_order(id, OrderEvent::SensorBad, None, now, changes, |order| {
            order.reopened = order.reopened.saturating_add(1);
            order.sensor_normal = false;
        });
    }

    /// Sums up what every sensor of an order's key says, and whether it proves a completion.
    pub(super) fn sensors(&self, order: &Order, completed: Timestamp) -> Sensors {
        if let Some(calm) = self.is_calm(order) {
            // It is never wrong by itself, only not proven yet.
            return Sensors {
                right: calm,
                normal: calm,
                proven: calm,
                ..Sensors::NONE
            };
        }
        let lost = order
            .alarms
            .iter()
            .any(|a| self.alarm(*a).is_some_and(|a| !a.lost.is_empty()));
        let watches = self.store.index().of_fault(&order.asset, &order.fault);
        if watches.is_empty() {
            return Sensors::NONE;
        }
        let mut sum = Sensors {
            wrong: false,
            pending: false,
            right: !lost,
            normal: !lost,
            proven: !lost,
        };
        for n in watches {
            let (Some(watch), Some(def)) = (
                self.store.state().watches.get(*n),
                self.store.index().watches.get(*n),
            ) else {
                continue;
            };
            sum.wrong |= matches!(watch, Watch::Active);
            sum.pending |= matches!(watch, Watch::Pending { .. });
            sum.right &= matches!(watch, Watch::Normal | Watch::Clearing { .. });
            sum.normal &= matches!(watch, Watch::Normal);
            sum.proven &= sum.right && self.proves(def.point, completed);
        }
        sum
    }
}
