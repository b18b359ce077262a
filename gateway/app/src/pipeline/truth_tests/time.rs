//! Time: what is late or stored never becomes the newest, and a clock that is wrong is not believed.

use super::*;

#[test]
fn what_a_device_had_stored_is_history_in_its_own_time_and_never_the_newest() {
    let mut story = Story::new();
    story.zigbee(false, false).after(60_000);
    let device = story
        .core()
        .engine
        .estate()
        .device_by_id(&"zigbee".parse().unwrap())
        .unwrap();
    let now = story.clock.now();
    let record = |age: i64, wet: bool| Seen {
        measure: "leak.wet".parse().unwrap(),
        instance: None,
        value: Some(Value::State(wet)),
        quality: Quality::Good,
        observed: Timestamp::from_millis(now.wall.as_millis() - age),
        own_time: true,
        historical: true,
    };
    for (age, wet) in [
        (DAY, true),
        (300 * DAY, true),
        (30_000, true),
        (DAY, true),
        (DAY, false),
    ] {
        story.core().seen(device, record(age, wet), now.wall, &now);
        story.commits();
    }
    assert_eq!(
        story.stored("zigbee", "leak.wet").len(),
        4,
        "a repeat and a contradiction are not stored"
    );
    assert_eq!(
        story.newest("zigbee", "leak.wet").value,
        Some(Value::State(false))
    );
    assert_eq!(
        story.core().engine.alarms().count(),
        0,
        "nobody is called for yesterday"
    );
    assert_eq!(
        (
            story.metrics.readings_historical.get(),
            story.metrics.readings_late.get()
        ),
        (3, 0)
    );
    story.crashes();
    assert_eq!(
        story.newest("zigbee", "leak.wet").value,
        Some(Value::State(false))
    );
    story.zigbee(true, false);
    assert_eq!(story.core().engine.alarms().count(), 1);
}

#[test]
fn a_device_that_sends_yesterdays_readings_as_if_live_overwrites_nothing() {
    let mut story = Story::new();
    story.bin(21.0, 0);
    for hours in (1..=24).rev() {
        story
            .after(100)
            .bin(10.0 + f64::from(hours), -i64::from(hours) * HOUR);
    }
    assert_eq!(story.stored("bin", "temperature").len(), 25);
    assert_eq!(
        story.newest("bin", "temperature").value,
        Some(Value::Number(21.0))
    );
    assert_eq!(story.metrics.readings_late.get(), 24);
    let health = story.health("bin");
    assert_eq!(
        health.heard.map(Timestamp::as_millis),
        Some(story.now()),
        "it lives"
    );
    assert_eq!(health.clock.unwrap().skew_ms, Some(0), "late is not wrong");
    story.crashes();
    assert_eq!(story.stored("bin", "temperature").len(), 25);
}

#[test]
fn a_replay_of_unknown_age_is_stored_and_is_the_newest_only_of_an_empty_point() {
    let mut story = Story::new();
    story.zigbee(false, true);
    assert_eq!(story.newest("zigbee", "leak.wet").quality, RETAINED);
    assert_eq!(story.health("zigbee").heard, None);
    story
        .after(1_000)
        .zigbee(false, false)
        .after(1_000)
        .zigbee(false, true);
    assert_eq!(story.stored("zigbee", "leak.wet").len(), 3);
    let newest = story.newest("zigbee", "leak.wet");
    assert_eq!(newest.quality, Quality::Good);
    story.crashes();
    assert_eq!(story.newest("zigbee", "leak.wet"), newest);
    story.zigbee(true, true);
    assert_eq!(
        (
            story.newest("zigbee", "leak.wet").quality,
            story.core().engine.alarms().count()
        ),
        (RETAINED, 1)
    );
}

#[test]
fn a_replay_tells_nothing_about_the_clock() {
    let mut story = Story::new();
    story.bin(21.0, 0);
    for minutes in 1..=5 {
        // The broker repeats what it kept of the morning each time the connection comes back.
        let morning = story.now() - 3 * HOUR;
        let payload = format!(r#"{{"ts":{morning},"temp":19.0}}"#);
        story
            .after(60_000 * minutes)
            .message(2, "site/d1/up", &payload, |frame| frame.retained = true);
    }
    let health = story.health("bin");
    assert_eq!((health.clock.unwrap().skew_ms, health.flags.len()), (Some(0), 0));
}

#[test]
fn a_device_in_another_time_zone_is_believed_in_its_values_only() {
    let mut story = Story::new();
    for n in 0..3 {
        story.after(240_000).bin(20.0 + f64::from(n) / 10.0, -3 * HOUR);
    }
    assert!(
        story
            .stored("bin", "temperature")
            .iter()
            .all(|r| r.quality.is_good()),
        "it may have been late"
    );
    assert_eq!(story.flags("bin"), Vec::<&str>::new());
    story.after(240_000).bin(20.5, -3 * HOUR);
    assert_eq!(story.flags("bin"), ["clock"]);
    let newest = story.newest("bin", "temperature");
    assert_eq!(newest.quality, Quality::Uncertain(Reason::ClockInvalid));
    assert_eq!(newest.observed, newest.received, "the time of receipt stands in");
    assert_eq!(story.health("bin").clock.unwrap().skew_ms, Some(-3 * HOUR));
    story.crashes();
    assert_eq!(story.flags("bin"), ["clock"]);
    for _ in 0..2 {
        story.after(240_000).bin(20.5, 0);
    }
    assert_eq!(story.flags("bin"), Vec::<&str>::new(), "somebody set it");
    story.after(240_000).bin(20.6, 0);
    assert_eq!(story.newest("bin", "temperature").quality, Quality::Good);
}

#[test]
fn a_device_that_lost_its_time_is_told_from_one_that_is_ahead() {
    let mut story = Story::new();
    let to_1970 = 5_000 - story.now();
    story.bin(21.0, to_1970);
    assert_eq!(
        story.newest("bin", "temperature").quality,
        Quality::Uncertain(Reason::ClockUnset)
    );
    assert_eq!(story.flags("bin"), ["clock"]);
    assert!(story.health("bin").clock.unwrap().unset);
    story
        .crashes()
        .after(60_000)
        .bin(21.0, 2 * HOUR)
        .after(60_000)
        .bin(21.0, 2 * HOUR);
    assert_eq!(
        story.newest("bin", "temperature").quality,
        Quality::Uncertain(Reason::ClockAhead)
    );
    assert_eq!(story.health("bin").clock.unwrap().skew_ms, Some(2 * HOUR));
    story.after(60_000).bin(21.0, -8 * DAY);
    assert_eq!(
        story.newest("bin", "temperature").quality,
        Quality::Uncertain(Reason::ClockBehind)
    );
}
