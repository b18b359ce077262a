//! The judge against made-up histories: each way of being wrong shows as what it is.

use super::{Tally, Verdict, What, Wrong, judge};
use crate::ops::rig::Told;
use linli_domain::estate::Estate;
use linli_domain::id::{AlarmId, OrderId};
use linli_ledger::Subject;
use linli_sim::{Happening, Kind, Truth};
use std::sync::Arc;
use std::time::Duration;

const ESTATE: &str = r#"
    id = "test"
    name = { zh = "试验", en = "Test" }
    [[places]]
    id = "b1"
    kind = "building"
    name = { zh = "1号楼", en = "Building 1" }
    [[assets]]
    id = "zone"
    kind = "pipe_zone"
    place = "b1"
    name = { zh = "管段", en = "Zone" }
    [[assets]]
    id = "lane"
    kind = "fire_lane"
    place = "b1"
    name = { zh = "通道", en = "Lane" }
"#;

fn estate(more: &str) -> Estate {
    Estate::resolve(Arc::new(toml::from_str(&format!("{ESTATE}{more}")).unwrap())).unwrap()
}

/// Seconds from the beginning of the play: from, to.
fn happened(kind: Kind, asset: &str, from: i64, to: i64) -> Happening {
    Happening {
        kind,
        asset: Some(asset.into()),
        device: None,
        from: from * 1_000,
        certain: from * 1_000,
        to: to * 1_000,
        heard: Some(from * 1_000),
        heard_over: Some(to * 1_000),
        offset_ms: None,
    }
}

fn truth(happenings: Vec<Happening>) -> Truth {
    Truth {
        seed: 1,
        estate: "test".into(),
        from: 0,
        to: 100_000_000,
        happenings,
        impossible: Vec::new(),
        not_simulated: Vec::new(),
    }
}

fn told(subject: Subject, asset: &str, key: &str, at: u64) -> Told {
    let event = if matches!(subject, Subject::Alarm(_)) {
        "raised"
    } else {
        "opened"
    };
    Told {
        at: Duration::from_secs(at),
        subject,
        event: event.into(),
        from: "none".into(),
        to: String::new(),
        asset: asset.parse().unwrap(),
        key: key.into(),
    }
}

fn alarm(id: u64, asset: &str, class: &str, at: u64) -> Told {
    told(Subject::Alarm(AlarmId(id)), asset, class, at)
}

fn order(id: u64, asset: &str, fault: &str, at: u64) -> Told {
    told(Subject::Order(OrderId(id)), asset, fault, at)
}

fn judged(happenings: Vec<Happening>, history: &[Told]) -> Verdict {
    judge(&truth(happenings), &estate(""), history)
}

fn found(verdict: &Verdict) -> Vec<(What, Wrong, &'static str)> {
    verdict
        .findings
        .iter()
        .map(|f| (f.what, f.wrong, f.cause))
        .collect()
}

#[test]
fn water_that_was_raised_in_time_with_its_order_is_all_that_is_expected() {
    let verdict = judged(
        vec![happened(Kind::Water, "zone", 100, 2_000)],
        &[alarm(1, "zone", "leak", 105), order(1, "zone", "leak", 105)],
    );
    let fine = Tally {
        expected: 1,
        raised: 1,
        ..Tally::default()
    };
    assert_eq!((verdict.alarms, verdict.orders), (fine, fine));
    assert!(verdict.holds() && verdict.findings.is_empty());
}

#[test]
fn a_task_in_the_order_of_others_is_the_order_of_its_asset_and_may_come_half_a_minute_later() {
    const BINS: &str = r#"
        [[assets]]
        id = "bin-1"
        kind = "bin"
        place = "b1"
        name = { zh = "1号桶", en = "Bin 1" }
        [[assets]]
        id = "bin-2"
        kind = "bin"
        place = "b1"
        name = { zh = "2号桶", en = "Bin 2" }
    "#;
    let full = |to| {
        truth(vec![
            happened(Kind::Waste, "bin-1", 100, 5_000),
            happened(Kind::Waste, "bin-2", 120, to),
        ])
    };
    let alarms = [
        alarm(1, "bin-1", "bin-full", 700),
        alarm(2, "bin-2", "bin-full", 720),
    ];
    let joined = |at| Told {
        event: "task_joined".into(),
        from: "dispatched".into(),
        ..order(1, "bin-2", "bin-full", at)
    };
    let judged = |truth: &Truth, orders: &[Told]| {
        let history: Vec<Told> = alarms.iter().chain(orders).cloned().collect();
        judge(truth, &estate(BINS), &history)
    };
    let both = [order(1, "bin-1", "bin-full", 730), joined(735)];
    let fine = Tally {
        expected: 2,
        raised: 2,
        ..Tally::default()
    };
    assert_eq!(judged(&full(5_000), &both).orders, fine);
    let alone = judged(&full(5_000), &both[..1]);
    assert_eq!((alone.orders.raised, alone.orders.missed), (1, 1));
    let over = judged(&full(735), &both[..1]);
    assert_eq!(over.orders.missed, 0, "over before its order opened");
    let late = judged(&full(5_000), &[both[0].clone(), joined(765)]);
    assert_eq!(late.orders.late, 1);
}

#[test]
fn what_nobody_raised_is_missed_and_what_nobody_caused_is_false() {
    let verdict = judged(
        vec![happened(Kind::Water, "zone", 100, 2_000)],
        &[alarm(1, "lane", "fire-lane", 9_000)],
    );
    assert_eq!(
        (
            verdict.alarms.missed,
            verdict.alarms.false_ones,
            verdict.orders.missed
        ),
        (1, 1, 1)
    );
    assert!(!verdict.holds());
    assert!(found(&verdict).contains(&(What::Alarm, Wrong::Missed, "rule_silent")));
    assert!(found(&verdict).contains(&(What::Alarm, Wrong::False, "nothing_happened")));
}

#[test]
fn later_than_the_delay_and_five_seconds_is_late() {
    let water = || vec![happened(Kind::Water, "zone", 100, 2_000)];
    let orders = order(1, "zone", "leak", 105);
    let late = |at| {
        judged(water(), &[alarm(1, "zone", "leak", at), orders.clone()])
            .alarms
            .late
    };
    assert_eq!((late(110), late(111)), (0, 1));
}

#[test]
fn an_alarm_that_comes_twice_for_one_thing_is_doubled() {
    let history = [
        alarm(1, "zone", "leak", 105),
        alarm(2, "zone", "leak", 900),
        order(1, "zone", "leak", 105),
    ];
    let verdict = judged(vec![happened(Kind::Drip, "zone", 100, 2_000)], &history);
    assert_eq!((verdict.alarms.doubled, verdict.orders.doubled), (1, 0));
    assert!(!verdict.holds());
    // The same alarm raised again is one alarm.
    let again = Told {
        event: "raised_again".into(),
        from: "rtn_unack".into(),
        ..alarm(1, "zone", "leak", 900)
    };
    let verdict = judged(
        vec![happened(Kind::Drip, "zone", 100, 2_000)],
        &[
            alarm(1, "zone", "leak", 105),
            again,
            order(1, "zone", "leak", 105),
        ],
    );
    assert!(verdict.holds());
}

#[test]
fn a_moment_is_no_alarm_and_one_raised_for_it_is_false() {
    let stop = || vec![happened(Kind::Vehicle, "lane", 1_000, 1_120)];
    let nothing = judged(stop(), &[]);
    assert_eq!(
        (nothing.alarms, nothing.orders),
        (Tally::default(), Tally::default())
    );
    let raised = judged(stop(), &[alarm(1, "lane", "fire-lane", 1_100)]);
    assert_eq!(found(&raised), [(What::Alarm, Wrong::False, "too_short")]);
    // Within five seconds of the delay it may go either way.
    let stop = || vec![happened(Kind::Vehicle, "lane", 1_000, 1_298)];
    assert!(judged(stop(), &[]).findings.is_empty());
    let both = [
        alarm(1, "lane", "fire-lane", 1_300),
        order(1, "lane", "fire-lane", 1_300),
    ];
    assert!(judged(stop(), &both).findings.is_empty());
}

#[test]
fn what_no_sensor_could_tell_is_not_expected() {
    let unseen = Happening {
        heard: None,
        heard_over: None,
        ..happened(Kind::Water, "zone", 100, 2_000)
    };
    assert!(judged(vec![unseen], &[]).findings.is_empty());
}

#[test]
fn a_rule_that_waits_for_hours_does_not_excuse_itself() {
    let rule = r#"
        [[rules]]
        id = "slow"
        class = "leak"
        fault = "leak"
        measure = "leak.wet"
        applies_to = { kind = "pipe_zone" }
        when = { state = true }
        on_delay = "6h"
        priority = "P1"
        cause = { zh = "管道破损", en = "A pipe leaks" }
        consequence = { zh = "地面积水", en = "Water stands on the floor" }
        response = { zh = "关阀。", en = "Close the valve." }
    "#;
    let water = vec![happened(Kind::Water, "zone", 100, 2_000)];
    let verdict = judge(&truth(water), &estate(rule), &[]);
    assert_eq!(
        (verdict.alarms.missed, verdict.orders.expected),
        (1, 0),
        "the rule opens no order"
    );
}

#[test]
fn without_a_rule_it_is_missed_and_the_judge_says_so() {
    let without = estate("").doc().as_ref().clone();
    let without = linli_domain::estate::EstateDoc {
        shipped_rules: false,
        ..without
    };
    let without = Estate::resolve(Arc::new(without)).unwrap();
    let verdict = judge(
        &truth(vec![happened(Kind::Water, "zone", 100, 2_000)]),
        &without,
        &[],
    );
    assert!(verdict.findings.iter().all(|f| f.cause == "no_rule"));
    assert_eq!((verdict.alarms.missed, verdict.orders.missed), (1, 1));
}

#[test]
fn what_came_while_the_clock_was_wrong_is_said_to_have() {
    let clock = Happening {
        asset: None,
        ..happened(Kind::Clock, "gateway", 500, 700)
    };
    let verdict = judged(vec![clock], &[alarm(1, "zone", "silent", 600)]);
    assert_eq!(found(&verdict), [(What::Alarm, Wrong::False, "clock_wrong")]);
}

#[test]
fn an_order_that_is_still_open_takes_the_next_alarm_and_one_that_was_closed_does_not() {
    let water = || {
        vec![
            happened(Kind::Water, "zone", 100, 2_000),
            happened(Kind::Water, "zone", 5_000, 7_000),
        ]
    };
    let mut history = vec![
        alarm(1, "zone", "leak", 105),
        order(1, "zone", "leak", 105),
        alarm(2, "zone", "leak", 5_005),
    ];
    let verdict = judged(water(), &history);
    assert_eq!((verdict.orders.raised, verdict.orders.missed), (2, 0));
    let closed = Told {
        from: "in_progress".into(),
        to: "closed".into(),
        ..order(1, "zone", "leak", 3_000)
    };
    history.insert(2, closed);
    let verdict = judged(water(), &history);
    assert_eq!((verdict.orders.raised, verdict.orders.missed), (1, 1));
}
