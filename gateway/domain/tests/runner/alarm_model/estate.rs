//! The estate of the model: its sensors, what they say, and what its rules make of that.

/// One sensor of the model's estate, with the rules that look at it.
pub(crate) struct Sensor {
    pub(crate) point: &'static str,
    pub(crate) is_number: bool,
    pub(super) device: &'static str,
    pub(super) rules: &'static [usize],
}

pub(super) struct Rule {
    pub(super) key: usize,
    pub(super) on: u64,
    pub(super) off: u64,
    pub(super) latch: bool,
    pub(super) priority: u8,
    pub(super) re_alarm: Option<u64>,
    pub(super) inhibits: bool,
    /// Which words of a sensor are wrong, and which are right again.
    pub(super) wrong: fn(Say) -> bool,
    pub(super) right: fn(Say) -> bool,
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
pub(super) const KEYS: [(&str, &str); 4] = [
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

pub(super) fn rule(n: usize) -> Rule {
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
