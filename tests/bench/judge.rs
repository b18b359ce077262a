//! `judge`: simulated estates of every size with every fault, judged: ten seeds of small, three of medium and large.
//!
//! Missed and doubled are to be zero; false and late ones are printed with their causes.

use crate::report::{Goal, Report};
use linli::sim::{Simulated, Simulation, simulate};
use linli_decode::Catalogue;
use linli_sim::{FaultKind, Plan, Play, Size};
use std::time::{Duration, Instant};

/// A small estate is to be judged within so many seconds.
const GOAL: f64 = 120.0;
const DAY: Duration = Duration::from_secs(86_400);

fn judged(size: Size, seed: u64) -> Simulated {
    let plan = Plan::of_size(size, seed);
    let document = toml::from_str(&plan.to_toml()).expect("an estate");
    let play = Play::new(plan, &FaultKind::ALL, seed, DAY).expect("a day is enough");
    let (catalogue, _) = Catalogue::load(linli::profiles::BUILT_IN.iter().copied());
    let simulation = Simulation {
        play,
        catalogue,
        document,
    };
    simulate(simulation, &mut |_| {}).expect("a judgement")
}

/// Runs the scenario.
#[allow(clippy::cast_precision_loss, reason = "counts")]
pub(crate) fn run(report: &mut Report) {
    for (size, seeds, names) in [
        (
            Size::Small,
            10,
            [
                "small_missed",
                "small_doubled",
                "small_false",
                "small_late",
                "small_expected",
                "small_s",
            ],
        ),
        (
            Size::Medium,
            3,
            [
                "medium_missed",
                "medium_doubled",
                "medium_false",
                "medium_late",
                "medium_expected",
                "medium_s",
            ],
        ),
        (
            Size::Large,
            3,
            [
                "large_missed",
                "large_doubled",
                "large_false",
                "large_late",
                "large_expected",
                "large_s",
            ],
        ),
    ] {
        let (mut sums, mut slowest) = ([0u64; 5], 0f64);
        for seed in 1..=seeds {
            let began = Instant::now();
            let verdict = judged(size, seed).verdict;
            slowest = slowest.max(began.elapsed().as_secs_f64());
            for tally in [verdict.alarms, verdict.orders] {
                let counts = [
                    tally.missed,
                    tally.doubled,
                    tally.false_ones,
                    tally.late,
                    tally.expected,
                ];
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
            for finding in &verdict.findings {
                println!("{size:?} seed {seed}: {finding:?}");
            }
        }
        for (name, sum) in names.iter().zip(sums) {
            let figure = report.add("judge", name, sum as f64, "", None);
            if name.ends_with("missed") || name.ends_with("doubled") {
                figure.goal(Goal::AtMost(0.0));
            }
        }
        let time = report.add("judge", names[5], slowest, "s", None);
        if size == Size::Small {
            time.goal(Goal::AtMost(GOAL));
        }
    }
}
