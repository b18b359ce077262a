//! `soak`: what memory and file do over a long time. By name only; `LINLI_SOAK_MINUTES` (60) and `LINLI_SOAK_RATE`
//! (1000 messages a second; 0 is flat out) say how long and how hard. The curve goes to `target/bench/soak.csv`.

use crate::disk::written_bytes;
use crate::load::{DEVICES, Load, cpu_seconds, dealt_with, estate, resident_mb};
use crate::report::{Goal, Report};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::repository;
use e2e::wait::within;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const SCENARIO: &str = "soak";
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(10);
/// Values of one message, each a reading.
const VALUES: f64 = 4.0;

/// A look at the gateway.
#[derive(Debug, Clone, Copy)]
struct Look {
    seconds: f64,
    resident: f64,
    readings: f64,
    ledger: f64,
    written: f64,
    cpu: f64,
}

fn setting(name: &str, otherwise: u32) -> u32 {
    let Ok(text) = std::env::var(name) else {
        return otherwise;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{name} must be a whole number, not {text:?}"))
}

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let (minutes, rate) = (
        setting("LINLI_SOAK_MINUTES", 60),
        setting("LINLI_SOAK_RATE", 1_000),
    );
    let broker = Mosquitto::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await;
    let gateway = Gateway::start(&Site {
        estate: estate(),
        broker: Some(broker.port),
        window: 1_000,
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    let quiet = dealt_with(&gateway).await;
    let load = Load::paced(DEVICES, rate as usize, minutes.max(1) * 60);
    let mut load = tokio::spawn(load.publish(broker.port));
    let began = Instant::now();
    let mut looks: Vec<Look> = Vec::new();
    let mut tick = tokio::time::interval(LOOK);
    let sent = loop {
        tokio::select! {
            sent = &mut load => break sent.expect("the load"),
            _ = tick.tick() => looks.push(look(&gateway, began).await),
        }
    };
    let all = sent * VALUES;
    within(
        Duration::from_secs(300),
        "every reading to be durable",
        || async {
            let stored = dealt_with(&gateway).await - quiet;
            if stored >= all {
                Ok(())
            } else {
                Err(format!("{stored} of {all}"))
            }
        },
    )
    .await;
    looks.push(look(&gateway, began).await);
    write_curve(&looks);
    figures(report, &looks, sent);
}

async fn look(gateway: &Gateway, began: Instant) -> Look {
    Look {
        readings: gateway.metric("linli_readings_stored_total").await,
        ledger: gateway.metric("linli_store_bytes").await,
        seconds: began.elapsed().as_secs_f64(),
        resident: resident_mb(gateway.pid()),
        written: written_bytes(gateway.pid()),
        cpu: cpu_seconds(gateway.pid()),
    }
}

fn write_curve(looks: &[Look]) {
    let mut text = String::from("seconds,resident_mb,readings,ledger_bytes,cpu_seconds\n");
    for look in looks {
        let _ = writeln!(
            text,
            "{:.0},{:.1},{},{},{:.1}",
            look.seconds, look.resident, look.readings, look.ledger, look.cpu
        );
    }
    let folder = repository().join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/bench");
    std::fs::write(folder.join("soak.csv"), text).expect("target/bench/soak.csv");
}

fn figures(report: &mut Report, looks: &[Look], messages: f64) {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else {
        return;
    };
    let after = |share: f64| {
        let at = last.seconds * share;
        *looks.iter().find(|look| look.seconds >= at).unwrap_or(last)
    };
    let minutes = last.seconds / 60.0;
    report.add(SCENARIO, "minutes", minutes, "min", None);
    report.add(SCENARIO, "messages_per_s", messages / last.seconds, "1/s", None);
    let cores = (last.cpu - first.cpu) / last.seconds;
    report.add(SCENARIO, "cores", cores, "cores", None);
    for (name, share) in [
        ("resident_mb_after_a_tenth", 0.1),
        ("resident_mb_after_a_half", 0.5),
    ] {
        report.add(SCENARIO, name, after(share).resident, "MB", None);
    }
    let half = after(0.5).resident;
    let limit = Some((half, "after half of the time"));
    report
        .add(SCENARIO, "resident_mb_at_the_end", last.resident, "MB", limit)
        .goal(Goal::AtMost(80.0));
    let greatest = looks.iter().map(|look| look.resident).fold(0.0, f64::max);
    report.add(SCENARIO, "resident_mb_max", greatest, "MB", None);
    let later: Vec<&Look> = looks
        .iter()
        .filter(|look| look.seconds >= last.seconds / 2.0)
        .collect();
    report.add(SCENARIO, "resident_slope_mb_per_h", slope(&later), "MB/h", None);
    let grown = (last.ledger - first.ledger) / (last.readings - first.readings).max(1.0);
    report.add(SCENARIO, "ledger_bytes_per_reading", grown, "B", None);
    let written = (last.written - first.written) / messages.max(1.0);
    let figure = report.add(SCENARIO, "bytes_written_per_message", written, "B", None);
    // The goal is for a thousand messages a second: flat out there is more company in each commit.
    figure.goal(Goal::AtMost(600.0));
}

/// The straight line through resident memory, least squares, in megabytes an hour.
#[allow(clippy::cast_precision_loss, reason = "a count")]
fn slope(looks: &[&Look]) -> f64 {
    let n = looks.len().max(1) as f64;
    let mean = |value: fn(&Look) -> f64| looks.iter().map(|look| value(look)).sum::<f64>() / n;
    let (time, memory) = (mean(|look| look.seconds), mean(|look| look.resident));
    let across: f64 = looks
        .iter()
        .map(|l| (l.seconds - time) * (l.resident - memory))
        .sum();
    let along: f64 = looks.iter().map(|l| (l.seconds - time).powi(2)).sum();
    if along > 0.0 {
        across / along * 3_600.0
    } else {
        0.0
    }
}
