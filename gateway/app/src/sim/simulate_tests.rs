//! Plays through the real decoding, engine and ledger.

use super::simulate::{Simulated, Simulation, simulate};
use crate::ops::proposal;
use linli_decode::Catalogue;
use linli_domain::estate::EstateDoc;
use linli_sim::{FaultKind, Plan, Play, Size};
use std::time::Duration;

fn catalogue() -> Catalogue {
    let (catalogue, refused) = Catalogue::load(crate::profiles::BUILT_IN.iter().copied());
    assert!(refused.is_empty(), "{refused:?}");
    catalogue
}

fn played(seed: u64, faults: &[FaultKind], hours: u64, rules: Option<&str>) -> Simulated {
    let span = Duration::from_secs(hours * 3_600);
    let play = Play::new(Plan::of_size(Size::Small, seed), faults, seed, span).unwrap();
    let estate: EstateDoc = toml::from_str(&play.plan().to_toml()).unwrap();
    let document = rules.map_or_else(|| estate.clone(), |text| proposal::read(text, &estate).unwrap());
    let catalogue = catalogue();
    simulate(
        Simulation {
            play,
            catalogue,
            document,
        },
        &mut |_| {},
    )
    .unwrap()
}

#[test]
fn an_estate_full_of_faults_misses_nothing_and_says_nothing_twice() {
    let outcome = played(11, &FaultKind::ALL, 14, None);
    assert!(outcome.verdict.holds(), "seed 11: {:#?}", outcome.verdict);
    assert!(
        outcome.verdict.alarms.expected >= 8,
        "{:?}",
        outcome.verdict.alarms
    );
    assert_eq!(outcome.orders_open, 0, "people close what the sensors confirm");
    assert_eq!(
        outcome.through.repeated, 3,
        "what the broker sent twice counts once"
    );
    assert_eq!(outcome.through.rejected, 0);
}

#[test]
fn an_ordinary_day_raises_nothing() {
    let outcome = played(12, &[], 11, None);
    assert_eq!(outcome.verdict.findings, []);
    assert_eq!(
        (outcome.verdict.alarms.expected, outcome.verdict.alarms.raised),
        (0, 0)
    );
}

#[test]
fn a_broken_rule_shows_as_missed() {
    let broken = r#"
        [[rules]]
        id = "leak-of-nine-sensors"
        class = "leak"
        fault = "leak"
        measure = "leak.wet"
        applies_to = { kind = "pipe_zone" }
        when = { state = true }
        vote = { at_least = 9 }
        priority = "P1"
        cause = { zh = "管道破损", en = "A pipe leaks" }
        consequence = { zh = "地面积水", en = "Water stands on the floor" }
        response = { zh = "关阀。", en = "Close the valve." }
        [[rules]]
        id = "leak-of-nine-in-the-pump-room"
        class = "leak"
        fault = "leak"
        measure = "leak.wet"
        applies_to = { kind = "pump_room" }
        when = { state = true }
        vote = { at_least = 9 }
        priority = "P1"
        cause = { zh = "管道破损", en = "A pipe leaks" }
        consequence = { zh = "地面积水", en = "Water stands on the floor" }
        response = { zh = "关阀。", en = "Close the valve." }
    "#;
    let outcome = played(13, &[FaultKind::Leak], 11, Some(broken));
    let alarms = outcome.verdict.alarms;
    assert_eq!((alarms.expected, alarms.missed), (2, 2), "{:#?}", outcome.verdict);
    assert!(!outcome.verdict.holds());
}

#[test]
fn the_same_seed_is_judged_the_same_byte_by_byte() {
    let text =
        || serde_json::to_string(&played(14, &[FaultKind::Fire, FaultKind::ClockJump], 11, None)).unwrap();
    assert_eq!(text(), text());
}
