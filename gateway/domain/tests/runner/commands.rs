//! What people may do, and what they are told when they may not.

use crate::estate_test::{EstateTest, actor};
use linli_domain::command::{Action, ActorRole, Refusal, Reply};
use linli_domain::engine::NoticeKind;
use linli_domain::id::{AlarmId, OrderId};

fn leaking() -> EstateTest {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s");
    e
}

#[test]
fn s5_the_first_to_accept_wins_and_the_other_is_told_who() {
    let mut e = leaking();
    let (order, version) = e.seen();
    let accept = Action::Accept { order, version };
    e.act(actor("B", ActorRole::Staff), accept.clone()).unwrap();
    let late = e.act(actor("M", ActorRole::Manager), accept).unwrap_err();
    let by = "B".into();
    assert_eq!(
        late,
        Refusal::VersionConflict {
            current: version + 1,
            by
        }
    );
    assert_eq!(late.code(), "version_conflict");
    assert!(late.to_string().contains('B'));
    assert_eq!(e.notices(NoticeKind::OrderAccepted), 1);
}

#[test]
fn the_way_is_accept_start_complete() {
    let mut e = leaking();
    let staff = || actor("A", ActorRole::Staff);
    let (order, version) = e.seen();
    let note = Some("done".to_owned());
    let complete = Action::Complete { order, version, note };
    let wrong = e.act(staff(), complete).unwrap_err();
    assert_eq!((wrong.code(), e.order_is()), ("wrong_state", "dispatched"));
    e.accept("A");
    let (order, version) = e.seen();
    let other = e.act(actor("B", ActorRole::Staff), Action::Start { order, version });
    assert_eq!(other.unwrap_err(), Refusal::NotAssignee { assignee: "A".into() });
    e.start("A");
    let (order, version) = e.seen();
    let note = Some("  ".to_owned());
    let empty = e.act(staff(), Action::Complete { order, version, note });
    assert_eq!(empty.unwrap_err(), Refusal::NoteRequired);
    let note = Some("x".repeat(5_000));
    let long = e.act(staff(), Action::Complete { order, version, note });
    assert_eq!(long.unwrap_err(), Refusal::TextTooLong);
    e.complete("A");
    let order = e.order();
    assert_eq!((order.note.as_deref(), order.reopened), (Some("repaired"), 0));
    assert_eq!(order.completer.as_ref().map(|a| &*a.name), Some("A"));
    let actions: Vec<_> = e.changes.audit.iter().map(|a| a.action.to_string()).collect();
    assert_eq!(actions, ["order.accept", "order.start", "order.complete"]);
}

#[test]
fn an_order_is_cancelled_by_a_manager_with_a_reason_and_not_while_its_alarm_is_active() {
    let mut e = leaking();
    let manager = || actor("M", ActorRole::Manager);
    let cancel = |e: &EstateTest, reason: &str| {
        let (order, version) = e.seen();
        let reason = reason.to_owned();
        Action::Cancel {
            order,
            version,
            reason,
        }
    };
    let action = cancel(&e, "duplicate");
    let staff = e.act(actor("A", ActorRole::Staff), action.clone());
    assert_eq!(staff.unwrap_err(), Refusal::ManagerOnly { action: "cancel" });
    assert_eq!(
        e.act(manager(), action).unwrap_err(),
        Refusal::AlarmStillActive { alarm: AlarmId(1) }
    );
    e.says("rope/leak.wet", false).wait("10m");
    let action = cancel(&e, " ");
    assert_eq!(
        e.act(manager(), action).unwrap_err(),
        Refusal::ReasonRequired { action: "cancel" }
    );
    let action = cancel(&e, "pipe was washed");
    e.act(manager(), action).unwrap();
    assert_eq!((e.order_is(), e.alarm_is()), ("none", "rtn_unack"));
}

#[test]
fn a_latch_is_reset_by_a_manager_once_the_condition_is_normal() {
    let mut e = leaking();
    let reset = |e: &EstateTest| Action::ResetAlarm {
        alarm: e.alarm().id,
        version: e.alarm().version,
    };
    let action = reset(&e);
    let active = e.act(actor("M", ActorRole::Manager), action.clone());
    assert_eq!(
        active.unwrap_err(),
        Refusal::AlarmStillActive { alarm: AlarmId(1) }
    );
    let staff = e.act(actor("A", ActorRole::Staff), action);
    assert_eq!(staff.unwrap_err(), Refusal::ManagerOnly { action: "reset" });
    e.accept("A").says("rope/leak.wet", false).wait("10m");
    assert_eq!(e.alarm_is(), "latched");
    let action = reset(&e);
    e.act(actor("M", ActorRole::Manager), action).unwrap();
    assert_eq!(e.alarm_is(), "none");
}

#[test]
fn an_alarm_is_acknowledged_once() {
    let mut e = leaking();
    let alarm = e.alarm();
    let acknowledge = |version| Action::AcknowledgeAlarm {
        alarm: alarm.id,
        version,
    };
    let reply = e.act(actor("A", ActorRole::Staff), acknowledge(alarm.version));
    let version = alarm.version + 1;
    assert_eq!(
        reply.unwrap(),
        Reply::Alarm {
            alarm: alarm.id,
            version
        }
    );
    let again = e.act(actor("B", ActorRole::Staff), acknowledge(version));
    assert_eq!(
        again.unwrap_err(),
        Refusal::AlreadyAcknowledged { by: "A".into() }
    );
    assert_eq!(
        e.alarm().acknowledged_by.as_ref().map(|a| &*a.token),
        Some("token-A")
    );
}

#[test]
fn what_is_over_and_what_never_was_are_told_apart() {
    let mut e = leaking();
    e.works_off("A")
        .says("rope/leak.wet", false)
        .wait("1s")
        .says("rope/leak.wet", false)
        .wait("10m");
    assert_eq!((e.order_is(), e.alarm_is()), ("none", "none"));
    let accept = |order| Action::Accept {
        order: OrderId(order),
        version: 1,
    };
    let staff = || actor("A", ActorRole::Staff);
    assert_eq!(e.act(staff(), accept(1)).unwrap_err().code(), "order_ended");
    assert_eq!(e.act(staff(), accept(2)).unwrap_err().code(), "unknown_order");
    let acknowledge = |alarm| Action::AcknowledgeAlarm {
        alarm: AlarmId(alarm),
        version: 1,
    };
    assert_eq!(e.act(staff(), acknowledge(1)).unwrap_err().code(), "alarm_ended");
    assert_eq!(
        e.act(staff(), acknowledge(0)).unwrap_err().code(),
        "unknown_alarm"
    );
}
