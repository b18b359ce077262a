//! The acceptance scenarios of the workflow, as far as the core plays in them.

use crate::estate_test::{ESTATE, EstateTest, actor};
use linli_domain::command::{Action, ActorRole, Refusal};
use linli_domain::engine::{AlarmEvent, Input, NoticeKind};
use linli_domain::order::table::Closing;
use linli_domain::order::{OrderRole, OrderState};
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::rule::Priority;
use linli_domain::time::Timestamp;
use std::sync::Arc;

#[test]
fn s1_leak_at_night() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).wait("1m");
    e.says("rope/leak.wet", true).wait("4s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("1s").says("rope/leak.wet", true);
    assert_eq!(e.alarm_is(), "active_unack");
    let alarm = e.alarm();
    assert_eq!((alarm.count, alarm.value.clone()), (1, Some(Value::State(true))));
    let order = e.order();
    assert_eq!((order.priority, order.role), (Priority::P1, OrderRole::Repair));
    assert_eq!(
        (order.state, order.asset.as_str()),
        (OrderState::Dispatched, "b3-pipe")
    );
    let notice = e
        .changes
        .notices
        .iter()
        .find(|n| n.kind == NoticeKind::OrderDispatched)
        .unwrap();
    assert_eq!(notice.place.en, "Building 3 / Basement pump room");

    e.wait("3m").accept("A");
    assert_eq!(e.alarm_is(), "active_ack");
    e.wait("12m").start("A");
    e.keeps_saying("rope/leak.wet", true, "25m");
    e.says("rope/leak.wet", false);
    e.keeps_saying("rope/leak.wet", false, "5m").complete("A");
    let completed = e.now.wall;
    e.keeps_saying("rope/leak.wet", false, "9m30s");
    assert_eq!((e.alarm_is(), e.order_is()), ("latched", "pending_verification"));
    e.wait("30s");
    assert_eq!((e.alarm_is(), e.order_is()), ("none", "none"));
    let closed = e.changes.orders.last().unwrap();
    assert_eq!(closed.to, OrderState::Closed(Closing::Verified));
    assert_eq!(closed.at.since(completed).as_secs(), 600);
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
    assert_eq!(e.notices(NoticeKind::OrderClosed), 1);
}

#[test]
fn a_night_leak_that_dried_before_anybody_looked_stays_listed() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s");
    e.keeps_saying("rope/leak.wet", false, "12m");
    assert_eq!(e.alarm_is(), "rtn_unack");
    assert_eq!(e.order_is(), "dispatched", "a leak always needs a person");
    assert!(e.order().sensor_normal);
}

#[test]
fn a_full_bin_closes_by_itself_when_it_was_emptied_before_anybody_started() {
    let mut e = EstateTest::new();
    e.shows("lid/bin.fill", 60.0)
        .shows("lid/bin.fill", 95.0)
        .wait("10m");
    assert_eq!(e.order_is(), "dispatched");
    e.shows("lid/bin.fill", 80.0).wait("1h");
    assert_eq!(e.alarm_is(), "active_unack", "80 is inside the deadband");
    e.shows("lid/bin.fill", 10.0).wait("2m");
    assert_eq!((e.alarm_is(), e.order_is()), ("rtn_unack", "none"));
    assert_eq!(
        e.changes.orders.last().unwrap().to,
        OrderState::Closed(Closing::SelfCleared)
    );
}

#[test]
fn s3_a_car_that_leaves_in_time_is_one_fleeting_event() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("4m59s");
    e.says("bay/parking.occupied", false).wait("1h");
    assert!(e.changes.alarms.is_empty() && e.changes.orders.is_empty());
    let fleeting = e.changes.audit.iter().filter(|a| &*a.action == "alarm.fleeting");
    assert_eq!(fleeting.count(), 1);
    e.says("bay/parking.occupied", true).wait("5m");
    assert_eq!(
        (e.order().role, e.order().priority),
        (OrderRole::Order, Priority::P2)
    );
}

#[test]
fn s8_completed_but_still_wet() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s").works_off("A");
    e.keeps_saying("rope/leak.wet", true, "14m30s");
    assert_eq!(e.order_is(), "pending_verification");
    assert_eq!(
        e.overrides(actor("A", ActorRole::Staff)),
        Err(Refusal::ManagerOnly { action: "override" })
    );
    assert_eq!(
        e.overrides(actor("A", ActorRole::Manager)),
        Err(Refusal::OwnCompletion)
    );
    e.wait("30s");
    assert_eq!((e.order_is(), e.order().reopened), ("in_progress", 1));
    assert_eq!(e.notices(NoticeKind::OrderReopened), 1);

    e.complete("A");
    assert!(
        e.reads("rope/leak.wet", Value::State(false), "20s", Quality::Good),
        "newer than the last"
    );
    e.wait("12m");
    assert_eq!(
        e.order_is(),
        "pending_verification",
        "dry from before the completion proves nothing"
    );
    e.overrides(actor("M", ActorRole::Manager)).unwrap();
    assert_eq!(e.order_is(), "none");
    assert_eq!(e.changes.orders.last().unwrap().to.name(), "closed");
}

#[test]
fn a_leak_that_breaks_out_again_after_the_completion_reopens_at_once() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s").accept("A").start("A");
    e.says("rope/leak.wet", false)
        .keeps_saying("rope/leak.wet", false, "10m");
    e.complete("A").keeps_saying("rope/leak.wet", false, "2m");
    e.says("rope/leak.wet", true).wait("5s");
    assert_eq!((e.order_is(), e.order().reopened), ("in_progress", 1));
    assert_eq!((e.alarm_is(), e.alarm().count), ("active_unack", 2));
    assert_eq!(e.order().alarms.len(), 1);
}

#[test]
fn every_sensor_of_the_zone_must_be_dry() {
    let mut e = EstateTest::new();
    e.says("spot/leak.wet", false)
        .says("rope/leak.wet", true)
        .wait("5s")
        .works_off("A");
    e.says("rope/leak.wet", false)
        .keeps_saying("rope/leak.wet", false, "12m");
    assert_eq!(
        e.order_is(),
        "pending_verification",
        "the spot has not spoken since"
    );
    e.says("spot/leak.wet", false)
        .keeps_saying("spot/leak.wet", false, "9m");
    e.says("rope/leak.wet", false).wait("59s");
    assert_eq!(e.order_is(), "pending_verification");
    e.says("rope/leak.wet", false).wait("1s");
    assert_eq!(e.order_is(), "none");
}

#[test]
fn two_sensors_of_one_zone_share_one_alarm_and_one_order() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true)
        .says("spot/leak.wet", true)
        .wait("10s");
    assert_eq!((e.alarm().count, e.order().alarms.len()), (2, 1));
    e.says("rope/leak.wet", false)
        .keeps_saying("rope/leak.wet", false, "8m");
    e.says("spot/leak.wet", true)
        .keeps_saying("rope/leak.wet", false, "8m");
    assert_eq!(e.alarm_is(), "active_unack", "the spot is still wet");
}

#[test]
fn s9_a_jump_of_the_wall_clock_fires_nothing_and_freezes_nothing() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("1m");
    e.now.wall = e.now.wall.plus(std::time::Duration::from_secs(7_200));
    e.says("rope/leak.wet", false).wait("3m59s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("1s");
    assert_eq!(e.alarm_is(), "active_unack");
    e.now.wall = e.now.wall.minus(std::time::Duration::from_secs(14_400));
    e.says("rope/leak.wet", true).wait("5s");
    assert_eq!(
        e.engine.alarms().count(),
        2,
        "a clock set back does not make readings late"
    );
    let jumps = e.changes.audit.iter().filter(|a| &*a.action == "clock.jump");
    assert_eq!(jumps.count(), 2);
}

#[test]
fn s9_what_was_dated_1970_is_dated_right_once_the_time_is_known() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("5m");
    let before = e.alarm().raised_at;
    e.reboot("1h");
    e.now.wall = Timestamp::from_millis(2_000);
    e.now.trusted = false;
    e.says("rope/leak.wet", true).wait("5s");
    let leak = e.living("b3-pipe", "leak").id;
    let of = |e: &EstateTest| Arc::clone(e.engine.orders().find(|o| o.alarms.contains(&leak)).unwrap());
    let (order, version) = (of(&e).id, of(&e).version);
    e.act(actor("A", ActorRole::Staff), Action::Accept { order, version })
        .unwrap();
    e.wait("30s");
    let known = Timestamp::parse_rfc3339("2026-03-01T04:00:00Z").unwrap();
    e.now.wall = known;
    e.now.trusted = true;
    e.wait("1s").input(Input::Tick).reply.unwrap();
    let ago = |seconds| known.minus(std::time::Duration::from_secs(seconds));
    let (alarm, order) = (e.living("b3-pipe", "leak"), of(&e));
    assert_eq!((alarm.raised_at, alarm.last_raised_at), (ago(30), ago(30)));
    assert_eq!((order.opened_at, order.accepted_at), (ago(30), Some(ago(30))));
    let dated = e.changes.alarms.iter().filter(|c| c.event == AlarmEvent::Dated);
    assert_eq!(dated.map(|c| c.alarm.id).collect::<Vec<_>>(), [alarm.id]);
    let bay = e.engine.alarms().find(|a| a.id != alarm.id).unwrap();
    assert_eq!(bay.raised_at, before, "that clock was right");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 2, "nobody is told anew");
}

#[test]
fn s9_a_clock_set_back_during_verification_keeps_the_evidence() {
    let mut e = EstateTest::new();
    e.now.wall = Timestamp::from_millis(4_000_000_000_000);
    e.says("rope/leak.wet", true).wait("5s").works_off("A").wait("1m");
    e.now.wall = Timestamp::parse_rfc3339("2026-03-01T04:00:00Z").unwrap();
    e.says("rope/leak.wet", false)
        .keeps_saying("rope/leak.wet", false, "10m");
    assert_eq!(e.order_is(), "none");
}

#[test]
fn a_reboot_in_mid_delay_keeps_what_remained() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true)
        .wait("3m")
        .reboot("2h")
        .wait("1m59s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("1s");
    assert_eq!(e.alarm_is(), "active_unack");
    e.reboot("10s").wait("1h");
    assert_eq!(
        (
            e.notices(NoticeKind::AlarmRaised),
            e.notices(NoticeKind::OrderDispatched)
        ),
        (1, 1)
    );
}

#[test]
fn a_reboot_in_mid_verification_keeps_what_remained() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s").works_off("A");
    e.says("rope/leak.wet", false)
        .keeps_saying("rope/leak.wet", false, "6m")
        .reboot("1h");
    e.keeps_saying("rope/leak.wet", false, "3m30s");
    assert_eq!(e.order_is(), "pending_verification");
    e.says("rope/leak.wet", false).wait("1m");
    assert_eq!(e.order_is(), "none");
}

#[test]
fn an_eight_channel_module_watches_eight_assets() {
    let mut toml = ESTATE.to_owned();
    let mut points = Vec::new();
    for n in 1..=8 {
        toml.push_str(&format!(
            "\n[[assets]]\nid = \"zone-{n}\"\nkind = \"pipe_zone\"\nplace = \"b3\"\n\
             name = {{ zh = \"管段{n}\", en = \"Zone {n}\" }}\n"
        ));
        points.push(format!(
            "{{ measure = \"leak.wet\", instance = \"DI{n}\", asset = \"zone-{n}\" }}"
        ));
    }
    toml.push_str(&format!(
        "\n[[devices]]\nid = \"module\"\nprofile = \"di8\"\nname = {{ zh = \"采集器\", en = \"Module\" }}\n\
         address = {{ bus = \"bus1\", unit = 1 }}\npoints = [{}]\n",
        points.join(", ")
    ));
    let mut e = EstateTest::with(&toml);
    for n in 1..=8 {
        e.says(&format!("module/leak.wet/DI{n}"), n == 3 || n == 5);
    }
    e.wait("5s");
    let assets: Vec<_> = e.engine.orders().map(|o| o.asset.to_string()).collect();
    assert_eq!(assets, ["zone-3", "zone-5"]);
}

#[test]
fn a_lost_sensor_is_unknown_and_not_dry() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s").works_off("A");
    e.fails("rope/leak.wet", Reason::CommTimeout).wait("1d");
    assert_eq!((e.alarm_is(), e.order_is()), ("unknown", "pending_verification"));
    assert_eq!(e.notices(NoticeKind::AlarmUnknown), 1);
    e.says("rope/leak.wet", false).wait("10m");
    assert_eq!(e.order_is(), "none");
}

#[test]
fn silence_is_unknown_and_ends_with_the_next_reading() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s").accept("A");
    let point = e.point("rope/leak.wet");
    e.wait("29m54s");
    assert!(!e.engine.is_silent(point));
    e.wait("10s");
    assert!(e.engine.is_silent(point));
    assert_eq!(e.alarm_is(), "unknown");
    e.says("rope/leak.wet", true);
    assert_eq!((e.alarm_is(), e.alarm().count), ("active_ack", 1));
}
