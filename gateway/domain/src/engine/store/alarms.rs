//! Writing what is kept of alarms: the living ones, what is out of service, what was raised lately.

use super::super::state::{AlarmKey, Crowd, Flap};
use super::journal::Undo;
use super::{Store, Timer};
use crate::alarm::{Alarm, OutOfService, Serviced};
use crate::id::AlarmId;
use std::sync::Arc;

impl Store {
    /// Puts an alarm in, or takes it out.
    pub(in crate::engine) fn set_alarm(&mut self, id: AlarmId, alarm: Option<Arc<Alarm>>) {
        let before = match &alarm {
            Some(alarm) => self.state.alarms.insert(id, alarm.clone()),
            None => self.state.alarms.remove(&id),
        };
        if let Some(before) = &before {
            self.live.remove(&(before.asset.clone(), before.class.clone()));
            self.causes.remove(&id);
            if let Some(named) = before.suppression.filter(|suppression| suppression.named) {
                self.named.remove(&(named.source, id));
            }
            if let Some(deadline) = before.deadline() {
                self.timers.remove(&(deadline, Timer::Alarm(id)));
            }
        }
        if let Some(alarm) = alarm {
            self.live.insert((alarm.asset.clone(), alarm.class.clone()), id);
            if alarm.inhibits.is_some() {
                self.causes.insert(id);
            }
            if let Some(named) = alarm.suppression.filter(|suppression| suppression.named) {
                self.named.insert((named.source, id));
            }
            if let Some(deadline) = alarm.deadline() {
                self.timers.insert((deadline, Timer::Alarm(id)));
            }
        }
        self.note(|| Undo::Alarm(id, before));
    }
    /// Living alarms that may be the cause of others, oldest first.
    pub(in crate::engine) fn causes(&self) -> impl Iterator<Item = &Arc<Alarm>> {
        self.causes.iter().filter_map(|id| self.state.alarms.get(id))
    }
    /// Whether a person has named this alarm as the cause of another.
    pub(in crate::engine) fn is_named(&self, id: AlarmId) -> bool {
        let mut of_it = self.named.range((id, AlarmId(0))..=(id, AlarmId(u64::MAX)));
        of_it.next().is_some()
    }
    /// Takes something out of service, or brings it back.
    pub(in crate::engine) fn set_out_of_service(&mut self, what: Serviced, out: Option<Arc<OutOfService>>) {
        let until = out.as_ref().and_then(|out| out.until);
        let before = match out {
            Some(out) => self.state.out_of_service.insert(what.clone(), out),
            None => self.state.out_of_service.remove(&what),
        };
        if let Some(until) = before.as_ref().and_then(|out| out.until) {
            self.timers.remove(&(until, Timer::Service(what.clone())));
        }
        if let Some(until) = until {
            self.timers.insert((until, Timer::Service(what.clone())));
        }
        self.note(|| Undo::OutOfService(what, before));
    }
    /// What is known about an alarm key that was raised lately; none when it is forgotten.
    pub(in crate::engine) fn set_flap(&mut self, key: AlarmKey, flap: Option<Flap>) {
        let look = flap.as_ref().map(|flap| flap.look);
        let before = match flap {
            Some(flap) => self.state.flaps.insert(key.clone(), flap),
            None => self.state.flaps.remove(&key),
        };
        if let Some(before) = &before {
            self.timers.remove(&(before.look, Timer::Flap(key.clone())));
        }
        if let Some(look) = look {
            self.timers.insert((look, Timer::Flap(key.clone())));
        }
        self.note(|| Undo::Flap(key, before));
    }
    /// Many alarms at once.
    pub(in crate::engine) fn set_crowd(&mut self, crowd: Arc<Crowd>) {
        let before = std::mem::replace(&mut self.state.crowd, crowd);
        let after = self.state.crowd.look();
        if before.look() != after {
            if let Some(look) = before.look() {
                self.timers.remove(&(look, Timer::Crowd));
            }
            if let Some(look) = after {
                self.timers.insert((look, Timer::Crowd));
            }
        }
        self.note(|| Undo::Crowd(before));
    }
}
