//! A plain, slow model of the life of alarms, for [`crate::model`]: seconds are counted one by one, every table is written
//! down as its page in the documentation reads.

use std::collections::{BTreeMap, BTreeSet};

/// One sensor of the model's estate, with the rules that look at it.
pub(crate) struct Sensor {
    pub(crate) point: &'static str,
    pub(crate) is_number: bool,
    device: &'static str,
    rules: &'static [usize],
}

struct Rule {
    key: usize,
    on: u64,
    off: u64,
    latch: bool,
    priority: u8,
    re_alarm: Option<u64>,
    inhibits: bool,
    /// Which words of a sensor are wrong, and which are right again.
    wrong: fn(Say) -> bool,
    right: fn(Say) -> bool,
}

/// What a sensor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    Wrong,
    Worse,
    Between,
    Right,
    Lost,
}

/// Asset and class of every alarm there may be; the order is that of the estate file.
const KEYS: [(&str, &str); 4] = [
    ("main", "leak"),
    ("riser", "leak"),
    ("bin", "bin-full"),
    ("lane", "lane"),
];
const LEAK: fn(usize) -> Rule = |key| Rule {
    key,
    on: 5,
    off: 30,
    latch: true,
    priority: 2,
    re_alarm: Some(60),
    inhibits: true,
    wrong: |say| matches!(say, Say::Wrong | Say::Worse),
    right: |say| matches!(say, Say::Right | Say::Between),
};

fn rule(n: usize) -> Rule {
    match n {
        0 | 1 => LEAK(n),
        2 => Rule {
            key: 2,
            on: 10,
            off: 20,
            latch: false,
            priority: 3,
            re_alarm: None,
            inhibits: false,
            wrong: |say| matches!(say, Say::Wrong | Say::Worse),
            right: |say| say == Say::Right,
        },
        3 => Rule {
            key: 2,
            on: 0,
            off: 0,
            latch: false,
            priority: 2,
            re_alarm: None,
            inhibits: false,
            wrong: |say| say == Say::Worse,
            right: |say| matches!(say, Say::Wrong | Say::Between | Say::Right),
        },
        _ => Rule {
            key: 3,
            on: 0,
            off: 5,
            latch: false,
            priority: 2,
            re_alarm: Some(90),
            inhibits: false,
            ..LEAK(3)
        },
    }
}

pub(crate) const SENSORS: [Sensor; 5] = [
    Sensor {
        point: "m1/leak.wet",
        is_number: false,
        device: "m1",
        rules: &[0],
    },
    Sensor {
        point: "m2/leak.wet",
        is_number: false,
        device: "m2",
        rules: &[0],
    },
    Sensor {
        point: "riser/leak.wet",
        is_number: false,
        device: "riser",
        rules: &[1],
    },
    Sensor {
        point: "lid/bin.fill",
        is_number: true,
        device: "lid",
        rules: &[2, 3],
    },
    Sensor {
        point: "bay/parking.occupied",
        is_number: false,
        device: "bay",
        rules: &[4],
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Condition {
    Normal,
    Pending,
    Unknown,
    Clearing,
    Active,
}

/// What one rule knows of one sensor; seconds that are left of a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    Normal,
    Pending(u64),
    Active,
    Clearing(u64),
    Unknown { raised: bool, left: Option<u64> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Nothing,
    Raised,
    Relapsed,
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

/// The alarm that explains another, and whether a person says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cause {
    id: u64,
    named: bool,
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

/// How often an alarm was raised, and whether that is too often to be told each time.
#[derive(Debug, Clone, Default)]
struct Flap {
    raised: Vec<u64>,
    flapping: bool,
    told: u64,
    /// Whether it was normal when the hour was over.
    missed: bool,
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

fn is_raised(watch: Watch) -> bool {
    matches!(
        watch,
        Watch::Active | Watch::Clearing(_) | Watch::Unknown { raised: true, .. }
    )
}

fn after_value(watch: Watch, rule: &Rule, say: Say) -> (Watch, Means) {
    let pending = |left| {
        if left == 0 {
            (Watch::Active, Means::Raised)
        } else {
            (Watch::Pending(left), Means::Nothing)
        }
    };
    let clearing = |left| {
        if left == 0 {
            Watch::Normal
        } else {
            Watch::Clearing(left)
        }
    };
    let (wrong, right) = ((rule.wrong)(say), (rule.right)(say));
    match watch {
        _ if say == Say::Lost => {
            let left = match watch {
                Watch::Pending(left) | Watch::Clearing(left) => Some(left),
                Watch::Unknown { left, .. } => left,
                Watch::Normal | Watch::Active => None,
            };
            (
                Watch::Unknown {
                    raised: is_raised(watch),
                    left,
                },
                Means::Nothing,
            )
        }
        Watch::Normal if wrong => pending(rule.on),
        Watch::Normal => (Watch::Normal, Means::Nothing),
        Watch::Pending(left) if wrong => (Watch::Pending(left), Means::Nothing),
        Watch::Pending(_) => (Watch::Normal, Means::Nothing),
        Watch::Active if right => (clearing(rule.off), Means::Nothing),
        Watch::Active => (Watch::Active, Means::Nothing),
        Watch::Clearing(_) if wrong => (Watch::Active, Means::Relapsed),
        Watch::Clearing(left) if right => (Watch::Clearing(left), Means::Nothing),
        Watch::Clearing(_) => (Watch::Active, Means::Nothing),
        Watch::Unknown { raised: false, left } if wrong => pending(left.unwrap_or(rule.on)),
        Watch::Unknown { raised: false, .. } => (Watch::Normal, Means::Nothing),
        Watch::Unknown { left, .. } if wrong => (
            Watch::Active,
            if left.is_some() {
                Means::Relapsed
            } else {
                Means::Nothing
            },
        ),
        Watch::Unknown { left, .. } if right => (clearing(left.unwrap_or(rule.off)), Means::Nothing),
        Watch::Unknown { .. } => (Watch::Active, Means::Nothing),
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

    fn flaps(&self, key: usize) -> bool {
        self.flaps.get(&KEYS[key]).is_some_and(|flap| flap.flapping)
    }

    /// Three times in a minute, or five in half an hour.
    fn count_activation(&mut self, key: usize) {
        let now = self.second;
        let flap = self.flaps.entry(KEYS[key]).or_default();
        flap.raised.push(now);
        let within = |span: u64| flap.raised.iter().filter(|at| now - **at <= span).count();
        if !flap.flapping && (within(60) >= 3 || within(1_800) >= 5) {
            flap.flapping = true;
            flap.told = now;
        }
        if flap.flapping && now - flap.told >= 3_600 {
            self.tell_water(key);
        }
    }

    /// What is about water is told every hour: when it is over, or the next time it is raised if it was normal then.
    fn tell_water(&mut self, key: usize) {
        let goes_on = self
            .alarms
            .get(&key)
            .is_some_and(|a| a.condition != Condition::Normal);
        let is_told = KEYS[key].1 == "leak" && goes_on;
        let flap = self.flaps.get_mut(&KEYS[key]).unwrap();
        flap.missed = !is_told;
        if is_told {
            flap.told = self.second;
            self.tell(key, Told::StillActive);
        }
    }

    /// An hour without being raised ends it.
    fn calm_down(&mut self) {
        for (asset, class) in self.flaps.keys().copied().collect::<Vec<_>>() {
            let now = self.second;
            let Some(flap) = self.flaps.get_mut(&(asset, class)).filter(|flap| flap.flapping) else {
                continue;
            };
            if now - flap.raised.last().unwrap() >= 3_600 {
                *flap = Flap::default();
            } else if now - flap.told >= 3_600 && !flap.missed {
                let key = KEYS.iter().position(|key| *key == (asset, class)).unwrap();
                self.tell_water(key);
            }
        }
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

    /// What explains an alarm: what the rules know, and else what a person has named while it goes on.
    fn cause_of(&self, key: usize, began: u64) -> Option<u64> {
        let named = || {
            let cause = self.alarms.get(&key)?.cause.filter(|cause| cause.named)?;
            self.goes_on(cause.id).then_some(cause.id)
        };
        self.stem_of(key, began).or_else(named)
    }

    /// The riser branches off the main: a leak there within ten minutes of one on the main is explained, unless the one on
    /// the main is explained by it.
    fn stem_of(&self, key: usize, began: u64) -> Option<u64> {
        let main = self.alarms.get(&0).filter(|main| {
            main.inhibits
                && matches!(main.condition, Condition::Active | Condition::Clearing)
                && main.began.abs_diff(began) <= 600
        })?;
        let itself = self.alarms.get(&key).map(|alarm| alarm.id);
        let rests = itself.is_some_and(|id| self.rests_on(main.id, id));
        (key == 1 && !rests).then_some(main.id)
    }

    fn alarm(&self, id: u64) -> Option<&Alarm> {
        self.alarms.values().find(|alarm| alarm.id == id)
    }

    fn goes_on(&self, id: u64) -> bool {
        self.alarm(id).is_some_and(|cause| {
            matches!(
                cause.condition,
                Condition::Active | Condition::Clearing | Condition::Unknown
            )
        })
    }

    /// Whether one alarm is another, or is explained by it through others.
    fn rests_on(&self, id: u64, other: u64) -> bool {
        let cause = || self.alarm(id)?.cause;
        id == other
            || cause().is_some_and(|cause| self.alarm(cause.id).is_some() && self.rests_on(cause.id, other))
    }

    /// Whether a person has named it as the cause of another.
    fn is_named(&self, id: u64) -> bool {
        self.alarms
            .values()
            .any(|alarm| alarm.cause == Some(Cause { id, named: true }))
    }

    /// Whether that is news.
    fn raise(&mut self, key: usize, number: usize, sensor: usize) -> bool {
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

    fn tell(&mut self, key: usize, what: Told) {
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

    /// Every alarm is asked for its cause again.
    fn reconsider(&mut self) {
        for key in self.by_age() {
            let explained = self.cause_of(key, self.alarms[&key].began);
            let Some(alarm) = self.alarms.get_mut(&key) else {
                continue;
            };
            match (alarm.annunciation, explained) {
                (Annunciation::On, Some(id)) if alarm.condition != Condition::Normal => {
                    alarm.annunciation = Annunciation::Suppressed;
                    alarm.cause = Some(Cause { id, named: false });
                }
                (Annunciation::Suppressed, Some(id)) => {
                    alarm.release_at = None;
                    let named = alarm.cause == Some(Cause { id, named: true });
                    alarm.cause = Some(Cause { id, named });
                }
                (Annunciation::Suppressed, None) => {
                    alarm.release_at = alarm.release_at.or(Some(self.second + 120))
                }
                _ => {}
            }
        }
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

    /// What kept an alarm from people is over: `anew` when a person had kept it.
    fn hear_again(&mut self, key: usize, anew: bool) {
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

    fn ask_again(&mut self, key: usize) {
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

    /// Who hears of the alarm of a key; none when none lives.
    pub(crate) fn annunciation(&self, key: usize) -> Option<Annunciation> {
        self.alarms.get(&key).map(|alarm| alarm.annunciation)
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
