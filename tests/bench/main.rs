//! Benchmarks: every figure stands beside a limit or a peer measured in the same run on the same machine.
//!
//! `make bench` runs every scenario, `make bench S=name` one. The results go to `target/bench/results.json`, a list
//! of `{scenario, figure, value, unit, ratio, ratio_to}`. Ratios carry over to other machines; figures do not.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for people; a failure ends it"
)]

mod durable;
mod idle;
mod load;
mod null;
mod onboarding;
mod own;
mod report;

use report::Report;

/// A scenario by its name.
type Scenario = (&'static str, &'static str);

const SCENARIOS: [Scenario; 4] = [
    (
        "durable_ingest",
        "QoS 1 through mosquitto, durable, beside a null subscriber with manual acknowledgements",
    ),
    (
        "own_limit",
        "QoS 1 from a broker without cost, beside the same null subscriber",
    ),
    (
        "onboarding",
        "the same from devices that are not in the estate, and with somebody watching",
    ),
    ("idle", "binary size and memory of an idle gateway"),
];

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if !wanted.is_empty() && !SCENARIOS.iter().any(|(name, _)| *name == wanted) {
        eprintln!("there is no scenario {wanted:?}; the scenarios are:");
        for (name, what) in SCENARIOS {
            eprintln!("  {name:16} {what}");
        }
        return 2.into();
    }
    let mut report = Report::new();
    for (name, _) in SCENARIOS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || *name == wanted)
    {
        match *name {
            "durable_ingest" => durable::run(&mut report).await,
            "own_limit" => own::run(&mut report).await,
            "onboarding" => onboarding::run(&mut report).await,
            _ => idle::run(&mut report).await,
        }
    }
    let path = report.write().expect("write target/bench/results.json");
    println!("{}", path.display());
    std::process::ExitCode::SUCCESS
}
