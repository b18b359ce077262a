//! Rules that look at more than one value, at several sensors, at hours, and with other numbers on one asset.

use crate::estate_test::{ESTATE, EstateTest, actor};
use linli_domain::alarm::Condition;
use linli_domain::command::{Action, ActorRole};
use linli_domain::engine::NoticeKind;
use linli_domain::estate::Estate;
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::rule::Priority;
use std::time::Duration;

/// The usual estate with one more rule on the bin.
fn with_rule(measure: &str, rest: &str) -> EstateTest {
    EstateTest::with(&rule(measure, rest))
}

fn rule(measure: &str, rest: &str) -> String {
    format!(
        "{ESTATE}\n[[rules]]\nid = \"more\"\nclass = \"more\"\nfault = \"more\"\nmeasure = {measure:?}\n\
         applies_to = {{ kind = \"bin\" }}\npriority = \"P1\"\n\
         cause = {{ zh = \"数值异常\", en = \"A value is out of its range\" }}\n\
         consequence = {{ zh = \"设备可能损坏\", en = \"The equipment may be damaged\" }}\n\
         response = {{ zh = \"查看\", en = \"Look\" }}\n{rest}\n"
    )
}

fn problems(toml: &str) -> Vec<String> {
    let refused = Estate::resolve(crate::estate_test::doc(toml)).map(|_| ());
    refused
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_bin_that_heats_up_fast_is_an_alarm_with_the_readings_that_show_it() {
    let mut e = with_rule("temperature", "when = { rises = 10.0, within = \"5m\" }");
    for degrees in [20.0, 20.5, 21.0] {
        e.shows("lid/temperature", degrees).wait("1m");
    }
    e.shows("lid/temperature", 31.0);
    assert_eq!(e.alarm_is(), "active_unack");
    let seen: Vec<_> = e.alarm().evidence.iter().map(|s| s.value.clone()).collect();
    assert_eq!(seen, [20.0, 20.5, 21.0, 31.0].map(Value::Number));
    e.wait("6m").shows("lid/temperature", 31.0);
    assert_eq!(e.alarm_is(), "rtn_unack");
}

#[test]
fn an_alarm_shows_what_was_wrong_during_its_delay() {
    let mut e = EstateTest::new();
    e.shows("lid/bin.fill", 60.0).wait("1m");
    for fill in 0..12 {
        e.shows("lid/bin.fill", 91.0 + f64::from(fill) / 10.0).wait("1m");
    }
    let seen = e.alarm().evidence.clone();
    assert_eq!(seen.len(), 8);
    assert_eq!(seen[0].value, Value::Number(91.0), "the reading that began it");
    assert!(seen.is_sorted_by_key(|s| s.observed));
}

#[test]
fn a_lost_reading_leaves_no_trace_and_an_impossible_one_neither() {
    let mut e = with_rule("temperature", "when = { falls = 10.0, within = \"30m\" }");
    e.shows("lid/temperature", 30.0).wait("1m");
    e.fails("lid/temperature", Reason::SensorNoReading).wait("1m");
    e.reads(
        "lid/temperature",
        Value::Number(5.0),
        "0s",
        Quality::Uncertain(Reason::ImpossibleJump),
    );
    assert_eq!(e.alarm_is(), "none");
}

#[test]
fn silence_raises_by_itself_and_one_reading_takes_it_back() {
    let toml = rule("bin.fill", "when = { silent = true }").replace(
        "key = \"lid-1\" }\n",
        "key = \"lid-1\" }\nexpected_interval = \"10m\"\n",
    );
    let mut e = EstateTest::with(&toml);
    e.shows("lid/bin.fill", 60.0).wait("29m59s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("2s");
    assert_eq!(e.alarm_is(), "active_unack");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
    e.fails("lid/bin.fill", Reason::SensorNoReading);
    assert_eq!(e.alarm_is(), "active_unack", "an answer without a value is none");
    e.shows("lid/bin.fill", 60.0);
    assert_eq!(e.alarm_is(), "rtn_unack");
}

#[test]
fn a_lid_that_opens_too_often_is_over_when_the_window_has_moved_on() {
    let mut e = with_rule(
        "door.open",
        "when = { state = true, times = 3, within = \"10m\" }",
    );
    for _ in 0..3 {
        e.says("lid/door.open", true)
            .wait("30s")
            .says("lid/door.open", false)
            .wait("30s");
    }
    assert_eq!(e.alarm_is(), "active_unack");
    e.reboot("5h").wait("5m");
    assert_eq!(
        e.alarm_is(),
        "active_unack",
        "the time the box was off does not count"
    );
    e.wait("2m30s");
    assert_eq!(e.alarm_is(), "rtn_unack");
}

#[test]
fn a_lid_that_is_open_too_long_raises_at_the_moment_it_is() {
    let mut e = with_rule(
        "door.open",
        "when = { state = true, total = \"5m\", within = \"1h\" }",
    );
    e.says("lid/door.open", true)
        .wait("3m")
        .says("lid/door.open", false)
        .wait("10m");
    e.says("lid/door.open", true).wait("1m59s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("1s");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn two_of_two_must_be_wet_and_a_lost_one_may_be() {
    let toml = ESTATE.replace("latch = true\n", "latch = true\nvote = { at_least = 2 }\n");
    let mut e = EstateTest::with(&toml);
    e.says("rope/leak.wet", false).says("spot/leak.wet", false);
    e.says("rope/leak.wet", true).wait("1m");
    assert_eq!(e.alarm_is(), "none", "one alone is not believed");
    e.says("spot/leak.wet", true).wait("5s");
    assert_eq!((e.alarm_is(), e.order_is()), ("active_unack", "dispatched"));
    e.fails("spot/leak.wet", Reason::CommTimeout);
    assert_eq!(e.alarm_is(), "unknown");
    e.says("spot/leak.wet", false)
        .keeps_saying("spot/leak.wet", false, "10m");
    assert_eq!(e.alarm_is(), "rtn_unack", "one alone does not keep it");
}

/// Two sensors of one type on the pipe.
fn two_ropes(vote: &str) -> String {
    let toml = ESTATE.replace("latch = true\n", &format!("latch = true\nvote = {vote}\n"));
    let ropes = toml.replace("profile = \"spot\"", "profile = \"rope\"");
    assert_ne!(ropes, toml);
    ropes
}

#[test]
fn where_all_must_agree_one_that_was_never_heard_is_not_taken_to_agree() {
    let mut e = EstateTest::with(&two_ropes("\"all\""));
    e.says("rope/leak.wet", true).wait("1m");
    assert_eq!(e.alarm_is(), "none", "the other one has not spoken");
    e.says("spot/leak.wet", true).wait("5s");
    assert_eq!(e.alarm_is(), "active_unack");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
}

#[test]
fn an_alarm_is_not_normal_while_a_sensor_that_was_never_heard_could_make_it_one() {
    // One rule is content with a puddle, another of its class wants two ropes.
    let alone = "[[rules]]\nid = \"puddle\"\nclass = \"leak\"\nfault = \"leak\"\nmeasure = \"door.open\"\n\
        applies_to = { kind = \"pipe_zone\" }\nwhen = { state = true }\npriority = \"P3\"\n\
        cause = { zh = \"积水\", en = \"Water\" }\nconsequence = { zh = \"损坏\", en = \"Damage\" }\n\
        response = { zh = \"查看\", en = \"Look\" }\n";
    let mut e = EstateTest::with(&format!("{}\n{alone}", two_ropes("{ at_least = 2 }")));
    e.says("rope/door.open", true)
        .says("rope/leak.wet", true)
        .wait("10s");
    assert_eq!(e.alarm_is(), "active_unack");
    e.says("rope/door.open", false);
    assert_eq!(e.alarm_is(), "unknown", "one is wet, the other one unknown");
    e.says("spot/leak.wet", false);
    assert_eq!(e.alarm_is(), "rtn_unack", "one alone is not enough");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
}

#[test]
fn a_rule_of_the_night_sleeps_by_day_and_wakes_at_its_hour() {
    let mut e = with_rule(
        "door.open",
        "when = { state = true }\nduring = { from = \"22:00\", to = \"06:00\" }",
    );
    e.says("lid/door.open", true);
    assert_eq!(e.alarm_is(), "active_unack", "it is three in the night");
    e.wait("3h");
    assert_eq!(e.alarm_is(), "rtn_unack", "it is six");
    e.wait("15h59m");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
    e.says("lid/door.open", true).wait("1m1s");
    assert_eq!((e.alarm_is(), e.alarm().count), ("active_unack", 2));
}

#[test]
fn one_asset_has_other_numbers_and_one_is_not_looked_at() {
    let toml = ESTATE.replace(
        "measure = \"bin.fill\"\n",
        "measure = \"bin.fill\"\noverrides = [{ asset = \"bin-1\", when = { above = 50.0, clear = 40.0 }, on_delay = \"1m\", priority = \"P2\" }]\n",
    );
    let mut e = EstateTest::with(&toml);
    e.shows("lid/bin.fill", 55.0).wait("1m");
    assert_eq!((e.alarm_is(), e.alarm().priority), ("active_unack", Priority::P2));
    let off = toml.replace("asset = \"bin-1\", when", "asset = \"bin-1\", off = true, when");
    let mut e = EstateTest::with(&off);
    e.shows("lid/bin.fill", 99.0).wait("1h");
    assert_eq!(e.alarm_is(), "none");
}

#[test]
fn a_new_asset_is_guarded_without_a_rule_and_an_own_rule_goes_before_the_shipped_one() {
    let own = |keep: &str| {
        let toml = ESTATE.replace("shipped_rules = false\n", "");
        let (head, rules) = toml.split_once("[[rules]]").unwrap();
        if keep.is_empty() {
            head.to_owned()
        } else {
            format!("{head}[[rules]]{rules}")
        }
    };
    let mut e = EstateTest::with(&own(""));
    e.says("rope/leak.wet", true).wait("5s");
    let (alarm, order) = (e.alarm(), e.order());
    assert_eq!(
        (alarm.rule.as_str(), alarm.priority),
        ("shipped-pipe-zone-leak", Priority::P2)
    );
    assert_eq!(order.profile.id.as_str(), "shipped-leak");
    let mut e = EstateTest::with(&own("leak"));
    e.says("rope/leak.wet", true).wait("5s");
    assert_eq!(e.alarm().rule.as_str(), "leak", "one rule guards a class");
    e.wait("1h");
    let silent = e.engine.alarms().find(|a| a.class.as_str() == "silent").unwrap();
    assert_eq!(
        (silent.rule.as_str(), silent.priority),
        ("shipped-pipe-zone-silent", Priority::P3)
    );
}

#[test]
fn a_sump_that_fills_is_urgent_and_one_about_to_overflow_is_more_so() {
    let toml = ESTATE
        .replace("shipped_rules = false\n", "")
        .replace("kind = \"pipe_zone\"\nplace", "kind = \"sump\"\nplace");
    let mut e = EstateTest::with(&toml);
    e.shows("rope/level.fill", 79.0)
        .shows("rope/level.fill", 85.0)
        .wait("59s");
    assert_eq!(e.alarm_is(), "none");
    e.wait("1s");
    assert_eq!(e.alarm().priority, Priority::P2);
    e.shows("rope/level.fill", 96.0).wait("1m");
    assert_eq!(e.alarm().priority, Priority::P1, "the same alarm, more urgent");
    assert_eq!((e.order().priority, e.order_is()), (Priority::P1, "dispatched"));
    e.shows("rope/level.fill", 76.0).wait("2m");
    assert_ne!(
        e.alarm().state.condition,
        Condition::Normal,
        "five percent of deadband"
    );
    e.shows("rope/level.fill", 75.0).wait("1m");
    assert_eq!(e.alarm().state.condition, Condition::Normal);
}

/// The usual estate under the shipped rules, and one of its own: a bin of 70 °C is P2.
fn with_own_heat() -> EstateTest {
    let heat = "\n[[rules]]\nid = \"warm\"\nclass = \"bin-heat\"\nfault = \"bin-heat\"\nmeasure = \"temperature\"\n\
        applies_to = { kind = \"bin\" }\nwhen = { above = 70.0 }\npriority = \"P2\"\n\
        cause = { zh = \"因\", en = \"Cause\" }\nconsequence = { zh = \"果\", en = \"Consequence\" }\n\
        response = { zh = \"看\", en = \"Look\" }\n";
    EstateTest::with(&(ESTATE.replace("shipped_rules = false\n", "") + heat))
}

#[test]
fn an_own_rule_takes_the_place_of_the_shipped_ones_that_look_at_the_same_and_of_no_others() {
    let mut e = with_own_heat();
    e.shows("lid/temperature", 20.0)
        .wait("1m")
        .shows("lid/temperature", 65.0)
        .wait("1m");
    assert_eq!(
        e.alarm_is(),
        "none",
        "neither 60 °C nor a rise: the own rule says 70 °C"
    );
    e.says("lid/bin.fire", true);
    assert_eq!(
        e.alarm().rule.as_str(),
        "shipped-bin-fire",
        "nobody else looks at the flame"
    );
}

#[test]
fn a_flame_is_heard_of_although_staff_had_shelved_the_warm_bin_and_not_when_a_manager_had() {
    for (role, state) in [
        (ActorRole::Staff, "active_unack"),
        (ActorRole::Manager, "shelved"),
    ] {
        let mut e = with_own_heat();
        e.shows("lid/temperature", 75.0);
        let seen = e.alarm();
        let shelve = Action::ShelveAlarm {
            alarm: seen.id,
            version: seen.version,
            lasts: Duration::from_secs(7_200),
            reason: "compost".into(),
            no_order: false,
        };
        e.act(actor("A", role), shelve).unwrap();
        assert_eq!(e.alarm_is(), "shelved");
        e.says("lid/bin.fire", true);
        assert_eq!(e.alarm_is(), state, "{role:?}");
        assert_eq!(e.order().priority, Priority::P1, "the order opens in any case");
    }
}

#[test]
fn what_could_never_be_raised_or_never_be_over_is_refused_with_its_place() {
    for (measure, rest, words) in [
        ("bin.fill", "when = { above = 120.0 }", "share from 0 to 100"),
        (
            "bin.fill",
            "when = { above = 80.0, clear = 90.0 }",
            "clear 90 is above",
        ),
        ("bin.fill", "when = { rises = 5.0 }", "is not one condition"),
        (
            "bin.fill",
            "when = { rises = 150.0, within = \"5m\" }",
            "never be raised",
        ),
        (
            "bin.fill",
            "when = { rises = -5.0, within = \"5m\" }",
            "above zero",
        ),
        (
            "bin.fill",
            "when = { above = 1.0, below = 2.0 }",
            "is not one condition",
        ),
        (
            "bin.fill",
            "when = { state = true, times = 3, within = \"5m\" }",
            "it has no state",
        ),
        (
            "bin.full",
            "when = { state = true, times = 1, within = \"5m\" }",
            "is not 2 to 32",
        ),
        (
            "bin.full",
            "when = { state = true, total = \"2h\", within = \"1h\" }",
            "could never be raised",
        ),
        (
            "bin.full",
            "when = { state = true, total = \"0s\", within = \"1h\" }",
            "never be over",
        ),
        ("bin.full", "when = { stuck = \"6h\" }", "not a number"),
        (
            "bin.full",
            "when = { state = true }\nvote = { at_least = 0 }",
            "always agree",
        ),
        (
            "bin.full",
            "when = { state = true }\nduring = { from = \"25:00\", to = \"06:00\" }",
            "not a time of day",
        ),
        (
            "bin.full",
            "when = { state = true }\nduring = { from = \"06:00\", to = \"06:00\" }",
            "never watch",
        ),
        (
            "bin.full",
            "when = { state = true }\noverrides = [{ asset = \"bin-9\" }]",
            "unknown asset",
        ),
    ] {
        let found = problems(&rule(measure, rest));
        assert!(
            found
                .iter()
                .any(|p| p.starts_with("rules[3].") && p.contains(words)),
            "{rest}: {found:?}"
        );
    }
}
