//! Benchmarks: every figure stands beside a limit or a peer measured in the same run on the same machine.
//!
//! `make bench` runs a short form of every scenario in at most twenty minutes, `make bench S=name` one of them at
//! full length, `S="name name"` several. Two take long or install something and run by name only. The results go to
//! `target/bench/results.json`, see [`report`]. Ratios carry over to other machines; figures do not.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for people; a failure ends a scenario"
)]

mod alarm_kill;
mod alarms;
mod backtest;
mod decode;
mod disk;
mod durable;
mod embedded;
mod forward;
mod idle;
mod judge;
mod latency;
#[path = "../../gateway/decode/tests/decode/line.rs"]
mod line;
mod load;
mod machine;
mod modbus_master;
mod modbus_replies;
mod modbus_rtu;
mod modbus_tcp;
mod null;
mod onboarding;
mod own;
mod peers;
mod quality;
mod relay;
mod report;
mod soak;
mod store;
mod tap;
mod year;

use report::{Figure, Length, Report};
use std::time::Instant;

/// A scenario.
struct Scenario {
    name: &'static str,
    what: &'static str,
    /// Left out of a run of everything.
    by_name_only: bool,
}

const fn scenario(name: &'static str, what: &'static str) -> Scenario {
    Scenario {
        name,
        what,
        by_name_only: false,
    }
}

const fn by_name(name: &'static str, what: &'static str) -> Scenario {
    Scenario {
        name,
        what,
        by_name_only: true,
    }
}

const SCENARIOS: &[Scenario] = &[
    // First: memory that another left behind would be taken for none.
    scenario(
        "alarms",
        "10,000 rule instances in the pure core: a reading, an instance, a start, 5,000 alarms in a minute",
    ),
    scenario(
        "decode",
        "one frame in the pure core, beside code written by hand for that device",
    ),
    scenario(
        "durable_ingest",
        "QoS 1 through mosquitto, durable, beside a null subscriber with manual acknowledgements",
    ),
    scenario(
        "own_limit",
        "QoS 1 from a broker without cost, beside the same null subscriber",
    ),
    scenario(
        "latency",
        "publish to acknowledgement at half of the rate, publish to alarm at a fifth, bytes written at 1,000/s",
    ),
    scenario(
        "embedded_broker",
        "QoS 1 at the embedded broker, durable, beside mosquitto alone; and beside a flood",
    ),
    scenario(
        "onboarding",
        "the same from devices that are not in the estate, and with somebody watching",
    ),
    scenario(
        "store",
        "a year of a mixed estate: bytes per sample, sealing, opening and questions",
    ),
    scenario(
        "forward",
        "VictoriaMetrics away for 600,000 readings and the catch-up, beside a client that only posts",
    ),
    scenario("idle", "binary size and memory of an idle gateway"),
    scenario(
        "modbus_tcp",
        "the Modbus master alone: two hundred devices, sick ones among them, and flat out beside a raw poller",
    ),
    scenario(
        "modbus_rtu",
        "a line at 9600 baud with dead and late slaves, beside a loop with one timeout for each",
    ),
    scenario(
        "backtest",
        "ninety days of two thousand points under other rules, beside reading the same",
    ),
    by_name(
        "judge",
        "simulated estates of every size with every fault: nothing missed, nothing doubled",
    ),
    scenario(
        "modbus_replies",
        "ten million replies, late, doubled, cut and foreign ones among them, through the matcher",
    ),
    scenario(
        "quality",
        "the figures of alarm quality over a year of alarms, beside reading the same from SQLite",
    ),
    by_name(
        "alarm_kill",
        "a thousand kills amid the life of alarms, the whole state compared",
    ),
    by_name(
        "soak",
        "memory and file over LINLI_SOAK_MINUTES (60) at LINLI_SOAK_RATE (1000/s, 0 is flat out)",
    ),
    by_name(
        "peers",
        "the same load through Node-RED and the ThingsBoard gateway, which are installed into target",
    ),
];

async fn run(name: &str, report: &mut Report) {
    match name {
        "decode" => decode::run(report),
        "durable_ingest" => durable::run(report).await,
        "own_limit" => own::run(report).await,
        "latency" => latency::run(report).await,
        "embedded_broker" => embedded::run(report).await,
        "onboarding" => onboarding::run(report).await,
        "store" => store::run(report).await,
        "forward" => forward::run(report).await,
        "idle" => idle::run(report).await,
        "modbus_tcp" => modbus_tcp::run(report).await,
        "modbus_rtu" => modbus_rtu::run(report).await,
        "backtest" => backtest::run(report),
        "judge" => judge::run(report),
        "modbus_replies" => modbus_replies::run(report),
        "alarms" => alarms::run(report),
        "quality" => quality::run(report),
        "alarm_kill" => alarm_kill::run(report).await,
        "soak" => soak::run(report).await,
        "peers" => peers::run(report).await,
        other => unreachable!("{other} is in the list of scenarios and not here"),
    }
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted
        .first()
        .is_some_and(|first| first == modbus_master::COMMAND)
    {
        modbus_master::serve().await;
        return std::process::ExitCode::SUCCESS;
    }
    if let Some(unknown) = wanted.iter().find(|name| find(name).is_none()) {
        eprintln!("there is no scenario {unknown:?}; the scenarios are:");
        for Scenario {
            name,
            what,
            by_name_only,
        } in SCENARIOS
        {
            let only = if *by_name_only { " (by name only)" } else { "" };
            eprintln!("  {name:16} {what}{only}");
        }
        return 2.into();
    }
    let (chosen, length): (Vec<&Scenario>, Length) = if wanted.is_empty() {
        let short = SCENARIOS.iter().filter(|scenario| !scenario.by_name_only);
        (short.collect(), Length::Short)
    } else {
        (
            wanted.iter().filter_map(|name| find(name)).collect(),
            Length::Full,
        )
    };
    println!("machine: {}", machine::described());
    tokio::task::LocalSet::new().run_until(all(&chosen, length)).await
}

fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// Runs the scenarios one after the other. One that fails is named at the end and does not take the others' figures
/// with it.
async fn all(chosen: &[&'static Scenario], length: Length) -> std::process::ExitCode {
    let mut figures: Vec<Figure> = Vec::new();
    let mut failed = Vec::new();
    for scenario in chosen {
        let name = scenario.name;
        println!("{name}: {}", scenario.what);
        let began = Instant::now();
        let task = tokio::task::spawn_local(async move {
            let mut report = Report::new(length);
            run(name, &mut report).await;
            report.finish()
        });
        match task.await {
            Ok(found) => figures.extend(found),
            Err(_) => failed.push(name),
        }
        println!("{name}: {:.0} s", began.elapsed().as_secs_f64());
        let path = report::write(&figures).expect("write target/bench/results.json");
        println!("{}", path.display());
    }
    if failed.is_empty() {
        std::process::ExitCode::SUCCESS
    } else {
        eprintln!("failed: {}", failed.join(", "));
        std::process::ExitCode::FAILURE
    }
}
