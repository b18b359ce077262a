//! Devices that go quiet: how long silence is allowed, and what it makes of their values.

use super::*;

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
