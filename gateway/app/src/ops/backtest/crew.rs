//! The people of a back-test: they acknowledge, take every order within minutes, and complete it once its sensors are normal.
//!
//! Better than people are and the same for every proposal: what differs between two back-tests is the rules.

use linli_domain::alarm::{Ack, Condition, Latch};
use linli_domain::command::{Action, Actor, ActorRole, Command};
use linli_domain::engine::{Changes, Engine};
use linli_domain::id::{AlarmId, OrderId};
use linli_domain::order::OrderState;
use linli_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// From a call to the first step, and from step to step.
const STEP: Duration = Duration::from_secs(5 * 60);
/// Somebody who waits for a sensor looks again, less and less often, at least so often.
const RARELY: Duration = Duration::from_secs(3_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Alarm(AlarmId),
    Order(OrderId),
}

/// Who looks at what, and when.
#[derive(Debug, Default)]
pub(super) struct Crew {
    looks: BTreeMap<(Timestamp, Subject), Duration>,
}

impl Crew {
    /// Somebody is called.
    pub(super) fn hear(&mut self, changes: &Changes, at: Timestamp) {
        for change in &changes.orders {
            if change.from.is_none() {
                self.look(Subject::Order(change.order.id), at, STEP);
            }
        }
        // An alarm with an order is acknowledged by whoever accepts it.
        for change in changes
            .alarms
            .iter()
            .filter(|change| change.alarm.order.is_none())
        {
            if change.from.is_none() {
                self.look(Subject::Alarm(change.alarm.id), at, STEP);
            }
        }
    }

    fn look(&mut self, subject: Subject, at: Timestamp, after: Duration) {
        self.looks.insert((at.plus(after), subject), after);
    }

    /// When somebody looks next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.looks.first_key_value().map(|((at, _), _)| *at)
    }

    /// What somebody does now.
    pub(super) fn due(&mut self, engine: &Engine, now: Timestamp) -> Option<Command> {
        loop {
            let entry = self.looks.first_entry().filter(|entry| entry.key().0 <= now)?;
            let ((_, subject), waited) = entry.remove_entry();
            let action = match subject {
                Subject::Order(order) => self.order(engine, order, now, waited),
                Subject::Alarm(alarm) => self.alarm(engine, alarm, now, waited),
            };
            if let Some(action) = action {
                let role = ActorRole::Manager;
                let actor = Actor {
                    token: "crew".into(),
                    name: "crew".into(),
                    role,
                };
                return Some(Command { actor, action });
            }
        }
    }

    fn order(&mut self, engine: &Engine, order: OrderId, now: Timestamp, waited: Duration) -> Option<Action> {
        let known = engine.order(order)?;
        let version = known.version;
        let subject = Subject::Order(order);
        match known.state {
            OrderState::New | OrderState::Dispatched => {
                self.look(subject, now, STEP);
                Some(Action::Accept { order, version })
            }
            OrderState::Accepted => {
                self.look(subject, now, STEP);
                Some(Action::Start { order, version })
            }
            OrderState::InProgress if known.sensor_normal => {
                self.look(subject, now, RARELY);
                let note = Some("back-test".to_owned());
                Some(Action::Complete { order, version, note })
            }
            OrderState::InProgress | OrderState::PendingVerification(_) => {
                self.look(subject, now, (waited * 2).min(RARELY));
                None
            }
            OrderState::Closed(_) | OrderState::Cancelled => None,
        }
    }

    fn alarm(&mut self, engine: &Engine, alarm: AlarmId, now: Timestamp, waited: Duration) -> Option<Action> {
        let known = engine.alarm(alarm)?;
        let version = known.version;
        self.look(Subject::Alarm(alarm), now, (waited * 2).min(RARELY));
        let state = known.state;
        if state.ack == Ack::Unack {
            return Some(Action::AcknowledgeAlarm { alarm, version });
        }
        let lets_go = state.latch == Latch::Held && state.condition == Condition::Normal;
        lets_go.then_some(Action::ResetAlarm { alarm, version })
    }
}
