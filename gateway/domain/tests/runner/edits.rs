//! Edits of the estate while alarms and orders live.

use crate::estate_test::{ESTATE, EstateTest, doc};
use linli_domain::command::Refusal;
use linli_domain::engine::Input;

fn edit(e: &mut EstateTest, toml: &str) {
    e.input(Input::Estate(doc(toml))).reply.unwrap();
}

#[test]
fn an_edit_elsewhere_disturbs_nothing() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("3m");
    edit(&mut e, &ESTATE.replace("Jinyuan", "Jinyuan Garden"));
    e.wait("1m59s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("1s");
    assert_eq!(e.alarm_is(), "active_unack");
    assert_eq!(e.engine.rule_version("lane-blocked"), Some(1));
}

#[test]
fn a_changed_rule_is_evaluated_on_the_last_value_and_its_delay_restarts() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("4m");
    edit(&mut e, &ESTATE.replace("on_delay = \"5m\"", "on_delay = \"2m\""));
    e.wait("1m59s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("1s");
    assert_eq!((e.alarm_is(), e.alarm().rule_version), ("active_unack", 2));
    edit(&mut e, ESTATE);
    assert_eq!(
        (e.alarm_is(), e.alarm().rule_version),
        ("active_unack", 2),
        "it keeps what raised it"
    );
    assert_eq!(e.engine.rule_version("lane-blocked"), Some(3));
}

#[test]
fn a_lower_threshold_finds_the_last_value() {
    let mut e = EstateTest::new();
    e.shows("lid/bin.fill", 85.0);
    edit(&mut e, &ESTATE.replace("above = 90.0", "above = 80.0"));
    e.wait("10m");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn a_removed_point_leaves_the_alarm_unknown_and_its_order_open() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s").works_off("A");
    let without = ESTATE.replace("key = \"rope-1\" }\nasset = \"b3-pipe\"", "key = \"rope-1\" }");
    assert_ne!(without, ESTATE);
    edit(&mut e, &without);
    assert_eq!((e.alarm_is(), e.order_is()), ("unknown", "pending_verification"));
    e.says("spot/leak.wet", false)
        .keeps_saying("spot/leak.wet", false, "20m");
    assert_eq!((e.alarm_is(), e.order_is()), ("unknown", "pending_verification"));

    edit(&mut e, ESTATE);
    assert_eq!(
        (e.alarm_is(), e.alarm().lost.len()),
        ("active_ack", 0),
        "back, and still wet"
    );
    assert_eq!(e.order_is(), "in_progress", "and grace is over");
}

#[test]
fn an_alarm_nobody_can_hear_any_more_ends_with_its_order() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("5m").works_off("A");
    let without = ESTATE.replace("unit = 7 }\nasset = \"fire-lane\"", "unit = 7 }");
    edit(&mut e, &without);
    assert_eq!(e.alarm_is(), "unknown");
    e.overrides(crate::estate_test::actor(
        "M",
        linli_domain::command::ActorRole::Manager,
    ))
    .unwrap();
    assert_eq!((e.alarm_is(), e.order_is()), ("none", "none"));
}

#[test]
fn a_new_rule_finds_the_last_value_of_a_point_nobody_watched() {
    let start = ESTATE.find("[[rules]]\nid = \"lane-blocked\"").unwrap();
    let end = ESTATE.find("[[order_profiles]]").unwrap();
    let without = format!("{}{}", &ESTATE[..start], &ESTATE[end..]);
    let mut e = EstateTest::with(&without);
    e.says("bay/parking.occupied", true).wait("1h");
    edit(&mut e, ESTATE);
    e.wait("5m");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn points_keep_their_numbers_across_edits() {
    let mut e = EstateTest::new();
    let (rope, bay) = (e.point("rope/leak.wet"), e.point("bay/parking.occupied"));
    let start = ESTATE.find("[[devices]]\nid = \"rope\"").unwrap();
    let end = ESTATE.find("[[devices]]\nid = \"spot\"").unwrap();
    let without = format!("{}{}", &ESTATE[..start], &ESTATE[end..]);
    edit(&mut e, &without);
    assert_eq!(e.point("bay/parking.occupied"), bay);
    edit(&mut e, ESTATE);
    assert_eq!(e.point("rope/leak.wet"), rope);
}

#[test]
fn a_wrong_document_changes_nothing() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true);
    let before = e.engine.dump();
    let wrong = ESTATE.replace("profile = \"lane\"", "profile = \"lanes\"");
    let reply = e.input(Input::Estate(doc(&wrong))).reply;
    assert!(matches!(reply, Err(Refusal::EstateInvalid { problems }) if problems.len() == 1));
    assert_eq!(e.engine.dump(), before);
}
