//! Late readings write history in their own time and page nobody.

use crate::estate_test::EstateTest;
use linli_domain::alarm::Alarm;
use linli_domain::engine::AlarmEvent;
use linli_domain::reading::{Quality, Reason, Value};
use std::sync::Arc;

/// What would have been in alarm, as `asset from to` in seconds before now.
fn late(e: &EstateTest) -> Vec<(String, u64, u64)> {
    let of = |alarm: &Arc<Alarm>| {
        let ago = |at| e.now.wall.since(at).as_secs();
        (
            alarm.asset.to_string(),
            ago(alarm.raised_at),
            ago(alarm.ended_at.unwrap()),
        )
    };
    let changes = e
        .changes
        .alarms
        .iter()
        .filter(|change| change.event == AlarmEvent::Late);
    changes.map(|change| of(&change.alarm)).collect()
}

#[test]
fn a_leak_that_was_over_before_anybody_knew_is_history_and_calls_nobody() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false);
    e.wait("2h");
    for minute in (30..=90).rev() {
        let wet = (45..=80).contains(&minute);
        e.recalls("rope/leak.wet", Value::State(wet), &format!("{minute}m"));
    }
    // Wet from 80 min ago, dry from 44: an alarm from its on-delay to the end of its off-delay.
    assert_eq!(late(&e), [("b3-pipe".into(), 80 * 60 - 5, 34 * 60)]);
    assert!(e.changes.notices.is_empty() && e.changes.orders.is_empty());
    assert_eq!(e.engine.alarms().count(), 0);
    let alarm = &e.changes.alarms[0].alarm;
    assert!(alarm.late && alarm.evidence.len() == 8 && alarm.display_code() == "late");
}

#[test]
fn what_was_wrong_for_less_than_its_delay_was_no_alarm() {
    let mut e = EstateTest::new();
    e.shows("lid/bin.fill", 20.0).wait("2h");
    e.recalls("lid/bin.fill", Value::Number(95.0), "60m");
    e.recalls("lid/bin.fill", Value::Number(95.0), "55m");
    e.recalls("lid/bin.fill", Value::Number(20.0), "52m");
    e.shows("lid/bin.fill", 20.0);
    assert_eq!(late(&e), []);
}

#[test]
fn a_short_return_to_normal_does_not_cut_the_history_in_two() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("3h");
    for (age, wet) in [
        ("120m", true),
        ("110m", false),
        ("105m", true),
        ("90m", false),
        ("60m", false),
    ] {
        e.recalls("rope/leak.wet", Value::State(wet), age);
    }
    assert_eq!(late(&e), [("b3-pipe".into(), 120 * 60 - 5, 80 * 60)]);
}

#[test]
fn if_it_still_holds_the_newest_reading_raises_it_as_ever() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("2h");
    e.recalls("rope/leak.wet", Value::State(true), "60m");
    e.recalls("rope/leak.wet", Value::State(true), "30m");
    assert_eq!(e.engine.alarms().count(), 0);
    e.says("rope/leak.wet", true).wait("5s");
    assert_eq!((e.alarm_is(), e.order_is()), ("active_unack", "dispatched"));
    assert_eq!(
        late(&e),
        [("b3-pipe".into(), 60 * 60, 5)],
        "and the hour before stands in the history"
    );
}

#[test]
fn a_record_whose_time_is_not_believed_says_nothing_about_when() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("2h");
    let doubted = Quality::Uncertain(Reason::ClockInvalid);
    assert!(e.reads("rope/leak.wet", Value::State(false), "0s", Quality::Good));
    e.reads("rope/leak.wet", Value::State(true), "60m", doubted);
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("2h");
    e.reads(
        "rope/leak.wet",
        Value::State(true),
        "60m",
        Quality::Bad(Reason::CommTimeout),
    );
    e.says("rope/leak.wet", false);
    assert_eq!(late(&e), []);
}

#[test]
fn what_late_readings_have_begun_survives_a_restart() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("2h");
    e.recalls("rope/leak.wet", Value::State(true), "60m");
    e.recalls("rope/leak.wet", Value::State(true), "40m");
    e.reboot("10m");
    e.says("rope/leak.wet", false);
    let history = late(&e);
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].1, history[0].2), (70 * 60 - 5, 0));
}

#[test]
fn what_was_known_then_is_not_written_again() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("1h");
    e.recalls("rope/leak.wet", Value::State(true), "30m");
    e.recalls("rope/leak.wet", Value::State(true), "20m");
    e.says("rope/leak.wet", true);
    assert_eq!(late(&e), []);
}
