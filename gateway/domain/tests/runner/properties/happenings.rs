//! What may happen, independent of the state it meets, and the inputs that come of it.

use super::*;

/// One thing that happens, independent of the state it meets.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    Wait(u32),
    WaitForWake,
    ClockSet(i32),
    Reboot,
    Reading {
        point: u8,
        wrong: bool,
        age: u16,
        quality: Quality,
    },
    Person {
        who: u8,
        action: u8,
        order: u8,
        stale: bool,
    },
    /// The next step of an order, by whoever may take it.
    Work {
        order: u8,
    },
    Edit(u8),
    /// Something about a device beside its readings.
    News {
        device: u8,
        what: u8,
        ahead: i32,
    },
    Bridge {
        up: bool,
        retained: bool,
    },
    Profiles(u8),
}

pub(super) fn happening() -> impl Strategy<Value = Happening> {
    let quality = prop_oneof![
        8 => Just(Quality::Good),
        1 => Just(Quality::Uncertain(Reason::Retained)),
        1 => Just(Quality::Uncertain(Reason::ClockInvalid)),
        1 => Just(Quality::Bad(Reason::CommTimeout)),
    ];
    let age = prop_oneof![4 => Just(0u16), 1 => 1u16..2_000];
    prop_oneof![
        1 => (1u32..700).prop_map(Happening::Wait),
        4 => (1u32..30).prop_map(Happening::Wait),
        3 => Just(Happening::WaitForWake),
        1 => (-7_200i32..7_200).prop_map(Happening::ClockSet),
        1 => Just(Happening::Reboot),
        12 => (0u8..9, prop::bool::weighted(0.35), age, quality)
            .prop_map(|(point, wrong, age, quality)| Happening::Reading { point, wrong, age, quality }),
        9 => (0u8..4, 0u8..18, 0u8..3, prop::bool::weighted(0.1))
            .prop_map(|(who, action, order, stale)| Happening::Person { who, action, order, stale }),
        10 => (0u8..3).prop_map(|order| Happening::Work { order }),
        1 => (0u8..4).prop_map(Happening::Edit),
        3 => (0u8..4, 0u8..8, prop_oneof![Just(0i32), Just(i32::MIN), -20_000i32..20_000])
            .prop_map(|(device, what, ahead)| Happening::News { device, what, ahead }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(up, retained)| Happening::Bridge { up, retained }),
        1 => (0u8..3).prop_map(Happening::Profiles),
    ]
}

/// Turns happenings into inputs that fit the engine at that moment.
pub(super) struct World {
    pub(super) now: Now,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: Now {
                wall: Timestamp::from_millis(1_700_000_000_000),
                monotonic: Monotonic(5_000),
                boot: BootId(1),
                trusted: true,
            },
        }
    }
    pub(super) fn pass(&mut self, millis: u64) {
        let duration = std::time::Duration::from_millis(millis);
        self.now.monotonic = self.now.monotonic.plus(duration);
        self.now.wall = self.now.wall.plus(duration);
    }
    pub(super) fn input(&mut self, engine: &Engine, happening: &Happening) -> Input {
        self.pass(10);
        match happening {
            Happening::Wait(seconds) => self.pass(u64::from(*seconds) * 1_000),
            Happening::WaitForWake => {
                let wake = engine.next_wake().filter(|w| w.at > self.now.monotonic);
                self.pass(wake.map_or(1_000, |w| w.at.0 - self.now.monotonic.0));
            }
            Happening::ClockSet(seconds) => {
                let wall = self.now.wall.as_millis() + i64::from(*seconds) * 1_000;
                self.now.wall = Timestamp::from_millis(wall);
            }
            Happening::Reboot => {
                self.now.boot.0 += 1;
                self.now.monotonic = Monotonic(300);
                return Input::Started;
            }
            Happening::Reading {
                point,
                wrong,
                age,
                quality,
            } => {
                let value = match point {
                    2 | 8 => Value::Number(if *wrong { 95.0 } else { 10.0 }),
                    4 => Value::Number(if *wrong { 4.0 } else { 0.0 }),
                    5 => Value::Number(if *wrong { 85.0 } else { 20.0 }),
                    6 => Value::Number(if *wrong { 2.3 } else { 3.0 }),
                    7 => Value::State(!wrong),
                    _ => Value::State(*wrong),
                };
                let observed = self
                    .now
                    .wall
                    .minus(std::time::Duration::from_secs(u64::from(*age)));
                let point = PointKey(u32::from(*point));
                return Input::Reading(Reading::new(point, observed, self.now.wall, value, *quality));
            }
            Happening::Person {
                who,
                action,
                order,
                stale,
            } => return person(engine, *who, *action, *order, *stale),
            Happening::Work { order } => return work(engine, *order),
            Happening::Edit(which) => {
                let estate = estate();
                let toml = match which {
                    0 => estate,
                    1 => estate.replace("on_delay = \"15s\"", "on_delay = \"10s\""),
                    2 => estate.replace("key = \"rope-1\" }\nasset = \"b3-pipe\"", "key = \"rope-1\" }"),
                    _ => estate.replace("class = \"leak\"", "class = \"wet\""),
                };
                return Input::Estate(doc(&toml));
            }
            Happening::News { device, what, ahead } => return self.news(*device, *what, *ahead),
            Happening::Bridge { up, retained } => {
                return Input::Bridge {
                    bridge: "z".into(),
                    up: *up,
                    retained: *retained,
                };
            }
            Happening::Profiles(which) => {
                let facts = ProfileFacts {
                    expected_interval: (*which > 0)
                        .then(|| std::time::Duration::from_secs(60 * u64::from(*which))),
                    sleeps: *which == 2,
                };
                let profiles = ["lid", "bay"].map(|id| (id.parse().unwrap(), facts));
                return Input::Profiles(Arc::new(Profiles::from(profiles)));
            }
        }
        Input::Tick
    }
}

impl World {
    fn news(&self, device: u8, what: u8, ahead: i32) -> Input {
        // The devices' own points: those of one are a conflict for another, which is refused.
        let point = PointKey(u32::from(device));
        let said = match ahead {
            i32::MIN => Timestamp::from_millis(5_000),
            seconds => Timestamp::from_millis(self.now.wall.as_millis() + i64::from(seconds) * 1_000),
        };
        Input::Device {
            device: DEVICES[usize::from(device)].parse().unwrap(),
            received: self.now.wall,
            news: match what {
                0 => DeviceNews::Heard,
                1 => DeviceNews::Joined,
                2 => DeviceNews::Clock(said),
                3 | 4 => DeviceNews::Available {
                    online: what == 3,
                    retained: ahead > 0,
                    sleeps: ahead % 2 == 0,
                },
                5 => DeviceNews::Through("z".into()),
                6 => DeviceNews::Repeats { point },
                _ => DeviceNews::Conflict { point, value: None },
            },
        }
    }
}

fn work(engine: &Engine, order: u8) -> Input {
    let Some(seen) = engine.orders().nth(usize::from(order)) else {
        return Input::Tick;
    };
    let (order, version) = (seen.id, seen.version);
    let action = match seen.state {
        OrderState::Dispatched => Action::Accept { order, version },
        OrderState::Accepted => Action::Start { order, version },
        OrderState::InProgress => Action::Complete {
            order,
            version,
            note: Some("done".into()),
        },
        _ => return Input::Tick,
    };
    let actor = seen
        .assignee
        .clone()
        .unwrap_or_else(|| actor("A", ActorRole::Staff));
    Input::Command(Command { actor, action })
}

fn person(engine: &Engine, who: u8, action: u8, order: u8, stale: bool) -> Input {
    let (name, role) = [
        ("A", ActorRole::Staff),
        ("B", ActorRole::Staff),
        ("M", ActorRole::Manager),
        ("N", ActorRole::Manager),
    ][usize::from(who)];
    let open = engine.orders().nth(usize::from(order));
    let (order, version) = open.map_or((OrderId(77), 1), |o| (o.id, o.version + u32::from(stale)));
    let seen = engine
        .alarms()
        .nth(usize::from(who) % engine.alarms().count().max(1));
    let (alarm, alarm_version) = seen.map_or((AlarmId(77), 1), |a| (a.id, a.version));
    let action = match action {
        0 => Action::Accept { order, version },
        1 => Action::Start { order, version },
        2 => Action::Complete {
            order,
            version,
            note: Some("done".into()),
        },
        3 | 13 | 14 => Action::Override {
            order,
            version,
            reason: OverrideReason::Test,
            note: "because".into(),
        },
        4 => Action::Cancel {
            order,
            version,
            reason: "because".into(),
        },
        5 => Action::AcknowledgeAlarm {
            alarm,
            version: alarm_version,
        },
        6 => Action::ResetAlarm {
            alarm,
            version: alarm_version,
        },
        7 | 8 => Action::ShelveAlarm {
            alarm,
            version: alarm_version,
            lasts: Duration::from_secs(90),
            reason: "because".into(),
            no_order: role == ActorRole::Manager && stale,
        },
        9 => Action::UnshelveAlarm {
            alarm,
            version: alarm_version,
        },
        15 | 16 => Action::SuppressAlarm {
            alarm,
            version: alarm_version,
            cause: engine.alarms().nth(usize::from(stale)).map_or(alarm, |a| a.id),
            reason: "because".into(),
        },
        17 => Action::UnsuppressAlarm {
            alarm,
            version: alarm_version,
        },
        10 => Action::TakeOutOfService {
            what: serviced(order.0),
            reason: "because".into(),
            lasts: stale.then_some(Duration::from_secs(3_600)),
        },
        _ => Action::BringBack {
            what: serviced(order.0),
        },
    };
    let actor = actor(name, role);
    Input::Command(Command { actor, action })
}

fn serviced(which: u64) -> Serviced {
    match which % 3 {
        0 => Serviced::Asset("b3-pipe".parse().unwrap()),
        1 => Serviced::Device("rope".parse().unwrap()),
        _ => Serviced::Device("bay".parse().unwrap()),
    }
}
