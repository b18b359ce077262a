//! Values that cannot be true, do not move or contradict each other; batteries and signals.

use super::*;

#[test]
fn a_frozen_thermometer_is_stuck_until_it_moves() {
    let mut e = estate();
    for n in 0..6 * 74 {
        e.wait("10m").shows(TEMPERATURE, 21.5);
        let expected = if n >= 6 * 72 { "stuck" } else { "" };
        assert_eq!(e.flags("probe"), expected, "after {n} values");
    }
    let flag = e.health("probe").flags[0].clone();
    assert_eq!(
        (flag.value, flag.point),
        (Some(Value::Number(21.5)), Some(e.point(TEMPERATURE)))
    );
    survives(&mut e);
    e.wait("10m").shows(TEMPERATURE, 21.6);
    assert_eq!(e.flags("probe"), "");
    for _ in 0..500 {
        e.wait("10m").says("rope/leak.wet", false);
    }
    assert_eq!(e.flags("rope"), "", "a dry floor stays dry");
}

#[test]
fn an_impossible_value_warns_but_takes_nothing_back_and_proves_nothing() {
    let mut e = estate();
    e.shows(TEMPERATURE, 21.0).wait("10s");
    e.shows(TEMPERATURE, 85.0);
    let point = e.point(TEMPERATURE);
    let jumped = Quality::Uncertain(Reason::ImpossibleJump);
    assert_eq!(
        e.engine.latest(point).unwrap().quality,
        jumped,
        "stored, and shown as what it is"
    );
    assert_eq!(
        (e.alarm_is(), e.flags("probe").as_str()),
        ("active_unack", "jump")
    );
    // The sensor comes back to its senses and the alarm ends.
    e.wait("10s").shows(TEMPERATURE, 21.2);
    assert_eq!(
        (e.alarm_is(), e.engine.latest(point).unwrap().quality),
        ("rtn_unack", Quality::Good)
    );
    // Now a real fire, and then the probe burns through.
    for n in 0..10 {
        e.wait("1m").shows(TEMPERATURE, 21.0 + 25.0 * f64::from(n));
    }
    assert_eq!(e.alarm_is(), "active_unack");
    e.works_off("A").wait("1s").shows(TEMPERATURE, -127.0).wait("11m");
    assert_eq!(
        (e.alarm_is(), e.order_is()),
        ("active_ack", "pending_verification"),
        "minus 127 is not cool"
    );
    e.shows(TEMPERATURE, 30.0)
        .wait("1m")
        .shows(TEMPERATURE, 30.0)
        .wait("10m");
    assert_eq!(e.order_is(), "none");
    survives(&mut e);
    e.wait("23h").shows(TEMPERATURE, 30.5);
    assert!(e.flags("probe").contains("jump"));
    e.wait("1h");
    assert_eq!(e.flags("probe"), "silent", "a day without another jump");
}

#[test]
fn batteries_and_signals_get_low_and_recover_without_flapping() {
    let mut e = estate();
    let volts = |e: &mut EstateTest, value: f64| {
        e.wait("1m").shows("rope/device.battery_voltage", value);
        e.flags("rope")
    };
    let seen: Vec<String> = [2.9, 2.39, 2.41, 2.4, 2.35, 2.45, 2.56, 2.5, 2.9, 2.9]
        .into_iter()
        .map(|value| volts(&mut e, value))
        .collect();
    assert_eq!(
        seen.join(","),
        ",,,,low_battery,low_battery,low_battery,low_battery,low_battery,"
    );
    e.says("rope/device.battery_low", true);
    assert_eq!(e.flags("rope"), "low_battery");
    e.shows("rope/device.battery", 10.0)
        .wait("1m")
        .shows("rope/device.battery", 10.0);
    e.says("rope/device.battery_low", false);
    assert_eq!(e.flags("rope"), "low_battery", "its charge is still low");
    for _ in 0..3 {
        e.wait("1m").shows("rope/signal.rssi", -119.0);
    }
    assert_eq!(e.flags("rope"), "low_battery poor_signal");
    for _ in 0..3 {
        e.wait("1m").shows("rope/signal.rssi", -114.0);
    }
    assert_eq!(e.flags("rope"), "low_battery poor_signal", "better, not good");
    let counts = e.engine.flag_counts();
    let of = |kind| counts.iter().find(|(k, _)| *k == kind).unwrap().1;
    assert_eq!(
        (
            of(FlagKind::LowBattery),
            of(FlagKind::PoorSignal),
            of(FlagKind::Stuck)
        ),
        (1, 1, 0)
    );
}

#[test]
fn a_devices_document_has_the_last_word_on_its_limits() {
    let own = DEVICES.replace(
        "key = \"probe-1\" }",
        "key = \"probe-1\" }\nhealth = { jump = false, stuck_after = \"2h\", battery_voltage = 3.2, clock_skew = \"1h\" }",
    );
    let mut e = EstateTest::with(&format!("{ESTATE}{own}"));
    e.shows(TEMPERATURE, 21.0).wait("10s").shows(TEMPERATURE, 45.0);
    assert_eq!(e.flags("probe"), "", "it is carried around");
    for _ in 0..14 {
        e.wait("10m")
            .shows(TEMPERATURE, 45.0)
            .shows("probe/device.battery_voltage", 3.1);
        e.tells_time("probe", 30 * 60_000);
    }
    assert_eq!(
        e.flags("probe"),
        "stuck low_battery",
        "half an hour is right enough for it"
    );
}

#[test]
fn what_cannot_be_true_is_not_taken_back_by_saying_it_again() {
    let mut e = estate();
    e.shows(TEMPERATURE, 70.0).wait("10s").shows(TEMPERATURE, 2.0);
    let point = e.point(TEMPERATURE);
    assert_eq!(e.flags("probe"), "jump");
    e.wait("10m").news("probe", DeviceNews::Repeats { point });
    let hot = e.engine.alarms().find(|a| a.class.as_str() == "hot");
    assert_eq!(hot.map(|a| a.state.condition), Some(Condition::Active));
}

#[test]
fn two_values_for_one_moment_are_a_conflict_for_a_day() {
    let mut e = estate();
    e.shows(TEMPERATURE, 21.0);
    let point = e.point(TEMPERATURE);
    let value = Some(Value::Number(22.0));
    e.news(
        "probe",
        DeviceNews::Conflict {
            point,
            value: value.clone(),
        },
    );
    let flag = e.health("probe").flags[0].clone();
    assert_eq!(
        (flag.kind, flag.value, flag.point),
        (FlagKind::Conflict, value.clone(), Some(point))
    );
    let since = flag.since;
    for _ in 0..20 {
        e.wait("1h").shows(TEMPERATURE, 21.0);
    }
    e.news("probe", DeviceNews::Conflict { point, value });
    assert_eq!(
        e.health("probe").flags[0].since,
        since,
        "it is still the same trouble"
    );
    for _ in 0..23 {
        e.wait("1h").shows(TEMPERATURE, 21.0);
    }
    assert!(e.flags("probe").contains("conflict"));
    for _ in 0..2 {
        e.wait("1h").shows(TEMPERATURE, 21.0);
    }
    assert!(!e.flags("probe").contains("conflict"));
    let foreign = e.point("rope/leak.wet");
    let input = Input::Device {
        device: "probe".parse().unwrap(),
        received: e.now.wall,
        news: DeviceNews::Conflict {
            point: foreign,
            value: None,
        },
    };
    assert!(e.input(input).reply.is_err(), "a point of another device");
}

#[test]
fn a_reading_says_what_became_of_it() {
    let mut e = estate();
    e.shows(TEMPERATURE, 21.0).wait("10s");
    let jump = linli_domain::reading::Reading::new(
        e.point(TEMPERATURE),
        e.now.wall,
        e.now.wall,
        Value::Number(99.0),
        Quality::Good,
    );
    let (now, mut changes) = (e.now, Changes::default());
    let taken = e
        .engine
        .step_reading(&now, &jump, Arrival::Live, &mut changes)
        .unwrap();
    assert!(taken.evaluated);
    assert_eq!(taken.quality, Quality::Uncertain(Reason::ImpossibleJump));
    assert_eq!(changes.devices.len(), 1);
}
