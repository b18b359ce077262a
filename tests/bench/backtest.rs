//! `backtest`: ninety days (ten in a run of everything) of two thousand points under other rules, beside reading the same samples and doing nothing.

use crate::report::{Goal, Report};
use linli::clock::{Clock, SharedClock};
use linli::ops::backtest::{Test, backtest};
use linli::outbox::plan::Planner;
use linli::pipeline::recover;
use linli_decode::Catalogue;
use linli_domain::estate::EstateDoc;
use linli_domain::id::{PointKey, point_id};
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::text::Language;
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Batch, Budget, Entry, Ledger, Options, PointRow, Reader, Snapshot};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const POINTS: u32 = 2_000;
/// A reading each ten minutes.
const STEP_MS: i64 = 600_000;
const STEPS_A_DAY: i64 = 144;
/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600_000;
/// The goal for ninety days, in seconds.
const GOAL: f64 = 60.0;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Now {
        now(0)
    }
}

fn now(millis: i64) -> Now {
    Now {
        wall: Timestamp::from_millis(NEW_YEAR + millis),
        monotonic: Monotonic(u64::try_from(millis).unwrap_or(0)),
        boot: BootId(1),
        trusted: true,
    }
}

fn estate() -> EstateDoc {
    let mut text = String::from(
        "id = \"bench\"\nname = { zh = \"试验\", en = \"Bench\" }\n[[places]]\nid = \"p\"\nkind = \"estate_part\"\n\
         name = { zh = \"小区\", en = \"Estate\" }\n",
    );
    for n in 0..POINTS {
        let _ = write!(
            text,
            "[[assets]]\nid = \"bin-{n}\"\nkind = \"bin\"\nplace = \"p\"\nname = {{ zh = \"桶\", en = \"Bin\" }}\n\
             bin = {{ empty_distance_mm = 1200.0, full_distance_mm = 200.0 }}\n[[devices]]\nid = \"dev-{n}\"\n\
             profile = \"milesight.em310-udl\"\nname = {{ zh = \"桶\", en = \"Bin\" }}\nasset = \"bin-{n}\"\n\
             address = {{ mqtt = \"main\", key = \"k{n}\" }}\nexpected_interval = \"10m\"\n"
        );
    }
    toml::from_str(&text).expect("an estate")
}

/// How full bin `n` is: one in ten runs over now and then, the others are emptied before.
#[allow(clippy::cast_precision_loss, reason = "percent")]
fn fill(n: u32, step: i64) -> f64 {
    let hours = 40 + i64::from(n % 37);
    let phase = (step + i64::from(n) * 17) % (hours * 6);
    let top = if n.is_multiple_of(10) { 96.0 } else { 80.0 };
    let noise = ((i64::from(n) * 7_919 + step * 104_729) % 10) as f64 / 10.0;
    (10.0 + (top - 10.0) * phase as f64 / (hours * 6) as f64 + noise).round()
}

/// Fills the ledger; how many readings it holds.
fn record(dir: &Path, estate: &Arc<EstateDoc>, days: i64) -> u64 {
    let mut ledger = Ledger::open(dir, &Options::default()).expect("open");
    let clock: SharedClock = Arc::new(Fixed);
    recover(&mut ledger, estate, &clock).expect("the estate");
    let points: Vec<PointRow> = (0..POINTS)
        .map(|n| PointRow {
            key: PointKey(n),
            id: point_id(&format!("dev-{n}").parse().expect("an id"), "bin.fill", None).expect("an id"),
            device: format!("dev-{n}").parse().expect("an id"),
            measure: "bin.fill".into(),
            instance: None,
        })
        .collect();
    ledger
        .commit(&Batch {
            points: &points,
            ..Batch::at(now(0))
        })
        .expect("commit");
    let mut count = 0;
    for step in 0..days * STEPS_A_DAY {
        let readings: Vec<Reading> = (0..POINTS)
            .map(|n| {
                let at = now(step * STEP_MS + i64::from(n % 600) * 1_000).wall;
                Reading::new(PointKey(n), at, at, Value::Number(fill(n, step)), Quality::Good)
            })
            .collect();
        count += readings.len() as u64;
        let entry = |reading| Entry::Reading {
            reading,
            evaluated: true,
        };
        let entries: Vec<Entry<'_>> = readings.iter().map(entry).collect();
        let at = now((step + 1) * STEP_MS);
        ledger
            .commit(&Batch {
                entries: &entries,
                ..Batch::at(at)
            })
            .expect("commit");
        if step % STEPS_A_DAY == 0 {
            seal(&mut ledger, at);
        }
    }
    seal(&mut ledger, now((days + 8) * STEPS_A_DAY * STEP_MS));
    count
}

fn seal(ledger: &mut Ledger, at: Now) {
    let commit = ledger.last_commit();
    let snapshot = Snapshot {
        commit,
        format: 1,
        bytes: Vec::new(),
    };
    let budget = Budget {
        now: at.wall,
        slice: Duration::from_millis(50),
    };
    while ledger.seal(budget, commit, Some(&snapshot)).expect("seal").more {
        ledger.checkpoint_if_large().expect("checkpoint");
    }
}

/// Runs the scenario.
#[allow(clippy::cast_precision_loss, reason = "figures")]
pub(crate) fn run(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let estate = Arc::new(estate());
    // A run of everything does a tenth; the time grows with the readings.
    let days = report.pick(10, 90);
    let readings = record(folder.path(), &estate, days);
    let (from, to) = (now(0).wall, now(days * STEPS_A_DAY * STEP_MS).wall);

    let began = Instant::now();
    let (reader, mut swept) = (Reader::open(folder.path()).expect("a reader"), 0u64);
    for window in 0..days / 2 {
        let at = |day: i64| now(day * STEPS_A_DAY * STEP_MS).wall;
        reader
            .sweep(at(window * 2), at(window * 2 + 2), &mut |_, _| swept += 1)
            .expect("a sweep");
    }
    let bare = began.elapsed().as_secs_f64();
    assert_eq!(swept, readings, "nothing is read twice or not at all");

    let (catalogue, _) = Catalogue::load(linli::profiles::BUILT_IN.iter().copied());
    let began = Instant::now();
    let outcome = backtest(
        &Test {
            estate,
            catalogue,
            planner: Planner::new(Vec::new(), Vec::new(), Language::En),
            from,
            to,
        },
        &mut Reader::open(folder.path()).expect("a reader"),
        &mut |_| {},
    )
    .expect("a back-test");
    let took = began.elapsed().as_secs_f64();
    assert_eq!(outcome.readings, readings);
    let days = u32::try_from(days).unwrap_or(1);
    let took_for_ninety = took * 90.0 / f64::from(days);
    report
        .add("backtest", "90_days_2000_points_s", took_for_ninety, "s", None)
        .goal(Goal::AtMost(GOAL));
    let per_reading = took * 1e9 / readings as f64;
    let sweep = bare * 1e9 / readings as f64;
    let beside = Some((sweep, "reading the same and doing nothing"));
    report.add("backtest", "per_reading_ns", per_reading, "ns", beside);
    report.add("backtest", "readings", readings as f64, "", None);
    report.add("backtest", "alarms", outcome.alarms as f64, "", None);
}
