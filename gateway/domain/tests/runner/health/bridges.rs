//! What a bridge or a broker says about the devices behind it.

use super::*;

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
