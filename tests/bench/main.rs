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

mod backtest;
mod decode;
mod durable;
mod forward;
mod embedded;
mod idle;
mod judge;
#[path = "../../gateway/decode/tests/decode/line.rs"]
mod line;
mod load;
mod modbus_master;
mod modbus_replies;
mod modbus_rtu;
mod modbus_tcp;
mod null;
mod onboarding;
mod own;
mod report;
mod store;

use report::Report;

/// A scenario by its name.
type Scenario = (&'static str, &'static str);

const SCENARIOS: [Scenario; 13] = [
    (
        "decode",
        "one frame in the pure core, beside code written by hand for that device",
    ),
    (
        "durable_ingest",
        "QoS 1 through mosquitto, durable, beside a null subscriber with manual acknowledgements",
    ),
    (
        "own_limit",
        "QoS 1 from a broker without cost, beside the same null subscriber",
    ),
    (
        "embedded_broker",
        "QoS 1 at the embedded broker, durable, beside mosquitto alone; and beside a flood",
    ),
    (
        "onboarding",
        "the same from devices that are not in the estate, and with somebody watching",
    ),
    (
        "store",
        "a year of a mixed estate: bytes per sample, sealing, opening and questions",
    ),
    (
        "forward",
        "VictoriaMetrics away for 600,000 readings and the catch-up, beside a client that only posts",
    ),
    ("idle", "binary size and memory of an idle gateway"),
    (
        "modbus_tcp",
        "the Modbus master alone: two hundred devices, sick ones among them, and flat out beside a raw poller",
    ),
    (
        "modbus_rtu",
        "a line at 9600 baud with dead and late slaves, beside a loop with one timeout for each",
    ),
    (
        "backtest",
        "ninety days of two thousand points under other rules, beside reading the same",
    ),
    (
        "judge",
        "simulated estates of every size with every fault: nothing missed, nothing doubled",
    ),
    (
        "modbus_replies",
        "ten million replies, late, doubled, cut and foreign ones among them, through the matcher",
    ),
];

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted == modbus_master::COMMAND {
        modbus_master::serve().await;
        return std::process::ExitCode::SUCCESS;
    }
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
            "decode" => decode::run(&mut report),
            "durable_ingest" => durable::run(&mut report).await,
            "own_limit" => own::run(&mut report).await,
            "embedded_broker" => embedded::run(&mut report).await,
            "store" => store::run(&mut report),
            "forward" => forward::run(&mut report).await,
            "modbus_tcp" => modbus_tcp::run(&mut report).await,
            "modbus_rtu" => modbus_rtu::run(&mut report).await,
            "backtest" => backtest::run(&mut report),
            "judge" => judge::run(&mut report),
            "modbus_replies" => modbus_replies::run(&mut report),
            "onboarding" => onboarding::run(&mut report).await,
            _ => idle::run(&mut report).await,
        }
    }
    let path = report.write().expect("write target/bench/results.json");
    println!("{}", path.display());
    std::process::ExitCode::SUCCESS
}
