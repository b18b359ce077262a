//! What a play promises to whoever judges by it: the same for the same seed, in order, true to its own world, and made
//! of nothing of ours.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

use linli_sim::{Event, FaultKind, Kind, Plan, Play, PlayError, Size, Timed};
use proptest::prelude::*;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn play(size: Size, seed: u64) -> Play {
    Play::new(Plan::of_size(size, seed), &FaultKind::ALL, seed, DAY).expect("a day is enough")
}

#[test]
fn the_truth_is_made_of_nothing_of_ours() {
    let manifest: toml::Table = toml::from_str(include_str!("../Cargo.toml")).expect("a manifest");
    for section in ["dependencies", "build-dependencies"] {
        let Some(toml::Value::Table(dependencies)) = manifest.get(section) else {
            continue;
        };
        for (name, value) in dependencies {
            assert!(!name.starts_with("linli"), "{name} must not be known here");
            assert!(value.get("path").is_none(), "{name} lies in the workspace");
        }
    }
}

#[test]
fn the_same_seed_plays_the_same_day_and_another_seed_another() {
    let (mut first, mut second) = (play(Size::Small, 5), play(Size::Small, 5));
    let events: Vec<Timed> = first.by_ref().collect();
    assert_eq!(events, second.by_ref().collect::<Vec<_>>());
    let text = |play: &Play| serde_json::to_string(&play.truth()).expect("a document");
    assert_eq!(text(&first), text(&second));
    let mut other = play(Size::Small, 6);
    assert_ne!(events, other.by_ref().collect::<Vec<_>>());
}

#[test]
fn a_play_without_room_for_its_faults_is_refused() {
    let short = Play::new(
        Plan::of_size(Size::Small, 1),
        &FaultKind::ALL,
        1,
        Duration::from_secs(3_600),
    );
    assert!(matches!(short, Err(PlayError::TooShort)));
}

#[test]
fn a_fault_that_fits_nothing_is_said_to_be_impossible() {
    let text = "id = \"x\"\n[[assets]]\nid = \"z\"\nkind = \"pipe_zone\"\nplace = \"p\"\nname = { zh = \"z\", en = \"z\" }\n\
        [[devices]]\nid = \"d\"\nprofile = \"dragino.lwl02\"\nasset = \"z\"\naddress = { mqtt = \"main\", key = \"a\" }\n\
        [[devices]]\nid = \"e\"\nprofile = \"unheard.of\"\n";
    let plan = Plan::from_file(text).expect("one device can be played");
    let truth = Play::new(plan, &[FaultKind::Leak, FaultKind::Fire], 1, DAY)
        .expect("long enough")
        .truth();
    assert_eq!(truth.impossible, ["fire"]);
    assert_eq!(truth.not_simulated, ["e"]);
    assert_eq!(
        truth.happenings.iter().filter(|h| h.kind == Kind::Water).count(),
        1
    );
}

#[test]
fn what_the_broker_kept_comes_after_it_is_back_and_a_little_comes_twice() {
    let mut play = play(Size::Medium, 2);
    let events: Vec<Timed> = play.by_ref().collect();
    let at = |wanted: bool| {
        events
            .iter()
            .position(|timed| matches!(&timed.event, Event::Connection { up, .. } if *up == wanted))
            .expect("the broker goes and comes")
    };
    let (down, up) = (at(false), at(true));
    let is_message = |timed: &Timed| matches!(timed.event, Event::Message { .. });
    assert!(!events[down..up].iter().any(is_message), "nothing comes through");
    let again = |timed: &&Timed| matches!(timed.event, Event::Message { duplicate: true, .. });
    let repeated: Vec<&Timed> = events.iter().filter(again).collect();
    assert_eq!(repeated.len(), 3);
    for timed in repeated {
        let Event::Message { payload, .. } = &timed.event else {
            continue;
        };
        let same = |other: &&Timed| matches!(&other.event, Event::Message { payload: p, .. } if p == payload);
        assert_eq!(
            events.iter().filter(same).count(),
            2,
            "once before and once again"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever the seed: time runs forward, and nothing is heard before it happens.
    #[test]
    fn time_runs_forward_and_nothing_is_heard_before_it_happens(seed in any::<u64>()) {
        let mut play = play(Size::Small, seed);
        let mut last = 0;
        for timed in play.by_ref() {
            prop_assert!(timed.at_ms >= last);
            last = timed.at_ms;
        }
        let truth = play.truth();
        prop_assert!(truth.impossible.is_empty() || truth.impossible == ["dead-slave"], "{:?}", truth.impossible);
        for happening in &truth.happenings {
            prop_assert!(happening.from <= happening.certain && happening.certain < happening.to);
            if let (Some(heard), true) = (happening.heard, happening.kind != Kind::Dead) {
                prop_assert!(heard >= happening.certain, "{happening:?}");
                prop_assert!(happening.heard_over.is_none_or(|over| over >= heard));
            }
        }
        let heard = |kind| truth.happenings.iter().any(|h| h.kind == kind && h.heard.is_some());
        for kind in [Kind::Water, Kind::Drip, Kind::Heat, Kind::Waste, Kind::Dead, Kind::Frozen] {
            prop_assert!(heard(kind), "{kind:?} is never seen");
        }
    }
}
