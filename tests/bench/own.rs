//! `own_limit`: the gateway against a stand-in broker without cost (`loadgen fire`), beside the null subscriber
//! against the same, for several in-flight windows.

use crate::disk;
use crate::load::{DEVICES, estate, loadgen, result};
use crate::null::Null;
use crate::report::{Goal, Report, median};
use e2e::gateway::{Gateway, Site};
use e2e::process::free_port;

const MESSAGES: usize = 100_000;
/// What a window costs beside the sync, in the measurements of the law.
const ROUND_TRIP_MS: f64 = 0.2;

pub(crate) fn fire(port: u16, window: u16, count: usize, devices: usize) -> tokio::process::Child {
    let (port, window, count, devices) = (
        port.to_string(),
        window.to_string(),
        count.to_string(),
        devices.to_string(),
    );
    loadgen(&[
        "fire",
        "--port",
        &port,
        "--qos",
        "1",
        "--window",
        &window,
        "--count",
        &count,
        "--devices",
        &devices,
        "--wait",
        "90",
    ])
}

async fn null(window: u16, count: usize) -> f64 {
    let port = free_port();
    let broker = fire(port, window, count, DEVICES);
    listening(port).await;
    let rate = Null::start(port, window, count).await.rate().await;
    drop(broker);
    rate
}

/// Waits until the stand-in broker listens, without becoming its one subscriber.
pub(crate) async fn listening(port: u16) {
    e2e::wait::until("the stand-in broker to listen", || async move {
        let table = std::fs::read_to_string("/proc/net/tcp").map_err(|e| e.to_string())?;
        let wanted = format!(":{port:04X} 00000000:0000 0A");
        if table.contains(&wanted) {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;
}

/// Messages/s, and messages per commit.
async fn gateway(window: u16, count: usize) -> (f64, f64) {
    let port = free_port();
    let broker = fire(port, window, count, DEVICES);
    listening(port).await;
    let gateway = Gateway::start(&Site {
        estate: estate(),
        broker: Some(port),
        window,
        ..Site::default()
    })
    .await;
    let fired = result(broker).await;
    let rejected = gateway.metric("linli_messages_rejected_total").await;
    assert!(
        rejected == 0.0,
        "{rejected} messages were refused; the figure would be worthless"
    );
    assert_eq!(
        fired["unacked"].as_u64(),
        Some(0),
        "unacknowledged messages: {fired}"
    );
    let commits = gateway.metric("linli_store_commits_total").await;
    let rate = fired["msgs_per_s"]
        .as_f64()
        .unwrap_or_else(|| panic!("loadgen fire gave no rate: {fired}"));
    (rate, count as f64 / commits.max(1.0))
}

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let repeats = report.pick(1, 3);
    for (window, count, figure) in [
        (1000, MESSAGES, "messages_per_s_window_1000"),
        (20, MESSAGES / 10, "messages_per_s_window_20"),
    ] {
        let (mut limit, mut rates, mut together) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..repeats {
            limit.push(null(window, count).await);
            let (rate, per_commit) = gateway(window, count).await;
            rates.push(rate);
            together.push(per_commit);
        }
        let rate = median(rates);
        let limit = (median(limit), "null subscriber, same broker and window");
        let figure = report.add("own_limit", figure, rate, "1/s", Some(limit));
        if window == 1000 {
            figure.goal(Goal::RatioAtLeast(0.4));
        } else {
            // Each window waits for one sync of the disk.
            let sync_ms = median(disk::syncs_ms(200));
            let law = (f64::from(window) / sync_ms * 1_000.0, "window ÷ sync of the disk");
            report.add("own_limit", "sync_ms", sync_ms, "ms", None);
            let together = median(together);
            report.add("own_limit", "messages_per_commit_window_20", together, "", None);
            report
                .add(
                    "own_limit",
                    "messages_per_s_of_window_law",
                    rate,
                    "1/s",
                    Some(law),
                )
                .goal(Goal::RatioAtLeast(0.3));
            // Where a sync costs next to nothing, what limits is the way of twenty messages through three processes.
            let law = (
                f64::from(window) / (sync_ms + ROUND_TRIP_MS) * 1_000.0,
                "window ÷ (sync + round trip of 0.2 ms)",
            );
            report
                .add(
                    "own_limit",
                    "messages_per_s_of_round_trip_law",
                    rate,
                    "1/s",
                    Some(law),
                )
                .goal(Goal::RatioAtLeast(0.3));
        }
    }
}
