//! The program that users get takes its time from the machine, whatever its environment says.

use super::{MINUTE, estate};
use e2e::clock::{self, StoryClock};
use e2e::gateway::{Gateway, Site};
use e2e::process::workspace_program;
use linli_domain::time::Timestamp;
use std::process::Command;

/// When the newest commit happened, as the engine says.
async fn shown(gateway: &Gateway) -> Timestamp {
    gateway.settled().await;
    let (_, state) = gateway.dump().await;
    let clock = state.lines().find_map(|line| line.strip_prefix("clock "));
    let clock = clock.and_then(|line| line.split(' ').next()).expect("a clock");
    e2e::clock::instant(clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_of_users_goes_by_the_machine_and_the_one_of_the_stories_by_the_story() {
    let stories = StoryClock::at("2031-01-01T00:00:00+08:00");
    let site = Site {
        estate: estate(""),
        ..Site::default()
    };
    let users = Gateway::start(&Site {
        environment: vec![(clock::VARIABLE.into(), stories.file().display().to_string())],
        ..site.clone()
    })
    .await;
    let machine = StoryClock::today().truth();
    let apart = shown(&users).await.since(machine);
    assert!(apart < 2 * MINUTE, "{apart:?}");

    let told = Gateway::start(&Site {
        clock: Some(stories.clone()),
        ..site
    })
    .await;
    assert_eq!(shown(&told).await, stories.truth());
    stories.walk(&told, 2 * MINUTE, MINUTE).await;
    assert_eq!(shown(&told).await, stories.truth());

    let alone = Command::new(workspace_program("linli-test-clock"))
        .args(["run", "--config", "nothing.toml"])
        .env_remove(clock::VARIABLE)
        .output()
        .expect("the program");
    assert_eq!(alone.status.code(), Some(2));
    let said = String::from_utf8_lossy(&alone.stderr);
    assert!(said.contains("the gateway is `linli`"), "{said}");
}
