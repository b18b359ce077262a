//! What is known about a device through an edit, a batch that fails and a network joined anew.

use super::*;

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
