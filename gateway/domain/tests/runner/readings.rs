//! Which readings are evaluated, which may clear, which are evidence.

use crate::estate_test::EstateTest;
use linli_domain::command::Refusal;
use linli_domain::engine::{Input, NoticeKind};
use linli_domain::id::PointKey;
use linli_domain::reading::{Quality, Reading, Reason, Value};

const RETAINED: Quality = Quality::Uncertain(Reason::Retained);
const NO_CLOCK: Quality = Quality::Uncertain(Reason::ClockInvalid);

#[test]
fn s10_a_late_or_repeated_reading_is_not_evaluated() {
    let mut e = EstateTest::new();
    let wet = |e: &mut EstateTest, age| e.reads("rope/leak.wet", Value::State(true), age, Quality::Good);
    e.reads("rope/leak.wet", Value::State(false), "5s", Quality::Good);
    e.wait("1m");
    assert!(!wet(&mut e, "1m5s"), "the same observation again");
    assert!(!wet(&mut e, "10m"), "buffered from before");
    e.wait("1h");
    assert_eq!(e.alarm_is(), "none");
    assert!(wet(&mut e, "5s"));
    assert!(
        wet(&mut e, "4s"),
        "two readings with the same value are two readings"
    );
    e.wait("5s");
    assert_eq!((e.alarm_is(), e.alarm().count), ("active_unack", 1));
}

#[test]
fn readings_without_a_time_of_their_own_count_in_the_order_they_arrive() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false)
        .says("rope/leak.wet", true)
        .wait("5s");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn a_retained_reading_fills_an_empty_point_raises_and_never_clears() {
    let mut e = EstateTest::new();
    assert!(
        e.reads("rope/leak.wet", Value::State(false), "0s", RETAINED),
        "the point was empty"
    );
    assert!(
        e.reads("rope/leak.wet", Value::State(true), "0s", RETAINED),
        "it may raise"
    );
    e.wait("5s");
    assert_eq!(e.alarm_is(), "active_unack");
    assert!(!e.reads("rope/leak.wet", Value::State(false), "0s", RETAINED));
    e.wait("15m");
    assert_eq!(e.alarm_is(), "active_unack");
    e.works_off("A");
    e.reads("rope/leak.wet", Value::State(false), "0s", RETAINED);
    e.wait("11m");
    assert_eq!(
        (e.alarm_is(), e.order_is()),
        ("active_ack", "pending_verification")
    );
}

#[test]
fn a_retained_reading_with_a_newer_time_of_its_own_is_news_and_takes_nothing_back() {
    let mut e = EstateTest::new();
    let wet = |state| Value::State(state);
    e.reads("rope/leak.wet", wet(true), "1h", Quality::Good);
    e.wait("5s");
    let point = e.point("rope/leak.wet");
    let seen = |e: &EstateTest| {
        e.engine
            .latest(point)
            .map(|r| (r.value.clone().unwrap(), r.quality))
    };
    assert!(
        !e.reads("rope/leak.wet", wet(false), "2h", RETAINED),
        "older than what is known"
    );
    assert!(
        !e.reads("rope/leak.wet", wet(false), "0s", RETAINED),
        "of unknown age"
    );
    assert_eq!(seen(&e), Some((wet(true), Quality::Good)));
    // Said while the gateway did not listen: it is the newest there is, but nobody heard it.
    assert!(e.reads("rope/leak.wet", wet(false), "30m", RETAINED));
    assert_eq!(seen(&e), Some((wet(false), RETAINED)));
    e.wait("1d");
    assert_eq!(
        (e.alarm_is(), e.health("rope").heard.is_some()),
        ("unknown", true)
    );
    assert_eq!(e.flags("rope"), "silent", "a replay is no sign of life");
    e.works_off("A");
    e.reads("rope/leak.wet", wet(false), "0s", RETAINED);
    e.wait("1s").reads("rope/leak.wet", wet(false), "500ms", RETAINED);
    e.wait("20m");
    assert_eq!(e.order_is(), "pending_verification");
    e.says("rope/leak.wet", false).wait("10m");
    assert_eq!((e.alarm_is(), e.order_is()), ("none", "none"));
    assert!(e.reads("rope/leak.wet", wet(true), "1m", RETAINED), "it may warn");
    e.wait("5s");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn an_edit_does_not_let_a_replay_take_back_what_it_could_not() {
    let mut e = EstateTest::new();
    e.reads("rope/leak.wet", Value::State(true), "1h", Quality::Good);
    e.wait("5s");
    assert!(e.reads("rope/leak.wet", Value::State(false), "10m", RETAINED));
    let changed = crate::estate_test::ESTATE.replace(
        "on_delay = \"5s\"\noff_delay = \"10m\"",
        "on_delay = \"6s\"\noff_delay = \"0s\"",
    );
    assert_ne!(changed, crate::estate_test::ESTATE);
    e.input(Input::Estate(crate::estate_test::doc(&changed)))
        .reply
        .unwrap();
    e.wait("1m");
    assert_eq!(e.alarm_is(), "active_unack");
    e.says("rope/leak.wet", false);
    assert_eq!(e.alarm_is(), "rtn_unack");
}

#[test]
fn an_answer_without_a_value_shows_that_the_device_is_there() {
    let mut e = EstateTest::new();
    e.fails("bay/parking.occupied", Reason::CommTimeout)
        .fails("bay/parking.occupied", Reason::FrameError);
    assert_eq!(e.health("bay").heard, None);
    e.fails("bay/parking.occupied", Reason::DeviceFailure);
    assert_eq!(e.health("bay").heard, Some(e.now.wall));
    e.reads(
        "rope/leak.wet",
        Value::State(true),
        "0s",
        Quality::Uncertain(Reason::Simulated),
    );
    assert_eq!(e.health("rope").heard, None, "a console has spoken");
}

#[test]
fn a_reading_of_a_device_without_a_clock_counts_by_receipt_and_is_no_evidence() {
    let mut e = EstateTest::new();
    assert!(e.reads("rope/leak.wet", Value::State(true), "7d", NO_CLOCK));
    e.wait("5s");
    assert_eq!(e.alarm_is(), "active_unack");
    e.works_off("A").wait("1s");
    assert!(e.reads("rope/leak.wet", Value::State(false), "7d", NO_CLOCK));
    e.wait("12m");
    assert_eq!((e.alarm_is(), e.order_is()), ("latched", "pending_verification"));
    e.says("rope/leak.wet", false).wait("10m");
    assert_eq!((e.alarm_is(), e.order_is()), ("none", "none"));
}

#[test]
fn a_time_from_the_future_does_not_make_what_follows_late() {
    let mut e = EstateTest::new();
    let point = e.point("rope/leak.wet");
    let future = e.now.wall.plus(std::time::Duration::from_secs(86_400));
    let dry = Reading::new(point, future, e.now.wall, Value::State(false), Quality::Good);
    assert!(e.input(Input::Reading(dry)).evaluated());
    e.wait("1s").says("rope/leak.wet", true).wait("5s");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn bad_readings_in_between_neither_raise_nor_start_a_delay_anew() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("4m");
    e.fails("bay/parking.occupied", Reason::FrameError)
        .says("bay/parking.occupied", true);
    e.wait("59s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("1s");
    assert_eq!(e.alarm_is(), "active_unack");
    e.says("bay/parking.occupied", false).wait("40s");
    e.fails("bay/parking.occupied", Reason::FrameError).wait("1h");
    assert_eq!(e.alarm_is(), "unknown");
    e.says("bay/parking.occupied", false).wait("19s");
    assert_eq!(e.alarm_is(), "active_unack");
    e.wait("1s");
    assert_eq!(e.alarm_is(), "rtn_unack");
}

#[test]
fn a_sensor_that_only_answers_without_a_value_is_silent() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s");
    for _ in 0..10 {
        e.fails("rope/leak.wet", Reason::CommTimeout).wait("3m");
    }
    assert_eq!(
        (e.alarm_is(), e.notices(NoticeKind::AlarmUnknown)),
        ("unknown", 1)
    );
}

#[test]
fn one_bad_reading_in_a_hundred_neither_reports_nor_keeps_an_order_open() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s").works_off("A");
    for n in 0..700 {
        e.wait("1s");
        if n % 100 == 50 {
            e.fails("rope/leak.wet", Reason::FrameError);
        } else {
            e.says("rope/leak.wet", false);
        }
    }
    assert_eq!((e.alarm_is(), e.order_is()), ("none", "none"));
    assert_eq!(e.notices(NoticeKind::AlarmUnknown), 0);
}

#[test]
fn a_value_of_the_wrong_type_is_no_data() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s");
    e.reads("rope/leak.wet", Value::Number(0.0), "0s", Quality::Good);
    assert_eq!(e.alarm_is(), "unknown");
}

#[test]
fn a_reading_of_a_point_nobody_added_is_refused() {
    let mut e = EstateTest::new();
    let t = e.now.wall;
    let stray = Reading::new(PointKey(99), t, t, Value::State(true), Quality::Good);
    let reply = e.input(Input::Reading(stray)).reply;
    assert_eq!(reply, Err(Refusal::UnknownPoint { point: PointKey(99) }));
}

#[test]
fn the_gateway_watches_itself() {
    let mut e = EstateTest::new();
    e.shows("gateway/gateway.broker_dropped", 0.0)
        .shows("gateway/gateway.broker_dropped", 3.0);
    let alarm = e.alarm();
    assert_eq!(
        (alarm.class.as_str(), alarm.fault.as_str()),
        ("broker-drops", "gateway")
    );
    assert_eq!(e.order_is(), "none", "a system notice opens no order");
    e.says("gateway/gateway.bus_ok/bus1", false).wait("59s");
    assert_eq!(e.engine.alarms().count(), 1);
    e.wait("1s");
    assert_eq!(e.engine.alarms().count(), 2);
}
