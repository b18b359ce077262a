//! A day that really was, under the rules it had and under others.

use super::*;
use crate::ops::proposal;
use crate::sim;
use linli_domain::text::Language;
use linli_sim::{FaultKind, Plan, Play, Size};
use std::sync::OnceLock;

const HOURS: u64 = 13;

struct Day {
    folder: tempfile::TempDir,
    estate: EstateDoc,
    alarms: u64,
}

/// A day in a ledger, with the alarms and orders there were.
fn day() -> &'static Day {
    static DAY: OnceLock<Day> = OnceLock::new();
    DAY.get_or_init(|| {
        let faults = [
            FaultKind::Leak,
            FaultKind::BlockedLane,
            FaultKind::BinSurge,
            FaultKind::DeadSlave,
        ];
        let span = Duration::from_secs(HOURS * 3_600);
        let play = Play::new(Plan::of_size(Size::Small, 31), &faults, 31, span).unwrap();
        let estate: EstateDoc = toml::from_str(&play.plan().to_toml()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let simulation = sim::Simulation {
            play,
            catalogue: catalogue(),
            document: estate.clone(),
        };
        let outcome = sim::simulate_in(folder.path(), simulation, &mut |_| {}).unwrap();
        assert!(outcome.verdict.holds());
        Day {
            folder,
            estate,
            alarms: outcome.verdict.alarms.raised,
        }
    })
}

fn catalogue() -> Catalogue {
    Catalogue::load(crate::profiles::BUILT_IN.iter().copied()).0
}

fn tested(estate: EstateDoc, from_hours: u64) -> Result<Outcome, BacktestError> {
    let begins = Timestamp::from_millis(linli_sim::BEGINS_MS);
    let hours = |hours: u64| begins.plus(Duration::from_secs(hours * 3_600));
    backtest(
        &Test {
            estate: Arc::new(estate),
            catalogue: catalogue(),
            planner: Planner::new(Vec::new(), Vec::new(), Language::En),
            from: hours(from_hours),
            to: hours(HOURS),
        },
        &mut Reader::open(day().folder.path()).unwrap(),
        &mut |_| {},
    )
}

fn class<'o>(outcome: &'o Outcome, name: &str) -> &'o ByClass {
    outcome.by_class.iter().find(|class| class.class == name).unwrap()
}

#[test]
fn the_rules_of_the_day_would_have_raised_what_they_raised() {
    let outcome = tested(day().estate.clone(), 0).unwrap();
    assert_eq!(
        (outcome.alarms, outcome.alarms_real),
        (day().alarms, day().alarms)
    );
    assert_eq!(outcome.orders, outcome.orders_real);
    for class in &outcome.by_class {
        assert_eq!(
            (class.would_be, class.real),
            (class.both, class.both),
            "{class:?}"
        );
    }
    assert!(outcome.would_be.iter().all(|alarm| alarm.real && alarm.order));
    assert_eq!(outcome.pages.total, outcome.orders, "each order calls once");
    let roles: u64 = outcome
        .called
        .iter()
        .filter(|who| who.kind == "role")
        .map(|who| who.times)
        .sum();
    assert_eq!(roles, outcome.pages.total);
}

#[test]
fn a_proposal_shows_what_would_be_missing_and_what_would_be_new() {
    let text = r#"
        shipped_rules = true
        [[rules]]
        id = "leak-in-a-day"
        class = "leak"
        fault = "leak"
        measure = "leak.wet"
        applies_to = { kind = "pipe_zone" }
        when = { state = true }
        on_delay = "24h"
        priority = "P1"
        cause = { zh = "管道破损", en = "A pipe leaks" }
        consequence = { zh = "地面积水", en = "Water stands on the floor" }
        response = { zh = "关阀。", en = "Close the valve." }
        [[rules]]
        id = "lane-at-once"
        class = "fire-lane"
        fault = "fire-lane"
        measure = "parking.occupied"
        applies_to = { kind = "fire_lane" }
        when = { state = true }
        priority = "P2"
        cause = { zh = "车辆违停", en = "A vehicle is parked there" }
        consequence = { zh = "消防车无法通行", en = "No fire engine gets through" }
        response = { zh = "移车。", en = "Have it moved." }
    "#;
    let proposed = proposal::read(text, &day().estate).unwrap();
    let outcome = tested(proposed, 0).unwrap();
    let lane = class(&outcome, "fire-lane");
    assert!(
        lane.would_be > lane.real && lane.both == lane.real,
        "every stop would be an alarm: {lane:?}"
    );
    let leaks = |outcome: &Outcome| {
        outcome
            .would_be
            .iter()
            .filter(|alarm| alarm.class == "leak" && alarm.asset.starts_with("zone"))
            .count()
    };
    assert_eq!(leaks(&outcome), 0, "nothing is wet for a day");
    assert!(leaks(&tested(day().estate.clone(), 0).unwrap()) > 0);
}

#[test]
fn what_was_before_the_time_is_known_and_not_counted() {
    let whole = tested(day().estate.clone(), 0).unwrap();
    let half = tested(day().estate.clone(), 6).unwrap();
    let begins = Timestamp::from_millis(linli_sim::BEGINS_MS).plus(Duration::from_secs(6 * 3_600));
    let later = whole
        .would_be
        .iter()
        .filter(|alarm| alarm.raised_at >= begins)
        .count() as u64;
    assert_eq!(half.alarms, later);
    assert_eq!(
        half.readings, whole.readings,
        "the hours before warm the engine up"
    );
}

#[test]
fn devices_the_proposal_does_not_have_are_left_out_and_a_wrong_one_is_refused() {
    let mut fewer = day().estate.clone();
    let gone = fewer.devices.pop().unwrap();
    let outcome = tested(fewer, 0).unwrap();
    assert!(outcome.points_left_out > 0, "{}", gone.id);
    let mut wrong = day().estate.clone();
    wrong.devices[0].asset = Some("nowhere".parse().unwrap());
    assert!(matches!(tested(wrong, 0), Err(BacktestError::Rules(_))));
    assert!(matches!(
        tested(day().estate.clone(), HOURS),
        Err(BacktestError::NoTime)
    ));
}
