//! Looking at an order again: what its sensors say, and what follows from it.
//!
//! It happens when a watch under the order's key changes, when evidence arrives, and when a delay is over. What
//! counts as agreement is decided by [`crate::order::verify`]. In a batch each task is looked at by itself, and the order
//! agrees when every one has ended.

use super::Engine;
use super::change::Changes;
use crate::alarm::Watch;
use crate::id::{AssetId, Fault, OrderId, PointKey};
use crate::order::verify::{Sensors, Verification};
use crate::order::{Order, OrderEvent, OrderState, Task, TaskEvent, TaskState};
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
        if order.batch.is_some() {
            self.review_batch(id, Some(asset), raised, now, changes);
        } else if raised && matches!(order.state, OrderState::PendingVerification(_)) {
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
            let key = self.store.index().watches.get(n);
            let key = key.map(|d| (d.asset.clone(), d.rule.fault.clone()));
            if let Some((asset, fault)) = key {
                self.follow_order(&asset, &fault, false, now, changes);
            }
        }
    }

    /// Looks at an order again.
    pub(super) fn review_order(&mut self, id: OrderId, now: &Now, changes: &mut Changes) {
        let Some(order) = self.order(id).cloned() else {
            return;
        };
        if order.batch.is_some() {
            self.review_batch(id, None, false, now, changes);
            return;
        }
        match order.state {
            OrderState::PendingVerification(verification) => {
                let sensors = self.sensors(&order, verification.completed);
                let (next, event) = verification.review(now, order.profile.verify, sensors);
                match event {
                    Some(OrderEvent::SensorBad) => self.reopen(id, now, changes),
                    Some(event) => {
                        let _closed = self.change_order(id, event, None, now, changes, |_| {});
                    }
                    None if next != verification => self.seek(id, |order| {
                        order.state = OrderState::PendingVerification(next);
                    }),
                    None => {}
                }
            }
            OrderState::New | OrderState::Dispatched | OrderState::Accepted | OrderState::InProgress => {
                let normal = self.sensors(&order, Timestamp::from_millis(i64::MAX)).normal;
                self.follow_sensors(&order, normal, now, changes);
            }
            OrderState::Closed(_) | OrderState::Cancelled => {}
        }
    }

    /// The sensors of an order are normal, or not, before anybody has completed it.
    fn follow_sensors(&mut self, order: &Order, normal: bool, now: &Now, changes: &mut Changes) {
        let closes = order.profile.auto_close && order.state.next(OrderEvent::SelfCleared).is_ok();
        if normal && closes {
            let _closed = self.change_order(order.id, OrderEvent::SelfCleared, None, now, changes, |_| {});
        } else if normal != order.sensor_normal {
            self.note_order(order.id, now, changes, |order| order.sensor_normal = normal);
        }
    }

    /// Looks at one task of a batch, or at all, and then at the order. `raised`: an alarm of that asset was.
    fn review_batch(
        &mut self,
        id: OrderId,
        only: Option<&AssetId>,
        raised: bool,
        now: &Now,
        changes: &mut Changes,
    ) {
        let Some(order) = self.order(id).cloned() else {
            return;
        };
        let mut wrong = raised;
        for task in order
            .tasks()
            .iter()
            .filter(|t| only.is_none_or(|a| *a == t.asset))
        {
            wrong |= self.review_task(&order, task, now, changes);
        }
        let Some(order) = self.order(id).cloned() else {
            return;
        };
        let ended = order.batch.as_ref().is_some_and(|batch| batch.open() == 0);
        match order.state {
            OrderState::PendingVerification(_) if wrong => self.reopen(id, now, changes),
            OrderState::PendingVerification(_) if ended => {
                let _closed = self.change_order(id, OrderEvent::SensorOk, None, now, changes, |_| {});
            }
            OrderState::PendingVerification(_) | OrderState::Closed(_) | OrderState::Cancelled => {}
            OrderState::New | OrderState::Dispatched | OrderState::Accepted | OrderState::InProgress => {
                self.follow_sensors(&order, ended, now, changes);
            }
        }
    }

    /// Looks at one task; whether its sensors say that the work is not done.
    fn review_task(&mut self, order: &Order, task: &Task, now: &Now, changes: &mut Changes) -> bool {
        let change_to = |event: TaskEvent| {
            let asset = task.asset.clone();
            move |order: &mut Order| {
                let tasks = order.batch.iter_mut().flat_map(|batch| &mut batch.tasks);
                let tasks = tasks.filter(|task| task.asset == asset);
                tasks.for_each(|task| task.happens(event, now));
            }
        };
        match task.state {
            TaskState::Open(verification) => {
                let sensors = self.sensors_on(order, &task.asset, verification.completed);
                let (next, event) = verification.review(now, order.profile.verify, sensors);
                if event == Some(OrderEvent::SensorOk) {
                    let (event, asset) = (OrderEvent::TaskEnded, task.asset.clone());
                    let ends = change_to(TaskEvent::SensorOk);
                    self.note_task(order.id, event, asset, now, changes, ends);
                } else if next != verification {
                    self.seek(order.id, change_to(TaskEvent::Seek(next)));
                }
                event == Some(OrderEvent::SensorBad)
            }
            TaskState::Ended => {
                let sensors = self.sensors_on(order, &task.asset, Timestamp::from_millis(i64::MAX));
                if sensors.wrong {
                    let opens = change_to(TaskEvent::SensorBad(Verification::after(now.wall)));
                    let (event, asset) = (OrderEvent::TaskReopened, task.asset.clone());
                    self.note_task(order.id, event, asset, now, changes, opens);
                }
                sensors.wrong
            }
            TaskState::Left => false,
        }
    }

    /// The tasks of an order that a person says is done: what has not ended must be proven from here.
    pub(super) fn completed_tasks(&self, order: &Order, now: &Now) -> Option<Vec<Task>> {
        let mut tasks = order.batch.as_ref()?.tasks.clone();
        for task in &mut tasks {
            let sensors = self.sensors_on(order, &task.asset, Timestamp::from_millis(i64::MAX));
            let verification = Verification::begin(now, order.profile.verify, sensors);
            task.happens(TaskEvent::Seek(verification), now);
        }
        Some(tasks)
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
        self.sensors_on(order, &order.asset, completed)
    }

    /// What the sensors of one asset say about the fault of an order.
    fn sensors_on(&self, order: &Order, asset: &AssetId, completed: Timestamp) -> Sensors {
        let mut alarms = order.all_alarms().filter_map(|a| self.alarm(a));
        let lost = alarms.any(|a| a.asset == *asset && !a.lost.is_empty());
        let watches = self.store.index().of_fault(asset, &order.fault);
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
