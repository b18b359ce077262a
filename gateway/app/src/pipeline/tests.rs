//! A batch that cannot be stored: what is done again, in which order, and what becomes of its debts.
//!
//! A second connection breaks the file on purpose: a trigger that raises refuses a row, one that overflows fails as a
//! disk does.

use super::core::Core;
use super::door::{Door, Failed, Request, open};
use super::recover::recover;
use super::requests::{ESTATE, estate_row};
use super::{Loop, Pace, Progress, Understanding};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Subscription;
use crate::field::{Done, Frame, Keep, MqttFrame};
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use linli_decode::{ClockWindow, Family};
use linli_domain::command::{Actor, ActorRole, Refusal};
use linli_domain::estate::EstateDoc;
use linli_domain::text::Language;
use linli_ledger::{AlarmFilter, Batch, Ledger, Options, Page, Reader, RejectFilter};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

pub(super) fn seed() -> Arc<EstateDoc> {
    let text = r#"
        id = "test"
        name = { zh = "试验", en = "Test" }
        [[places]]
        id = "b3"
        kind = "building"
        name = { zh = "3号楼", en = "Building 3" }
        [[assets]]
        id = "b3-pipe"
        kind = "pipe_zone"
        place = "b3"
        name = { zh = "管段", en = "Pipe zone" }
        [[devices]]
        id = "leak-b3"
        profile = "aqara.sjcgq11lm"
        name = { zh = "漏水传感器", en = "Leak sensor" }
        address = { mqtt = "main", key = "leak" }
        asset = "b3-pipe"
        [[rules]]
        id = "leak"
        class = "leak"
        fault = "leak"
        measure = "leak.wet"
        applies_to = { kind = "pipe_zone" }
        when = { state = true }
        on_delay = "0s"
        off_delay = "0s"
        priority = "P1"
        cause = { zh = "管道破损", en = "A pipe leaks" }
        consequence = { zh = "地面积水", en = "Water stands on the floor" }
        response = { zh = "关阀。", en = "Close the valve." }
    "#;
    Arc::new(toml::from_str(text).unwrap())
}

fn clock() -> SharedClock {
    Arc::new(SystemClock::new())
}

pub(super) fn core(folder: &Path) -> Core {
    let (clock, metrics) = (clock(), Metrics::new().unwrap());
    let mut ledger = Ledger::open(folder, &Options::default()).unwrap();
    let recovered = recover(&mut ledger, &seed(), &clock).unwrap();
    let (catalogue, _) = crate::profiles::load(None).unwrap();
    let subscription = Subscription::new(Family::Zigbee2mqtt, "zigbee2mqtt/{device...}".parse().unwrap());
    let connections = [(Arc::from("main"), vec![subscription])];
    Core::new(
        recovered,
        ledger,
        Understanding::new(
            connections,
            catalogue,
            linli_decode::Memory::default(),
            ClockWindow::default(),
        ),
        Planner::new(Vec::new(), Vec::new(), Language::En),
        clock,
        metrics,
    )
}

/// A gateway's pipeline on a thread of its own; it ends with its door.
fn running(folder: &Path) -> Door {
    run(core(folder))
}

fn run(core: Core) -> Door {
    let (door, inbox) = open(Vec::new());
    let (progress, _) = watch::channel(Progress::new(core.engine.estate()));
    let pace = Pace::new(Duration::from_millis(1), 1000);
    std::thread::spawn(move || Loop::new(core, inbox, pace, progress).run());
    door
}

pub(super) fn frame(device: &str, wet: bool) -> Frame {
    Frame::Mqtt(MqttFrame {
        connection: "main".into(),
        subscription: 0,
        topic: format!("zigbee2mqtt/{device}").into(),
        payload: format!("{{\"water_leak\":{wet}}}").into_bytes().into(),
        retained: false,
        duplicate: false,
        session: 1,
        packet: None,
        unwanted: None,
        keep: None,
        received: clock().now(),
        done: Done::Nothing,
    })
}

/// A message that is refused.
fn broken(device: &str) -> Frame {
    match frame(device, true) {
        Frame::Mqtt(message) => Frame::Mqtt(MqttFrame {
            topic: format!("zigbee2mqtt/{device}/availability").into(),
            payload: (*b"maybe").into(),
            ..message
        }),
        other => other,
    }
}

pub(super) fn sabotage(folder: &Path, sql: &str) {
    let other = Connection::open(folder.join(linli_ledger::DATABASE_FILE)).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch(sql).unwrap();
}

/// Origins and reasons of what was set aside, oldest first.
fn set_aside(folder: &Path) -> Vec<(String, String)> {
    let page = Page {
        before: None,
        limit: 100,
    };
    let reader = Reader::open(folder).unwrap();
    let mut rejects = reader.rejects(&RejectFilter::default(), page).unwrap();
    rejects.reverse();
    rejects
        .into_iter()
        .map(|r| (r.row.origin, r.row.reason))
        .collect()
}

#[test]
fn a_disk_that_fails_amid_the_search_for_an_offender_loses_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    sabotage(
        folder.path(),
        "CREATE TRIGGER refuse BEFORE INSERT ON reject
             WHEN NEW.origin LIKE '%/a/%' AND NEW.reason NOT LIKE 'store_refused%'
             BEGIN SELECT RAISE(ABORT, 'never'); END;
         CREATE TRIGGER fail BEFORE INSERT ON reject WHEN NEW.origin LIKE '%/b/%'
             BEGIN SELECT abs(-9223372036854775807 - 1); END;",
    );
    let now = core.clock.now();
    for device in ["a", "b", "c", "d"] {
        core.frame(broken(device), &now);
    }
    let refused = core.commit().err().unwrap();
    assert!(refused.trouble.is_none(), "{}", refused.reason);
    let mut commits = 0;
    let failed = core.bisect(refused.frames, &mut |_| commits += 1).err().unwrap();
    assert!(failed.trouble.is_some(), "{}", failed.reason);
    let left: Vec<String> = failed
        .frames
        .iter()
        .map(|f| f.origin().from.into_owned())
        .collect();
    let of = |device| format!("zigbee2mqtt/{device}/availability");
    assert_eq!((commits, left), (1, vec![of("b"), of("c"), of("d")]));

    sabotage(folder.path(), "DROP TRIGGER fail");
    assert!(core.bisect(failed.frames, &mut |_| commits += 1).is_ok());
    let refused = |device| (of(device), "not_json".to_owned());
    assert_eq!(
        set_aside(folder.path()),
        [
            (of("a"), "store_refused".into()),
            refused("b"),
            refused("c"),
            refused("d")
        ]
    );
}

#[test]
fn what_a_message_leaves_retained_is_stored_with_it_in_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    let now = core.clock.now();
    let kept = |device: &str, payload: &str| {
        let Frame::Mqtt(mut message) = frame(device, true) else {
            unreachable!()
        };
        message.payload = payload.as_bytes().into();
        message.keep = Some(Keep {
            qos: 1,
            expires: None,
        });
        Frame::Mqtt(message)
    };
    let before = core.ledger.last_commit();
    core.frame(kept("leak", "{\"water_leak\":false}"), &now);
    core.frame(kept("lost/availability", "not even JSON"), &now);
    core.frame(kept("cleared", "soon gone"), &now);
    core.frame(kept("cleared", ""), &now);
    assert!(core.commit().is_ok());
    assert_eq!(core.ledger.last_commit().0, before.0 + 1);
    let rows = Reader::open(folder.path()).unwrap().retained(now.wall).unwrap();
    let topics: Vec<&str> = rows.iter().map(|row| row.topic.as_str()).collect();
    assert_eq!(topics, ["zigbee2mqtt/leak", "zigbee2mqtt/lost/availability"]);
    let aside: Vec<String> = set_aside(folder.path())
        .into_iter()
        .map(|(origin, _)| origin)
        .collect();
    let expected = ["zigbee2mqtt/lost/availability"];
    assert_eq!(aside, expected, "what could not be used is retained all the same");
}

#[test]
fn a_frame_does_not_pay_for_the_request_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    sabotage(
        folder.path(),
        "CREATE TRIGGER refuse BEFORE INSERT ON token BEGIN SELECT RAISE(ABORT, 'never'); END",
    );
    let now = core.clock.now();
    let (token, _) = crate::http::auth::mint("x", crate::http::auth::Role::Staff, now.wall).unwrap();
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    let author = "x".into();
    core.rows(Request::Token { token, author, reply }, &now);
    core.frame(frame("leak", false), &now);
    let refused = core.commit().err().unwrap();
    assert!(refused.trouble.is_none() && refused.asked, "{}", refused.reason);
    assert!(matches!(answer.try_recv(), Ok(Err(Failed::Store(_)))));
    assert!(core.bisect(refused.frames, &mut |_| ()).is_ok());
    assert_eq!(set_aside(folder.path()), []);
    assert_eq!(core.metrics.readings_stored.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_the_disk_fails_does_not_overtake_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path());
    let metrics = Arc::clone(&core.metrics);
    let door = run(core);
    sabotage(
        folder.path(),
        "CREATE TRIGGER fail BEFORE INSERT ON stage BEGIN SELECT abs(-9223372036854775807 - 1); END",
    );
    for wet in [true, false] {
        let failed = metrics.commit_failures.get();
        door.push(vec![frame("leak", wet)]).await.unwrap();
        let fails_again = async {
            while metrics.commit_failures.get() == failed {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), fails_again).await;
        waited.expect("the disk to fail");
    }
    sabotage(folder.path(), "DROP TRIGGER fail");
    door.stop().await;
    let page = Page {
        before: None,
        limit: 100,
    };
    let alarms = Reader::open(folder.path()).unwrap();
    let alarms = alarms.alarms(&AlarmFilter::default(), page).unwrap();
    assert_eq!(alarms.len(), 1, "the leak that came first was evaluated first");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_about_devices_are_answered_while_the_disk_fails() {
    let folder = tempfile::tempdir().unwrap();
    let door = running(folder.path());
    let heard = |engine: &linli_domain::Engine, now: &linli_domain::Now| {
        let device = engine.estate().device_by_id(&"leak-b3".parse().unwrap()).unwrap();
        engine.device_health(device, now).unwrap().heard.is_some()
    };
    assert!(!door.look(heard).await.unwrap());
    sabotage(
        folder.path(),
        "CREATE TRIGGER fail BEFORE INSERT ON stage BEGIN SELECT abs(-9223372036854775807 - 1); END",
    );
    door.push(vec![frame("leak", true)]).await.unwrap();
    for _ in 0..3 {
        let answer = tokio::time::timeout(Duration::from_secs(10), door.look(heard)).await;
        assert!(!answer.unwrap().unwrap(), "nobody is shown what is not stored");
    }
    sabotage(folder.path(), "DROP TRIGGER fail");
    while !door.look(heard).await.unwrap() {
        tokio::task::yield_now().await;
    }
    door.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_give_their_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let door = running(folder.path());
    let mut wrong = EstateDoc::clone(&seed());
    wrong.assets[0].place = "nowhere".parse().unwrap();
    let wrong = Arc::new(wrong);
    for _ in 0..=super::door::INBOX_REQUESTS {
        let ask = door.ask(|reply| Request::Estate {
            document: Arc::clone(&wrong),
            actor: Actor {
                token: "t".into(),
                name: "n".into(),
                role: ActorRole::Manager,
            },
            reply,
        });
        let answer = tokio::time::timeout(Duration::from_secs(10), ask).await;
        assert!(
            matches!(
                answer,
                Ok(Ok(Err(Failed::Refused(Refusal::EstateInvalid { .. }))))
            ),
            "an answer: {answer:?}"
        );
    }
}

#[test]
fn power_that_goes_before_the_first_snapshot_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let now = clock.now();
    let mut ledger = Ledger::open(folder.path(), &Options::default()).unwrap();
    let documents = [estate_row(&seed(), 1, "seed", &now)];
    ledger
        .commit(&Batch {
            documents: &documents,
            ..Batch::at(now)
        })
        .unwrap();
    drop(ledger);

    let mut ledger = Ledger::open(folder.path(), &Options::default()).unwrap();
    let recovered = recover(&mut ledger, &seed(), &clock).unwrap();
    assert!(!recovered.seeded);
    assert_eq!(recovered.engine.estate().doc(), &seed());
    let row = Reader::open(folder.path()).unwrap();
    assert_eq!(row.document(ESTATE, ESTATE, None).unwrap().unwrap().version, 1);
}
