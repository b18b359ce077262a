//! Who hears of an alarm: when it is raised, when what kept it from people is over, when it is asked about again.

use super::causes::Cause;
use super::estate::{KEYS, SENSORS, rule};
use super::{Alarm, Annunciation, Condition, Model, Seen, Told};

impl Model {
    /// Whether that is news.
    pub(super) fn raise(&mut self, key: usize, number: usize, sensor: usize) -> bool {
        let rule = rule(number);
        let condition = self.condition(key);
        let live = self.alarms.get(&key);
        let began = live.map_or(self.second, |a| a.began);
        let said = live.and_then(|a| a.cause);
        let (annunciation, cause) = if self.is_out(key, sensor) {
            (Annunciation::OutOfService, None)
        } else if live.is_some_and(|a| a.annunciation == Annunciation::Shelved) {
            (Annunciation::Shelved, None)
        } else if let Some(id) = self.cause_of(key, began) {
            let named = said == Some(Cause { id, named: true });
            (Annunciation::Suppressed, Some(Cause { id, named }))
        } else {
            (Annunciation::On, None)
        };
        let is_news = live.is_none_or(|a| {
            !matches!(a.condition, Condition::Active | Condition::Clearing)
                || a.annunciation != annunciation
                || rule.priority < a.priority
        });
        let id = live.map_or(self.next, |a| a.id);
        self.next = self.next.max(id + 1);
        let alarm = self.alarms.entry(key).or_insert(Alarm {
            id,
            condition,
            ack: Seen::None,
            held: false,
            annunciation,
            count: 0,
            level: 0,
            priority: rule.priority,
            sensor,
            inhibits: rule.inhibits,
            re_alarm: rule.re_alarm,
            began,
            cause: None,
            shelved_until: None,
            release_at: None,
            re_alarm_at: None,
        });
        alarm.count += 1;
        alarm.condition = condition;
        if is_news {
            alarm.priority = alarm.priority.min(rule.priority);
            if matches!(annunciation, Annunciation::On | Annunciation::Shelved) {
                alarm.ack = Seen::Unack;
                alarm.re_alarm_at = None;
            }
            alarm.held |= rule.latch && annunciation != Annunciation::OutOfService;
            alarm.annunciation = annunciation;
            alarm.cause = cause;
            alarm.release_at = None;
            alarm.shelved_until = alarm
                .shelved_until
                .filter(|_| annunciation == Annunciation::Shelved);
            alarm.sensor = sensor;
            self.tell(key, Told::Raised);
        }
        is_news
    }

    pub(super) fn tell(&mut self, key: usize, what: Told) {
        let alarm = &self.alarms[&key];
        let heard = match alarm.annunciation {
            Annunciation::On => true,
            Annunciation::Shelved => what == Told::Shelved,
            Annunciation::Suppressed => what == Told::Cleared && alarm.ack != Seen::None,
            Annunciation::OutOfService => false,
        };
        let muted = matches!(what, Told::Raised | Told::Cleared) && self.flaps(key);
        if heard && !muted {
            *self.told.entry((KEYS[key].0.to_owned(), what)).or_default() += 1;
        }
    }

    /// What kept an alarm from people is over: `anew` when a person had kept it.
    pub(super) fn hear_again(&mut self, key: usize, anew: bool) {
        let cause = self.cause_of(key, self.alarms[&key].began);
        let explained = cause.is_some();
        let Some(alarm) = self.alarms.get_mut(&key) else {
            return;
        };
        alarm.cause = cause.map(|id| Cause { id, named: false });
        let goes_on = matches!(
            alarm.condition,
            Condition::Active | Condition::Clearing | Condition::Unknown
        );
        let raises = !explained && goes_on && (anew || alarm.ack == Seen::None);
        (alarm.shelved_until, alarm.release_at) = (None, None);
        alarm.annunciation = if explained {
            Annunciation::Suppressed
        } else {
            Annunciation::On
        };
        if raises {
            alarm.ack = Seen::Unack;
            alarm.re_alarm_at = None;
            let sensor = alarm.sensor;
            alarm.held |= SENSORS[sensor].rules.iter().any(|n| rule(*n).latch);
            self.tell(key, Told::Raised);
        }
        self.settle(key);
    }

    pub(super) fn ask_again(&mut self, key: usize) {
        let Some(alarm) = self.alarms.get_mut(&key) else {
            return;
        };
        alarm.re_alarm_at = None;
        if alarm.annunciation == Annunciation::On && alarm.ack == Seen::Ack {
            alarm.ack = Seen::Unack;
            alarm.level += 1;
            self.tell(key, Told::StillActive);
        }
    }
}
