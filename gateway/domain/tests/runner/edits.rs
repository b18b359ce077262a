//! Edits of the estate while alarms and orders live.

use crate::estate_test::{ESTATE, EstateTest, doc};
use linli_domain::command::Refusal;
use linli_domain::engine::{Input, NoticeKind};

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

#[test]
fn other_words_of_a_rule_restart_no_delay() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("4m");
    edit(
        &mut e,
        &ESTATE.replace("Have the vehicle moved.", "Call its owner."),
    );
    e.wait("1m");
    assert_eq!((e.alarm_is(), e.alarm().rule_version), ("active_unack", 2));
}

#[test]
fn other_words_of_a_rule_leave_what_it_remembers_of_the_past() {
    let rule = "when = { rises = 10.0, within = \"1h\" }";
    let rises = ESTATE
        .replace("measure = \"bin.fill\"", "measure = \"temperature\"")
        .replace("when = { above = 90.0, clear = 70.0 }\non_delay = \"10m\"", rule);
    let mut e = EstateTest::with(&rises);
    e.shows("lid/temperature", 20.0)
        .wait("1m")
        .shows("lid/temperature", 31.0);
    assert_eq!(e.alarm_is(), "active_unack");
    edit(
        &mut e,
        &rises.replace("Empty it.", "Empty it, and look for fire."),
    );
    e.wait("1m").shows("lid/temperature", 31.0).wait("10m");
    assert_eq!(e.alarm_is(), "active_unack", "it rose within the hour");
}

#[test]
fn a_rule_under_another_name_goes_on_where_the_one_it_replaces_stood() {
    let mut e = EstateTest::new();
    e.says("bay/parking.occupied", true).wait("5m");
    edit(
        &mut e,
        &ESTATE.replace("id = \"lane-blocked\"\nclass", "id = \"our-lane\"\nclass"),
    );
    assert_eq!(e.alarm_is(), "active_unack");
    e.wait("10m");
    assert_eq!(e.alarm_is(), "active_unack");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1, "nobody is called twice");
}

#[test]
fn a_sensor_that_moves_to_another_asset_leaves_the_alarm_unknown() {
    let two = format!(
        "{ESTATE}\n[[assets]]\nid = \"b4-pipe\"\nkind = \"pipe_zone\"\nplace = \"b3-b1\"\n\
         name = {{ zh = \"4号楼管段\", en = \"B4 pipe zone\" }}\n"
    );
    let mut e = EstateTest::with(&two);
    e.says("rope/leak.wet", true).wait("5s");
    let here = "key = \"rope-1\" }\nasset = \"b3-pipe\"";
    assert!(two.contains(here));
    edit(
        &mut e,
        &two.replace(here, "key = \"rope-1\" }\nasset = \"b4-pipe\""),
    );
    e.wait("11m");
    assert_eq!(e.living("b3-pipe", "leak").state.display_code(), "unknown");
    assert_eq!(e.living("b4-pipe", "leak").state.display_code(), "active_unack");
}

#[test]
fn a_sensor_that_needs_no_second_any_more_is_an_alarm_by_itself() {
    let two = ESTATE.replace("latch = true\n", "latch = true\nvote = { at_least = 2 }\n");
    let mut e = EstateTest::with(&two);
    e.says("spot/leak.wet", false)
        .says("rope/leak.wet", true)
        .wait("1m");
    assert_eq!(e.alarm_is(), "none");
    edit(&mut e, ESTATE);
    e.wait("5s");
    assert_eq!((e.alarm_is(), e.order_is()), ("active_unack", "dispatched"));
}

#[test]
fn a_sensor_whose_second_leaves_its_asset_is_an_alarm_where_all_that_are_left_agree() {
    let all = ESTATE.replace("latch = true\n", "latch = true\nvote = \"all\"\n");
    let mut e = EstateTest::with(&all);
    e.says("spot/leak.wet", false)
        .says("rope/leak.wet", true)
        .wait("1m");
    assert_eq!(e.alarm_is(), "none");
    let here = "key = \"spot-1\" }\nasset = \"b3-pipe\"";
    assert!(all.contains(here));
    edit(&mut e, &all.replace(here, "key = \"spot-1\" }"));
    e.wait("5s");
    assert_eq!((e.alarm_is(), e.order_is()), ("active_unack", "dispatched"));
}
