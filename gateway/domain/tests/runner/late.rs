//! Late readings write history in their own time and page nobody.

use crate::estate_test::{ESTATE, EstateTest};
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

#[test]
fn records_that_come_between_live_readings_are_one_history() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("2h");
    e.says("rope/leak.wet", false);
    // Every live message brings one old record along: wet for twenty minutes, dry after.
    for minute in (30..=70).rev() {
        e.recalls("rope/leak.wet", Value::State(minute > 50), &format!("{minute}m"));
        e.says("rope/leak.wet", false);
    }
    assert_eq!(late(&e), [("b3-pipe".into(), 70 * 60 - 5, 40 * 60)]);
    assert!(e.changes.notices.is_empty());
}

#[test]
fn records_beside_live_readings_end_where_the_live_ones_begin_once_no_more_come() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("2h");
    e.says("rope/leak.wet", false);
    e.recalls("rope/leak.wet", Value::State(true), "20m");
    e.keeps_saying("rope/leak.wet", false, "59m");
    assert_eq!(late(&e), [], "more may come");
    e.keeps_saying("rope/leak.wet", false, "2m");
    assert_eq!(
        late(&e),
        [("b3-pipe".into(), (20 + 61) * 60 - 5, 61 * 60)],
        "it was dry when it was heard again"
    );
}

#[test]
fn a_newer_record_that_comes_first_lets_an_older_one_only_lengthen_what_is_wrong() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("3h");
    for (age, wet) in [
        ("90m", true),
        ("100m", true),
        ("140m", true),
        ("70m", false),
        ("50m", false),
    ] {
        e.recalls("rope/leak.wet", Value::State(wet), age);
    }
    assert_eq!(late(&e), [("b3-pipe".into(), 140 * 60 - 5, 60 * 60)]);
    e.recalls("rope/leak.wet", Value::State(true), "75m");
    assert_eq!(late(&e).len(), 1, "it was dry again after that");
}

#[test]
fn sensors_that_must_agree_are_looked_up_in_what_was_heard_live() {
    let toml = ESTATE.replace("latch = true\n", "vote = \"all\"\n");
    let mut e = EstateTest::with(&toml);
    e.says("rope/leak.wet", false).says("spot/leak.wet", false);
    // The spot is heard all along and wet for a while, the rope stores what it sees.
    e.keeps_saying("spot/leak.wet", false, "30m");
    e.keeps_saying("spot/leak.wet", true, "30m");
    e.keeps_saying("spot/leak.wet", false, "60m");
    for age in ["115m", "100m", "80m", "65m"] {
        e.recalls("rope/leak.wet", Value::State(true), age);
    }
    e.recalls("rope/leak.wet", Value::State(false), "50m");
    e.recalls("rope/leak.wet", Value::State(false), "40m");
    let told = late(&e);
    assert_eq!(told.len(), 1, "{told:?}");
    // Wet at the spot from 90 min ago (30 s for the reading, 5 s for the delay) to 60, and 10 min more.
    assert_eq!(told[0], ("b3-pipe".into(), 90 * 60 - 35, 50 * 60 - 30));
    assert!(e.changes.notices.is_empty() && e.engine.alarms().count() == 0);
}

#[test]
fn a_count_a_rise_and_a_rest_that_still_hold_are_raised_once_by_the_newest_reading() {
    let (number, state) = (Value::Number, Value::State);
    for (measure, when, past, newest) in [
        (
            "temperature",
            "when = { rises = 10.0, within = \"2h\" }",
            [20.0, 22.0, 35.0].map(number),
            number(36.0),
        ),
        (
            "temperature",
            "when = { stuck = \"30m\", band = 0.5 }",
            [20.0, 20.0, 20.0].map(number),
            number(20.0),
        ),
        (
            "door.open",
            "when = { state = true, times = 2, within = \"2h\" }",
            [true, false, true].map(state),
            state(true),
        ),
        (
            "door.open",
            "when = { state = true, total = \"30m\", within = \"2h\" }",
            [true, false, true].map(state),
            state(true),
        ),
    ] {
        let rule = format!(
            "{ESTATE}\n[[rules]]\nid = \"more\"\nclass = \"more\"\nfault = \"more\"\nmeasure = {measure:?}\n\
             applies_to = {{ kind = \"bin\" }}\npriority = \"P1\"\n{when}\n\
             cause = {{ zh = \"因\", en = \"Cause\" }}\nconsequence = {{ zh = \"果\", en = \"Consequence\" }}\n\
             response = {{ zh = \"查看\", en = \"Look\" }}\n"
        );
        let lid = "key = \"lid-1\" }\n";
        let rule = rule.replace(lid, &format!("{lid}health = {{ jump = false }}\n"));
        let mut e = EstateTest::with(&rule);
        let point = format!("lid/{measure}");
        let before = if measure == "door.open" {
            state(false)
        } else {
            number(20.0)
        };
        e.reads(&point, before, "0s", Quality::Good);
        e.wait("4h");
        e.changes = Default::default();
        for (value, age) in past.into_iter().zip(["100m", "60m", "20m"]) {
            e.recalls(&point, value, age);
        }
        assert!(e.changes.notices.is_empty() && e.engine.alarms().count() == 0);
        e.reads(&point, newest.clone(), "0s", Quality::Good);
        let told = late(&e);
        assert_eq!(told.len(), 1, "{when}: {told:?}");
        assert_eq!(told[0].2, 0, "the past ends where the newest reading begins");
        assert_eq!(e.alarm_is(), "active_unack", "{when}");
        assert_eq!(e.notices(linli_domain::engine::NoticeKind::AlarmRaised), 1);
        let again = e.changes.alarms.len();
        e.reads(&point, newest.clone(), "0s", Quality::Good);
        assert_eq!(e.changes.alarms.len(), again, "{when}");
    }
}
