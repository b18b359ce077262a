//! `alarms`: the pure core with ten thousand rule instances: what a reading costs beside one that no rule looks at, what
//! an instance weighs, how long a start takes, and five thousand alarms within a minute.

use crate::report::{Goal, Report};
use linli_domain::Engine;
use linli_domain::engine::{Audience, Changes, Input, NoticeKind, PointDef};
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SCENARIO: &str = "alarms";
const BINS: u32 = 1_000;
const RULES: u32 = 10;
/// Alarms that live when the engine starts.
const LIVE: u32 = 10_000;
const STORM: u32 = 5_000;

/// Runs the scenario.
pub(crate) fn run(report: &mut Report) {
    let readings = report.pick(300_000, 2_000_000);
    let (watched, instances) = (estate(BINS, RULES), BINS * RULES);
    let mut bare = built(&estate(BINS, 0), BINS);
    let mut engine = built(&watched, BINS);
    let without = nanos_per_reading(&mut bare, readings);
    let with = nanos_per_reading(&mut engine, readings);
    let limit = Some((without, "a reading no rule looks at"));
    report.add(SCENARIO, "reading_ns_10_rules_each", with, "ns", limit);
    report.add(
        SCENARIO,
        "rule_ns",
        (with - without) / f64::from(RULES),
        "ns",
        None,
    );

    let resident = resident_bytes();
    let more: Vec<Engine> = (0..3).map(|_| built(&watched, BINS)).collect();
    let each = (resident_bytes() - resident) / 3.0 / f64::from(instances);
    drop(more);
    report
        .add(SCENARIO, "bytes_per_instance", each, "B", None)
        .goal(Goal::AtMost(2_048.0));

    let mut raised = built(&estate(LIVE, 1), LIVE);
    let mut now = start();
    for bin in 0..LIVE {
        raised.step(&now, &Input::Reading(fill(bin, 100.0, &now)));
    }
    let live = raised.alarms().count();
    let snapshot = raised.snapshot().expect("a snapshot");
    let began = Instant::now();
    let restored = Engine::restore(&snapshot).expect("the engine");
    let took = began.elapsed().as_secs_f64() * 1e3;
    assert_eq!(restored.alarms().count(), live);
    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    report.add(SCENARIO, "live_alarms", live as f64, "alarms", None);
    report
        .add(SCENARIO, "start_ms", took, "ms", None)
        .goal(Goal::AtMost(1_000.0));

    let mut storm = built(&estate(STORM, 1), STORM);
    let (mut changes, began) = (Changes::default(), Instant::now());
    for bin in 0..STORM {
        pass(&mut now, Duration::from_millis(60_000 / u64::from(STORM)));
        changes.append(storm.step(&now, &Input::Reading(fill(bin, 100.0, &now))).changes);
    }
    let took = began.elapsed().as_secs_f64();
    for _ in 0..400 {
        pass(&mut now, Duration::from_secs(1));
        changes.append(storm.step(&now, &Input::Tick).changes);
    }
    let people = changes
        .notices
        .iter()
        .filter(|n| n.audience != Audience::Systems)
        .count();
    let named: u32 = changes
        .notices
        .iter()
        .filter(|n| n.kind == NoticeKind::AlarmDigest)
        .map(|n| n.count)
        .sum();
    assert_eq!(storm.alarms().count(), STORM as usize, "the history is whole");
    report.add(SCENARIO, "storm_seconds", took, "s", Some((60.0, "a minute")));
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    report
        .add(
            SCENARIO,
            "storm_messages_to_people",
            people as f64,
            "messages",
            None,
        )
        .goal(Goal::AtMost(4.0));
    report.add(
        SCENARIO,
        "storm_alarms_in_digests",
        f64::from(named),
        "alarms",
        Some((f64::from(STORM), "alarms raised")),
    );
}

/// So many bins with so many rules each: the first trips above 90, the others never do.
fn estate(bins: u32, rules: u32) -> String {
    let mut toml = String::from(
        "id = \"bench\"\nname = { zh = \"基准\", en = \"Bench\" }\nshipped_rules = false\n\n\
         [[places]]\nid = \"p\"\nkind = \"yard\"\nname = { zh = \"院\", en = \"Yard\" }\n",
    );
    for n in 0..bins {
        let _ = write!(
            toml,
            "\n[[assets]]\nid = \"bin-{n}\"\nkind = \"bin\"\nplace = \"p\"\nname = {{ zh = \"桶\", en = \"Bin\" }}\n\n\
             [[devices]]\nid = \"lid-{n}\"\nprofile = \"lid\"\nname = {{ zh = \"盖\", en = \"Lid\" }}\n\
             address = {{ mqtt = \"main\", key = \"lid-{n}\" }}\nasset = \"bin-{n}\"\n"
        );
    }
    for n in 0..rules {
        let above = if n == 0 { 90.0 } else { 1_000.0 + f64::from(n) };
        let _ = write!(
            toml,
            "\n[[rules]]\nid = \"r{n}\"\nclass = \"r{n}\"\nfault = \"r{n}\"\nmeasure = \"temperature\"\n\
             applies_to = {{ kind = \"bin\" }}\nwhen = {{ above = {above:.1} }}\npriority = \"P3\"\n\
             cause = {{ zh = \"数值异常\", en = \"A value is out of its range\" }}\n\
             consequence = {{ zh = \"设备可能损坏\", en = \"The equipment may be damaged\" }}\n\
             response = {{ zh = \"看\", en = \"Look\" }}\n"
        );
    }
    toml
}

fn start() -> Now {
    Now {
        wall: Timestamp::from_millis(1_700_000_000_000),
        monotonic: Monotonic(1_000),
        boot: BootId(1),
        trusted: true,
    }
}

fn pass(now: &mut Now, by: Duration) {
    now.monotonic = now.monotonic.plus(by);
    now.wall = now.wall.plus(by);
}

fn built(toml: &str, bins: u32) -> Engine {
    let mut engine = Engine::new(Arc::new(toml::from_str(toml).expect("the estate"))).expect("the estate");
    let now = start();
    for n in 0..bins {
        let def = PointDef {
            key: PointKey(n),
            device: format!("lid-{n}").parse().expect("an id"),
            measure: "temperature".parse().expect("a measure"),
            instance: None,
        };
        engine.step(&now, &Input::Point(def)).reply.expect("a point");
    }
    engine
}

fn fill(bin: u32, percent: f64, now: &Now) -> Reading {
    Reading::new(
        PointKey(bin),
        now.wall,
        now.wall,
        Value::Number(percent),
        Quality::Good,
    )
}

/// Readings that change nothing, which is what nearly all do; the quickest of five runs.
fn nanos_per_reading(engine: &mut Engine, readings: u32) -> f64 {
    let mut now = start();
    let mut quickest = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        for n in 0..readings / 5 {
            pass(&mut now, Duration::from_millis(1));
            let percent = f64::from(n % 50);
            let step = engine.step(&now, &Input::Reading(fill(n % BINS, percent, &now)));
            std::hint::black_box(step);
        }
        quickest = quickest.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(readings / 5));
    }
    quickest
}

fn resident_bytes() -> f64 {
    crate::load::resident_mb(std::process::id()) * 1e6
}
