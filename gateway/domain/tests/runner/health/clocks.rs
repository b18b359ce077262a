//! Devices that have lost their time, and readings that carry an old one.

use super::*;

#[test]
fn a_clock_in_another_time_zone_is_found_and_forgiven_when_set_right() {
    let mut e = estate();
    for _ in 0..3 {
        e.wait("1m")
            .tells_time("probe", 8 * HOUR)
            .shows(TEMPERATURE, 21.0);
    }
    assert_eq!(e.flags("probe"), "clock");
    let probe = e.engine.estate().device_by_id(&"probe".parse().unwrap()).unwrap();
    assert!(e.engine.clock_is_wrong(probe));
    let clock = e.health("probe").clock.unwrap();
    assert_eq!(
        (clock.skew_ms, clock.resets, clock.unset),
        (Some(8 * HOUR), 0, false)
    );
    assert_eq!(e.health("probe").flags[0].value, Some(Value::Number(28_800.0)));
    survives(&mut e);
    e.reboot("3h");
    assert_eq!(e.flags("probe"), "clock");
    for _ in 0..5 {
        e.wait("5m").tells_time("probe", 0).shows(TEMPERATURE, 21.0);
    }
    assert_eq!(e.flags("probe"), "");
    assert_eq!(e.health("probe").clock.unwrap().resets, 1);
}

#[test]
fn a_new_battery_loses_the_time_and_a_drift_shows_over_days() {
    let mut e = estate();
    for n in 0..600 {
        // 20 parts per million fast: 1.7 seconds a day.
        let ahead = n * 600_000 * 20 / 1_000_000;
        e.wait("10m")
            .tells_time("probe", ahead)
            .shows(TEMPERATURE, 20.0 + (n % 7) as f64);
    }
    let clock = e.health("probe").clock.unwrap();
    assert!((clock.drift_ppm.unwrap() - 20.0).abs() < 2.0, "{clock:?}");
    assert_eq!(e.flags("probe"), "", "seven seconds are nothing");
    let to_1970 = -e.now.wall.as_millis();
    e.wait("10m").tells_time("probe", to_1970);
    let clock = e.health("probe").clock.unwrap();
    assert!(e.flags("probe").contains("clock"));
    assert_eq!((clock.unset, clock.skew_ms, clock.drift_ppm), (true, None, None));
    survives(&mut e);
}

#[test]
fn the_gateways_own_clock_blames_no_device() {
    let mut e = estate();
    for _ in 0..5 {
        e.wait("1m").tells_time("probe", 0);
    }
    // The network sets the gateway an hour forward: every device would look an hour behind.
    e.now.wall = e.now.wall.plus(Duration::from_secs(3_600));
    e.input(Input::Tick).reply.unwrap();
    let skew = e.health("probe").clock.unwrap().skew_ms.unwrap();
    assert!(
        (skew + HOUR).abs() < 1_000,
        "it was an hour ahead of a gateway that was an hour behind"
    );
    for _ in 0..5 {
        e.wait("5m").tells_time("probe", 0).shows(TEMPERATURE, 21.0);
    }
    assert_eq!(e.health("probe").clock.unwrap().skew_ms, Some(0));
    e.now.trusted = false;
    e.wait("1m")
        .tells_time("probe", 40 * 365 * 24 * HOUR)
        .tells_time("probe", 40 * 365 * 24 * HOUR);
    assert_eq!(e.flags("probe"), "");
}

#[test]
fn a_device_that_repeats_its_last_value_with_its_time_lives_and_the_value_holds() {
    let mut e = estate();
    e.shows(TEMPERATURE, 70.0);
    let point = e.point(TEMPERATURE);
    let repeats = || DeviceNews::Repeats { point };
    for _ in 0..12 {
        e.wait("10m").news("probe", repeats());
    }
    assert_eq!(
        (e.freshness(TEMPERATURE), e.flags("probe").as_str()),
        (Freshness::Fresh, "")
    );
    e.wait("2h");
    let hot = |e: &EstateTest| {
        let alarm = e.engine.alarms().find(|a| a.class.as_str() == "hot");
        alarm.map(|a| a.state.condition)
    };
    assert_eq!(
        (hot(&e), e.flags("probe").as_str()),
        (Some(Condition::Unknown), "silent")
    );
    e.news("probe", repeats());
    survives(&mut e);
    assert_eq!(
        (hot(&e), e.flags("probe").as_str()),
        (Some(Condition::Active), "")
    );
    assert_eq!(e.freshness(TEMPERATURE), Freshness::Fresh);
    let foreign = e.point("rope/leak.wet");
    let input = Input::Device {
        device: "probe".parse().unwrap(),
        received: e.now.wall,
        news: DeviceNews::Repeats { point: foreign },
    };
    assert!(e.input(input).reply.is_err(), "a point of another device");
}

#[test]
fn yesterdays_records_are_a_sign_of_life_and_nothing_more() {
    let mut e = estate();
    e.says("rope/leak.wet", false).wait("20m");
    assert_eq!(e.flags("rope"), "stale");
    let taken = e.recalls("rope/leak.wet", Value::State(true), "1d");
    assert!(!taken.evaluated);
    e.wait("5s");
    assert_eq!((e.alarm_is(), e.flags("rope").as_str()), ("none", ""));
    let point = e.point("rope/leak.wet");
    assert_eq!(e.engine.latest(point).unwrap().value, Some(Value::State(false)));
    // Even one that is newer than what is known is history, because the device says so.
    assert!(!e.recalls("rope/leak.wet", Value::State(true), "1m").evaluated);
    assert_eq!(e.engine.latest(point).unwrap().value, Some(Value::State(false)));
    assert!(
        !e.recalls("spot/leak.wet", Value::State(true), "1m").evaluated,
        "on an empty point too"
    );
    assert_eq!(e.alarm_is(), "none");
}
