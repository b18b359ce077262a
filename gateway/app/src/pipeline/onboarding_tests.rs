//! A device that was unknown for a while: what it said meanwhile, what is made of it, and what survives what.

use super::core::Core;
use super::decision::{Decided, Decision, NewDevice, Undecided};
use super::door::Failed;
use super::recover::recover;
use super::tests::{core, frame, sabotage, seed};
use crate::field::{Frame, MqttFrame};
use linli_domain::command::{Actor, ActorRole, Refusal};
use linli_domain::estate::EstateDoc;
use linli_domain::text::Text;
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{AlarmFilter, Page, Reader, RejectFilter};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The unknown device of the stories.
const KEY: &str = "b3/kitchen";

fn minutes_ago(now: &Now, minutes: u64) -> Now {
    Now {
        wall: now.wall.minus(Duration::from_secs(60 * minutes)),
        ..*now
    }
}

/// The kitchen's sensor speaks, so many minutes ago.
fn says(core: &mut Core, minutes: u64, wet: bool) {
    says_it(core, minutes, &format!("{{\"water_leak\":{wet}}}"));
}

fn says_it(core: &mut Core, minutes: u64, payload: &str) {
    let at = minutes_ago(&core.clock.now(), minutes);
    let Frame::Mqtt(message) = frame(KEY, true) else {
        return;
    };
    let frame = Frame::Mqtt(MqttFrame {
        payload: payload.as_bytes().into(),
        received: at,
        ..message
    });
    core.frame(frame, &at);
    core.commit().ok().unwrap();
}

fn new_device() -> NewDevice {
    NewDevice {
        profile: "aqara.sjcgq11lm".parse().unwrap(),
        id: None,
        name: Text {
            zh: "厨房".into(),
            en: "Kitchen".into(),
        },
        asset: Some("b3-pipe".parse().unwrap()),
        role: None,
        points: Vec::new(),
        expected_interval: None,
    }
}

fn actor() -> Actor {
    Actor {
        token: "t".into(),
        name: "installer".into(),
        role: ActorRole::Manager,
    }
}

/// Decides and commits: the answer, which comes after the commit.
fn decide(core: &mut Core, decision: Decision) -> Result<Decided, Failed> {
    let row = core.unknown.among(|_, key| key == KEY).first().copied();
    let (id, version) = row
        .and_then(|id| core.unknown.get(id))
        .map_or((0, 0), |row| (row.id, row.version));
    let (reply, mut answer) = oneshot::channel();
    let now = core.clock.now();
    core.decide((id, version, decision), &actor(), None, reply, &now);
    settle(core);
    answer.try_recv().unwrap()
}

/// Commits and answers, as the thread does.
fn settle(core: &mut Core) {
    if let Ok(Some(committed)) = core.commit() {
        for answer in committed.batch.answers {
            answer(Ok(committed.commit));
        }
    }
}

fn accept(core: &mut Core) -> Decided {
    decide(core, Decision::Accept(Box::new(new_device()))).unwrap()
}

/// How many alarms somebody was told of; what late readings say is history.
fn alarms(folder: &Path) -> usize {
    let reader = Reader::open(folder).unwrap();
    let rows = reader.alarms(&AlarmFilter::default(), Page::newest(10)).unwrap();
    rows.iter().filter(|row| row.state != "late").count()
}

fn stored(folder: &Path, device: &str) -> Vec<(Timestamp, bool)> {
    let reader = Reader::open(folder).unwrap();
    let points = reader.points().unwrap();
    let point = points
        .iter()
        .find(|p| p.device.as_str() == device && p.measure == "leak.wet");
    let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
    let page = reader.samples(point.unwrap().key, from, to, 100, None).unwrap();
    let state = |value: &linli_domain::reading::Value| value.as_state();
    let samples = page.samples.iter();
    samples
        .map(|s| (s.received, s.value.as_ref().and_then(state).unwrap()))
        .collect()
}

#[test]
fn what_was_said_meanwhile_becomes_history_and_nobody_is_called_for_a_leak_that_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    for (minutes, wet) in [(30, false), (20, true), (10, false)] {
        says(&mut core, minutes, wet);
    }
    let decided = accept(&mut core);
    assert_eq!(decided.device.as_ref().map(|id| id.as_str()), Some("b3-kitchen"));
    assert_eq!(
        (
            decided.replayed.messages,
            decided.replayed.readings,
            decided.estate_version
        ),
        (3, 3, Some(2))
    );
    assert_eq!(alarms(folder.path()), 0);
    let told = stored(folder.path(), "b3-kitchen");
    assert_eq!(
        told.iter().map(|(_, wet)| *wet).collect::<Vec<_>>(),
        [false, true, false]
    );
    let now = core.clock.now().wall;
    let ago = now.since(told[1].0).as_secs();
    assert!(
        (1200..1260).contains(&ago),
        "its own time of receipt: {ago} s ago"
    );
    assert_eq!(core.unknown.sizes(), (0, 0, 0));
    assert!(
        Reader::open(folder.path())
            .unwrap()
            .unknown_devices(None, Page::newest(9))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_leak_that_is_still_wet_is_an_alarm_from_now_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    says(&mut core, 30, false);
    says(&mut core, 20, true);
    accept(&mut core);
    let reader = Reader::open(folder.path()).unwrap();
    let alarms = reader.alarms(&AlarmFilter::default(), Page::newest(10)).unwrap();
    assert_eq!(alarms.len(), 1);
    assert!(
        core.clock.now().wall.since(alarms[0].raised) < Duration::from_secs(60),
        "raised now"
    );
}

#[test]
fn a_last_word_older_than_the_allowed_silence_is_no_present_state() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    says(&mut core, 25 * 60, true);
    let decided = accept(&mut core);
    assert_eq!((decided.replayed.readings, decided.replayed.stale), (1, 1));
    assert_eq!(alarms(folder.path()), 0);
    assert_eq!(
        stored(folder.path(), "b3-kitchen").len(),
        1,
        "stored all the same"
    );
}

#[test]
fn values_with_a_time_of_their_own_are_told_apart_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    let seen = minutes_ago(&core.clock.now(), 15).wall.as_millis();
    let wet = |at: i64, wet: bool| format!("{{\"water_leak\":{wet},\"last_seen\":{at}}}");
    // The bridge repeats its last state, and an older one comes last.
    says_it(&mut core, 14, &wet(seen, true));
    says_it(&mut core, 13, &wet(seen, true));
    says_it(&mut core, 12, &wet(seen - 60_000, false));
    let decided = accept(&mut core);
    assert_eq!((decided.replayed.messages, decided.replayed.readings), (3, 2));
    assert_eq!(alarms(folder.path()), 1, "the newest by its own time counts");
}

#[test]
fn a_message_that_does_not_fit_the_profile_is_set_aside_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    says_it(&mut core, 2, "{\"water_leak\": NaN}");
    says(&mut core, 1, false);
    let decided = accept(&mut core);
    assert_eq!((decided.replayed.messages, decided.replayed.refused), (2, 1));
    let reader = Reader::open(folder.path()).unwrap();
    let rejects = reader.rejects(&RejectFilter::default(), Page::newest(9)).unwrap();
    assert_eq!(rejects[0].row.device.as_deref(), Some("b3-kitchen"));
}

#[test]
fn a_decision_that_cannot_be_stored_never_happened_and_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    says(&mut core, 1, true);
    sabotage(
        folder.path(),
        "CREATE TRIGGER refuse BEFORE INSERT ON document BEGIN SELECT RAISE(ABORT, 'never'); END",
    );
    let failed = decide(&mut core, Decision::Accept(Box::new(new_device())));
    assert!(matches!(failed, Err(Failed::Store(_))), "{failed:?}");
    assert_eq!((core.unknown.sizes().0, core.estate_version), (1, 1));
    says(&mut core, 0, true);
    assert_eq!(core.unknown.sizes().0, 1, "it is still unknown");
    sabotage(folder.path(), "DROP TRIGGER refuse");
    assert_eq!(accept(&mut core).replayed.messages, 2);
    assert_eq!(alarms(folder.path()), 1);
}

#[test]
fn power_may_go_before_and_after_the_decision() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = core(folder.path());
    says(&mut before, 3, false);
    says(&mut before, 2, true);
    let kept = |core: &Core| core.unknown.sizes();
    let was = kept(&before);
    drop(before);

    let mut again = core(folder.path());
    assert_eq!(kept(&again), was);
    accept(&mut again);
    let dump = again.engine.dump();
    drop(again);

    let mut ledger = linli_ledger::Ledger::open(folder.path(), &linli_ledger::Options::default()).unwrap();
    let clock: crate::clock::SharedClock = Arc::new(crate::clock::SystemClock::new());
    let recovered = recover(&mut ledger, &seed(), &clock).unwrap();
    assert_eq!(recovered.engine.dump(), dump, "the replay sees the same steps");
    assert_eq!(recovered.unknown.sizes().0, 0);
    assert_eq!(recovered.estate_version, 2);
}

#[test]
fn ignored_is_for_good_until_it_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut core1 = core(folder.path());
    says(&mut core1, 5, true);
    assert_eq!(decide(&mut core1, Decision::Ignore).unwrap().version, 2);
    drop(core1);
    let mut core = core(folder.path());
    says(&mut core, 4, true);
    assert_eq!(core.unknown.sizes(), (0, 1, 0), "counted, not kept");
    assert_eq!(accept(&mut core).replayed.messages, 0, "it may still be accepted");

    let folder = tempfile::tempdir().unwrap();
    let mut core = super::tests::core(folder.path());
    says(&mut core, 5, true);
    decide(&mut core, Decision::Ignore).unwrap();
    decide(&mut core, Decision::Forget).unwrap();
    says(&mut core, 3, true);
    assert_eq!(core.unknown.sizes().0, 1, "it appears again when it speaks");
}

#[test]
fn an_imported_estate_that_brings_the_device_replays_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    says(&mut core, 5, true);
    let mut document = EstateDoc::clone(&seed());
    let mut device = document.devices[0].clone();
    device.id = "kitchen".parse().unwrap();
    device.address.as_mut().unwrap().key = Some(KEY.into());
    document.devices.push(device);
    let (reply, mut answer) = oneshot::channel();
    let now = core.clock.now();
    let request = super::door::Request::Estate {
        document: Arc::new(document),
        actor: actor(),
        reply,
    };
    core.rows(request, &now);
    settle(&mut core);
    assert!(answer.try_recv().unwrap().is_ok());
    assert_eq!((alarms(folder.path()), core.unknown.sizes().0), (1, 0));
}

#[test]
fn what_cannot_be_decided_says_why_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    says(&mut core, 5, true);
    let mut refused = |change: fn(&mut NewDevice)| {
        let mut device = new_device();
        change(&mut device);
        decide(&mut core, Decision::Accept(Box::new(device))).unwrap_err()
    };
    let error = refused(|d| d.profile = "aqara.sjcgq11".parse().unwrap());
    assert!(
        error.to_string().contains("did you mean \"aqara.sjcgq11lm\""),
        "{error}"
    );
    let error = refused(|d| d.role = Some("bni".into()));
    assert!(
        matches!(error, Failed::Undecided(Undecided::Role { .. })),
        "{error:?}"
    );
    let error = refused(|d| {
        d.asset = Some("nowhere".parse().unwrap());
        d.id = Some("leak-b3".parse().unwrap());
    });
    let Failed::Refused(Refusal::EstateInvalid { problems }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(problems.len(), 2, "every problem is named: {problems:?}");
    let id = core.unknown.among(|_, _| true)[0];
    let (reply, mut answer) = oneshot::channel();
    let now = core.clock.now();
    core.decide((id, 9, Decision::Ignore), &actor(), None, reply, &now);
    let stale = answer.try_recv().unwrap().unwrap_err();
    assert!(
        matches!(stale, Failed::Undecided(Undecided::Version { current: 1, .. })),
        "{stale:?}"
    );
    assert_eq!((core.unknown.sizes().0, core.estate_version), (1, 1));
}

#[test]
fn the_second_of_two_with_one_key_gets_an_id_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path());
    let mut document = EstateDoc::clone(&seed());
    document.devices[0].id = "b3-kitchen".parse().unwrap();
    let now = core.clock.now();
    core.adopt(Arc::new(document), "story", &now).unwrap();
    says(&mut core, 5, false);
    assert_eq!(accept(&mut core).device.unwrap().as_str(), "b3-kitchen-2");
}
