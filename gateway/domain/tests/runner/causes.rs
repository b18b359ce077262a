//! One alarm explains others: people hear of the cause alone, what it explains stands in the history, and what outlives
//! it is heard.

use crate::estate_test::{ESTATE, EstateTest, actor, doc};
use linli_domain::alarm::{Annunciation, Condition};
use linli_domain::command::{Action, ActorRole, Refusal, Reply};
use linli_domain::engine::{AlarmEvent, DeviceNews, NoticeKind};
use linli_domain::estate::Estate;
use linli_domain::id::AlarmId;
use linli_domain::reading::Reason;
use linli_domain::time::duration_text;
use std::time::Duration;

/// A riser off the main, a bus with a silent slave, a supply with what it feeds.
fn topology() -> String {
    let rule = |id: &str, measure: &str, kind: &str, when: &str, rest: &str| {
        format!(
            "\n[[rules]]\nid = \"{id}\"\nclass = \"{id}\"\nfault = \"{id}\"\nmeasure = \"{measure}\"\n\
             applies_to = {{ kind = \"{kind}\" }}\nwhen = {when}\n{rest}\n\
             cause = {{ zh = \"数值异常\", en = \"A value is out of its range\" }}\n\
             consequence = {{ zh = \"设备可能损坏\", en = \"The equipment may be damaged\" }}\n\
             response = {{ zh = \"查看\", en = \"Look\" }}\n"
        )
    };
    let estate = ESTATE.replace("latch = true", "inhibits = \"branches\"").replace(
        "asset = \"fire-lane\"\n",
        "asset = \"fire-lane\"\nexpected_interval = \"1m\"\n",
    );
    format!(
        r#"{estate}
[[assets]]
id = "riser"
kind = "pipe_zone"
place = "b3"
name = {{ zh = "立管", en = "Riser" }}
branch_of = "b3-pipe"

[[assets]]
id = "feed"
kind = "pump_room"
place = "b3"
name = {{ zh = "配电", en = "Feed" }}

[[devices]]
id = "high"
profile = "spot"
name = {{ zh = "高处", en = "High" }}
address = {{ mqtt = "main", key = "high-1" }}
asset = "riser"
fed_by = "feed"
expected_interval = "1m"

[[devices]]
id = "meter"
profile = "meter"
name = {{ zh = "电表", en = "Meter" }}
address = {{ bus = "bus2", unit = 1 }}
asset = "feed"
{}{}{}"#,
        rule(
            "lane-silent",
            "parking.occupied",
            "fire_lane",
            "{ silent = true }",
            "priority = \"P3\"\norder = { role = \"repair\", profile = \"lane\" }"
        ),
        rule(
            "pipe-silent",
            "leak.wet",
            "pipe_zone",
            "{ silent = true }",
            "priority = \"P3\""
        ),
        rule(
            "no-power",
            "power.voltage",
            "pump_room",
            "{ below = 100.0 }",
            "priority = \"P2\"\ninhibits = \"silence\""
        ),
    )
}

fn lost_bus() -> EstateTest {
    let mut e = EstateTest::with(&topology());
    e.says("gateway/gateway.bus_ok/bus1", true)
        .says("bay/parking.occupied", false);
    e.says("gateway/gateway.bus_ok/bus1", false).wait("2m");
    assert_eq!(e.alarm_is(), "active_unack");
    e.wait("20m");
    e
}

#[test]
fn a_lost_bus_explains_the_silence_of_its_slaves() {
    let e = lost_bus();
    let slave = e.living("fire-lane", "lane-silent");
    assert_eq!(slave.state.display_code(), "suppressed");
    let bus = e.living("gateway", "bus-lost");
    assert_eq!(slave.suppression.unwrap().source, bus.id);
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1, "one cause, one call");
    assert_eq!(e.order_is(), "none");
}

#[test]
fn a_slave_that_outlives_its_bus_is_heard_two_minutes_later() {
    let mut e = lost_bus();
    e.says("gateway/gateway.bus_ok/bus1", true).wait("2m9s");
    assert_eq!(
        e.living("fire-lane", "lane-silent").state.display_code(),
        "suppressed"
    );
    e.wait("2s");
    assert_eq!(
        e.living("fire-lane", "lane-silent").state.display_code(),
        "active_unack"
    );
    assert_eq!(
        (e.notices(NoticeKind::AlarmRaised), e.order_is()),
        (2, "dispatched")
    );
}

#[test]
fn a_slave_that_comes_back_with_its_bus_called_nobody_and_stands_in_the_history() {
    let mut e = lost_bus();
    e.says("gateway/gateway.bus_ok/bus1", true).wait("30s");
    e.says("bay/parking.occupied", false).wait("10m");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
    let lane = "fire-lane".parse().unwrap();
    let changes = e
        .changes
        .alarms
        .iter()
        .filter(|change| change.alarm.asset == lane);
    let events: Vec<_> = changes.map(|change| change.event).collect();
    assert_eq!(
        events,
        [AlarmEvent::Raised, AlarmEvent::Condition, AlarmEvent::Ended]
    );
}

#[test]
fn a_bus_that_is_lost_again_goes_on_explaining() {
    let mut e = lost_bus();
    e.says("gateway/gateway.bus_ok/bus1", true).wait("1m");
    e.says("gateway/gateway.bus_ok/bus1", false).wait("65s");
    assert_eq!(
        e.living("fire-lane", "lane-silent").state.display_code(),
        "suppressed"
    );
    e.wait("10m").reboot("3h").wait("10m");
    assert_eq!(
        e.living("fire-lane", "lane-silent").state.display_code(),
        "suppressed"
    );
}

/// The rope speaks through bridge `z`, which dies a moment later.
fn lost_bridge() -> EstateTest {
    let mut e = EstateTest::with(&topology());
    e.says("gateway/gateway.bridge_ok/z", true)
        .says("rope/leak.wet", false)
        .says("bay/parking.occupied", false)
        .news("rope", DeviceNews::Through("z".into()))
        .wait("5m");
    e.says("gateway/gateway.bridge_ok/z", false)
        .bridge("z", false, false);
    e
}

#[test]
fn a_lost_bridge_explains_at_once_that_its_devices_are_not_heard() {
    let e = lost_bridge();
    let rope = e.living("b3-pipe", "pipe-silent");
    assert_eq!(rope.state.display_code(), "suppressed");
    let bridge = e.living("gateway", "bridge-lost");
    assert_eq!(rope.suppression.unwrap().source, bridge.id);
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1, "one cause, one call");
}

#[test]
fn a_bridge_explains_nothing_of_what_does_not_speak_through_it() {
    let mut e = lost_bridge();
    e.wait("20m");
    assert_eq!(
        e.living("fire-lane", "lane-silent").state.display_code(),
        "active_unack"
    );
}

#[test]
fn when_a_bridge_is_back_its_devices_have_as_long_to_speak_as_they_may_be_silent() {
    let mut e = lost_bridge();
    e.wait("1m");
    e.says("gateway/gateway.bridge_ok/z", true)
        .bridge("z", true, false)
        .wait("11s");
    let rope = e.engine.estate().device_by_id(&"rope".parse().unwrap()).unwrap();
    let limit = e.engine.estate().device(rope).unwrap().silence_limit;
    let early = limit - Duration::from_secs(60);
    e.wait(&duration_text::format(early));
    assert_eq!(
        e.living("b3-pipe", "pipe-silent").state.display_code(),
        "suppressed",
        "within {limit:?}"
    );
    e.wait("61s");
    assert_eq!(
        e.living("b3-pipe", "pipe-silent").state.display_code(),
        "active_unack"
    );
    let mut e = lost_bridge();
    e.says("gateway/gateway.bridge_ok/z", true)
        .bridge("z", true, false)
        .wait("5m");
    e.says("rope/leak.wet", false).wait("5m");
    assert!(e.engine.alarms().all(|alarm| alarm.asset.as_str() != "b3-pipe"));
}

#[test]
fn a_bus_explains_neither_another_bus_nor_what_a_sensor_sees() {
    let mut e = EstateTest::with(&topology());
    e.says("gateway/gateway.bus_ok/bus2", true)
        .says("bay/parking.occupied", true);
    e.says("gateway/gateway.bus_ok/bus2", false).wait("10m");
    assert_eq!(
        e.living("fire-lane", "lane-blocked").state.display_code(),
        "active_unack"
    );
    e.wait("10m");
    assert_eq!(
        e.living("fire-lane", "lane-silent").state.display_code(),
        "active_unack"
    );
}

#[test]
fn a_supply_explains_the_silence_of_what_it_feeds() {
    let mut e = EstateTest::with(&topology());
    e.says("high/leak.wet", false).says("rope/leak.wet", false);
    e.shows("meter/power.voltage", 0.0).wait("40m");
    assert_eq!(
        e.living("riser", "pipe-silent").state.display_code(),
        "suppressed"
    );
    assert_eq!(
        e.living("b3-pipe", "pipe-silent").state.display_code(),
        "active_unack"
    );
}

#[test]
fn a_leak_of_the_main_explains_those_of_its_branches() {
    let mut e = EstateTest::with(&topology());
    e.says("high/leak.wet", true).wait("5m");
    assert_eq!(e.living("riser", "leak").state.display_code(), "active_unack");
    e.says("rope/leak.wet", true).wait("10s");
    assert_eq!(e.living("riser", "leak").state.display_code(), "suppressed");
    assert_eq!(e.living("b3-pipe", "leak").state.display_code(), "active_unack");
}

#[test]
fn a_branch_that_leaks_much_later_is_a_leak_of_its_own() {
    let mut e = EstateTest::with(&topology());
    e.says("rope/leak.wet", true)
        .wait("11m")
        .says("high/leak.wet", true)
        .wait("10s");
    assert_eq!(e.living("riser", "leak").state.display_code(), "active_unack");
}

#[test]
fn nothing_explains_what_lives_depend_on() {
    let safe = topology().replace(
        "inhibits = \"branches\"",
        "inhibits = \"branches\"\nlife_safety = true",
    );
    let mut e = EstateTest::with(&safe);
    e.says("rope/leak.wet", true)
        .says("high/leak.wet", true)
        .wait("1m");
    assert_eq!(e.living("riser", "leak").state.display_code(), "active_unack");
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 2);
    let alarm = e.living("riser", "leak");
    let shelve = Action::ShelveAlarm {
        alarm: alarm.id,
        version: alarm.version,
        lasts: Duration::from_secs(3_600),
        reason: "noise".into(),
        no_order: false,
    };
    assert!(e.act(actor("A", ActorRole::Staff), shelve.clone()).is_err());
    e.act(actor("M", ActorRole::Manager), shelve).unwrap();
}

#[test]
fn an_alarm_that_people_know_of_is_not_called_unknown_by_a_cause() {
    let mut e = EstateTest::with(&topology());
    e.says("gateway/gateway.bus_ok/bus1", true)
        .says("bay/parking.occupied", true)
        .wait("6m");
    assert_eq!(
        e.living("fire-lane", "lane-blocked").state.display_code(),
        "active_unack"
    );
    e.says("gateway/gateway.bus_ok/bus1", false).wait("30m");
    assert_eq!(
        e.living("fire-lane", "lane-blocked").state.display_code(),
        "unknown"
    );
    assert_eq!(
        e.notices(NoticeKind::AlarmUnknown),
        0,
        "the bus was said to be lost"
    );
}

#[test]
fn a_loop_of_branches_is_refused() {
    let estate = topology().replace("branch_of = \"b3-pipe\"", "branch_of = \"riser\"");
    let refused = Estate::resolve(doc(&estate)).unwrap_err();
    let texts: Vec<_> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["assets[3].branch_of: leads back to itself; leave it out at the end nothing else is behind"]
    );
}

/// A leak and a blocked fire lane, which nothing of the estate connects.
fn leak_and_lane() -> EstateTest {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).says("bay/parking.occupied", false);
    e.says("rope/leak.wet", true).wait("10s");
    e.says("bay/parking.occupied", true).wait("10m");
    e
}

fn name_cause(
    e: &mut EstateTest,
    role: ActorRole,
    of: (&str, &str),
    cause: AlarmId,
) -> Result<Reply, Refusal> {
    let alarm = e.living(of.0, of.1);
    let action = Action::SuppressAlarm {
        alarm: alarm.id,
        version: alarm.version,
        cause,
        reason: "the plumber's van stands there".into(),
    };
    e.act(actor("A", role), action)
}

const LANE: (&str, &str) = ("fire-lane", "lane-blocked");

#[test]
fn a_person_names_a_cause_the_rules_do_not_know_and_what_outlives_it_is_heard() {
    let mut e = leak_and_lane();
    let leak = e.living("b3-pipe", "leak");
    let before = e.living(LANE.0, LANE.1).version;
    let reply = name_cause(&mut e, ActorRole::Manager, LANE, leak.id).unwrap();
    let lane = e.living(LANE.0, LANE.1);
    assert_eq!(
        reply,
        Reply::Alarm {
            alarm: lane.id,
            version: before + 1
        }
    );
    assert_eq!(
        (
            lane.state.display_code(),
            lane.suppression.unwrap().source,
            lane.version
        ),
        ("suppressed", leak.id, before + 1)
    );
    e.wait("1h").reboot("3h").wait("1h");
    assert_eq!(e.living(LANE.0, LANE.1).state.display_code(), "suppressed");
    let told = e.notices(NoticeKind::AlarmRaised);
    e.says("rope/leak.wet", false).wait("1h");
    let lane = e.living(LANE.0, LANE.1);
    assert_eq!(lane.state.annunciation, Annunciation::On);
    assert_eq!(
        e.notices(NoticeKind::AlarmRaised),
        told,
        "people have heard of it before"
    );
}

#[test]
fn a_cause_a_person_takes_back_lets_people_hear_at_once() {
    let mut e = leak_and_lane();
    let leak = e.living("b3-pipe", "leak").id;
    name_cause(&mut e, ActorRole::Manager, LANE, leak).unwrap();
    let lane = e.living(LANE.0, LANE.1);
    let told = e.notices(NoticeKind::AlarmRaised);
    let back = Action::UnsuppressAlarm {
        alarm: lane.id,
        version: lane.version,
    };
    e.act(actor("B", ActorRole::Staff), back.clone()).unwrap();
    let lane = e.living(LANE.0, LANE.1);
    assert_eq!(
        (lane.state.display_code(), e.notices(NoticeKind::AlarmRaised)),
        ("active_unack", told + 1)
    );
    let again = Action::UnsuppressAlarm {
        alarm: lane.id,
        version: lane.version,
    };
    assert_eq!(e.act(actor("B", ActorRole::Staff), again), Err(Refusal::NotNamed));
}

#[test]
fn a_cause_must_go_on_be_heard_and_be_another_alarm() {
    let mut e = leak_and_lane();
    let (leak, lane) = (e.living("b3-pipe", "leak").id, e.living(LANE.0, LANE.1).id);
    for cause in [lane, AlarmId(99)] {
        let refused = name_cause(&mut e, ActorRole::Manager, LANE, cause);
        assert_eq!(refused, Err(Refusal::NoCause { cause }));
    }
    name_cause(&mut e, ActorRole::Manager, LANE, leak).unwrap();
    let circle = name_cause(&mut e, ActorRole::Manager, ("b3-pipe", "leak"), lane);
    assert_eq!(circle, Err(Refusal::NoCause { cause: lane }));
}

#[test]
fn staff_name_no_cause_of_what_is_most_urgent() {
    let mut e = leak_and_lane();
    let lane = e.living(LANE.0, LANE.1).id;
    let refused = name_cause(&mut e, ActorRole::Staff, ("b3-pipe", "leak"), lane);
    assert_eq!(refused, Err(Refusal::ManagerOnly { action: "suppress" }));
}

#[test]
fn no_two_alarms_explain_each_other_and_somebody_hears_of_one() {
    let mut e = EstateTest::with(&topology());
    e.shows("meter/power.voltage", 230.0).says("high/leak.wet", false);
    e.shows("meter/power.voltage", 50.0).wait("1m");
    e.fails("meter/power.voltage", Reason::CommTimeout).wait("1h");
    let power = e.living("feed", "no-power");
    assert_eq!(
        power.state.condition,
        Condition::Unknown,
        "it explains nothing now"
    );
    let silent = e.living("riser", "pipe-silent");
    assert_eq!(silent.state.annunciation, Annunciation::On);
    name_cause(&mut e, ActorRole::Manager, ("feed", "no-power"), silent.id).unwrap();
    e.shows("meter/power.voltage", 50.0).wait("1h");
    let heard = [("feed", "no-power"), ("riser", "pipe-silent")]
        .map(|(asset, class)| e.living(asset, class).state.annunciation);
    assert_eq!(heard, [Annunciation::Suppressed, Annunciation::On]);
}

#[test]
fn what_only_its_shelving_kept_is_over_once_a_cause_is_named() {
    let mut e = leak_and_lane();
    let leak = e.living("b3-pipe", "leak").id;
    let lane = e.living(LANE.0, LANE.1);
    let seen = Action::AcknowledgeAlarm {
        alarm: lane.id,
        version: lane.version,
    };
    e.act(actor("A", ActorRole::Staff), seen).unwrap();
    let shelved = Action::ShelveAlarm {
        alarm: lane.id,
        version: lane.version + 1,
        lasts: Duration::from_secs(3_600 * 8),
        reason: "a van".into(),
        no_order: false,
    };
    e.act(actor("M", ActorRole::Manager), shelved).unwrap();
    e.says("bay/parking.occupied", false).wait("1h");
    assert_eq!(e.living(LANE.0, LANE.1).state.display_code(), "shelved");
    name_cause(&mut e, ActorRole::Manager, LANE, leak).unwrap();
    assert!(e.engine.alarm(lane.id).is_none(), "nothing is left of it");
}
