//! A year of a mixed estate, written through the ledger's own batches with the time given: parking bays on change
//! (about fifteen a day), bins each ten minutes, leak ropes and temperatures each minute, each with the jitter of a
//! radio. The same dice every time.

use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Batch, Budget, Entry, Ledger, Options, Snapshot};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) const DAYS: i64 = 365;
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const DAY: i64 = 1_440 * MINUTE;
/// Readings of a commit while the year is written.
const BATCH: usize = 2_000;

/// What a point measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Parking,
    Bin,
    Leak,
    Temperature,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Parking, Self::Bin, Self::Leak, Self::Temperature];

    fn name(self) -> &'static str {
        match self {
            Self::Parking => "bay",
            Self::Bin => "bin",
            Self::Leak => "rope",
            Self::Temperature => "thermo",
        }
    }

    /// The member of the message.
    fn member(self) -> &'static str {
        match self {
            Self::Parking => "occupied",
            Self::Bin => "fill",
            Self::Leak => "wet",
            Self::Temperature => "temp",
        }
    }
}

/// Points of each kind, in the order of [`Kind::ALL`].
pub(crate) type Counts = [usize; 4];

/// Devices by kind, with their ids.
pub(crate) fn devices(counts: Counts) -> impl Iterator<Item = (Kind, String)> {
    Kind::ALL
        .into_iter()
        .zip(counts)
        .flat_map(|(kind, count)| (0..count).map(move |n| (kind, format!("{}-{n}", kind.name()))))
}

/// The estate they belong to.
pub(crate) fn estate(counts: Counts) -> String {
    let mut text = String::from(
        "id = \"year\"\nname = { zh = \"一年\", en = \"A year\" }\n[[places]]\nid = \"p\"\nkind = \"outdoor\"\n\
         name = { zh = \"场地\", en = \"Ground\" }\n",
    );
    for (_, id) in devices(counts) {
        let _ = write!(
            text,
            "[[assets]]\nid = \"at-{id}\"\nkind = \"bin\"\nplace = \"p\"\nname = {{ zh = \"点\", en = \"Spot\" }}\n\
             [[devices]]\nid = \"{id}\"\nprofile = \"bench.mixed\"\nname = {{ zh = \"点\", en = \"Spot\" }}\n\
             address = {{ mqtt = \"main\", key = \"{id}\" }}\nasset = \"at-{id}\"\n"
        );
    }
    text
}

/// The profile of all of them.
pub(crate) const PROFILE: &str = r#"id = "bench.mixed"
title = "Any sensor of the benchmark"
version = 1
expected_interval = "1h"
[json]
values = [
    { at = "/occupied", measure = "parking.occupied" },
    { at = "/fill", measure = "bin.fill", range = [0, 100] },
    { at = "/wet", measure = "leak.wet" },
    { at = "/temp", measure = "temperature" },
]
[[tests]]
name = "a rope"
json = '{"wet":true}'
expect = [{ measure = "leak.wet", value = true }]
"#;

/// The first message of a device: topic and payload.
pub(crate) fn hello(kind: Kind, id: &str) -> (String, String) {
    let value = match kind {
        Kind::Parking | Kind::Leak => "false",
        Kind::Bin | Kind::Temperature => "20",
    };
    (
        format!("site/plain/{id}/up"),
        format!("{{\"{}\":{value}}}", kind.member()),
    )
}

/// A time as the ledger is told it.
pub(crate) fn now(wall: i64) -> Now {
    Now {
        wall: Timestamp::from_millis(wall),
        monotonic: Monotonic(wall.unsigned_abs()),
        boot: BootId(1),
        trusted: true,
    }
}

/// A small generator: the same estate every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % sides).unwrap_or(0)
    }
}

/// What writing and sealing took.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Filled {
    pub(crate) samples: u64,
    pub(crate) committing: Duration,
    pub(crate) sealed: u64,
    pub(crate) sealing: Duration,
    /// The longest that one slice of sealing held up a commit.
    pub(crate) longest_slice: Duration,
}

/// Writes the year that ends at `end` into the ledger in `dir`, which `points` belong to, and seals it day by day.
/// An engine that was stored in it stays as it was and takes the year as known.
pub(crate) fn fill(dir: &Path, points: &[(PointKey, Kind)], end: i64) -> Filled {
    let mut ledger = Ledger::open(dir, &Options::default()).expect("open");
    let engine = ledger.load_snapshot().expect("the snapshot");
    let (mut dice, mut levels) = (Dice(1), vec![0.0; points.len()]);
    let mut filled = Filled::default();
    let begin = end - DAYS * DAY;
    for day in 0..DAYS {
        let start = begin + day * DAY;
        let readings = one_day(start, points, &mut dice, &mut levels);
        filled.samples += readings.len() as u64;
        let began = Instant::now();
        for part in readings.chunks(BATCH) {
            let entries: Vec<Entry<'_>> = part
                .iter()
                .map(|reading| Entry::Reading {
                    reading,
                    evaluated: false,
                })
                .collect();
            let batch = Batch {
                entries: &entries,
                ..Batch::at(now(start + DAY))
            };
            ledger.commit(&batch).expect("commit");
        }
        filled.committing += began.elapsed();
        seal(&mut ledger, engine.as_ref(), start + DAY, &mut filled);
    }
    // A week later nothing is left in the log.
    seal(&mut ledger, engine.as_ref(), end + 8 * DAY, &mut filled);
    filled
}

fn seal(ledger: &mut Ledger, engine: Option<&Snapshot>, at: i64, filled: &mut Filled) {
    let commit = ledger.last_commit();
    let snapshot = Snapshot {
        commit,
        format: engine.map_or(1, |engine| engine.format),
        bytes: engine.map_or(Vec::new(), |engine| engine.bytes.clone()),
    };
    let began = Instant::now();
    let mut more = true;
    while more {
        let budget = Budget {
            now: Timestamp::from_millis(at),
            slice: Duration::from_millis(20),
        };
        let slice = Instant::now();
        let sealed = ledger.seal(budget, commit, Some(&snapshot)).expect("seal");
        filled.longest_slice = filled.longest_slice.max(slice.elapsed());
        filled.sealed += sealed.samples as u64;
        ledger.checkpoint_if_large().expect("checkpoint");
        more = sealed.more;
    }
    filled.sealing += began.elapsed();
}

#[allow(clippy::cast_precision_loss, reason = "readings of sensors")]
fn one_day(start: i64, points: &[(PointKey, Kind)], dice: &mut Dice, levels: &mut [f64]) -> Vec<Reading> {
    let mut readings = Vec::new();
    for minute in 0..1_440 {
        for ((point, kind), level) in points.iter().zip(levels.iter_mut()) {
            let value = match kind {
                // About fifteen changes a day.
                Kind::Parking if dice.roll(96) == 0 => {
                    *level = 1.0 - *level;
                    Value::State(*level > 0.5)
                }
                Kind::Bin if minute % 10 == 0 => {
                    let more = *level + dice.roll(8) as f64 / 10.0;
                    *level = if more > 95.0 { 0.0 } else { more };
                    Value::Number((*level * 10.0).round() / 10.0)
                }
                Kind::Leak => Value::State(dice.roll(200_000) == 0),
                Kind::Temperature => {
                    let turn = (minute as f64 / 1_440.0 * std::f64::consts::TAU).sin();
                    Value::Number((2_000.0 + 800.0 * turn + dice.roll(30) as f64).round() / 100.0)
                }
                Kind::Parking | Kind::Bin => continue,
            };
            let at = Timestamp::from_millis(start + minute * MINUTE + dice.roll(400));
            readings.push(Reading::new(*point, at, at, value, Quality::Good));
        }
    }
    readings.sort_by_key(|reading| reading.observed);
    readings
}
