//! A recording played again does what it did.

use super::*;
use crate::messages;
use crate::ops::recording::Line;
use crate::sim;
use linli_domain::text::Language;
use linli_sim::{FaultKind, Plan, Play, Size};
use std::fs::File;
use std::io::BufReader;

fn catalogue() -> Catalogue {
    Catalogue::load(crate::profiles::BUILT_IN.iter().copied()).0
}

fn play() -> Play {
    let faults = [
        FaultKind::Leak,
        FaultKind::Fire,
        FaultKind::DeadSlave,
        FaultKind::BrokerLoss,
    ];
    Play::new(
        Plan::of_size(Size::Small, 21),
        &faults,
        21,
        Duration::from_secs(11 * 3_600),
    )
    .unwrap()
}

fn replayed(
    folder: &Path,
    recording: impl BufRead,
    pace: &mut dyn FnMut(Duration),
) -> Result<Replayed, ReplayError> {
    let estate: EstateDoc = toml::from_str(&play().plan().to_toml()).unwrap();
    let subscriptions = sim::subscriptions(&estate);
    let (estate, catalogue) = (Arc::new(estate), catalogue());
    let then = Duration::from_secs(600);
    replay(
        Replay {
            folder,
            estate,
            catalogue,
            subscriptions,
            then,
        },
        recording,
        pace,
    )
}

#[test]
fn a_play_that_was_written_down_raises_the_same_alarms_when_it_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let lines = sim::write_files(&mut play(), &catalogue(), folder.path()).unwrap();
    let document: EstateDoc = toml::from_str(&play().plan().to_toml()).unwrap();
    let simulation = sim::Simulation {
        play: play(),
        catalogue: catalogue(),
        document,
    };
    let live = sim::simulate(simulation, &mut |_| {}).unwrap();

    let frames = BufReader::new(File::open(folder.path().join("frames.ndjson")).unwrap());
    let ledger = tempfile::tempdir().unwrap();
    let mut waited = Duration::ZERO;
    let again = replayed(ledger.path(), frames, &mut |wait| waited += wait).unwrap();
    assert_eq!((again.through.frames, again.not_played), (lines, 0));
    assert_eq!(again.through.readings, live.through.readings);
    assert_eq!(again.alarms, live.verdict.alarms.raised);
    assert_eq!(again.orders, live.verdict.orders.raised);
    assert!(
        waited > Duration::from_secs(10 * 3_600),
        "the pace is that of the recording: {waited:?}"
    );
}

#[test]
fn what_cannot_be_played_is_named_and_the_rest_is_played() {
    let at = Timestamp::from_millis(linli_sim::BEGINS_MS);
    let topic = "zigbee2mqtt/nobody";
    let line = |line: &Line| serde_json::to_string(line).unwrap();
    let mut cut = Line::message(at, "main", topic, b"{}");
    cut.payload.bytes = 9_000;
    let asked = linli_decode::RegisterRequest {
        function: 4,
        start: 1,
        count: 1,
    };
    let recording = [
        "no frame".to_owned(),
        String::new(),
        line(&Line::message(at, "main", topic, b"{\"water_leak\":true}")),
        line(&cut),
        line(&Line::answer(at, "nobody", &asked, Some(&[1]))),
        line(&Line::message(at, "main", "of/no/subscription", b"x")),
    ];
    let folder = tempfile::tempdir().unwrap();
    let outcome = replayed(folder.path(), recording.join("\n").as_bytes(), &mut |_| {}).unwrap();
    assert_eq!(
        (outcome.through.frames, outcome.not_played, outcome.lines),
        (2, 3, 5)
    );
    assert_eq!(
        outcome.named.iter().map(|named| named.line).collect::<Vec<_>>(),
        [1, 4, 5]
    );
    assert_eq!(
        outcome
            .refused
            .iter()
            .map(|(reason, _)| reason.as_str())
            .collect::<Vec<_>>(),
        ["unrouted"]
    );
}

#[test]
fn a_recording_without_a_frame_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = replayed(folder.path(), "\n\nnothing\n".as_bytes(), &mut |_| {});
    assert!(matches!(outcome, Err(ReplayError::Empty)));
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_time() {
    let at = Timestamp::from_millis;
    let mut clock = RecordedClock::new(at(10_000));
    let passed = [10_000, 12_000, 5_000, 6_500, 6_500].map(|ms| clock.at(at(ms)).as_millis());
    assert_eq!(passed, [0, 2_000, 2_000, 3_500, 3_500]);
    assert_eq!(clock.set_ms, -7_000);
}

#[test]
fn a_line_dated_two_months_away_is_named_and_the_months_are_not_played() {
    const MONTHS: Duration = Duration::from_secs(61 * 86_400);
    let begins = Timestamp::from_millis(linli_sim::BEGINS_MS);
    let minute = |n: u64| begins.plus(Duration::from_secs(60 * n));
    for astray in [minute(2).plus(MONTHS), minute(2).minus(MONTHS)] {
        let recording: Vec<String> = [minute(0), minute(1), astray, minute(3), minute(4)]
            .into_iter()
            .map(|at| Line::message(at, "main", "zigbee2mqtt/nobody", b"{}"))
            .map(|line| serde_json::to_string(&line).unwrap())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let outcome = replayed(folder.path(), recording.join("\n").as_bytes(), &mut |_| {}).unwrap();
        assert_eq!(
            (outcome.through.frames, outcome.not_played, outcome.lines),
            (4, 1, 5)
        );
        let named: Vec<_> = outcome
            .named
            .iter()
            .map(|named| (named.line, named.code))
            .collect();
        assert_eq!(named, [(3, "astray")]);
        assert_eq!(outcome.named[0].facts["at"], astray.to_string());
        assert_eq!(outcome.to, minute(14), "ten minutes after the last frame");
    }
}

#[test]
fn a_machine_that_begins_in_1970_plays_a_day_and_then_its_clock_is_set() {
    let begins = Timestamp::from_millis(linli_sim::BEGINS_MS);
    let seconds = |n: u64| Duration::from_secs(n);
    let old = Timestamp::from_millis(0);
    let recording: Vec<String> = [old, old.plus(seconds(5)), begins, begins.plus(seconds(5))]
        .into_iter()
        .map(|at| Line::message(at, "main", "zigbee2mqtt/nobody", b"{}"))
        .map(|line| serde_json::to_string(&line).unwrap())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let mut waited = Duration::ZERO;
    let mut pace = |wait| waited += wait;
    let outcome = replayed(folder.path(), recording.join("\n").as_bytes(), &mut pace).unwrap();
    assert_eq!((outcome.through.frames, outcome.not_played), (4, 0));
    assert_eq!(outcome.to, begins.plus(seconds(605)), "the time of the recording");
    assert_eq!(waited, seconds(86_400 + 10));
}

#[test]
fn why_a_line_was_not_played_is_said_in_both_languages() {
    let (kept, bytes) = (1_024, 4_096);
    let request = "flow-1 function 3 address 0 count 2".to_owned();
    for why in [
        Unusable::Unreadable("expected value at line 1 column 1".into()),
        Unusable::Cut { kept, bytes },
        Unusable::Payload,
        Unusable::TooMuchKnown,
        Unusable::KnownLate,
        Unusable::NotAsked(request),
        Unusable::Astray(Timestamp::from_millis(linli_sim::BEGINS_MS)),
    ] {
        let facts = why.facts();
        let facts: Vec<(&str, &str)> = facts
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let said = |language| {
            let text = messages::find(language, "not_played", why.code());
            messages::fill(text.unwrap_or_else(|| panic!("{why:?}")), &facts)
        };
        assert_eq!(said(Language::En), why.to_string());
        let chinese = said(Language::Zh);
        assert_ne!(chinese, why.to_string());
        assert!(
            facts.iter().all(|(_, value)| chinese.contains(value)),
            "{chinese}"
        );
    }
}
