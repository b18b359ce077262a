//! The life of an alarm beside its condition: people are asked again, an alarm is muted, or about something under repair.
//! Nothing of it disappears.

use crate::estate_test::{ESTATE, EstateTest, actor};
use linli_domain::alarm::Serviced;
use linli_domain::command::{Action, ActorRole, Refusal, Reply};
use linli_domain::engine::{AlarmEvent, Input, NoticeKind};
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::rule::Priority;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// The usual estate in which a leak asks again after half an hour.
fn impatient() -> EstateTest {
    let toml = ESTATE.replace("latch = true", "latch = true\nre_alarm = \"30m\"");
    EstateTest::with(&toml)
}

fn full_bin() -> EstateTest {
    let mut e = EstateTest::new();
    e.shows("lid/bin.fill", 95.0).wait("10m");
    e
}

impl EstateTest {
    fn shelves(&mut self, who: &str, role: ActorRole, lasts: Duration) -> Result<Reply, Refusal> {
        let alarm = self.alarm();
        let action = Action::ShelveAlarm {
            alarm: alarm.id,
            version: alarm.version,
            lasts,
            reason: "the lid is being repaired".into(),
            no_order: false,
        };
        self.act(actor(who, role), action)
    }
    fn acknowledges(&mut self, who: &str) -> &mut Self {
        let alarm = self.alarm();
        let (alarm, version) = (alarm.id, alarm.version);
        let action = Action::AcknowledgeAlarm { alarm, version };
        self.act(actor(who, ActorRole::Staff), action).unwrap();
        self
    }
    fn takes_out(&mut self, what: Serviced) -> Result<Reply, Refusal> {
        self.takes_out_for("M", ActorRole::Manager, what, None)
    }
    fn takes_out_for(
        &mut self,
        who: &str,
        role: ActorRole,
        what: Serviced,
        lasts: Option<Duration>,
    ) -> Result<Reply, Refusal> {
        let reason = "being replaced".to_owned();
        self.act(actor(who, role), Action::TakeOutOfService { what, reason, lasts })
    }
    fn brings_back(&mut self, what: Serviced) -> Result<Reply, Refusal> {
        self.act(actor("M", ActorRole::Manager), Action::BringBack { what })
    }
    fn events(&self) -> Vec<AlarmEvent> {
        self.changes.alarms.iter().map(|change| change.event).collect()
    }
}

fn asset(id: &str) -> Serviced {
    Serviced::Asset(id.parse().unwrap())
}

fn device(id: &str) -> Serviced {
    Serviced::Device(id.parse().unwrap())
}

#[test]
fn an_alarm_that_was_seen_and_goes_on_asks_again_one_level_up() {
    let mut e = impatient();
    e.says("rope/leak.wet", true).wait("10s").acknowledges("A");
    e.keeps_saying("rope/leak.wet", true, "29m");
    assert_eq!((e.alarm_is(), e.alarm().level), ("active_ack", 0));
    e.keeps_saying("rope/leak.wet", true, "1m");
    assert_eq!((e.alarm_is(), e.alarm().level), ("active_unack", 1));
    assert_eq!(e.notices(NoticeKind::AlarmStillActive), 1);
    e.keeps_saying("rope/leak.wet", true, "2h");
    assert_eq!(
        e.notices(NoticeKind::AlarmStillActive),
        1,
        "unseen, it does not ask twice"
    );
    e.acknowledges("B").keeps_saying("rope/leak.wet", true, "31m");
    assert_eq!((e.notices(NoticeKind::AlarmStillActive), e.alarm().level), (2, 2));
}

#[test]
fn what_is_over_asks_nobody_again() {
    let mut e = impatient();
    e.says("rope/leak.wet", true).wait("10s").acknowledges("A");
    e.keeps_saying("rope/leak.wet", false, "2h");
    assert_eq!(
        (e.alarm_is(), e.notices(NoticeKind::AlarmStillActive)),
        ("latched", 0)
    );
}

#[test]
fn the_time_until_an_alarm_asks_again_survives_a_restart_and_a_clock_that_is_set() {
    let mut e = impatient();
    e.says("rope/leak.wet", true).wait("10s").acknowledges("A");
    e.keeps_saying("rope/leak.wet", true, "20m").reboot("5h");
    e.says("rope/leak.wet", true);
    e.now.wall = e.now.wall.plus(HOUR * 2);
    e.keeps_saying("rope/leak.wet", true, "9m");
    assert_eq!(e.alarm_is(), "active_ack");
    e.keeps_saying("rope/leak.wet", true, "1m30s");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn another_sensor_of_the_same_alarm_is_counted_and_calls_nobody() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("10s").acknowledges("A");
    e.says("spot/leak.wet", true).wait("10s");
    assert_eq!((e.alarm().count, e.alarm_is()), (2, "active_ack"));
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
}

#[test]
fn an_alarm_that_becomes_more_urgent_must_be_seen_again() {
    let worse = format!(
        "{ESTATE}\n[[rules]]\nid = \"overflow\"\nclass = \"bin-full\"\nfault = \"bin-full\"\n\
         measure = \"bin.fill\"\napplies_to = {{ kind = \"bin\" }}\nwhen = {{ above = 98.0 }}\n\
         priority = \"P2\"\ncause = {{ zh = \"数值异常\", en = \"A value is out of its range\" }}\n\
         consequence = {{ zh = \"设备可能损坏\", en = \"The equipment may be damaged\" }}\n\
         response = {{ zh = \"马上\", en = \"At once\" }}\n"
    );
    let mut e = EstateTest::with(&worse);
    e.shows("lid/bin.fill", 95.0).wait("10m").acknowledges("A");
    e.shows("lid/bin.fill", 99.0);
    assert_eq!((e.alarm_is(), e.alarm().priority), ("active_unack", Priority::P2));
    assert_eq!(e.events().last(), Some(&AlarmEvent::Worsened));
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 2);
    assert_eq!(e.order().priority, Priority::P2);
}

#[test]
fn a_shelved_alarm_is_listed_and_says_nothing_until_its_time_is_over() {
    let mut e = full_bin();
    e.shelves("A", ActorRole::Staff, HOUR).unwrap();
    assert_eq!(
        (e.alarm_is(), e.notices(NoticeKind::AlarmShelved)),
        ("shelved", 1)
    );
    e.shows("lid/bin.fill", 10.0).wait("10m").acknowledges("A");
    assert_eq!(e.alarm_is(), "shelved", "seen and normal, and still in sight");
    e.shows("lid/bin.fill", 96.0).wait("15m");
    assert_eq!((e.alarm().count, e.notices(NoticeKind::AlarmRaised)), (2, 1));
    e.wait("34m59s");
    assert_eq!(e.alarm_is(), "shelved");
    e.wait("1s");
    assert_eq!(
        (e.alarm_is(), e.notices(NoticeKind::AlarmRaised)),
        ("active_unack", 2)
    );
    assert_eq!(
        e.order_is(),
        "dispatched",
        "what nobody was told of gets its order now"
    );
}

#[test]
fn a_shelving_ends_by_what_remained_of_it_and_not_by_the_clock() {
    let mut e = full_bin();
    e.shelves("A", ActorRole::Staff, HOUR).unwrap();
    let ends_at = e.alarm().shelving.as_ref().unwrap().ends_at;
    e.wait("20m");
    e.now.wall = e.now.wall.plus(HOUR * 5);
    e.wait("1m").input(Input::Tick).reply.unwrap();
    assert_eq!(e.alarm_is(), "shelved", "a clock that is set ends nothing");
    assert_eq!(
        e.alarm().shelving.as_ref().unwrap().ends_at,
        ends_at.plus(HOUR * 5)
    );
    e.reboot("9h").wait("38m");
    assert_eq!(e.alarm_is(), "shelved");
    e.wait("1m");
    assert_eq!(e.alarm_is(), "active_unack");
}

#[test]
fn a_shelved_alarm_that_is_over_ends_with_its_shelving() {
    let mut e = full_bin();
    e.acknowledges("A").shelves("A", ActorRole::Staff, HOUR).unwrap();
    e.shows("lid/bin.fill", 10.0).wait("59m");
    assert_eq!(e.alarm_is(), "shelved");
    e.wait("1m");
    assert_eq!((e.alarm_is(), e.notices(NoticeKind::AlarmRaised)), ("none", 1));
}

#[test]
fn staff_shelve_for_a_shift_and_a_manager_for_days_and_the_most_urgent() {
    let mut e = full_bin();
    let too_long = e.shelves("A", ActorRole::Staff, HOUR * 9);
    assert_eq!(too_long, Err(Refusal::ShelvingLength { most: "8h".into() }));
    let too_long = e.shelves("M", ActorRole::Manager, HOUR * 73);
    assert_eq!(too_long, Err(Refusal::ShelvingLength { most: "3d".into() }));
    e.shelves("M", ActorRole::Manager, HOUR * 72).unwrap();

    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("5s");
    let urgent = e.shelves("A", ActorRole::Staff, HOUR);
    assert_eq!(urgent, Err(Refusal::ManagerOnly { action: "shelve" }));
    e.shelves("M", ActorRole::Manager, HOUR).unwrap();
}

#[test]
fn a_shelved_leak_still_gets_its_order_unless_a_manager_says_otherwise() {
    for no_order in [false, true] {
        let mut e = EstateTest::new();
        e.says("rope/leak.wet", true).wait("10s").works_off("A");
        e.overrides(actor("M", ActorRole::Manager)).unwrap();
        assert_eq!(e.order_is(), "none");
        let alarm = e.alarm();
        let action = Action::ShelveAlarm {
            alarm: alarm.id,
            version: alarm.version,
            lasts: HOUR,
            reason: "drying".into(),
            no_order,
        };
        e.act(actor("M", ActorRole::Manager), action).unwrap();
        e.keeps_saying("rope/leak.wet", false, "12m");
        e.says("rope/leak.wet", true).wait("10s");
        assert_eq!(e.order_is() == "none", no_order);
        assert_eq!((e.alarm_is(), e.alarm().count), ("shelved", 2));
    }
}

#[test]
fn unshelving_tells_at_once_and_only_what_is_shelved() {
    let mut e = full_bin();
    let unshelve = |e: &mut EstateTest| {
        let alarm = e.alarm();
        let (alarm, version) = (alarm.id, alarm.version);
        e.act(
            actor("B", ActorRole::Staff),
            Action::UnshelveAlarm { alarm, version },
        )
    };
    assert_eq!(unshelve(&mut e), Err(Refusal::NotShelved));
    e.shelves("A", ActorRole::Staff, HOUR).unwrap();
    e.wait("5m");
    unshelve(&mut e).unwrap();
    assert_eq!(
        (e.alarm_is(), e.notices(NoticeKind::AlarmRaised)),
        ("active_unack", 2)
    );
    let audited: Vec<_> = e
        .changes
        .audit
        .iter()
        .map(|a| (&*a.action, a.detail.as_str()))
        .collect();
    assert_eq!(
        audited,
        [
            ("alarm.shelve", "for 1h: the lid is being repaired"),
            ("alarm.unshelve", "")
        ]
    );
}

#[test]
fn what_is_out_of_service_calls_nobody_and_is_heard_when_it_is_back() {
    let mut e = EstateTest::new();
    e.shows("lid/bin.fill", 50.0);
    e.takes_out(asset("bin-1")).unwrap();
    assert_eq!(e.notices(NoticeKind::OutOfService), 1);
    e.shows("lid/bin.fill", 95.0).wait("10m");
    assert_eq!((e.alarm_is(), e.order_is()), ("out_of_service", "none"));
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 0);
    e.shows("lid/bin.fill", 10.0).wait("5m");
    assert_eq!(
        e.alarm_is(),
        "none",
        "nobody heard of it, nobody has to acknowledge it"
    );
    e.shows("lid/bin.fill", 95.0).wait("10m").reboot("1h");
    e.shows("lid/bin.fill", 95.0);
    let again = e.takes_out(asset("bin-1"));
    assert_eq!(again, Err(Refusal::AlreadyOutOfService { by: "M".into() }));
    e.brings_back(asset("bin-1")).unwrap();
    assert_eq!((e.alarm_is(), e.order_is()), ("active_unack", "dispatched"));
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 1);
    assert!(e.brings_back(asset("bin-1")).is_err());
}

#[test]
fn a_sensor_out_of_service_is_no_reason_and_another_one_beside_it_is() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false).says("spot/leak.wet", false);
    e.act(
        actor("A", ActorRole::Staff),
        Action::TakeOutOfService {
            what: device("rope"),
            reason: "cable is broken".into(),
            lasts: None,
        },
    )
    .unwrap();
    e.says("rope/leak.wet", true).wait("10s");
    assert_eq!(e.alarm_is(), "out_of_service");
    e.says("spot/leak.wet", true).wait("10s");
    assert_eq!((e.alarm_is(), e.order_is()), ("active_unack", "dispatched"));
}

#[test]
fn staff_do_not_take_a_whole_asset_out_of_service() {
    let mut e = EstateTest::new();
    let take = |what| Action::TakeOutOfService {
        what,
        reason: "tired of it".into(),
        lasts: None,
    };
    let refused = e
        .act(actor("A", ActorRole::Staff), take(asset("b3-pipe")))
        .unwrap_err();
    assert_eq!(refused.code(), "manager_only");
    let unknown = e
        .act(actor("M", ActorRole::Manager), take(asset("b4-pipe")))
        .unwrap_err();
    assert_eq!(unknown.code(), "unknown_asset");
    let silent = Action::TakeOutOfService {
        what: asset("b3-pipe"),
        reason: "  ".into(),
        lasts: None,
    };
    let refused = e.act(actor("M", ActorRole::Manager), silent).unwrap_err();
    assert_eq!(refused.code(), "reason_required");
}

#[test]
fn a_bad_reading_is_unknown_and_never_normal() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", true).wait("10s").acknowledges("A");
    e.fails("rope/leak.wet", Reason::CommTimeout).wait("2h");
    assert_eq!(e.alarm_is(), "unknown");
    assert!(e.reads("rope/leak.wet", Value::State(true), "0s", Quality::Good));
    assert_eq!(e.alarm_is(), "active_ack");
}

/// The usual estate in which lives depend on the leak sensors.
fn grave() -> EstateTest {
    EstateTest::with(&ESTATE.replace("latch = true", "latch = true\nlife_safety = true"))
}

#[test]
fn what_lives_depend_on_is_out_of_service_for_a_time_that_is_said_and_people_hear_when_it_is_over() {
    let mut e = grave();
    e.says("rope/leak.wet", false);
    let staff = ("A", ActorRole::Staff);
    for lasts in [None, Some(HOUR * 9), Some(Duration::from_secs(5))] {
        let refused = e
            .takes_out_for(staff.0, staff.1, device("rope"), lasts)
            .unwrap_err();
        assert_eq!(refused.code(), "lives_guarded", "{lasts:?}");
        assert!(
            refused.to_string().contains("8h"),
            "it says what may be asked for: {refused}"
        );
    }
    let manager = e.takes_out_for("M", ActorRole::Manager, asset("b3-pipe"), Some(HOUR * 73));
    assert_eq!(manager.unwrap_err().code(), "lives_guarded");
    assert_eq!(e.notices(NoticeKind::OutOfService), 0);

    e.takes_out_for(staff.0, staff.1, device("rope"), Some(HOUR * 2))
        .unwrap();
    let told = e.last_notice(NoticeKind::OutOfService);
    assert_eq!(
        (told.priority, told.reason.as_deref(), told.until),
        (
            Priority::P2,
            Some("being replaced"),
            Some(e.now.wall.plus(HOUR * 2))
        )
    );
    e.says("rope/leak.wet", true)
        .wait("1h")
        .reboot("3h")
        .says("rope/leak.wet", true);
    assert_eq!(
        e.alarm_is(),
        "out_of_service",
        "what was left of its time is left after a restart"
    );
    e.wait("1h").says("rope/leak.wet", true);
    assert_eq!((e.alarm_is(), e.order_is()), ("active_unack", "dispatched"));
    assert_eq!(
        (
            e.notices(NoticeKind::BackInService),
            e.notices(NoticeKind::AlarmRaised)
        ),
        (1, 1)
    );
    assert_eq!(e.engine.out_of_service().count(), 0);
    let last = e
        .changes
        .audit
        .last()
        .map(|event| (&*event.action, event.actor.is_none()));
    assert_eq!(last, Some(("service.bring_back", true)));
}

#[test]
fn a_sensor_lives_depend_on_that_was_never_heard_is_no_way_around_an_end() {
    let mut e = grave();
    assert!(e.engine.guards_lives(&device("rope")));
    let refused = e
        .takes_out_for("A", ActorRole::Staff, device("rope"), None)
        .unwrap_err();
    assert_eq!(refused.code(), "lives_guarded");
    assert!(!e.engine.guards_lives(&device("lid")));
    e.takes_out_for("A", ActorRole::Staff, device("lid"), None)
        .unwrap();
}

#[test]
fn what_lives_do_not_depend_on_may_have_an_end_and_a_clock_that_is_set_moves_it_on_paper_only() {
    let mut e = EstateTest::new();
    e.shows("lid/bin.fill", 50.0);
    let endless = e.takes_out_for("M", ActorRole::Manager, device("lid"), Some(HOUR * 24 * 91));
    assert_eq!(endless.unwrap_err().code(), "service_length");
    e.takes_out_for("A", ActorRole::Staff, device("lid"), Some(HOUR))
        .unwrap();
    let ends = |e: &EstateTest| e.engine.out_of_service().next().unwrap().1.ends_at.unwrap();
    let before = ends(&e);
    e.now.wall = e.now.wall.plus(HOUR * 5);
    e.input(Input::Tick).reply.unwrap();
    assert_eq!(ends(&e), before.plus(HOUR * 5));
    e.brings_back(device("lid")).unwrap();
    e.wait("2h").input(Input::Tick).reply.unwrap();
    assert_eq!(
        e.notices(NoticeKind::BackInService),
        1,
        "what was brought back is not told again"
    );
}

#[test]
fn what_lives_come_to_depend_on_gets_an_end_with_the_edit_that_says_so() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false);
    e.takes_out_for("A", ActorRole::Staff, device("rope"), None)
        .unwrap();
    let grave = ESTATE.replace("latch = true", "latch = true\nlife_safety = true");
    e.input(Input::Estate(crate::estate_test::doc(&grave)))
        .reply
        .unwrap();
    let told = e.last_notice(NoticeKind::OutOfService);
    assert_eq!(
        (told.priority, told.until),
        (Priority::P2, Some(e.now.wall.plus(HOUR * 8)))
    );
    let audited = e
        .changes
        .audit
        .iter()
        .find(|row| row.action.as_ref() == "service.give_an_end");
    let audited = audited.map(|row| (row.subject.as_str(), row.detail.as_str(), row.actor.is_none()));
    assert_eq!(
        audited,
        Some(("device rope", "lives depend on it now: for 8h", true))
    );
    e.wait("8h").input(Input::Tick).reply.unwrap();
    assert_eq!(
        (
            e.notices(NoticeKind::BackInService),
            e.engine.out_of_service().count()
        ),
        (1, 0)
    );
}

#[test]
fn a_step_says_why_and_until_when_in_fields_of_its_own() {
    let mut e = EstateTest::new();
    e.says("rope/leak.wet", false)
        .says("rope/leak.wet", true)
        .wait("10s");
    let (alarm, version) = (e.alarm().id, e.alarm().version);
    let shelve = Action::ShelveAlarm {
        alarm,
        version,
        lasts: HOUR,
        reason: "until: the plumber/2 is here".into(),
        no_order: false,
    };
    e.act(actor("M", ActorRole::Manager), shelve).unwrap();
    let beside = |e: &EstateTest, event| {
        let step = e.changes.alarms.iter().rev().find(|step| step.event == event);
        step.unwrap().beside.clone()
    };
    let shelved = beside(&e, AlarmEvent::Shelved);
    assert_eq!(shelved.reason.as_deref(), Some("until: the plumber/2 is here"));
    assert_eq!(shelved.until, Some(e.now.wall.plus(HOUR)));
    e.takes_out(asset("b3-pipe")).unwrap();
    let out = beside(&e, AlarmEvent::OutOfService);
    assert_eq!((out.reason.as_deref(), out.until), (Some("being replaced"), None));
}
