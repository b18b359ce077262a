//! Histories with one thing wrong each, and the figure that tells it.

use super::*;
use linli_domain::id::AlarmId;

const BEGINS: i64 = 1_772_409_600_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(BEGINS + seconds * 1_000)
}

fn change(alarm: u64, seconds: i64, event: &str, to: &str) -> AlarmTransition {
    AlarmTransition {
        id: seconds,
        at: at(seconds),
        from: "none".into(),
        to: to.into(),
        event: event.into(),
        alarm: AlarmId(alarm),
        asset: format!("asset-{alarm}"),
        class: "leak".into(),
        priority: 3,
    }
}

fn raised(alarm: u64, seconds: i64) -> AlarmTransition {
    change(alarm, seconds, "raised", "active_unack")
}

fn measure(
    history: &[AlarmTransition],
    live: &[AlarmRow],
    closings: (u64, u64),
    span: (Timestamp, Timestamp),
    operators: u32,
) -> Quality {
    let mut measuring = Measuring::default();
    history.iter().for_each(|change| measuring.take(change));
    measuring.finish(live, closings, span, operators)
}

fn measured(history: &[AlarmTransition]) -> Quality {
    measure(history, &[], (0, 0), (at(0), at(86_400)), 1)
}

fn tier(quality: &Quality, name: &str) -> (f64, String) {
    let figure = quality
        .figures
        .iter()
        .find(|figure| figure.figure == name)
        .unwrap();
    (figure.value, figure.tier.clone())
}

#[test]
fn a_quiet_day_is_good_in_every_figure() {
    let quality = measured(&[raised(1, 3_600), change(1, 7_200, "condition", "rtn_unack")]);
    assert!(
        quality.figures.iter().all(|figure| figure.tier == "good"),
        "{:#?}",
        quality.figures
    );
    assert_eq!((quality.raised, quality.fleeting, quality.mix.p3), (1, 0, 1));
}

#[test]
fn alarms_for_each_person_and_hour_are_good_watched_and_poor() {
    let day = |alarms: i64| -> Vec<AlarmTransition> {
        (0..alarms)
            .map(|n: i64| raised(n.unsigned_abs(), n * 86_400 / alarms))
            .collect()
    };
    let figure = |alarms| tier(&measured(&day(alarms)), "alarms_per_operator_hour");
    assert_eq!(figure(6 * 24), (6.0, "good".into()));
    assert_eq!(figure(10 * 24), (10.0, "watch".into()));
    assert_eq!(figure(20 * 24), (20.0, "poor".into()));
    let two = measure(&day(20 * 24), &[], (0, 0), (at(0), at(86_400)), 2);
    assert_eq!(tier(&two, "alarms_per_operator_hour"), (10.0, "watch".into()));
}

#[test]
fn three_activations_within_a_minute_are_chatter() {
    let slow = [
        raised(1, 0),
        change(1, 31, "relapsed", "active_unack"),
        change(1, 62, "relapsed", "active_unack"),
    ];
    assert_eq!(measured(&slow).chattering, 0);
    let quick = [
        raised(1, 0),
        change(1, 20, "relapsed", "active_unack"),
        change(1, 40, "raised_again", "active_unack"),
    ];
    let quality = measured(&quick);
    assert_eq!(
        (quality.chattering, tier(&quality, "chattering").1.as_str()),
        (1, "poor")
    );
    assert!(quality.top[0].chattered);
}

#[test]
fn what_is_over_within_a_minute_is_fleeting() {
    let history = [
        raised(1, 0),
        change(1, 59, "condition", "rtn_unack"),
        raised(2, 100),
        change(2, 160, "condition", "latched"),
    ];
    let quality = measured(&history);
    assert_eq!(
        (quality.fleeting, tier(&quality, "fleeting_share_percent").0),
        (1, 50.0)
    );
}

#[test]
fn ten_in_ten_minutes_are_a_flood_that_lasts_until_they_are_ten_minutes_old() {
    let history: Vec<_> = (0..10)
        .map(|n: i64| raised(n.unsigned_abs(), 1_000 + n * 10))
        .collect();
    let quality = measured(&history);
    // The tenth comes at 1,090 s, the first is ten minutes old at 1,600 s.
    assert_eq!((quality.most_in_ten_minutes, quality.flood_seconds), (10, 510));
    let nine = measured(&history[..9]);
    assert_eq!((nine.most_in_ten_minutes, nine.flood_seconds), (9, 0));
    // More of them prolong it and are not counted twice.
    let more: Vec<_> = (0..20)
        .map(|n: i64| raised(n.unsigned_abs(), 1_000 + n * 10))
        .collect();
    assert_eq!(measured(&more).flood_seconds, 610);
}

#[test]
fn urgent_alarms_and_those_people_do_not_hear_of_are_shares_of_all() {
    let mut history: Vec<_> = (0..10)
        .map(|n: i64| raised(n.unsigned_abs(), n * 4_000))
        .collect();
    history[0].priority = 1;
    history[1].priority = 2;
    history.push(change(3, 50_000, "shelved", "shelved"));
    history.push(change(3, 51_000, "shelved", "shelved"));
    history.push(change(4, 52_000, "suppressed", "suppressed"));
    let quality = measure(&history, &[], (1, 4), (at(0), at(86_400)), 1);
    assert_eq!((quality.mix.p1, quality.mix.p2, quality.mix.p3), (1, 1, 8));
    assert_eq!(tier(&quality, "high_priority_percent"), (10.0, "watch".into()));
    assert_eq!((quality.shelved, quality.suppressed), (1, 1));
    assert_eq!(tier(&quality, "suppressed_share_percent"), (20.0, "watch".into()));
    assert_eq!(tier(&quality, "overridden_share_percent"), (25.0, "poor".into()));
    assert_eq!(tier(&quality, "urgent_per_hour_most"), (1.0, "good".into()));
}

#[test]
fn an_alarm_that_stands_for_a_day_is_named_and_one_that_only_waits_to_be_seen_is_not() {
    let row = |id: u64, state: &str, raised: i64| AlarmRow {
        id: AlarmId(id),
        asset: "zone".parse().unwrap(),
        class: "leak".parse().unwrap(),
        live: true,
        priority: 2,
        state: state.into(),
        raised: at(raised),
        updated: at(raised),
        cause: None,
        document: Vec::new(),
    };
    let live = [
        row(1, "active_ack", -10),
        row(2, "rtn_unack", -20),
        row(3, "unknown", -30),
        row(4, "active_ack", 10),
    ];
    let quality = measure(&[], &live, (0, 0), (at(0), at(86_400)), 1);
    let named: Vec<_> = quality
        .standing_alarms
        .iter()
        .map(|alarm| alarm.id.as_str())
        .collect();
    assert_eq!(
        (quality.standing, named.as_slice()),
        (2, ["AL-3", "AL-1"].as_slice())
    );
}

#[test]
fn ten_kinds_that_raise_half_of_everything_are_named() {
    let mut history = Vec::new();
    for n in 0..120u64 {
        let kind = if n % 2 == 0 { n % 20 } else { 1_000 + n };
        history.push(raised(kind, i64::try_from(n).unwrap() * 600));
    }
    let quality = measured(&history);
    assert_eq!(quality.top.len(), 10);
    assert!(quality.top.iter().all(|key| key.times == 6), "{:?}", quality.top);
    assert_eq!(tier(&quality, "top_ten_share_percent"), (50.0, "watch".into()));
}

#[test]
fn what_was_over_before_anybody_knew_is_counted_by_itself_and_in_no_other_figure() {
    let late = |alarm: u64, seconds: i64| AlarmTransition {
        priority: 1,
        ..change(alarm, seconds, "late", "late")
    };
    let mut history = vec![raised(1, 0)];
    history.extend((2..40).map(|n| late(n, 10)));
    let quality = measured(&history);
    assert_eq!((quality.raised, quality.late, quality.mix.p1), (1, 38, 0));
    assert_eq!(
        (quality.most_in_ten_minutes, quality.top.len(), quality.fleeting),
        (1, 1, 0)
    );
    assert_eq!(tier(&quality, "urgent_per_hour_most"), (0.0, "good".into()));
}

#[test]
fn a_history_of_several_pages_in_the_ledger_is_measured_as_one_in_memory_is() {
    use linli_domain::time::{BootId, Monotonic, Now};
    use linli_ledger::{Batch, Ledger, MAX_PAGE, Options, Subject, TransitionRow};
    const ALARMS: u64 = 2_600;
    let history: Vec<AlarmTransition> = (1..=ALARMS)
        .flat_map(|id| {
            // Every tenth comes with the one before, and many moments are those of several transitions.
            let second = i64::try_from(id - u64::from(id % 10 == 0)).unwrap() * 120;
            let lasts = if id % 7 == 0 { 30 } else { 90 };
            [
                raised(id, second),
                change(id, second + 30, "acknowledged", "active_ack"),
                change(id, second + lasts, "condition", "normal"),
                change(id, second + lasts, "ended", "normal"),
            ]
        })
        .map(|change| AlarmTransition {
            asset: format!("asset-{}", change.alarm.0 % 50),
            ..change
        })
        .collect();
    assert!(history.len() > MAX_PAGE, "more than a page");
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(folder.path(), &Options::default()).unwrap();
    let row = |id: u64| AlarmRow {
        id: AlarmId(id),
        asset: format!("asset-{}", id % 50).parse().unwrap(),
        class: "leak".parse().unwrap(),
        live: false,
        priority: 3,
        state: "normal".into(),
        raised: at(0),
        updated: at(0),
        cause: None,
        document: Vec::new(),
    };
    let alarms: Vec<AlarmRow> = (1..=ALARMS).map(row).collect();
    let step = |change: &AlarmTransition| TransitionRow {
        subject: Subject::Alarm(change.alarm),
        at: change.at,
        from: change.from.clone(),
        to: change.to.clone(),
        event: change.event.clone(),
        actor: "gateway".into(),
        beside: String::new(),
    };
    let transitions: Vec<TransitionRow> = history.iter().map(step).collect();
    let now = Now {
        wall: at(0),
        monotonic: Monotonic(0),
        boot: BootId(1),
        trusted: true,
    };
    let batch = Batch {
        alarms: &alarms,
        transitions: &transitions,
        ..Batch::at(now)
    };
    ledger.commit(&batch).unwrap();
    let mut in_order = history;
    in_order.sort_by_key(|change| change.at);
    let (from, to) = (at(0), at(4 * 86_400));
    let stored = crate::ops::quality::between(&ledger.reader().unwrap(), from, to, 1).unwrap();
    assert_eq!(stored, measure(&in_order, &[], (0, 0), (from, to), 1));
    assert_eq!((stored.raised, stored.fleeting), (ALARMS, ALARMS / 7));
}
