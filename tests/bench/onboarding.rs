//! `onboarding`: what devices that are not in the estate, and people who watch, cost the gateway: the rate of
//! `own_limit` with the same messages from unknown devices, and with somebody watching, beside the rate without either.

use crate::load::{estate, result};
use crate::own::{fire, listening};
use crate::report::{Report, median};
use e2e::gateway::{Gateway, Site};
use e2e::process::free_port;

const MESSAGES: usize = 100_000;
const REPEATS: usize = 3;
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

/// Messages acknowledged per second.
async fn rate(estate: String, watched: bool) -> f64 {
    let port = free_port();
    let broker = fire(port, WINDOW, MESSAGES);
    listening(port).await;
    // The stand-in waits for its subscriber with the first message, so a watcher who comes after it sees most of them.
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
    fired["msgs_per_s"]
        .as_f64()
        .unwrap_or_else(|| panic!("loadgen fire gave no rate: {fired}"))
}

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let (mut known, mut unknown, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        known.push(rate(estate(), false).await);
        unknown.push(rate(nobody(), false).await);
        watched.push(rate(estate(), true).await);
    }
    let limit = median(known);
    report.add("onboarding", "known_messages_per_s", limit, "1/s", None);
    let beside = Some((limit, "the same messages of known devices, nobody watching"));
    report.add(
        "onboarding",
        "unknown_messages_per_s",
        median(unknown),
        "1/s",
        beside,
    );
    report.add(
        "onboarding",
        "watched_messages_per_s",
        median(watched),
        "1/s",
        beside,
    );
}
