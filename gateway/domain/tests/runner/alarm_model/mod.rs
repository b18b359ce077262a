//! A plain, slow model of the life of alarms, for [`crate::model`]: seconds are counted one by one, every table is written
//! down as its page in the documentation reads.

mod causes;
mod estate;
mod flapping;
mod heard;
mod people;
mod watch;

pub(crate) use estate::{SENSORS, Say};

use causes::Cause;
use estate::{KEYS, rule};
use flapping::Flap;
use std::collections::{BTreeMap, BTreeSet};
use watch::{Means, Watch, after_value, is_raised};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Condition {
    Normal,
    Pending,
    Unknown,
    Clearing,
    Active,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    None,
    Unack,
    Ack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Annunciation {
    On,
    Shelved,
    Suppressed,
    OutOfService,
}

/// What people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    Raised,
    Cleared,
    StillActive,
    Shelved,
}

#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    id: u64,
    pub(crate) condition: Condition,
    ack: Seen,
    held: bool,
    pub(crate) annunciation: Annunciation,
    count: u32,
    level: u8,
    priority: u8,
    /// The sensor that raised it last.
    sensor: usize,
    inhibits: bool,
    re_alarm: Option<u64>,
    began: u64,
    cause: Option<Cause>,
    /// The seconds in which what it waits for is over.
    shelved_until: Option<u64>,
    release_at: Option<u64>,
    re_alarm_at: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Model {
    second: u64,
    next: u64,
    /// Sensor, rule, what the rule knows: in the order of the points and rules.
    watches: Vec<(usize, usize, Watch)>,
    alarms: BTreeMap<usize, Alarm>,
    out: BTreeSet<&'static str>,
    flaps: BTreeMap<(&'static str, &'static str), Flap>,
    pub(crate) told: BTreeMap<(String, Told), u32>,
}

impl Default for Model {
    fn default() -> Self {
        let watches = SENSORS.iter().enumerate();
        let unknown = Watch::Unknown {
            raised: false,
            left: None,
        };
        Self {
            second: 0,
            next: 1,
            watches: watches
                .flat_map(|(n, sensor)| sensor.rules.iter().map(move |rule| (n, *rule, unknown)))
                .collect(),
            alarms: BTreeMap::new(),
            out: BTreeSet::new(),
            flaps: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }
}

impl Model {
    pub(crate) fn keys(&self) -> [(&'static str, &'static str); 4] {
        KEYS
    }
    pub(crate) fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.values()
    }
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .alarms
            .iter()
            .map(|(key, a)| {
                let ((asset, class), latch) = (KEYS[*key], if a.held { "Held" } else { "Off" });
                format!(
                    "{asset}/{class}: {:?} {:?} {latch} {:?} P{} count {} level {} flapping {}",
                    a.condition,
                    a.ack,
                    a.annunciation,
                    a.priority,
                    a.count,
                    a.level,
                    self.flaps(*key)
                )
            })
            .collect();
        lines.sort();
        lines
    }

    /// One second passes: delays first, then what alarms wait for, the oldest first.
    pub(crate) fn second(&mut self) {
        self.second += 1;
        for n in 0..self.watches.len() {
            let (_, _, watch) = self.watches[n];
            match watch {
                Watch::Pending(1) => self.follow(n, Watch::Active, Means::Raised),
                Watch::Clearing(1) => self.follow(n, Watch::Normal, Means::Nothing),
                Watch::Pending(left) => self.watches[n].2 = Watch::Pending(left - 1),
                Watch::Clearing(left) => self.watches[n].2 = Watch::Clearing(left - 1),
                _ => {}
            }
        }
        for key in self.by_age() {
            let Some(alarm) = self.alarms.get(&key) else {
                continue;
            };
            let waits = [alarm.shelved_until, alarm.release_at, alarm.re_alarm_at];
            let due = waits.map(|at| at == Some(self.second));
            if due[0] {
                self.hear_again(key, true);
            }
            if due[1] {
                self.hear_again(key, false);
            }
            if due[2] {
                self.ask_again(key);
            }
        }
        self.calm_down();
    }

    fn by_age(&self) -> Vec<usize> {
        let mut keys: Vec<usize> = self.alarms.keys().copied().collect();
        keys.sort_by_key(|key| self.alarms[key].id);
        keys
    }

    pub(crate) fn says(&mut self, sensor: usize, say: Say) {
        for n in 0..self.watches.len() {
            let (of, number, watch) = self.watches[n];
            if of == sensor {
                let mut rule = rule(number);
                if self.flaps(rule.key) {
                    rule.off *= 4;
                }
                let (next, means) = after_value(watch, &rule, say);
                if (next, means) != (watch, Means::Nothing) {
                    self.follow(n, next, means);
                }
            }
        }
    }

    fn follow(&mut self, n: usize, next: Watch, means: Means) {
        self.watches[n].2 = next;
        let (sensor, number, _) = self.watches[n];
        let key = rule(number).key;
        let activates = match means {
            Means::Raised => self.raise(key, number, sensor),
            Means::Relapsed => {
                if let Some(alarm) = self.alarms.get_mut(&key) {
                    alarm.count += 1;
                }
                true
            }
            Means::Nothing => false,
        };
        if activates {
            self.count_activation(key);
        }
        self.refresh(key);
    }

    /// The worst of what the sensors of an alarm say.
    fn condition(&self, key: usize) -> Condition {
        let of_key = self
            .watches
            .iter()
            .filter(|(_, number, _)| rule(*number).key == key);
        let said = of_key.map(|(_, _, watch)| match watch {
            Watch::Normal => Condition::Normal,
            Watch::Pending(_) => Condition::Pending,
            Watch::Active => Condition::Active,
            Watch::Clearing(_) => Condition::Clearing,
            Watch::Unknown { .. } => Condition::Unknown,
        });
        said.max().unwrap_or(Condition::Normal)
    }

    /// Whether the asset is out of service, or every sensor that says so; the last one speaks where none does.
    fn is_out(&self, key: usize, last: usize) -> bool {
        let asset = format!("asset {}", KEYS[key].0);
        let device = |sensor: usize| {
            self.out
                .contains(format!("device {}", SENSORS[sensor].device).as_str())
        };
        let raised: Vec<usize> = self
            .watches
            .iter()
            .filter(|(_, number, watch)| rule(*number).key == key && is_raised(*watch))
            .map(|(sensor, _, _)| *sensor)
            .collect();
        self.out.contains(asset.as_str())
            || if raised.is_empty() {
                device(last)
            } else {
                raised.into_iter().all(device)
            }
    }

    fn refresh(&mut self, key: usize) {
        let condition = self.condition(key);
        let Some(alarm) = self.alarms.get_mut(&key) else {
            return;
        };
        if alarm.condition != condition {
            alarm.condition = condition;
            if condition == Condition::Normal {
                alarm.re_alarm_at = None;
                self.tell(key, Told::Cleared);
            }
        }
        if self.alarms[&key].inhibits || self.is_named(self.alarms[&key].id) {
            self.reconsider();
        }
        self.settle(key);
    }

    fn settle(&mut self, key: usize) {
        let over = self.alarms.get(&key).is_some_and(|a| {
            a.condition == Condition::Normal
                && a.ack != Seen::Unack
                && !a.held
                && a.annunciation != Annunciation::Shelved
        });
        if over {
            self.alarms.remove(&key);
        }
    }

    /// Who hears of the alarm of a key; none when none lives.
    pub(crate) fn annunciation(&self, key: usize) -> Option<Annunciation> {
        self.alarms.get(&key).map(|alarm| alarm.annunciation)
    }
}
