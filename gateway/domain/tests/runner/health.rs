//! Sensor health: devices that go quiet, sleep, hang behind a bridge, have lost their time; values that cannot be true.

use crate::estate_test::{ESTATE, EstateTest, doc};
use linli_domain::Engine;
use linli_domain::alarm::Condition;
use linli_domain::engine::{Arrival, Changes, DeviceEvent, DeviceNews, Input, NoticeKind};
use linli_domain::estate::{ProfileFacts, Profiles};
use linli_domain::health::availability::Availability;
use linli_domain::health::{FlagKind, Freshness};
use linli_domain::reading::{Quality, Reason, Value};
use std::sync::Arc;
use std::time::Duration;

/// A thermometer that reports every ten minutes, a flood sensor on a battery, a device of no profile.
const DEVICES: &str = r#"
[[devices]]
id = "probe"
profile = "probe"
name = { zh = "温度", en = "Thermometer" }
address = { mqtt = "main", key = "probe-1" }
asset = "bin-1"
expected_interval = "10m"

[[devices]]
id = "flood"
profile = "flood"
name = { zh = "水浸", en = "Flood sensor" }
address = { mqtt = "main", key = "flood-1" }
asset = "b3-pipe"

[[rules]]
id = "hot"
class = "hot"
fault = "hot"
measure = "temperature"
applies_to = { kind = "bin" }
when = { above = 60.0, clear = 50.0 }
on_delay = "0s"
off_delay = "0s"
priority = "P1"
cause = { zh = "通风不良", en = "Too little air" }
consequence = { zh = "设备损坏", en = "The equipment is damaged" }
response = { zh = "降温。", en = "Cool it." }
order = { role = "repair", profile = "leak" }
"#;

const HOUR: i64 = 3_600_000;
const TEMPERATURE: &str = "probe/temperature";

fn estate() -> EstateTest {
    EstateTest::with(&format!("{ESTATE}{DEVICES}"))
}

fn facts(hours: u64, sleeps: bool) -> Input {
    let facts = ProfileFacts {
        expected_interval: Some(Duration::from_secs(hours * 3_600)),
        sleeps,
    };
    Input::Profiles(Arc::new(Profiles::from([("flood".parse().unwrap(), facts)])))
}

fn says(online: bool) -> DeviceNews {
    DeviceNews::Available {
        online,
        retained: false,
        sleeps: false,
    }
}

/// A restart from snapshot and log leads to the same health, byte by byte.
fn survives(e: &mut EstateTest) {
    let restored = Engine::restore(&e.engine.snapshot().unwrap()).unwrap();
    assert_eq!(restored.dump(), e.engine.dump());
    e.engine = restored;
}

#[test]
fn a_device_is_stale_before_it_is_silent_and_fresh_when_it_speaks() {
    let mut e = estate();
    assert_eq!(e.freshness(TEMPERATURE), Freshness::Unheard);
    e.shows(TEMPERATURE, 21.0).wait("12m");
    assert_eq!(
        (e.freshness(TEMPERATURE), e.flags("probe").as_str()),
        (Freshness::Fresh, "")
    );
    e.wait("1m");
    assert_eq!(
        (e.freshness(TEMPERATURE), e.flags("probe").as_str()),
        (Freshness::Stale, "stale")
    );
    e.wait("18m");
    survives(&mut e);
    assert_eq!(
        (e.freshness(TEMPERATURE), e.flags("probe").as_str()),
        (Freshness::Silent, "silent")
    );
    e.shows(TEMPERATURE, 21.5);
    assert_eq!(
        (e.freshness(TEMPERATURE), e.flags("probe").as_str()),
        (Freshness::Fresh, "")
    );
    let of_probe = e.changes.devices.iter().filter(|c| c.device.as_str() == "probe");
    let told: Vec<_> = of_probe.map(|change| change.event).collect();
    use DeviceEvent::{Cleared, Raised};
    let (stale, silent) = (FlagKind::Stale, FlagKind::Silent);
    assert_eq!(
        told,
        [Raised(stale), Raised(silent), Cleared(stale), Cleared(silent)]
    );
}

#[test]
fn a_state_that_is_not_known_any_more_is_told_once_and_a_quantity_is_not() {
    let mut e = estate();
    e.shows(TEMPERATURE, 21.0).says("rope/leak.wet", true);
    let rope = e.point("rope/leak.wet");
    e.wait("3d");
    assert_eq!(e.changes.silent, [rope]);
    e.says("rope/leak.wet", true).wait("3d");
    assert_eq!(e.changes.silent, [rope; 2]);
}

#[test]
fn a_device_that_was_never_heard_is_silent_in_the_end_and_never_stale() {
    let mut e = estate();
    e.wait("29m");
    assert_eq!(
        (e.health("probe").freshness, e.flags("probe").as_str()),
        (Freshness::Unheard, "")
    );
    e.wait("2m");
    assert_eq!(e.flags("probe"), "silent");
    assert_eq!(e.health("probe").heard, None);
    e.wait("1d");
    assert_eq!(
        e.flags("gateway"),
        "",
        "it hears itself, however little it has to say"
    );
}

#[test]
fn the_heartbeat_decides_whether_a_value_that_rests_is_stale() {
    let mut e = estate();
    e.says("rope/leak.wet", false).shows("rope/temperature", 12.0);
    for _ in 0..30 {
        e.wait("10m").shows("rope/device.battery", 90.0);
    }
    assert_eq!(
        e.freshness("rope/leak.wet"),
        Freshness::Fresh,
        "nothing changed, and it lives"
    );
    assert_eq!(
        e.freshness("rope/temperature"),
        Freshness::Silent,
        "a quantity must be told"
    );
    e.wait("13m");
    assert_eq!(e.freshness("rope/leak.wet"), Freshness::Stale);
    e.wait("20m");
    assert_eq!(e.freshness("rope/leak.wet"), Freshness::Silent);
    e.shows("rope/device.battery", 90.0).wait("1m");
    assert_eq!(
        e.freshness("rope/leak.wet"),
        Freshness::Silent,
        "what was lost must be heard itself"
    );
}

#[test]
fn a_profile_says_how_often_its_devices_report_unless_the_device_does() {
    let mut e = estate();
    e.says("flood/leak.wet", false).wait("23h");
    assert_eq!(
        e.freshness("flood/leak.wet"),
        Freshness::Fresh,
        "a day, for want of anything better"
    );
    e.input(facts(12, true)).reply.unwrap();
    assert_eq!(e.freshness("flood/leak.wet"), Freshness::Stale);
    e.wait("1s");
    assert_eq!(e.flags("flood"), "stale");
    e.input(facts(24, true)).reply.unwrap();
    assert_eq!(
        (e.freshness("flood/leak.wet"), e.flags("flood").as_str()),
        (Freshness::Fresh, "")
    );
    let estate = e.engine.estate().clone();
    let rope = estate
        .device(estate.device_by_id(&"rope".parse().unwrap()).unwrap())
        .unwrap();
    assert_eq!(
        rope.expected_interval,
        Some(Duration::from_secs(600)),
        "its document comes first"
    );
    survives(&mut e);
    let again = e.engine.snapshot().unwrap();
    e.input(facts(24, true)).reply.unwrap();
    assert_eq!(
        e.engine.snapshot().unwrap(),
        again,
        "the same facts change nothing"
    );
}

#[test]
fn a_sleeping_device_that_says_good_bye_is_no_fault() {
    let mut e = estate();
    e.input(facts(12, true)).reply.unwrap();
    e.says("flood/leak.wet", false).news("flood", says(true));
    e.wait("2s").news("flood", says(false));
    let health = e.health("flood");
    assert_eq!(health.availability.state, Availability::Asleep);
    assert_eq!(
        (e.freshness("flood/leak.wet"), e.flags("flood").as_str()),
        (Freshness::Fresh, "")
    );
    e.wait("10h").says("flood/leak.wet", true);
    assert_eq!(e.health("flood").availability.state, Availability::Online);
    e.wait("5s");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn a_device_that_should_be_there_is_unknown_the_moment_it_goes() {
    let mut e = estate();
    e.says("rope/leak.wet", true).wait("5s");
    assert_eq!(e.alarm_is(), "active_unack");
    e.news("rope", says(false));
    assert_eq!((e.alarm_is(), e.flags("rope").as_str()), ("unknown", "silent"));
    assert_eq!(e.notices(NoticeKind::AlarmUnknown), 1);
    survives(&mut e);
    e.news("rope", says(true));
    assert_eq!(
        (e.alarm_is(), e.flags("rope").as_str()),
        ("unknown", "silent"),
        "nobody has heard it"
    );
    e.wait("1h").news("rope", says(false));
    assert_eq!(e.notices(NoticeKind::AlarmUnknown), 1, "it was unknown already");
    e.says("rope/leak.wet", true);
    assert_eq!((e.alarm_is(), e.flags("rope").as_str()), ("active_unack", ""));
    assert_eq!(
        e.health("rope").availability.state,
        Availability::Online,
        "a message proves it"
    );
}

#[test]
fn a_bridge_takes_its_devices_with_it_and_brings_none_back() {
    let mut e = estate();
    for device in ["rope", "spot"] {
        e.news(device, DeviceNews::Through("main/zigbee".into()));
        e.says(&format!("{device}/leak.wet"), false);
    }
    e.says("flood/leak.wet", false);
    e.bridge("main/zigbee", false, false);
    let unreachable = Availability::Unreachable;
    assert_eq!(e.health("rope").availability.state, unreachable);
    assert_eq!(
        (e.freshness("rope/leak.wet"), e.freshness("spot/leak.wet")),
        (Freshness::Silent, Freshness::Silent)
    );
    assert_eq!(
        e.freshness("flood/leak.wet"),
        Freshness::Fresh,
        "it speaks for itself"
    );
    survives(&mut e);
    // A broker repeats what the bridge had said of its devices before it went.
    for online in [true, false] {
        let replayed = DeviceNews::Available {
            online,
            retained: true,
            sleeps: false,
        };
        e.news("rope", replayed);
        assert_eq!(e.health("rope").availability.state, unreachable);
    }
    e.wait("1m").bridge("main/zigbee", true, false);
    assert_eq!(e.health("rope").availability.state, Availability::Unknown);
    assert_eq!(e.freshness("rope/leak.wet"), Freshness::Silent);
    assert!(
        e.engine.bridge_settles("main/zigbee", &e.now),
        "what comes now may be remembered"
    );
    e.wait("30s");
    assert!(!e.engine.bridge_settles("main/zigbee", &e.now));
    e.says("rope/leak.wet", false);
    assert_eq!(
        (e.freshness("rope/leak.wet"), e.flags("rope").as_str()),
        (Freshness::Fresh, "")
    );
    assert_eq!(e.flags("spot"), "silent");
}

#[test]
fn a_broker_that_repeats_what_a_bridge_said_changes_nothing() {
    let mut e = estate();
    e.news("rope", DeviceNews::Through("z".into()))
        .says("rope/leak.wet", false);
    e.bridge("z", true, true);
    assert!(
        !e.engine.bridge_settles("z", &e.now),
        "it has been up for nobody knows how long"
    );
    e.bridge("z", false, true);
    assert_eq!(e.freshness("rope/leak.wet"), Freshness::Silent, "down is down");
    e.says("rope/leak.wet", false).bridge("z", false, true);
    assert_eq!(
        e.freshness("rope/leak.wet"),
        Freshness::Fresh,
        "known, and it was heard since"
    );
}

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

#[test]
fn how_often_a_device_really_reports_is_told() {
    let mut e = estate();
    assert_eq!(e.health("probe").interval, None);
    for _ in 0..4 {
        e.wait("7m")
            .shows(TEMPERATURE, 21.0)
            .shows("probe/device.battery", 90.0);
    }
    assert_eq!(e.health("probe").interval, Some(Duration::from_secs(420)));
}

#[test]
fn joining_a_network_is_counted_because_frames_are_counted_anew() {
    let mut e = estate();
    let flood = e.engine.estate().device_by_id(&"flood".parse().unwrap()).unwrap();
    assert_eq!((e.engine.joins(flood), e.health("flood").heard), (0, None));
    e.news("flood", DeviceNews::Joined);
    assert_eq!(
        (e.engine.joins(flood), e.health("flood").heard),
        (1, Some(e.now.wall))
    );
    survives(&mut e);
    assert_eq!(e.engine.joins(flood), 1);
}

#[test]
fn an_edit_keeps_what_is_known_about_the_devices_that_stay() {
    let mut e = estate();
    for _ in 0..3 {
        e.wait("1m")
            .tells_time("probe", 8 * HOUR)
            .shows(TEMPERATURE, 21.0);
    }
    e.news("flood", DeviceNews::Through("z".into()))
        .says("flood/leak.wet", false);
    let (before, interval) = (e.health("probe").clock, e.health("probe").interval);
    let other = format!(
        "{ESTATE}{}",
        DEVICES.replace("id = \"flood\"", "id = \"flood-2\"")
    );
    e.input(Input::Estate(doc(&other))).reply.unwrap();
    assert_eq!(
        (e.health("probe").clock, e.health("probe").interval),
        (before, interval)
    );
    assert_eq!(e.flags("probe"), "clock");
    assert_eq!(e.health("flood-2").heard, None);
    survives(&mut e);
    e.input(Input::Estate(doc(ESTATE))).reply.unwrap();
    e.input(Input::Estate(doc(&format!("{ESTATE}{DEVICES}"))))
        .reply
        .unwrap();
    let health = e.health("probe");
    assert_eq!(
        (health.clock, health.flags, health.heard),
        (None, vec![], None),
        "it left and came back"
    );
    assert_eq!(e.health("flood").bridge, None);
}

#[test]
fn a_batch_that_fails_leaves_health_as_it_was() {
    let mut e = estate();
    e.news("rope", DeviceNews::Through("z".into()))
        .says("rope/leak.wet", false);
    e.shows(TEMPERATURE, 21.0).wait("13m");
    assert_eq!(e.flags("probe"), "stale");
    let (dump, snapshot) = (e.engine.dump(), e.engine.snapshot().unwrap());
    e.engine.begin();
    e.wait("1s")
        .shows(TEMPERATURE, 90.0)
        .tells_time("probe", 8 * HOUR)
        .bridge("z", false, false);
    e.news("probe", DeviceNews::Joined)
        .news("rope", DeviceNews::Through("y".into()));
    e.wait("1h")
        .shows(TEMPERATURE, 21.0)
        .input(facts(3, true))
        .reply
        .unwrap();
    e.shows(TEMPERATURE, 22.0);
    e.engine.rollback();
    assert_eq!(e.engine.dump(), dump);
    assert_eq!(e.engine.snapshot().unwrap(), snapshot);
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
