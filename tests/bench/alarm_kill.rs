//! `alarm_kill`: a thousand kills amid the life of alarms; the whole state is the same before and after each.

use crate::report::Report;
use e2e::alarm_rounds;
use e2e::clock::StoryClock;
use e2e::gateway::{Gateway, Site};
use e2e::process::free_port;

const ROUNDS: u32 = 1_000;
const SEED: u64 = 1;

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let port = free_port();
    // Nothing may be due between two looks, however long the rounds take.
    let site = Site {
        clock: Some(StoryClock::today()),
        ..alarm_rounds::site(port)
    };
    let mut gateway = Gateway::start(&site).await;
    let seen = alarm_rounds::rounds(&mut gateway, port, ROUNDS, SEED)
        .await
        .unwrap_or_else(|differs| panic!("{differs}"));
    report.add(
        "alarm_kill",
        "rounds_identical",
        f64::from(seen.rounds),
        "rounds",
        Some((f64::from(ROUNDS), "rounds")),
    );
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let states = seen.states.len() as f64;
    report.add("alarm_kill", "states_compared", states, "states", None);
}
