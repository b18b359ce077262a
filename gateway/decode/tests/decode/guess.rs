//! The right profile comes first for the recorded messages of every device the catalogue has, and devices it does not
//! have are not taken for others.

use crate::catalogue;
use crate::fixtures::{folder, payload_bytes};
use linli_decode::{Body, Catalogue, Clues, Family, Frame, Guess, Profile, declared, guess, inventory, open};
use linli_domain::time::Timestamp;
use proptest::prelude::*;
use std::sync::Arc;

/// One message of a fixture: what the device said and what its envelope calls it.
struct Heard {
    case: String,
    device: String,
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
        let opened = open(family.unwrap(), &pattern.parse().unwrap(), &frame).unwrap();
        if opened.event == linli_decode::Event::Uplink && opened.body != Body::None {
            all.push(Heard {
                case: case["id"].as_str().unwrap().to_owned(),
                device: case["device"].as_str().unwrap().to_owned(),
                body: opened.body,
                names: declared(payload),
            });
        }
    }
    all
}

/// The profile of a fixture's device, by the name on its box.
fn covering(catalogue: &Catalogue, device: &str) -> Option<Arc<Profile>> {
    let fits = |profile: &&Arc<Profile>| {
        let title = profile.title();
        title.starts_with(device) || device.starts_with(title)
    };
    catalogue.iter().find(fits).cloned()
}

fn ask(catalogue: &Catalogue, heard: &[&Heard], with_names: bool) -> Vec<Guess> {
    let names = || heard.iter().flat_map(|heard| heard.names.clone()).collect();
    let clues = Clues {
        bodies: heard.iter().map(|heard| heard.body.clone()).collect(),
        names: if with_names { names() } else { Vec::new() },
    };
    guess(catalogue, &clues)
}

fn confidence(guesses: &[Guess], profile: &Profile) -> f64 {
    let found = guesses.iter().find(|guess| guess.profile.id() == profile.id());
    found.map_or(0.0, |guess| guess.confidence)
}

#[test]
fn the_right_profile_is_first_for_every_message_of_a_known_device() {
    let (catalogue, mut wrong, mut run) = (catalogue::load(), Vec::new(), 0);
    for heard in heard() {
        let Some(profile) = covering(&catalogue, &heard.device) else {
            continue;
        };
        run += 1;
        let guesses = ask(&catalogue, &[&heard], false);
        let best = guesses.first().map_or(0.0, |guess| guess.confidence);
        if confidence(&guesses, &profile) + 1e-9 < best || best == 0.0 {
            wrong.push(format!("{}: {:#?}", heard.case, shown(&guesses)));
        }
        let named = ask(&catalogue, &[&heard], true);
        if !heard.names.is_empty() && confidence(&named, &profile) < 0.8 {
            wrong.push(format!("{} by its name: {:#?}", heard.case, shown(&named)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run >= 12, "only {run} messages were looked at");
}

#[test]
fn all_messages_of_a_known_device_together_are_recognised_without_any_name() {
    let (catalogue, all) = (catalogue::load(), heard());
    let mut devices: Vec<&str> = all.iter().map(|heard| heard.device.as_str()).collect();
    devices.sort_unstable();
    devices.dedup();
    for device in devices {
        let Some(profile) = covering(&catalogue, device) else {
            continue;
        };
        let of_it: Vec<&Heard> = all.iter().filter(|heard| heard.device == device).collect();
        let guesses = ask(&catalogue, &of_it, false);
        assert_eq!(
            guesses[0].profile.id(),
            profile.id(),
            "{device}: {:#?}",
            shown(&guesses)
        );
    }
}

/// Devices without a profile of their own that speak exactly like one that has one, by `models.json`.
const SAME_LAYOUT: &[(&str, &str)] = &[("Milesight EM400-TLD", "milesight.em400-udl")];

#[test]
fn a_device_the_catalogue_does_not_have_is_not_taken_for_another() {
    let (catalogue, mut wrong) = (catalogue::load(), Vec::new());
    for heard in heard() {
        if covering(&catalogue, &heard.device).is_some() {
            continue;
        }
        for guess in ask(&catalogue, &[&heard], true) {
            let same = SAME_LAYOUT.contains(&(heard.device.as_str(), guess.profile.id().as_str()));
            if guess.confidence > 0.8 && !same {
                wrong.push(format!("{}: {:?}", heard.case, shown(&[guess])));
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
    let listed = inventory(&payload_bytes(&list["payload"])).unwrap();
    let bath = listed.iter().find(|listed| listed.name == "flat45_bath").unwrap();
    let clues = Clues {
        bodies: Vec::new(),
        names: vec![format!(
            "{} {}",
            bath.vendor.clone().unwrap(),
            bath.model.clone().unwrap()
        )],
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
        all.push(Body::Json(&text));
        let guesses = guess(&catalogue::load(), &Clues { bodies: all, names });
        let sum: f64 = guesses.iter().map(|g| g.confidence).sum();
        prop_assert!((0.0..=1.0).contains(&sum), "{sum}");
        prop_assert!(guesses.is_sorted_by(|a, b| a.confidence >= b.confidence));
    }
}
