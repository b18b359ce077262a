//! The engine against a plain, slow model of its tables: random values, losses, commands, restarts and clocks that are
//! set, compared after every one of them. A failure names its seed; `LINLI_SEED=17` tells that history alone.
//!
//! The model counts seconds one by one and keeps nothing but what the tables name. It knows no deadlines, no journal and
//! no snapshots, so it cannot be wrong in the same way.

use crate::alarm_model::{Condition, Model, SENSORS, Say, Told};
use crate::estate_test::{EstateTest, actor};
use linli_domain::alarm::Serviced;
use linli_domain::command::{Action, ActorRole};
use linli_domain::engine::{Changes, Input, NoticeKind};
use linli_domain::id::AlarmId;
use linli_domain::reading::{Quality, Reason, Value};
use std::collections::BTreeMap;
use std::time::Duration;

const ESTATE: &str = include_str!("model.toml");
const SEEDS: u64 = 150;
const STEPS: usize = 400;

/// A small generator of its own, so that a seed is the same history for ever.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

#[derive(Debug, Clone, Copy)]
enum Happening {
    Wait(u64),
    Says(usize, Say),
    Acknowledge(usize),
    Reset(usize),
    Shelve(usize, u64),
    Unshelve(usize),
    Suppress(usize, usize),
    Unsuppress(usize),
    TakeOut(&'static str),
    BringBack(&'static str),
    Restart,
    Reboot,
    ClockSet(i64),
}

const SERVICED: [&str; 4] = ["asset main", "asset bin", "device m1", "device riser"];

fn happening(dice: &mut Dice) -> Happening {
    let sensor = usize::try_from(dice.below(SENSORS.len() as u64)).unwrap();
    let key = usize::try_from(dice.below(4)).unwrap();
    match dice.below(44) {
        0..8 => Happening::Wait(1 + dice.below(12)),
        8..11 => Happening::Wait(20 + dice.below(50)),
        11 => Happening::Wait(100 + dice.below(700)),
        12..26 => Happening::Says(
            sensor,
            dice.of(&[
                Say::Wrong,
                Say::Wrong,
                Say::Worse,
                Say::Right,
                Say::Right,
                Say::Between,
            ]),
        ),
        26 | 27 => Happening::Says(sensor, Say::Lost),
        28..31 => Happening::Acknowledge(key),
        31 => Happening::Reset(key),
        32 | 33 => Happening::Shelve(key, 60 + dice.below(120)),
        34 => Happening::Unshelve(key),
        35 => Happening::TakeOut(dice.of(&SERVICED)),
        36 => Happening::BringBack(dice.of(&SERVICED)),
        37 => Happening::Restart,
        38 => Happening::Reboot,
        39..42 => Happening::Suppress(key, usize::try_from(dice.below(4)).unwrap()),
        42 => Happening::Unsuppress(key),
        _ => Happening::ClockSet(dice.below(20_000).cast_signed() - 10_000),
    }
}

fn serviced(name: &str) -> Serviced {
    match name.split_once(' ') {
        Some(("asset", id)) => Serviced::Asset(id.parse().unwrap()),
        Some((_, id)) => Serviced::Device(id.parse().unwrap()),
        None => panic!("{name}"),
    }
}

/// The same happening to the engine: whether it was done.
fn happens(test: &mut EstateTest, keys: &[(&str, &str)], happening: Happening) -> bool {
    let seen = |test: &EstateTest, key: usize| {
        let (asset, class) = keys[key];
        let alarm = test
            .engine
            .alarm_of(&asset.parse().unwrap(), &class.parse().unwrap());
        alarm.map_or((AlarmId(9_999), 1), |alarm| (alarm.id, alarm.version))
    };
    let manager = || actor("M", ActorRole::Manager);
    let action = match happening {
        Happening::Wait(seconds) => {
            test.wait(&format!("{seconds}s"))
                .input(Input::Tick)
                .reply
                .unwrap();
            return true;
        }
        Happening::Says(sensor, say) => {
            let sensor = &SENSORS[sensor];
            let value = match (sensor.is_number, say) {
                (true, Say::Wrong) => Value::Number(95.0),
                (true, Say::Worse) => Value::Number(99.0),
                (true, Say::Between) => Value::Number(80.0),
                (true, _) => Value::Number(10.0),
                (false, say) => Value::State(matches!(say, Say::Wrong | Say::Worse)),
            };
            let quality = match say {
                Say::Lost => Quality::Bad(Reason::CommTimeout),
                _ => Quality::Good,
            };
            test.reads(sensor.point, value, "0s", quality);
            return true;
        }
        Happening::Restart => {
            let before = (test.engine.dump(), test.engine.next_wake());
            test.engine = linli_domain::Engine::restore(&test.engine.snapshot().unwrap()).unwrap();
            assert_eq!((test.engine.dump(), test.engine.next_wake()), before);
            return true;
        }
        Happening::Reboot => {
            test.reboot("3h");
            return true;
        }
        Happening::ClockSet(seconds) => {
            let wall = test.now.wall.as_millis() + seconds * 1_000;
            test.now.wall = linli_domain::time::Timestamp::from_millis(wall);
            test.input(Input::Tick).reply.unwrap();
            return true;
        }
        Happening::Acknowledge(key) => {
            let (alarm, version) = seen(test, key);
            Action::AcknowledgeAlarm { alarm, version }
        }
        Happening::Reset(key) => {
            let (alarm, version) = seen(test, key);
            Action::ResetAlarm { alarm, version }
        }
        Happening::Shelve(key, seconds) => {
            let (alarm, version) = seen(test, key);
            Action::ShelveAlarm {
                alarm,
                version,
                lasts: Duration::from_secs(seconds),
                reason: "because".into(),
                no_order: false,
            }
        }
        Happening::Unshelve(key) => {
            let (alarm, version) = seen(test, key);
            Action::UnshelveAlarm { alarm, version }
        }
        Happening::Suppress(key, by) => {
            let (alarm, version) = seen(test, key);
            Action::SuppressAlarm {
                alarm,
                version,
                cause: seen(test, by).0,
                reason: "because".into(),
            }
        }
        Happening::Unsuppress(key) => {
            let (alarm, version) = seen(test, key);
            Action::UnsuppressAlarm { alarm, version }
        }
        Happening::TakeOut(name) => Action::TakeOutOfService {
            what: serviced(name),
            reason: "because".into(),
            lasts: None,
        },
        Happening::BringBack(name) => Action::BringBack { what: serviced(name) },
    };
    test.act(manager(), action).is_ok()
}

/// The same happening to the model: whether it is done.
fn models(model: &mut Model, happening: Happening) -> bool {
    match happening {
        Happening::Wait(seconds) => {
            (0..seconds).for_each(|_| model.second());
            true
        }
        Happening::Says(sensor, say) => {
            model.says(sensor, say);
            true
        }
        Happening::Restart | Happening::Reboot | Happening::ClockSet(_) => true,
        Happening::Acknowledge(key) => model.acknowledge(key),
        Happening::Reset(key) => model.reset(key),
        Happening::Shelve(key, seconds) => model.shelve(key, seconds),
        Happening::Unshelve(key) => model.unshelve(key),
        Happening::Suppress(key, by) => model.suppress(key, by),
        Happening::Unsuppress(key) => model.unsuppress(key),
        Happening::TakeOut(name) => model.take_out(name),
        Happening::BringBack(name) => model.bring_back(name),
    }
}

/// Every living alarm as one line.
fn lines(test: &EstateTest) -> Vec<String> {
    let mut lines: Vec<String> = test
        .engine
        .alarms()
        .map(|a| {
            let state = a.state;
            format!(
                "{}/{}: {:?} {:?} {:?} {:?} {} count {} level {} flapping {}",
                a.asset,
                a.class,
                state.condition,
                state.ack,
                state.latch,
                state.annunciation,
                a.priority,
                a.count,
                a.level,
                a.flapping
            )
        })
        .collect();
    lines.sort();
    lines
}

/// How often people were told what about which alarm.
fn told(changes: &Changes, into: &mut BTreeMap<(String, Told), u32>) {
    for notice in &changes.notices {
        let what = match notice.kind {
            NoticeKind::AlarmRaised => Told::Raised,
            NoticeKind::AlarmCleared => Told::Cleared,
            NoticeKind::AlarmStillActive => Told::StillActive,
            NoticeKind::AlarmShelved => Told::Shelved,
            _ => continue,
        };
        *into.entry((notice.asset.to_string(), what)).or_default() += 1;
    }
}

#[test]
fn the_engine_and_the_model_never_disagree() {
    let one = std::env::var("LINLI_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = one.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    for seed in seeds {
        let mut dice = Dice(seed);
        let mut test = EstateTest::with(ESTATE);
        for sensor in &SENSORS {
            test.point(sensor.point);
        }
        let mut model = Model::default();
        let keys = model.keys();
        let mut heard = BTreeMap::new();
        for step in 0..STEPS {
            let happening = happening(&mut dice);
            // A history told alone is compared every second of a wait.
            let parts = match (one, happening) {
                (Some(_), Happening::Wait(seconds)) => (0..seconds).map(|_| Happening::Wait(1)).collect(),
                _ => vec![happening],
            };
            for (part, happening) in parts.into_iter().enumerate() {
                let told_before = test.changes.notices.len();
                let before = match happening {
                    Happening::Suppress(key, _) => model.annunciation(key).map(|state| ("suppress", state)),
                    Happening::Unsuppress(key) => model.annunciation(key).map(|state| ("unsuppress", state)),
                    _ => None,
                };
                let done = happens(&mut test, &keys, happening);
                let expected = models(&mut model, happening);
                let news = Changes {
                    notices: test.changes.notices.split_off(told_before),
                    ..Changes::default()
                };
                told(&news, &mut heard);
                let place = || format!("seed {seed}, step {step}.{part}, {happening:?}");
                assert_eq!(done, expected, "{}: done, and as the model says", place());
                assert_eq!(lines(&test), model.lines(), "{}: engine, model", place());
                assert_eq!(heard, model.told, "{}: told by the engine, by the model", place());
                if let Some((event, state)) = before {
                    let word = if done { "done" } else { "refused" };
                    *reached.entry(format!("{event} {state:?} {word}")).or_default() += 1;
                }
            }
            for alarm in model.alarms() {
                let what = format!("{:?} {:?}", alarm.condition, alarm.annunciation);
                *reached.entry(what).or_default() += 1;
            }
        }
    }
    if one.is_none() {
        // A model that is never led anywhere agrees with anything.
        let answers = [
            "suppress On done",
            "suppress On refused",
            "suppress Shelved done",
            "suppress Shelved refused",
            "suppress Suppressed done",
            "suppress Suppressed refused",
            "suppress OutOfService refused",
            "unsuppress On refused",
            "unsuppress Shelved refused",
            "unsuppress Suppressed done",
            "unsuppress Suppressed refused",
            "unsuppress OutOfService refused",
        ];
        for what in answers {
            assert!(reached.get(what).is_some_and(|n| *n >= 20), "{what}: {reached:?}");
        }
        for condition in [
            Condition::Normal,
            Condition::Unknown,
            Condition::Clearing,
            Condition::Active,
        ] {
            for annunciation in ["On", "Shelved", "Suppressed", "OutOfService"] {
                let what = format!("{condition:?} {annunciation}");
                assert!(
                    reached.get(&what).is_some_and(|n| *n >= 20),
                    "{what}: {reached:?}"
                );
            }
        }
    }
}
