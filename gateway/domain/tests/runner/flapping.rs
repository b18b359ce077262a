//! A sensor that comes and goes: one alarm, one order, few words, and somebody is asked to look at it.

use crate::estate_test::{ESTATE, EstateTest, actor};
use linli_domain::alarm::Serviced;
use linli_domain::command::{Action, ActorRole};
use linli_domain::engine::{AlarmEvent, NoticeKind};
use linli_domain::order::table::Closing;
use linli_domain::order::{Order, OrderState};
use linli_domain::rule::Priority;
use std::sync::Arc;

/// A leak sensor alternates every ten seconds, for so many minutes; its order is accepted at once.
fn flaps(e: &mut EstateTest, minutes: u32) {
    for n in 0..minutes * 3 {
        e.says("rope/leak.wet", true).wait("10s");
        if n == 0 {
            e.accept("A");
        }
        e.says("rope/leak.wet", false).wait("10s");
    }
}

fn order_of(e: &EstateTest, asset: &str, fault: &str) -> Option<Arc<Order>> {
    e.engine
        .order_of(&asset.parse().unwrap(), &fault.parse().unwrap())
        .cloned()
}

#[test]
fn s7_a_flapping_sensor_is_one_alarm_two_orders_and_three_messages() {
    let mut e = EstateTest::new();
    flaps(&mut e, 30);
    let alarm = e.alarm();
    assert!(alarm.count >= 90, "{}", alarm.count);
    assert!(alarm.flapping);
    assert_eq!(e.engine.orders().count(), 2);
    let care = order_of(&e, "b3-pipe", "flapping").unwrap();
    assert_eq!(
        (care.priority, care.state),
        (Priority::P4, OrderState::Dispatched)
    );
    // An alarm with an order is told by its order; what people receive is what the outbox makes cards of.
    let cards = [
        NoticeKind::OrderDispatched,
        NoticeKind::OrderAccepted,
        NoticeKind::AlarmStillActive,
    ];
    let told: usize = cards.into_iter().map(|kind| e.notices(kind)).sum();
    assert_eq!(told, 3, "leak order, its acceptance, sensor care");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
}

#[test]
fn s7_after_an_hour_of_calm_the_delay_is_as_before_and_the_audit_says_so() {
    let mut e = EstateTest::new();
    flaps(&mut e, 5);
    // The rope is dry: the stretched off-delay of forty minutes, not ten.
    e.keeps_saying("rope/leak.wet", false, "35m");
    assert_eq!(
        e.alarm().state.condition,
        linli_domain::alarm::Condition::Clearing
    );
    e.keeps_saying("rope/leak.wet", false, "6m");
    assert_eq!(e.alarm_is(), "latched");
    assert!(e.alarm().flapping);
    e.keeps_saying("rope/leak.wet", false, "20m");
    assert!(!e.alarm().flapping);
    assert_eq!(
        order_of(&e, "b3-pipe", "flapping"),
        None,
        "calm closes what nobody had begun"
    );
    let closed = e
        .changes
        .orders
        .iter()
        .find(|o| o.order.fault.as_str() == "flapping" && o.to.is_terminal());
    assert_eq!(closed.unwrap().to, OrderState::Closed(Closing::SelfCleared));
    let audited: Vec<_> = e
        .changes
        .audit
        .iter()
        .filter(|a| a.actor.is_none())
        .map(|a| &*a.action)
        .collect();
    assert_eq!(audited.iter().filter(|a| **a == "alarm.flapping").count(), 1);
    assert_eq!(audited.last(), Some(&"alarm.stable"));

    e.says("rope/leak.wet", true).wait("10s");
    e.keeps_saying("rope/leak.wet", false, "11m");
    assert_eq!(
        e.alarm().state.condition,
        linli_domain::alarm::Condition::Normal,
        "ten minutes again"
    );
}

#[test]
fn water_that_comes_and_goes_is_told_every_hour() {
    let mut e = EstateTest::new();
    flaps(&mut e, 185);
    assert_eq!(e.notices(NoticeKind::AlarmStillActive), 3);
    // A bin is not: one notice, and silence.
    let mut e = EstateTest::with(&ESTATE.replace("on_delay = \"10m\"", "on_delay = \"0s\""));
    for _ in 0..400 {
        e.shows("lid/bin.fill", 95.0).wait("20s");
        e.shows("lid/bin.fill", 10.0).wait("20s");
    }
    assert_eq!(e.notices(NoticeKind::AlarmStillActive), 0);
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
    assert!(e.living("bin-1", "bin-full").count > 300);
}

#[test]
fn flapping_survives_a_restart_and_a_clock_that_is_set() {
    let mut e = EstateTest::new();
    flaps(&mut e, 5);
    e.reboot("9h");
    e.says("rope/leak.wet", false);
    e.now.wall = e.now.wall.plus(std::time::Duration::from_secs(7_200));
    e.keeps_saying("rope/leak.wet", false, "50m");
    assert!(e.alarm().flapping, "the machine's time off is no calm");
    e.keeps_saying("rope/leak.wet", false, "12m");
    assert!(!e.alarm().flapping);
}

#[test]
fn several_sensors_that_get_wet_together_are_no_flapping_and_neither_is_a_slow_return() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true)
        .says("spot/leak.wet", true)
        .wait("10s");
    for _ in 0..8 {
        e.wait("10m")
            .says("rope/leak.wet", false)
            .wait("1m")
            .says("rope/leak.wet", true);
    }
    assert!(!e.alarm().flapping);
    assert_eq!(e.engine.orders().count(), 1);
}

#[test]
fn a_care_order_that_is_done_closes_when_the_sensor_is_calm() {
    let mut e = EstateTest::new();
    flaps(&mut e, 5);
    let by = || actor("B", ActorRole::Staff);
    for step in 0..3 {
        let care = order_of(&e, "b3-pipe", "flapping").unwrap();
        let (order, version) = (care.id, care.version);
        let action = match step {
            0 => Action::Accept { order, version },
            1 => Action::Start { order, version },
            _ => Action::Complete {
                order,
                version,
                note: None,
            },
        };
        e.act(by(), action).unwrap();
    }
    e.keeps_saying("rope/leak.wet", false, "50m");
    assert_eq!(
        order_of(&e, "b3-pipe", "flapping").unwrap().state.name(),
        "pending_verification"
    );
    e.keeps_saying("rope/leak.wet", false, "12m");
    assert_eq!(order_of(&e, "b3-pipe", "flapping"), None);
    let events: Vec<_> = e.changes.alarms.iter().map(|c| c.event).collect();
    assert!(events.contains(&AlarmEvent::Flapping) && events.contains(&AlarmEvent::Stable));
}

/// The rope alternates every ten seconds for five minutes, and nobody takes an order.
fn flaps_untended(e: &mut EstateTest) {
    for _ in 0..15 {
        e.says("rope/leak.wet", true).wait("10s");
        e.says("rope/leak.wet", false).wait("10s");
    }
}

#[test]
fn a_sensor_under_repair_may_come_and_go_without_anybody_being_sent_to_it() {
    let mut e = EstateTest::new();
    let what = Serviced::Device("rope".parse().unwrap());
    let out = Action::TakeOutOfService {
        what: what.clone(),
        reason: "its cable is being changed".into(),
        lasts: None,
    };
    e.act(actor("A", ActorRole::Staff), out).unwrap();
    flaps_untended(&mut e);
    assert!(e.alarm().flapping, "it is recorded");
    assert_eq!(e.order_is(), "none");
    assert_eq!(e.notices(NoticeKind::OrderDispatched), 0);
    // Back in service it still flaps: now somebody is sent.
    e.says("rope/leak.wet", true);
    e.act(actor("A", ActorRole::Staff), Action::BringBack { what })
        .unwrap();
    let care = order_of(&e, "b3-pipe", "flapping").unwrap();
    assert_eq!(care.state, OrderState::Dispatched);
}

#[test]
fn an_alarm_that_is_shelved_may_come_and_go_without_anybody_being_sent_to_it() {
    let mut e = EstateTest::with(&ESTATE.replace("on_delay = \"10m\"", "on_delay = \"0s\""));
    e.shows("lid/bin.fill", 95.0);
    let seen = e.living("bin-1", "bin-full");
    let shelve = Action::ShelveAlarm {
        alarm: seen.id,
        version: seen.version,
        lasts: std::time::Duration::from_secs(3_600),
        reason: "the lid is being changed".into(),
        no_order: false,
    };
    e.act(actor("A", ActorRole::Staff), shelve).unwrap();
    for _ in 0..10 {
        e.shows("lid/bin.fill", 10.0).wait("20s");
        e.shows("lid/bin.fill", 95.0).wait("20s");
    }
    assert!(e.living("bin-1", "bin-full").flapping);
    assert_eq!(order_of(&e, "bin-1", "flapping"), None);
    for _ in 0..100 {
        e.shows("lid/bin.fill", 10.0).wait("20s");
        e.shows("lid/bin.fill", 95.0).wait("20s");
    }
    assert!(order_of(&e, "bin-1", "flapping").is_some(), "its time is over");
}
