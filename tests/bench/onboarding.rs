//! `onboarding`: what devices that are not in the estate, and people who watch, cost the gateway: the rate of
//! `own_limit` with the same messages from unknown devices, and with somebody watching, beside the rate without either.

use crate::load::{DEVICES, cpu_seconds, estate, result};
use crate::own::{fire, listening};
use crate::report::{Report, median};
use e2e::gateway::{Gateway, Site};
use e2e::process::free_port;

const MESSAGES: usize = 100_000;
const WINDOW: u16 = 1000;

/// The estate without its devices: all of them are strangers.
fn nobody() -> String {
    let (head, devices) = estate()
        .split_once("[[devices]]")
        .map(|(head, rest)| (head.to_owned(), rest.to_owned()))
        .expect("an estate with devices");
    let rules = devices
        .find("[[rules]]")
        .map(|at| devices[at..].to_owned())
        .expect("rules");
    head + &rules
}

/// What one run showed.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Messages acknowledged per second.
    rate: f64,
    /// CPU of the gateway in microseconds per message, its start included.
    cpu_us: f64,
}

async fn fly(estate: String, devices: usize, watched: bool) -> Run {
    let port = free_port();
    let broker = fire(port, WINDOW, MESSAGES, devices);
    listening(port).await;
    // The stand-in sends once its subscriber is there, so a watcher who comes right after sees most of it.
    let gateway = Gateway::start(&Site {
        estate,
        broker: Some(port),
        window: WINDOW,
        ..Site::default()
    })
    .await;
    let watcher = watched.then(|| {
        let request = reqwest::Client::new()
            .get(format!("{}/api/v1/watch", gateway.base()))
            .bearer_auth(gateway.token());
        tokio::spawn(async move {
            let mut stream = request.send().await.expect("a stream");
            let mut bytes = 0;
            while let Ok(Some(piece)) = stream.chunk().await {
                bytes += piece.len();
            }
            bytes
        })
    });
    let fired = result(broker).await;
    let cpu_us = cpu_seconds(gateway.pid()) / MESSAGES as f64 * 1e6;
    assert_eq!(
        fired["unacked"].as_u64(),
        Some(0),
        "unacknowledged messages: {fired}"
    );
    let rejected = gateway.metric("linli_messages_rejected_total").await;
    assert!(rejected == 0.0, "{rejected} messages were refused");
    drop(gateway);
    if let Some(watcher) = watcher {
        let bytes = watcher.await.expect("the watcher");
        assert!(
            bytes > 0,
            "nobody was shown anything; the figure would be worthless"
        );
    }
    let rate = fired["msgs_per_s"].as_f64();
    Run {
        rate: rate.unwrap_or_else(|| panic!("loadgen fire gave no rate: {fired}")),
        cpu_us,
    }
}

/// The figures beside those without strangers and watchers. CPU is the steadier one on a machine that is shared.
fn add(report: &mut Report, names: [&'static str; 2], runs: &[Run], limit: Option<&[Run]>) {
    let of = |runs: &[Run], figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    let known = "the same messages of known devices, nobody watching";
    for (name, unit, figure) in [
        (names[0], "1/s", (|run| run.rate) as fn(&Run) -> f64),
        (names[1], "us", |run| run.cpu_us),
    ] {
        let beside = limit.map(|limit| (of(limit, figure), known));
        report.add("onboarding", name, of(runs, figure), unit, beside);
    }
}

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let (mut known, mut one, mut all, mut watched) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..report.pick(1, 3) {
        known.push(fly(estate(), DEVICES, false).await);
        one.push(fly(nobody(), 1, false).await);
        all.push(fly(nobody(), DEVICES, false).await);
        watched.push(fly(estate(), DEVICES, true).await);
    }
    let names = ["known_messages_per_s", "known_cpu_us_per_message"];
    add(report, names, &known, None);
    let names = ["one_stranger_messages_per_s", "one_stranger_cpu_us_per_message"];
    add(report, names, &one, Some(&known));
    let names = [
        "1000_strangers_messages_per_s",
        "1000_strangers_cpu_us_per_message",
    ];
    add(report, names, &all, Some(&known));
    let names = ["watched_messages_per_s", "watched_cpu_us_per_message"];
    add(report, names, &watched, Some(&known));
}
