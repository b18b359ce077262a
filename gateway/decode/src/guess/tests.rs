//! What more and other messages, and names, do to a guess.

use super::*;
use crate::context::DeviceContext;

const LEVEL: &str = r#"
    id = "acme.level-7"
    title = "Acme LEVEL-7"
    version = 1
    [bytes.tlv]
    tag_bytes = 2
    [bytes.tlv.cases]
    "01 75" = [{ u8 = "device.battery", range = [0, 100] }]
    "03 82" = [{ u16 = "bin.distance" }]
    [[tests]]
    name = "both"
    bytes = "01755c 03820844"
    expect = [{ measure = "bin.distance", value = 2116 }]
"#;

const TANK: &str = r#"
    id = "acme.tank-9"
    title = "Acme TANK-9"
    version = 1
    [bytes.tlv]
    tag_bytes = 2
    [bytes.tlv.cases]
    "01 75" = [{ u8 = "device.battery", range = [0, 100] }]
    "09 01" = [{ u16 = "level.distance" }]
    [[tests]]
    name = "battery"
    bytes = "01755c"
    expect = [{ measure = "device.battery", value = 92 }]
"#;

const ANYTHING: &str = r#"
    id = "acme.bit"
    title = "Acme one bit"
    version = 1
    [bytes]
    trailing = "ignore"
    fields = [{ u8 = "parking.occupied", bit = 0 }]
    [[tests]]
    name = "one"
    bytes = "01"
    expect = [{ measure = "parking.occupied", value = true }]
"#;

fn catalogue() -> Catalogue {
    let (catalogue, refused) = Catalogue::load([("a", LEVEL), ("b", TANK), ("c", ANYTHING)]);
    assert!(refused.is_empty(), "{refused:?}");
    catalogue
}

fn body(bytes: &'static [u8]) -> Body<'static> {
    Body::bytes(Some(85), bytes)
}

const BATTERY: &[u8] = b"\x01\x75\x5c";
const DISTANCE: &[u8] = b"\x01\x75\x5c\x03\x82\x08\x44";
const CONFIGURATION: &[u8] = b"\xfe\xfe\x01";

fn confidence(guesses: &[Guess], id: &str) -> f64 {
    let found = guesses.iter().find(|guess| guess.profile.id().as_str() == id);
    found.map_or(0.0, |guess| guess.confidence)
}

fn ask(bodies: &[&'static [u8]], names: &[&str]) -> Vec<Guess> {
    let clues = Clues {
        bodies: bodies.iter().copied().map(body).collect(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    guess(&catalogue(), &clues)
}

#[test]
fn a_profile_that_checks_what_it_reads_is_believed_before_one_that_reads_anything() {
    let guesses = ask(&[DISTANCE], &[]);
    assert_eq!(guesses[0].profile.id().as_str(), "acme.level-7");
    assert_eq!((guesses[0].because, guesses[0].values), (Because::Decodes, 2));
    assert!(confidence(&guesses, "acme.bit") < 0.1, "{guesses:#?}");
}

#[test]
fn two_that_read_a_message_equally_well_are_equally_likely_until_another_message_comes() {
    let one = ask(&[BATTERY], &[]);
    let (level, tank) = (confidence(&one, "acme.level-7"), confidence(&one, "acme.tank-9"));
    assert!((level - tank).abs() < 1e-9 && level < 0.5, "{level} {tank}");
    let two = ask(&[BATTERY, DISTANCE], &[]);
    assert!(confidence(&two, "acme.level-7") > 0.6, "{two:#?}");
    assert!(
        confidence(&two, "acme.tank-9") < tank,
        "raised for one, lowered for the other"
    );
}

#[test]
fn the_same_message_again_changes_nothing_and_one_that_fails_lowers_the_guess() {
    let once = ask(&[DISTANCE], &[]);
    let often = ask(&[DISTANCE, DISTANCE, DISTANCE], &[]);
    assert_eq!(
        confidence(&once, "acme.level-7"),
        confidence(&often, "acme.level-7")
    );
    let fails = ask(&[DISTANCE, CONFIGURATION], &[]);
    assert!(confidence(&fails, "acme.level-7") < confidence(&once, "acme.level-7"));
    let level = fails
        .iter()
        .find(|g| g.profile.id().as_str() == "acme.level-7")
        .unwrap();
    assert_eq!(
        (level.because, level.decoded, level.failed),
        (Because::Partly, 1, 1)
    );
    assert!(level.error.as_ref().unwrap().to_string().contains("unknown tag"));
}

#[test]
fn a_name_helps_and_decides_nothing_alone() {
    let named = ask(&[BATTERY], &["Acme_LEVEL 7 (EU868)"]);
    assert_eq!(named[0].profile.id().as_str(), "acme.level-7");
    assert_eq!(named[0].because, Because::Named);
    assert!(named[0].confidence > 0.9, "{named:#?}");
    let silent = ask(&[], &["Acme LEVEL-7"]);
    assert_eq!(silent[0].because, Because::NameOnly);
    let contradicted = ask(&[DISTANCE], &["Acme TANK-9"]);
    assert!(
        confidence(&contradicted, "acme.tank-9") < 0.9,
        "{contradicted:#?}"
    );
    let another = ask(&[DISTANCE], &["Somebody X1000"]);
    assert!(confidence(&another, "acme.level-7") < confidence(&ask(&[DISTANCE], &[]), "acme.level-7"));
}

#[test]
fn a_device_the_catalogue_does_not_know_gets_no_confident_guess() {
    for foreign in [CONFIGURATION, b"\x00\x11\x22\x33\x44\x55\x66\x77"] {
        let guesses = ask(&[foreign], &[]);
        assert!(guesses.iter().all(|guess| guess.confidence < 0.1), "{guesses:#?}");
    }
    assert!(ask(&[], &[]).is_empty());
}

#[test]
fn a_guess_is_what_decodes() {
    for guess in ask(&[DISTANCE], &[]) {
        let mut out = Vec::new();
        let decoded = guess
            .profile
            .decode(&body(DISTANCE), &DeviceContext::default(), &mut out);
        assert!(decoded.is_ok(), "{}", guess.profile.id());
    }
}

#[test]
fn envelopes_say_what_the_network_calls_a_device() {
    let chirpstack =
        br#"{"deviceInfo":{"deviceProfileName":"Milesight EM310-UDL","tags":{"model":"em310-udl"}}}"#;
    assert_eq!(declared(chirpstack), ["Milesight EM310-UDL", "em310-udl"]);
    let things = br#"{"uplink_message":{"version_ids":{"brand_id":"dragino","model_id":"lwl02"}}}"#;
    assert_eq!(declared(things), ["dragino lwl02"]);
    assert!(declared(b"{\"deviceInfo\":{}}").is_empty() && declared(b"[1").is_empty());
}
