//! `store`: a year of a mixed estate in one ledger: what it takes on disk, how fast it is sealed, opened and asked.
//!
//! Parking bays on change, bins each ten minutes, leak ropes and temperatures each minute, times with the jitter of a
//! radio. The limit of a year in 500 buckets is the same year out of its bare chunks.

use crate::report::{Report, median};
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Batch, Budget, Entry, HOUR, Ledger, Options, Reader, Snapshot};
use std::path::Path;
use std::time::{Duration, Instant};

const YEAR_MINUTES: i64 = 525_600;
const DAY_MINUTES: i64 = 1_440;
/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600_000;
/// Points of each kind: parking, bins, leaks, temperatures.
const PARKING: u32 = 20;
const BINS: u32 = 10;
const LEAKS: u32 = 5;
const TEMPERATURES: u32 = 5;
const REPEATS: usize = 15;

fn now(minute: i64) -> Now {
    Now {
        wall: Timestamp::from_millis(NEW_YEAR + minute * 60_000),
        monotonic: Monotonic(u64::try_from(minute * 60_000).unwrap_or(0)),
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

#[allow(clippy::cast_precision_loss, reason = "readings of sensors")]
fn day(day: i64, dice: &mut Dice, fill: &mut [f64], occupied: &mut [bool]) -> Vec<Reading> {
    let mut readings = Vec::new();
    let mut hear = |point: u32, minute: i64, dice: &mut Dice, value: Value| {
        let at = Timestamp::from_millis(NEW_YEAR + (day * DAY_MINUTES + minute) * 60_000 + dice.roll(400));
        readings.push(Reading::new(PointKey(point), at, at, value, Quality::Good));
    };
    for minute in 0..DAY_MINUTES {
        for n in 0..PARKING {
            // About fifteen changes a day.
            if dice.roll(96) == 0 {
                let state = &mut occupied[n as usize];
                *state = !*state;
                hear(1 + n, minute, dice, Value::State(*state));
            }
        }
        if minute % 10 == 0 {
            for n in 0..BINS {
                let level = &mut fill[n as usize];
                *level = if *level > 95.0 {
                    0.0
                } else {
                    *level + dice.roll(8) as f64 / 10.0
                };
                hear(
                    100 + n,
                    minute,
                    dice,
                    Value::Number((*level * 10.0).round() / 10.0),
                );
            }
        }
        for n in 0..LEAKS {
            let wet = dice.roll(200_000) == 0;
            hear(200 + n, minute, dice, Value::State(wet));
        }
        for n in 0..TEMPERATURES {
            let turn = (minute as f64 / DAY_MINUTES as f64 * std::f64::consts::TAU).sin();
            let value = 2_000.0 + 800.0 * turn + dice.roll(30) as f64;
            hear(300 + n, minute, dice, Value::Number(value.round() / 100.0));
        }
    }
    readings.sort_by_key(|reading| reading.observed);
    readings
}

fn seal(ledger: &mut Ledger, at: Now) -> (u64, Duration) {
    let commit = ledger.last_commit();
    let snapshot = Snapshot {
        commit,
        format: 1,
        bytes: Vec::new(),
    };
    let (mut samples, began) = (0, Instant::now());
    loop {
        let budget = Budget {
            now: at.wall,
            slice: Duration::from_millis(20),
        };
        let sealed = ledger.seal(budget, commit, Some(&snapshot)).expect("seal");
        samples += sealed.samples as u64;
        ledger.checkpoint_if_large().expect("checkpoint");
        if !sealed.more {
            return (samples, began.elapsed());
        }
    }
}

/// Milliseconds of a question, the median of a few.
fn ask(mut question: impl FnMut() -> usize) -> f64 {
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let began = Instant::now();
        assert!(question() > 0, "the question has an answer");
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    median(times)
}

/// Fills a ledger with a year and asks it.
#[allow(clippy::cast_precision_loss, reason = "figures")]
pub(crate) fn run(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("data");
    let (samples, sealed, time) = fill(&dir);
    report.add(
        "store",
        "sealed_samples_per_s",
        sealed as f64 / time.as_secs_f64(),
        "1/s",
        None,
    );
    let began = Instant::now();
    let ledger = Ledger::open(&dir, &Options::default()).expect("open");
    report.add(
        "store",
        "open_with_a_year_ms",
        began.elapsed().as_secs_f64() * 1_000.0,
        "ms",
        None,
    );
    let used = ledger.used_bytes().expect("a size") as f64;
    let reader = Reader::open(&dir).expect("a reader");
    let chunks: u64 = reader.kept().expect("chunks").iter().map(|kept| kept.bytes).sum();
    report.add(
        "store",
        "bytes_per_sample",
        used / samples as f64,
        "B",
        Some((chunks as f64 / samples as f64, "the compressed columns alone")),
    );
    let (year, to) = (now(0).wall, now(YEAR_MINUTES).wall);
    let temperature = PointKey(300);
    // A width that fits no rollup is answered out of the chunks.
    let odd = Duration::from_millis((18 * HOUR + 1).unsigned_abs());
    let bare = ask(|| {
        reader
            .buckets(temperature, year, to, odd)
            .expect("an answer")
            .len()
    });
    let even = Duration::from_secs(18 * 3_600);
    let rolled = ask(|| {
        reader
            .spans(temperature, year, to, even)
            .expect("an answer")
            .spans
            .len()
    });
    report.add("store", "year_to_500_from_chunks_ms", bare, "ms", None);
    report.add(
        "store",
        "year_to_500_ms",
        rolled,
        "ms",
        Some((bare, "the same out of the bare chunks")),
    );
    let (from, to) = (
        now(YEAR_MINUTES - 30 * DAY_MINUTES).wall,
        now(YEAR_MINUTES - 29 * DAY_MINUTES).wall,
    );
    let quarter = Duration::from_secs(900);
    let all: Vec<u32> = (1..=PARKING)
        .chain(100..100 + BINS)
        .chain(200..200 + LEAKS)
        .chain(300..300 + TEMPERATURES)
        .collect();
    let many = ask(|| {
        (0..100)
            .map(|n| {
                let point = PointKey(all[n % all.len()]);
                reader
                    .spans(point, from, to, quarter)
                    .expect("an answer")
                    .spans
                    .len()
            })
            .sum()
    });
    report.add("store", "hundred_points_a_day_ms", many, "ms", None);
    report.add("store", "latest_of_5000_ms", latest(), "ms", None);
}

fn fill(dir: &Path) -> (u64, u64, Duration) {
    let mut ledger = Ledger::open(dir, &Options::default()).expect("open");
    let (mut dice, mut fill, mut occupied) =
        (Dice(1), vec![0.0; BINS as usize], vec![false; PARKING as usize]);
    let (mut samples, mut sealed, mut time) = (0, 0, Duration::ZERO);
    for n in 0..YEAR_MINUTES / DAY_MINUTES {
        let readings = day(n, &mut dice, &mut fill, &mut occupied);
        samples += readings.len() as u64;
        for part in readings.chunks(2_000) {
            let entries: Vec<Entry<'_>> = part
                .iter()
                .map(|reading| Entry::Reading {
                    reading,
                    evaluated: true,
                })
                .collect();
            let at = now((n + 1) * DAY_MINUTES);
            ledger
                .commit(&Batch {
                    entries: &entries,
                    ..Batch::at(at)
                })
                .expect("commit");
        }
        let (count, took) = seal(&mut ledger, now((n + 1) * DAY_MINUTES));
        (sealed, time) = (sealed + count, time + took);
    }
    // A week later nothing is left in the log.
    let (count, took) = seal(&mut ledger, now(YEAR_MINUTES + 8 * DAY_MINUTES));
    (samples, sealed + count, time + took)
}

/// The newest reading of 5,000 points out of the file, milliseconds.
fn latest() -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut ledger = Ledger::open(folder.path(), &Options::default()).expect("open");
    for round in 0..4 {
        let readings: Vec<Reading> = (1..=5_000u32)
            .map(|point| {
                let at = now(round * 10).wall;
                Reading::new(
                    PointKey(point),
                    at,
                    at,
                    Value::Number(f64::from(point)),
                    Quality::Good,
                )
            })
            .collect();
        let entries: Vec<Entry<'_>> = readings
            .iter()
            .map(|reading| Entry::Reading {
                reading,
                evaluated: true,
            })
            .collect();
        ledger
            .commit(&Batch {
                entries: &entries,
                ..Batch::at(now(round * 10))
            })
            .expect("commit");
    }
    let reader = Reader::open(folder.path()).expect("a reader");
    ask(|| reader.latest_all().expect("an answer").len())
}
