//! Batch orders: several full bins are one job. A task for each, and each ends by what its own lid says.

use crate::estate_test::{EstateTest, actor};
use crate::yard::yard;
use linli_domain::command::{Action, ActorRole, Refusal};
use linli_domain::engine::{Audience, Input, Notice, NoticeKind};
use linli_domain::order::table::Closing;
use linli_domain::order::{Order, OrderEvent, OrderState, TaskState};
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::rule::Priority;
use std::sync::Arc;

/// Full bins are one job.
const FULL: &str = r#"
[[rules]]
id = "full"
name = { zh = "满溢", en = "Full" }
class = "full"
fault = "full"
measure = "bin.fill"
applies_to = { kind = "bin" }
when = { above = 90.0, clear = 70.0 }
on_delay = "10m"
off_delay = "2m"
priority = "P3"
cause = { zh = "投放多", en = "Much waste" }
consequence = { zh = "垃圾落地", en = "Waste on the ground" }
response = { zh = "清运", en = "Empty it" }
order = { role = "cleaning", profile = "bin", batch = true }

[[order_profiles]]
id = "bin"
name = { zh = "清运", en = "Emptying" }
verify = { hold = "0s", grace = "30m" }
auto_close = true
"#;

fn bins(count: usize) -> String {
    yard(count, FULL)
}

impl EstateTest {
    fn bin(&mut self, n: usize, fill: f64) -> &mut Self {
        self.shows(&format!("lid-{n}/bin.fill"), fill)
    }
    /// So many bins become full at once and stay so until they are alarms.
    fn full(&mut self, bins: std::ops::Range<usize>) -> &mut Self {
        for n in bins {
            self.bin(n, 95.0);
        }
        self.wait("10m")
    }
    /// Emptied, reported, and right for long enough.
    fn emptied(&mut self, n: usize) -> &mut Self {
        self.bin(n, 10.0).wait("2m")
    }
    /// Every open order with its tasks: `WO-1 dispatched: bin-0 open, bin-1 ended`.
    fn jobs(&self) -> Vec<String> {
        self.engine.orders().map(job).collect()
    }
    fn closed(&self) -> Vec<Closing> {
        let changes = self.changes.orders.iter();
        changes
            .filter_map(|change| match change.to {
                OrderState::Closed(closing) => Some(closing),
                _ => None,
            })
            .collect()
    }
    /// What people were told. An order speaks for its alarms when they are over.
    fn told(&self) -> Vec<&Notice> {
        let told = self.changes.notices.iter();
        told.filter(|n| n.audience != Audience::Systems)
            .filter(|n| n.kind != NoticeKind::AlarmCleared || n.order.is_none())
            .collect()
    }
    fn count(&self, event: OrderEvent) -> usize {
        self.changes.orders.iter().filter(|c| c.event == event).count()
    }
}

fn job(order: &Arc<Order>) -> String {
    let tasks = order.tasks().iter();
    let tasks: Vec<String> = tasks
        .map(|task| format!("{} {}", task.asset, task.state.name()))
        .collect();
    format!("{} {}: {}", order.id, order.state, tasks.join(", "))
}

fn open(bins: std::ops::Range<usize>) -> String {
    let tasks: Vec<String> = bins.map(|n| format!("bin-{n} open")).collect();
    tasks.join(", ")
}

#[test]
fn seven_bins_within_two_minutes_are_one_order_with_seven_tasks_and_few_messages() {
    let mut e = EstateTest::with(&bins(7));
    for n in 0..7 {
        e.bin(n, 60.0);
    }
    // 18:00:00 to 18:02:00, twenty seconds apart.
    for n in 0..7 {
        e.bin(n, 92.0).wait("20s");
    }
    e.wait("7m40s");
    assert_eq!((e.engine.alarms().count(), e.jobs().len()), (1, 0), "18:10:00");
    e.wait("29s");
    assert_eq!(e.jobs().len(), 0, "18:10:29: it waits for others");
    e.wait("1s");
    assert_eq!(e.jobs(), [format!("WO-1 dispatched: {}", open(0..2))], "18:10:30");
    let first = e.told()[0];
    assert_eq!((first.kind, first.count), (NoticeKind::AlarmGroup, 2));
    assert!(
        first
            .members
            .iter()
            .all(|member| member.order == Some(e.order().id))
    );
    e.wait("1m30s");
    assert_eq!(e.jobs(), [format!("WO-1 dispatched: {}", open(0..7))], "18:12:00");
    assert_eq!(e.order().priority, Priority::P3);
    assert_eq!(e.count(OrderEvent::TaskJoined), 5);
    e.wait("5m");
    assert_eq!(e.told()[1].count, 7, "the next message lists all");
    for n in 0..5 {
        e.bin(n, 10.0);
    }
    e.wait("2m");
    assert_eq!(
        e.jobs(),
        [
            "WO-1 dispatched: bin-0 ended, bin-1 ended, bin-2 ended, bin-3 ended, bin-4 ended, bin-5 open, bin-6 open"
        ]
    );
    e.emptied(5);
    assert_eq!(e.jobs().len(), 1);
    e.emptied(6);
    assert_eq!(
        (e.jobs().len(), e.closed()),
        (0, vec![Closing::SelfCleared]),
        "at the seventh"
    );
    e.wait("50m");
    assert!(e.told().len() <= 3, "{:#?}", e.told());
}

#[test]
fn one_bin_alone_is_an_order_with_one_task() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..1).wait("30s");
    assert_eq!(e.jobs(), ["WO-1 dispatched: bin-0 open"]);
    assert_eq!(e.living("bin-0", "full").order, Some(e.order().id));
}

#[test]
fn what_is_over_before_the_order_opens_is_not_in_it() {
    let quick = bins(3).replace("off_delay = \"2m\"", "off_delay = \"5s\"");
    let mut e = EstateTest::with(&quick);
    e.full(0..2).wait("10s");
    e.bin(0, 10.0).wait("30s");
    assert_eq!(e.jobs(), ["WO-1 dispatched: bin-1 open"]);
    e.bin(1, 10.0).wait("1m");
    assert_eq!(e.jobs().len(), 0);
    e.full(2..3).wait("10s");
    e.bin(2, 10.0).wait("1h");
    assert_eq!(e.engine.orders().count(), 0);
    assert_eq!(e.count(OrderEvent::Open), 1, "all over: no order at all");
}

#[test]
fn a_late_bin_joins_for_ten_minutes_and_then_begins_another_order() {
    let mut e = EstateTest::with(&bins(4));
    e.full(0..1).wait("30s");
    e.bin(1, 95.0).wait("9m59s");
    e.bin(2, 95.0).wait("1s");
    assert_eq!(
        e.jobs(),
        ["WO-1 dispatched: bin-0 open"],
        "10 min are over as it comes"
    );
    e.wait("30s");
    assert_eq!(
        e.jobs(),
        ["WO-1 dispatched: bin-0 open", "WO-2 dispatched: bin-1 open"]
    );
    e.wait("9m30s");
    assert_eq!(e.jobs()[1], "WO-2 dispatched: bin-1 open, bin-2 open");
}

#[test]
fn nobody_joins_an_order_that_is_completed() {
    let mut e = EstateTest::with(&bins(2));
    e.bin(0, 95.0).wait("5m");
    e.bin(1, 95.0).wait("5m30s");
    e.works_off("A");
    e.wait("4m30s").wait("30s");
    assert_eq!(
        e.jobs(),
        [
            "WO-1 pending_verification: bin-0 open",
            "WO-2 dispatched: bin-1 open"
        ]
    );
}

#[test]
fn a_task_ends_by_its_own_evidence_and_opens_again_when_the_bin_is_full_again() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("30s").accept("A").start("A");
    e.emptied(0);
    assert_eq!(e.jobs(), ["WO-1 in_progress: bin-0 ended, bin-1 open"]);
    e.full(0..1).wait("1s");
    assert_eq!(e.jobs(), ["WO-1 in_progress: bin-0 open, bin-1 open"]);
    let task = e.order().tasks()[0].clone();
    assert_eq!((task.reopened, task.ended), (1, None));
    assert_eq!(task.alarm, e.living("bin-0", "full").id);
    e.emptied(0).emptied(1);
    assert_eq!(e.jobs(), ["WO-1 in_progress: bin-0 ended, bin-1 ended"]);
    assert!(e.order().sensor_normal, "who has begun says that it is done");
    e.complete("A");
    assert_eq!((e.jobs().len(), e.closed()), (0, vec![Closing::Verified]));
}

#[test]
fn what_happens_to_a_task_changes_the_order_for_phones_and_for_systems() {
    let mut e = EstateTest::with(&bins(3));
    e.full(0..2).bin(2, 95.0).wait("30s");
    let (order, seen) = e.seen();
    e.wait("9m30s").emptied(0);
    e.bin(0, 95.0).wait("10m");
    let stale = Action::Accept { order, version: seen };
    let refused = e.act(actor("A", ActorRole::Staff), stale).unwrap_err();
    assert_eq!(refused.code(), "version_conflict", "another bin joined meanwhile");
    let versions: Vec<_> = e.changes.orders.iter().map(|c| c.order.version).collect();
    assert_eq!(
        versions,
        [1, 2, 3, 4, 5],
        "open, dispatch, joined, ended, reopened"
    );
    let tasks = e
        .changes
        .notices
        .iter()
        .filter(|n| n.kind.name().contains("task"));
    let tasks: Vec<_> = tasks
        .map(|n| format!("{} {} {}", n.kind.name(), n.asset, n.alarm.unwrap()))
        .collect();
    assert_eq!(
        tasks,
        [
            "order_task_joined bin-2 AL-3",
            "order_task_ended bin-0 AL-1",
            "order_task_reopened bin-0 AL-1"
        ]
    );
    assert!(
        e.told().iter().all(|n| !n.kind.name().contains("task")),
        "people read the whole"
    );
}

#[test]
fn a_doubtful_reading_ends_no_task_however_long_it_is_and_a_good_one_does() {
    let mut e = EstateTest::with(&bins(1));
    e.full(0..1).wait("30s");
    let doubtful = Quality::Uncertain(Reason::OutOfRange);
    e.reads("lid-0/bin.fill", Value::Number(10.0), "0s", doubtful);
    e.wait("1d");
    assert_eq!(e.jobs(), ["WO-1 dispatched: bin-0 open"]);
    e.bin(0, 10.0);
    assert_eq!(e.closed(), [Closing::SelfCleared]);
}

#[test]
fn what_was_open_at_the_completion_needs_evidence_from_after_it() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("30s").accept("A").start("A");
    e.emptied(0);
    e.bin(1, 10.0).wait("1m").complete("A").wait("1h");
    assert_eq!(
        e.jobs(),
        ["WO-1 pending_verification: bin-0 ended, bin-1 open"],
        "the lid spoke before the completion, and not since"
    );
    let buffered = e.reads("lid-1/bin.fill", Value::Number(9.0), "50m", Quality::Good);
    assert!(buffered);
    let buffered = e.reads("lid-1/bin.fill", Value::Number(9.0), "62m", Quality::Good);
    assert!(!buffered, "older than what is known");
    assert_eq!(e.closed(), [Closing::Verified], "observed after the completion");
}

#[test]
fn a_bin_that_is_still_full_when_grace_is_over_sends_the_order_back() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("30s").works_off("A").wait("1s");
    e.emptied(0).wait("27m58s");
    assert_eq!(e.order_is(), "pending_verification");
    e.wait("1s");
    assert_eq!((e.order_is(), e.order().reopened), ("in_progress", 1));
    let back = e
        .told()
        .into_iter()
        .rfind(|n| n.kind == NoticeKind::OrderReopened);
    let named: Vec<_> = back
        .unwrap()
        .members
        .iter()
        .map(|m| m.asset.to_string())
        .collect();
    assert_eq!(named, ["bin-1"], "what is left to do is named");
    e.emptied(1).complete("A");
    assert_eq!(e.closed(), [Closing::Verified]);
}

#[test]
fn a_bin_that_is_full_again_during_verification_sends_the_order_back_at_once() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("30s").accept("A").start("A");
    e.emptied(0).complete("A");
    e.full(0..1);
    assert_eq!(
        e.jobs(),
        ["WO-1 in_progress: bin-0 open, bin-1 open"],
        "and it has no order of its own"
    );
}

#[test]
fn a_manager_who_overrides_leaves_open_tasks_as_they_are() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("30s").accept("A").start("A");
    e.emptied(0).complete("A");
    e.overrides(actor("M", ActorRole::Manager)).unwrap();
    let last = e.changes.orders.last().unwrap().order.clone();
    assert_eq!(job(&last), "WO-1 closed: bin-0 ended, bin-1 left");
    assert_eq!(last.tasks()[1].state, TaskState::Left);
}

#[test]
fn a_batch_with_an_active_alarm_is_not_cancelled_whichever_bin_it_is() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("30s");
    e.emptied(0);
    let (order, version) = e.seen();
    let reason = "no truck today".to_owned();
    let action = Action::Cancel {
        order,
        version,
        reason,
    };
    let refused = e.act(actor("M", ActorRole::Manager), action).unwrap_err();
    let alarm = e.living("bin-1", "full").id;
    assert_eq!(refused, Refusal::AlarmStillActive { alarm });
}

#[test]
fn accepting_a_batch_is_seeing_all_of_its_alarms() {
    let mut e = EstateTest::with(&bins(3));
    e.full(0..3).wait("30s").accept("A");
    assert!(e.engine.alarms().all(|a| a.state.display_code() == "active_ack"));
}

#[test]
fn the_wait_and_the_time_to_join_survive_a_restart_by_what_remained() {
    let mut e = EstateTest::with(&bins(4));
    e.full(0..2).wait("20s").reboot("2h");
    e.wait("9s").input(Input::Tick).reply.unwrap();
    assert_eq!(e.jobs().len(), 0);
    e.wait("1s");
    assert_eq!(e.jobs(), [format!("WO-1 dispatched: {}", open(0..2))]);
    e.wait("1m").reboot("9h");
    e.bin(2, 95.0);
    for n in 0..2 {
        e.bin(n, 95.0);
    }
    e.wait("8m59s").input(Input::Tick).reply.unwrap();
    e.now.wall = e.now.wall.plus(std::time::Duration::from_secs(7_200));
    e.wait("1s").input(Input::Tick).reply.unwrap();
    assert_eq!(
        e.jobs().len(),
        1,
        "ten minutes less one of waiting, no clock moves them"
    );
    e.emptied(0).emptied(1);
    assert_eq!(e.jobs().len(), 1, "the third is a minute from being an alarm");
}

#[test]
fn a_clock_that_is_set_makes_old_evidence_no_better() {
    let mut e = EstateTest::with(&bins(1));
    e.full(0..1).wait("1m");
    // A day ahead, then back: what the lid says now counts, in the time that is shown now.
    for hours in [24, -24] {
        let wall = e.now.wall.as_millis() + hours * 3_600_000;
        e.now.wall = linli_domain::time::Timestamp::from_millis(wall);
        e.input(Input::Tick).reply.unwrap();
    }
    e.bin(0, 10.0).wait("2m");
    assert_eq!(e.closed(), [Closing::SelfCleared]);
}

#[test]
fn as_many_as_an_order_holds_do_not_wait_and_the_next_ones_are_another_order() {
    let mut e = EstateTest::with(&bins(70));
    for n in 0..70 {
        e.bin(n, 95.0);
    }
    e.wait("10m");
    let sizes = |e: &EstateTest| e.engine.orders().map(|o| o.tasks().len()).collect::<Vec<_>>();
    assert_eq!(sizes(&e), [64]);
    e.wait("30s");
    assert_eq!(sizes(&e), [64, 6]);
    for n in 0..70 {
        e.bin(n, 10.0);
    }
    e.wait("2m");
    assert_eq!(e.closed(), [Closing::SelfCleared; 2]);
}

#[test]
fn a_bin_that_cannot_be_heard_keeps_its_task_open() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("30s");
    e.fails("lid-1/bin.fill", Reason::CommTimeout);
    e.emptied(0).wait("1d");
    assert_eq!(e.jobs(), ["WO-1 dispatched: bin-0 ended, bin-1 open"]);
}

#[test]
fn an_alarm_that_becomes_most_urgent_while_it_waits_has_its_own_order_at_once() {
    let worse = bins(2)
        + "\n[[rules]]\nid = \"burst\"\nclass = \"full\"\nfault = \"full\"\nmeasure = \"bin.fill\"\n\
           applies_to = { kind = \"bin\" }\nwhen = { above = 99.0 }\npriority = \"P1\"\n\
           cause = { zh = \"投放多\", en = \"Much waste\" }\n\
           consequence = { zh = \"垃圾落地\", en = \"Waste on the ground\" }\n\
           response = { zh = \"马上\", en = \"At once\" }\norder = { role = \"cleaning\", profile = \"bin\" }\n";
    let mut e = EstateTest::with(&worse);
    e.full(0..2).wait("5s").bin(0, 100.0);
    assert_eq!(e.jobs(), ["WO-1 dispatched: "]);
    e.wait("25s");
    assert_eq!(e.jobs(), ["WO-1 dispatched: ", "WO-2 dispatched: bin-1 open"]);
}

#[test]
fn what_is_kept_from_people_is_in_no_order_and_gathers_when_it_is_heard_of_again() {
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2);
    let alarm = e.living("bin-0", "full");
    let action = Action::ShelveAlarm {
        alarm: alarm.id,
        version: alarm.version,
        lasts: std::time::Duration::from_secs(1_800),
        reason: "the yard is closed".into(),
        no_order: false,
    };
    e.act(actor("A", ActorRole::Staff), action).unwrap();
    e.wait("30s");
    assert_eq!(e.jobs(), ["WO-1 dispatched: bin-1 open"]);
    e.wait("29m30s");
    assert_eq!(e.jobs().len(), 1, "it waits for others again");
    e.wait("30s");
    assert_eq!(e.jobs()[1], "WO-2 dispatched: bin-0 open");
}

#[test]
fn an_edit_while_they_wait_counts_and_one_that_comes_later_leaves_the_order_as_it_is() {
    let single = bins(2).replace(", batch = true", "");
    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("10s");
    e.input(Input::Estate(crate::estate_test::doc(&single)))
        .reply
        .unwrap();
    e.wait("10m");
    assert_eq!(
        e.jobs(),
        ["WO-1 dispatched: ", "WO-2 dispatched: "],
        "each has its own"
    );

    let mut e = EstateTest::with(&bins(2));
    e.full(0..2).wait("30s");
    e.input(Input::Estate(crate::estate_test::doc(&single)))
        .reply
        .unwrap();
    e.wait("1m").emptied(0);
    assert_eq!(e.jobs(), ["WO-1 dispatched: bin-0 ended, bin-1 open"]);
    // The lid of the other one leaves the estate: nobody can say that it is empty.
    let without = single.replace("asset = \"bin-1\"\n", "");
    e.input(Input::Estate(crate::estate_test::doc(&without)))
        .reply
        .unwrap();
    e.wait("1d");
    assert_eq!(e.jobs(), ["WO-1 dispatched: bin-0 ended, bin-1 open"]);
}

#[test]
fn the_most_urgent_and_what_lives_depend_on_is_no_batch() {
    let refused = |toml: &str| -> Vec<String> {
        let problems = linli_domain::Engine::new(crate::estate_test::doc(toml)).unwrap_err();
        problems
            .iter()
            .map(|p| format!("{}: {}", p.path, p.message))
            .collect()
    };
    assert_eq!(
        refused(&bins(1).replace("priority = \"P3\"", "priority = \"P1\"")),
        ["rules[0].order.batch: an alarm of priority P1 waits for no other"]
    );
    assert_eq!(
        refused(&bins(1).replace("priority = \"P3\"", "priority = \"P3\"\nlife_safety = true")),
        ["rules[0].order.batch: an alarm that lives depend on waits for no other"]
    );
    let other = "priority = \"P3\"\noverrides = [{ asset = \"bin-0\", priority = \"P1\" }]";
    assert_eq!(
        refused(&bins(1).replace("priority = \"P3\"", other)),
        [
            "rules[0].overrides[0].priority: an alarm of priority P1 waits for no other, and this rule's orders are \
          batches"
        ]
    );
}
