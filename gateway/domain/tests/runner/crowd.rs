//! Many alarms at once: people hear of them together, what is most urgent never waits, and nothing is lost.

use crate::estate_test::{EstateTest, actor};
use crate::yard::yard;
use linli_domain::command::{Action, ActorRole};
use linli_domain::engine::{Audience, Input, Notice, NoticeKind};

/// Full bins, and a pipe of the most urgent kind.
const FULL_OR_WET: &str = r#"
[[assets]]
id = "pipe"
kind = "pipe_zone"
place = "yard"
name = { zh = "管", en = "Pipe" }

[[devices]]
id = "rope"
profile = "rope"
name = { zh = "绳", en = "Rope" }
address = { mqtt = "main", key = "rope" }
asset = "pipe"

[[rules]]
id = "leak"
class = "leak"
fault = "leak"
measure = "leak.wet"
applies_to = { kind = "pipe_zone" }
when = { state = true }
priority = "P1"
cause = { zh = "管道破损", en = "A pipe leaks" }
consequence = { zh = "地面积水", en = "Water stands on the floor" }
response = { zh = "关阀", en = "Close the valve" }

[[rules]]
id = "full"
name = { zh = "满溢", en = "Full" }
class = "full"
fault = "full"
measure = "bin.fill"
applies_to = { kind = "bin" }
when = { above = 90.0, clear = 70.0 }
priority = "P3"
cause = { zh = "垃圾投放过多", en = "More waste than usual" }
consequence = { zh = "垃圾溢出", en = "Waste lies beside the bin" }
response = { zh = "清运", en = "Empty it" }
"#;

fn bins(count: usize) -> String {
    yard(count, FULL_OR_WET)
}

/// What people were told, in order: the kind, and how many alarms it is about.
fn told(e: &EstateTest) -> Vec<(NoticeKind, u32)> {
    let people = |n: &&Notice| n.audience != Audience::Systems;
    e.changes
        .notices
        .iter()
        .filter(people)
        .map(|n| (n.kind, n.count))
        .collect()
}

fn fills(e: &mut EstateTest, n: usize) {
    e.shows(&format!("lid-{n}/bin.fill"), 95.0);
}

#[test]
fn alarms_of_one_class_are_told_together_and_the_next_ones_five_minutes_later() {
    let mut e = EstateTest::with(&bins(7));
    for n in 0..3 {
        fills(&mut e, n);
        e.wait("5s");
    }
    e.wait("14s");
    assert_eq!(told(&e), []);
    e.wait("1s");
    assert_eq!(told(&e), [(NoticeKind::AlarmGroup, 3)]);
    for n in 3..7 {
        fills(&mut e, n);
    }
    e.wait("4m59s");
    assert_eq!(told(&e).len(), 1);
    e.wait("1s");
    assert_eq!(
        told(&e)[1..],
        [(NoticeKind::AlarmGroup, 7)],
        "the next message names all seven"
    );
    e.wait("1h");
    assert_eq!(told(&e).len(), 2);
    assert_eq!(
        e.notices(NoticeKind::AlarmRaised),
        7,
        "systems heard of each at once"
    );
}

#[test]
fn what_is_most_urgent_waits_for_nobody() {
    let mut e = EstateTest::with(&bins(40));
    for n in 0..20 {
        fills(&mut e, n);
    }
    assert!(e.engine.is_storm());
    e.says("rope/leak.wet", true);
    let leak = e.changes.notices.last().unwrap();
    assert_eq!(
        (leak.kind, leak.audience),
        (NoticeKind::AlarmRaised, Audience::Everyone)
    );
}

#[test]
fn a_bin_that_was_emptied_or_seen_before_its_group_is_told_is_not_told() {
    let mut e = EstateTest::with(&bins(3));
    for n in 0..3 {
        fills(&mut e, n);
    }
    e.wait("5s").shows("lid-0/bin.fill", 10.0);
    let seen = e.living("bin-1", "full");
    let (alarm, version) = (seen.id, seen.version);
    e.act(
        actor("A", ActorRole::Staff),
        Action::AcknowledgeAlarm { alarm, version },
    )
    .unwrap();
    e.wait("1m");
    assert_eq!(
        told(&e),
        [(NoticeKind::AlarmGroup, 1)],
        "nobody hears that what nobody heard of is over"
    );
}

#[test]
fn a_storm_is_one_notice_and_a_digest_every_five_minutes_until_it_is_over() {
    let mut e = EstateTest::with(&bins(60));
    for n in 0..60 {
        fills(&mut e, n);
        e.wait("1s");
    }
    e.wait("10m");
    assert_eq!(told(&e)[0], (NoticeKind::StormBegan, 0));
    let digests: Vec<_> = told(&e)
        .into_iter()
        .filter(|(kind, _)| *kind == NoticeKind::AlarmDigest)
        .collect();
    assert_eq!(digests, [(NoticeKind::AlarmDigest, 60)]);
    let members = e
        .changes
        .notices
        .iter()
        .find(|n| n.kind == NoticeKind::AlarmDigest)
        .unwrap();
    assert_eq!(members.members.len(), 20, "twenty by name, the rest counted");
    assert_eq!(told(&e).last(), Some(&(NoticeKind::AlarmDigest, 60)));
    assert!(e.engine.is_storm());
    e.wait("6m");
    assert_eq!(told(&e).last(), Some(&(NoticeKind::StormEnded, 0)));
    assert!(!e.engine.is_storm());
    assert_eq!(e.notices(NoticeKind::AlarmRaised), 60);
    assert_eq!(e.engine.alarms().count(), 60, "the history is whole");
}

#[test]
fn five_thousand_alarms_in_a_minute_are_a_storm_and_a_digest_and_the_leak_amid_them_is_told_at_once() {
    let mut e = EstateTest::with(&bins(5_000));
    for n in 0..5_000 {
        fills(&mut e, n);
        if n == 2_500 {
            let before = e.changes.notices.len();
            e.says("rope/leak.wet", true);
            assert_eq!(e.changes.notices[before].audience, Audience::Everyone);
        }
        if n % 83 == 0 {
            e.wait("1s");
        }
    }
    e.wait("6m");
    let told = told(&e);
    assert!(told.len() <= 4, "{told:?}");
    let digest: u32 = told
        .iter()
        .filter(|(k, _)| *k == NoticeKind::AlarmDigest)
        .map(|(_, n)| n)
        .sum();
    assert_eq!(digest, 5_000, "{told:?}");
    assert_eq!(e.engine.alarms().count(), 5_001);
}

#[test]
fn a_storm_survives_a_restart() {
    let mut e = EstateTest::with(&bins(30));
    for n in 0..30 {
        fills(&mut e, n);
    }
    e.wait("2m").reboot("1h");
    e.wait("2m59s").input(Input::Tick).reply.unwrap();
    assert_eq!(told(&e).len(), 1);
    e.wait("1s");
    assert_eq!(told(&e).last(), Some(&(NoticeKind::AlarmDigest, 30)));
}

#[test]
fn what_nobody_has_seen_is_told_again_four_hours_after_the_last_message() {
    let mut e = EstateTest::with(&bins(4));
    for n in 0..3 {
        fills(&mut e, n);
    }
    e.wait("30s");
    let seen = e.living("bin-1", "full");
    let (alarm, version) = (seen.id, seen.version);
    e.act(
        actor("A", ActorRole::Staff),
        Action::AcknowledgeAlarm { alarm, version },
    )
    .unwrap();
    e.wait("3h59m59s");
    assert_eq!(told(&e), [(NoticeKind::AlarmGroup, 3)]);
    e.wait("1s");
    assert_eq!(
        told(&e)[1..],
        [(NoticeKind::AlarmRepeat, 2)],
        "without the one that was seen"
    );
    e.shows("lid-0/bin.fill", 10.0).wait("1h");
    // Another one begins the four hours anew, and its message names what nobody has seen.
    fills(&mut e, 3);
    e.wait("30s");
    assert_eq!(told(&e).last(), Some(&(NoticeKind::AlarmGroup, 2)));
    e.wait("3h59m59s");
    assert_eq!(told(&e).len(), 4, "{:?}", told(&e));
    e.wait("1s");
    assert_eq!(told(&e).last(), Some(&(NoticeKind::AlarmRepeat, 2)));
    for n in [2, 3] {
        e.shows(&format!("lid-{n}/bin.fill"), 10.0);
    }
    let before = told(&e).len();
    e.wait("9h");
    assert_eq!(told(&e).len(), before, "what is over is not told again");
}

#[test]
fn the_four_hours_survive_a_restart_and_a_storm() {
    let mut e = EstateTest::with(&bins(30));
    for n in 0..30 {
        fills(&mut e, n);
    }
    e.wait("5m");
    assert_eq!(told(&e).last(), Some(&(NoticeKind::AlarmDigest, 30)));
    e.wait("2h").reboot("9h");
    e.wait("1h59m59s").input(Input::Tick).reply.unwrap();
    let repeats = |e: &EstateTest| {
        let told = told(e).into_iter();
        told.filter(|(kind, _)| *kind == NoticeKind::AlarmRepeat)
            .collect::<Vec<_>>()
    };
    assert_eq!(repeats(&e), []);
    e.wait("1s");
    assert_eq!(repeats(&e), [(NoticeKind::AlarmRepeat, 30)]);
}

/// The estate of bins with rules that ask again an hour after somebody has seen it.
fn asking(count: usize) -> String {
    bins(count).replace("priority = \"P3\"", "priority = \"P3\"\nre_alarm = \"1h\"")
}

fn acknowledges(e: &mut EstateTest, asset: &str, class: &str) {
    let seen = e.living(asset, class);
    let (alarm, version) = (seen.id, seen.version);
    let action = Action::AcknowledgeAlarm { alarm, version };
    e.act(actor("A", ActorRole::Staff), action).unwrap();
}

#[test]
fn eight_that_were_seen_at_once_ask_again_at_once_in_one_message_and_one_alone_by_itself() {
    let mut e = EstateTest::with(&asking(8));
    for n in 0..8 {
        fills(&mut e, n);
    }
    e.wait("30s");
    for n in 0..8 {
        acknowledges(&mut e, &format!("bin-{n}"), "full");
        e.wait("1s");
    }
    e.wait("1h1m");
    assert_eq!(
        e.notices(NoticeKind::AlarmStillActive),
        8,
        "systems heard of each"
    );
    assert_eq!(
        told(&e),
        [(NoticeKind::AlarmGroup, 8), (NoticeKind::AlarmGroup, 8)],
        "people once, as when they were raised"
    );
    acknowledges(&mut e, "bin-3", "full");
    e.wait("1h1m");
    assert_eq!(told(&e)[2..], [(NoticeKind::AlarmStillActive, 1)]);
}

#[test]
fn what_goes_on_for_too_long_is_in_the_digest_of_a_storm() {
    let mut e = EstateTest::with(&asking(40));
    fills(&mut e, 0);
    e.wait("30s");
    acknowledges(&mut e, "bin-0", "full");
    e.wait("58m");
    for n in 1..40 {
        fills(&mut e, n);
        acknowledges(&mut e, &format!("bin-{n}"), "full");
    }
    assert!(e.engine.is_storm());
    e.wait("5m");
    assert_eq!(
        e.notices(NoticeKind::AlarmStillActive),
        1,
        "systems heard at once"
    );
    let digests: Vec<_> = told(&e)
        .into_iter()
        .filter(|(kind, _)| *kind == NoticeKind::AlarmDigest)
        .collect();
    assert_eq!(digests, [(NoticeKind::AlarmDigest, 1)], "{:?}", told(&e));
}

#[test]
fn water_that_comes_and_goes_is_told_every_hour_in_a_storm_too() {
    let leak = bins(80).replacen("priority = \"P1\"", "priority = \"P2\"", 1);
    let mut e = EstateTest::with(&leak);
    for round in 0..200 {
        e.says("rope/leak.wet", true).wait("10s");
        // Another bin is full, three times a minute.
        fills(&mut e, round % 80);
        e.says("rope/leak.wet", false).wait("10s");
        e.shows(&format!("lid-{}/bin.fill", round % 80), 10.0);
    }
    let still = told(&e)
        .iter()
        .filter(|(kind, _)| *kind == NoticeKind::AlarmStillActive)
        .count();
    assert!(e.engine.is_storm());
    assert_eq!(still, 1, "an hour and some minutes");
}
