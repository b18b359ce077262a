//! The right profile comes first for the recorded messages of every device the catalogue has, and devices it does not
//! have are not taken for others.

use crate::catalogue;
use crate::fixtures::{folder, payload_bytes};
use linli_decode::{Body, Catalogue, Clues, Family, Frame, Guess, Profile, declared, guess, open};
use linli_decode::{Memory, Wrapping};
use linli_domain::time::Timestamp;
use proptest::prelude::*;
use std::sync::Arc;

/// One message of a fixture: what the device said and what its envelope calls it.
struct Heard {
    case: String,
    model: String,
    body: Body<'static>,
    names: Vec<String>,
}

/// Every message of a family we open that holds something for a profile, sound ones only.
fn heard() -> Vec<Heard> {
    let mut all = Vec::new();
    for (_, case) in folder("mqtt") {
        let family = Family::ALL
            .into_iter()
            .find(|family| case["family"] == family.name());
        let Some(pattern) = family.and_then(Family::default_pattern) else {
            continue;
        };
        if case["status"] == "malformed" {
            continue;
        }
        // Leaked on purpose: a fixture lives as long as its test.
        let payload: &'static [u8] = payload_bytes(&case["payload"]).leak();
        let topic: &'static str = case["topic"].as_str().unwrap().to_owned().leak();
        let frame = Frame {
            topic,
            payload,
            retained: false,
            received: Timestamp::from_millis(0),
        };
        // What only an announcement explains is recognised by it.
        let Ok(opened) = open(family.unwrap(), &pattern.parse().unwrap(), &frame) else {
            continue;
        };
        if opened.event == linli_decode::Event::Uplink && opened.body != Body::None {
            all.push(Heard {
                case: case["id"].as_str().unwrap().to_owned(),
                model: case["model"].as_str().unwrap_or("none").to_owned(),
                body: opened.body,
                names: declared(payload),
            });
        }
    }
    all
}

/// The profile of a fixture's device, by its model.
fn covering(catalogue: &Catalogue, model: &str) -> Option<Arc<Profile>> {
    catalogue.iter().find(|p| p.matching().has_model(model)).cloned()
}

fn ask(catalogue: &Catalogue, heard: &[&Heard], with_names: bool) -> Vec<Guess> {
    let names = || heard.iter().flat_map(|heard| heard.names.clone()).collect();
    let clues = Clues {
        bodies: heard.iter().map(|heard| heard.body.clone()).collect(),
        names: if with_names { names() } else { Vec::new() },
    };
    guess(catalogue, &clues)
}

fn maker(profile: &Profile) -> Option<&str> {
    profile.id().as_str().split('.').next()
}

fn confidence(guesses: &[Guess], profile: &Profile) -> f64 {
    let found = guesses.iter().find(|guess| guess.profile.id() == profile.id());
    found.map_or(0.0, |guess| guess.confidence)
}

#[test]
fn the_right_profile_is_first_by_its_name_and_nearly_always_without() {
    let (catalogue, mut wrong, mut run, mut first) = (catalogue::load(), Vec::new(), 0, 0);
    for heard in heard() {
        let Some(profile) = covering(&catalogue, &heard.model) else {
            continue;
        };
        run += 1;
        let guesses = ask(&catalogue, &[&heard], false);
        let best = guesses.first().map_or(0.0, |guess| guess.confidence);
        first += usize::from(best > 0.0 && confidence(&guesses, &profile) + 1e-9 >= best);
        let named = Heard {
            names: vec![profile.title().to_owned()],
            ..heard
        };
        let guesses = ask(&catalogue, &[&named], true);
        if guesses
            .first()
            .is_none_or(|guess| guess.profile.id() != profile.id())
        {
            wrong.push(format!("{} by its name: {:#?}", named.case, shown(&guesses)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Some layouts say nothing that others could not say: one sensor of a family, a payload of one meaningful bit.
    assert!(run >= 60 && first * 10 >= run * 9, "{first} of {run}");
}

#[test]
fn no_profile_is_likelier_than_the_right_one_once_all_messages_of_a_device_were_heard() {
    let (catalogue, all) = (catalogue::load(), heard());
    let mut models: Vec<&str> = all.iter().map(|heard| heard.model.as_str()).collect();
    models.sort_unstable();
    models.dedup();
    let mut wrong = Vec::new();
    for model in models {
        let Some(profile) = covering(&catalogue, model) else {
            continue;
        };
        let of_it: Vec<&Heard> = all.iter().filter(|heard| heard.model == model).collect();
        let guesses = ask(&catalogue, &of_it, false);
        // Models of one maker share layouts; then they are equally likely, or the one that says more is.
        let found = guesses.first().is_some_and(|best| {
            confidence(&guesses, &profile) + 1e-9 >= best.confidence
                || maker(&best.profile) == maker(&profile)
        });
        if !found {
            wrong.push(format!("{model}: {:?}", shown(&guesses)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_device_whose_profile_is_missing_is_not_taken_for_another() {
    let (catalogue, mut wrong) = (catalogue::load(), Vec::new());
    for heard in heard() {
        let Some(profile) = covering(&catalogue, &heard.model) else {
            continue;
        };
        let guesses = ask(&catalogue, &[&heard], false);
        // What the others would get of the whole, were its profile not there.
        let rest = 1.0 - confidence(&guesses, &profile);
        // One maker's models may share a layout; only their names tell them apart.
        for guess in guesses
            .iter()
            .filter(|guess| maker(&guess.profile) != maker(&profile))
        {
            if guess.confidence / rest > 0.8 {
                wrong.push(format!("{}: {:?}", heard.case, shown(&guesses)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_bridges_list_names_the_sensor_that_speaks() {
    let catalogue = catalogue::load();
    let (_, list) = folder("mqtt")
        .into_iter()
        .find(|(_, case)| case["id"] == "zigbee2mqtt-bridge-devices-01")
        .unwrap();
    let mut memory = Memory::default();
    let pattern = Family::Zigbee2mqtt.default_pattern().unwrap().parse().unwrap();
    let (family, pattern) = (Family::Zigbee2mqtt, &pattern);
    let payload = payload_bytes(&list["payload"]);
    let frame = Frame {
        topic: list["topic"].as_str().unwrap(),
        payload: &payload,
        retained: true,
        received: Timestamp::from_millis(0),
    };
    memory
        .open("main", &Wrapping { family, pattern }, &frame)
        .unwrap();
    let bath = memory.announced("main", "flat45_bath").unwrap();
    let clues = Clues {
        bodies: Vec::new(),
        names: vec![format!("{} {}", bath.vendor, bath.model)],
    };
    let guesses = guess(&catalogue, &clues);
    assert_eq!(
        guesses[0].profile.id().as_str(),
        "aqara.sjcgq11lm",
        "{:#?}",
        shown(&guesses)
    );
}

fn shown(guesses: &[Guess]) -> Vec<String> {
    guesses
        .iter()
        .map(|g| {
            format!(
                "{} {:.2} {} {}/{} values {}",
                g.profile.id(),
                g.confidence,
                g.because.label(),
                g.decoded,
                g.decoded + g.failed,
                g.values
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_heard_the_confidences_are_shares_of_one_and_fall(
        bodies in prop::collection::vec((any::<Option<u8>>(), prop::collection::vec(any::<u8>(), 0..40)), 0..4),
        text in prop::collection::vec(any::<u8>(), 0..80),
        names in prop::collection::vec("[ -~]{0,24}", 0..3),
    ) {
        let mut all: Vec<Body<'_>> = bodies.iter().map(|(port, bytes)| Body::bytes(*port, bytes)).collect();
        all.push(Body::message(&text));
        let guesses = guess(&catalogue::load(), &Clues { bodies: all, names });
        let sum: f64 = guesses.iter().map(|g| g.confidence).sum();
        prop_assert!((0.0..=1.0).contains(&sum), "{sum}");
        prop_assert!(guesses.is_sorted_by(|a, b| a.confidence >= b.confidence));
    }
}
