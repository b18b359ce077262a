//! The life of alarms through the real program: killed amid it, muted from a shell, told to people.

use e2e::alarm_rounds;
use e2e::clock::StoryClock;
use e2e::gateway::{Gateway, Site};
use e2e::process::free_port;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_amid_the_life_of_alarms_change_nothing() {
    let port = free_port();
    // The time stands still, so that between two starts nothing changes by itself however slow the machine is.
    let site = Site {
        clock: Some(StoryClock::today()),
        ..alarm_rounds::site(port)
    };
    let mut gateway = Gateway::start(&site).await;
    let seen = alarm_rounds::rounds(&mut gateway, port, 20, 5)
        .await
        .unwrap_or_else(|differs| panic!("{differs}\n{}", gateway.log()));
    assert_eq!(seen.rounds, 20);
    assert!(seen.states.len() >= 4, "too tame: {seen:?}");
    println!("{seen:?}");
}
