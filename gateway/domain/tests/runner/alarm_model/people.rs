//! What people do: take notice, keep an alarm quiet, name its cause, take things out of service. Whether they may.

use super::causes::Cause;
use super::{Alarm, Annunciation, Condition, Model, Seen, Told};

impl Model {
    pub(crate) fn acknowledge(&mut self, key: usize) -> bool {
        let second = self.second;
        let Some(alarm) = self.alarms.get_mut(&key).filter(|a| a.ack == Seen::Unack) else {
            return false;
        };
        alarm.ack = Seen::Ack;
        alarm.re_alarm_at = alarm
            .re_alarm
            .filter(|_| alarm.condition != Condition::Normal)
            .map(|after| second + after);
        self.settle(key);
        true
    }

    pub(crate) fn reset(&mut self, key: usize) -> bool {
        let may = self
            .alarms
            .get_mut(&key)
            .filter(|a| a.held && a.condition == Condition::Normal);
        let Some(alarm) = may else {
            return false;
        };
        alarm.held = false;
        self.settle(key);
        true
    }

    pub(crate) fn shelve(&mut self, key: usize, seconds: u64) -> bool {
        let ends = self.second + seconds;
        let may = self.alarms.get_mut(&key);
        let Some(alarm) = may.filter(|a| a.annunciation != Annunciation::OutOfService) else {
            return false;
        };
        alarm.annunciation = Annunciation::Shelved;
        alarm.cause = None;
        alarm.release_at = None;
        alarm.shelved_until = Some(ends);
        self.tell(key, Told::Shelved);
        true
    }

    pub(crate) fn unshelve(&mut self, key: usize) -> bool {
        let shelved = self
            .alarms
            .get(&key)
            .is_some_and(|a| a.annunciation == Annunciation::Shelved);
        if shelved {
            self.hear_again(key, true);
        }
        shelved
    }

    /// A person names the cause: another alarm that goes on and is heard. The later word of two.
    pub(crate) fn suppress(&mut self, key: usize, by: usize) -> bool {
        let heard = |cause: &&Alarm| self.goes_on(cause.id) && cause.annunciation == Annunciation::On;
        let cause = self.alarms.get(&by).filter(heard).map(|cause| cause.id);
        let may = self
            .alarms
            .get_mut(&key)
            .filter(|a| a.annunciation != Annunciation::OutOfService);
        let (Some(id), Some(alarm), true) = (cause, may, key != by) else {
            return false;
        };
        alarm.annunciation = Annunciation::Suppressed;
        alarm.cause = Some(Cause { id, named: true });
        (alarm.shelved_until, alarm.release_at) = (None, None);
        self.settle(key);
        true
    }

    /// A person takes that back; what the rules know stays.
    pub(crate) fn unsuppress(&mut self, key: usize) -> bool {
        let named = self.alarms.get_mut(&key).and_then(|alarm| alarm.cause.as_mut());
        let Some(cause) = named.filter(|cause| cause.named) else {
            return false;
        };
        cause.named = false;
        self.hear_again(key, true);
        true
    }

    pub(crate) fn take_out(&mut self, what: &'static str) -> bool {
        if !self.out.insert(what) {
            return false;
        }
        for key in self.by_age() {
            let sensor = self.alarms[&key].sensor;
            let out = self.is_out(key, sensor);
            if let Some(alarm) = self.alarms.get_mut(&key).filter(|_| out) {
                alarm.annunciation = Annunciation::OutOfService;
                alarm.cause = None;
                (alarm.shelved_until, alarm.release_at) = (None, None);
                self.settle(key);
            }
        }
        true
    }

    pub(crate) fn bring_back(&mut self, what: &'static str) -> bool {
        if !self.out.remove(what) {
            return false;
        }
        for key in self.by_age() {
            let alarm = &self.alarms[&key];
            if alarm.annunciation == Annunciation::OutOfService && !self.is_out(key, alarm.sensor) {
                self.hear_again(key, true);
            }
        }
        true
    }
}
