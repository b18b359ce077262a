//! The recorded and constructed cases under `tests/fixtures/devices`, run as an author runs them.
//!
//! Nothing here looks at a case's id; which profile reads a case is decided by what the case says of its device.

use crate::catalogue;
use crate::harness::Message;
use linli_decode::{DeviceContext, Family, Profile, Role, run_cases};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) fn folder(name: &str) -> Vec<(PathBuf, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/devices")
        .join(name);
    let mut cases: Vec<_> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| {
            let path = entry.expect("a fixture").path();
            let json = serde_json::from_slice(&fs::read(&path).expect("a readable fixture"))
                .expect("a JSON fixture");
            (path, json)
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

/// The messages of every message fixture, those that come before included.
pub(crate) fn sequences() -> Vec<Vec<Message>> {
    let of = |(_, case): (PathBuf, Json)| {
        let before = case["before"].as_array().cloned().unwrap_or_default();
        let name = case["family"].as_str().expect("a family");
        let message = |message: &Json| Message {
            family: Family::from_name(name).unwrap_or(Family::Json),
            retained: message["retain"] == true,
            topic: message["topic"].as_str().expect("a topic").to_owned(),
            payload: payload_bytes(&message["payload"]),
        };
        before.iter().chain([&case]).map(message).collect()
    };
    folder("mqtt").into_iter().map(of).collect()
}

/// Topic and payload of them all.
pub(crate) fn messages() -> Vec<(String, Vec<u8>)> {
    let all = sequences().into_iter().flatten();
    all.map(|message| (message.topic, message.payload)).collect()
}

/// The text of every case.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    ["mqtt", "modbus"]
        .into_iter()
        .flat_map(folder)
        .map(|(path, _)| fs::read(path).expect("a readable fixture"))
        .collect()
}

pub(crate) fn payload_bytes(payload: &Json) -> Vec<u8> {
    use base64::Engine as _;
    match (payload["text"].as_str(), payload["base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (_, Some(text)) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("base64"),
        _ => payload.to_string().into_bytes(),
    }
}

/// Runs every case of these files; how many there were.
fn all_pass(files: impl IntoIterator<Item = PathBuf>) -> usize {
    let catalogue = catalogue::load();
    let (mut run, mut wrong) = (0, Vec::new());
    for path in files {
        for report in run_cases(&fs::read(&path).unwrap(), &catalogue).expect("cases") {
            run += 1;
            let lines = report.diff.iter().map(|line| format!("{}: {line}", report.id));
            if !report.advisory {
                wrong.extend(lines);
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    run
}

fn paths(name: &str) -> impl Iterator<Item = PathBuf> {
    folder(name).into_iter().map(|(path, _)| path)
}

#[test]
fn every_message_case_means_what_it_says() {
    assert_eq!(all_pass(paths("mqtt")), 123);
}

fn failures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/devices/modbus-faults.json")
}

/// What came in each of the failure cases.
pub(crate) fn failure_frames() -> Vec<Vec<u8>> {
    let file: Json = serde_json::from_slice(&fs::read(failures()).unwrap()).unwrap();
    let digits = |case: &Json| case["response_full"].as_str().map(str::to_owned);
    let pair = |hex: &str, n: usize| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap();
    let frames = file["cases"].as_array().unwrap().iter().filter_map(digits);
    frames
        .map(|hex| (0..hex.len() / 2).map(|n| pair(&hex, n)).collect())
        .collect()
}

#[test]
fn every_register_map_and_every_failure_frame_means_what_it_says() {
    assert_eq!(all_pass(paths("modbus")), 15);
    assert_eq!(all_pass([failures()]), 11);
}

#[test]
fn a_register_map_is_read_by_the_profile_of_its_device_and_else_by_itself() {
    let text = |device: &str| {
        let (_, mut case) = folder("modbus")
            .into_iter()
            .find(|(_, case)| case["id"] == "xy-md02")
            .unwrap();
        case["device"] = device.into();
        case["samples"][0]["expect"][0]["value"] = 31.into();
        case.to_string()
    };
    let diff = |device: &str| {
        let reports = run_cases(text(device).as_bytes(), &catalogue::load()).unwrap();
        reports[0].diff.join("\n")
    };
    let known = diff("XY-MD02 temperature/humidity");
    assert!(known.contains("read by generic.xy-md02"), "{known}");
    assert!(known.contains("temperature: expected 31, got"), "{known}");
    let unknown = diff("Acme 1");
    assert!(unknown.contains("read by its own map"), "{unknown}");
}

#[test]
fn a_file_that_holds_no_case_says_what_a_case_has_and_one_bad_case_does_not_hide_the_others() {
    let run = |text: &str| run_cases(text.as_bytes(), &catalogue::load());
    let error = run(r#"{ "id": "x" }"#).unwrap_err().to_string();
    assert!(
        error.contains("`family`") && error.contains("`registers`"),
        "{error}"
    );
    let sound = folder("mqtt").swap_remove(0).1;
    let several = serde_json::json!({ "cases": [{ "id": "x" }, sound] });
    let reports = run(&several.to_string()).unwrap();
    assert_eq!(
        reports
            .iter()
            .map(linli_decode::CaseReport::ok)
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(reports[0].id, "cases[0]");
}

/// The profile of the catalogue for a case's device.
fn profile_of(case: &Json) -> Option<Arc<Profile>> {
    let catalogue = catalogue::load();
    let model = case["model"].as_str()?;
    let mut found = catalogue
        .iter()
        .filter(|profile| profile.matching().has_model(model));
    found.next().cloned()
}

#[test]
fn changing_a_byte_that_carries_a_value_changes_the_reading_or_fails() {
    let mut changed = 0;
    for (_, case) in folder("mqtt") {
        let Some(hex) = case["bytes_hex"].as_str() else {
            continue;
        };
        let profile = profile_of(&case).expect("every model is in the catalogue");
        if case["status"] == "malformed" {
            continue;
        }
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|n| u8::from_str_radix(&hex[n..n + 2], 16).unwrap())
            .collect();
        let f_port = case["fport"].as_u64().and_then(|port| u8::try_from(port).ok());
        let decode = |bytes: &[u8]| {
            let mut out = Vec::new();
            profile
                .decode(
                    &linli_decode::Body::bytes(f_port, bytes),
                    &context(&case),
                    &mut out,
                )
                .ok()
                .map(|_| out)
        };
        let original = decode(&bytes).expect("a sound payload");
        for at in 0..bytes.len() {
            let variants: Vec<_> = (0..8u8)
                .map(|bit| bytes[at] ^ (1 << bit))
                .map(|byte| {
                    let mut variant = bytes.clone();
                    variant[at] = byte;
                    decode(&variant)
                })
                .collect();
            // A byte carries nothing exactly when no bit of it matters: padding and serial numbers the profile skips.
            let matters = variants.iter().any(|variant| variant.as_ref() != Some(&original));
            changed += usize::from(matters);
            if !matters {
                assert!(is_skipped(&case, at), "{}: byte {at} changes nothing", case["id"]);
            }
        }
    }
    assert!(changed >= 500, "{changed}");
}

/// Bytes that carry no value, by what `models.json` says of their model: counters, serial numbers and versions of
/// the protocol, angles whose sign the vendor has wrong, samples behind a distance, lists of beacons.
const CARRY_NOTHING: &[(&str, &[usize])] = &[
    ("dc410", &[7, 9, 10, 13, 14, 15]),
    ("df530", &[7, 9, 10, 13, 14, 15]),
    ("df702", &[7, 9, 10, 13, 14, 15, 17, 18, 21, 22, 23]),
    ("dds20-lb", &[4, 7]),
    ("ldds75", &[4, 7]),
    ("dl-mbx", &[1, 2, 7, 8]),
    ("dw10", &[4, 5]),
    ("ems", &[6, 7, 8, 10, 11]),
    ("em300-di", &[2, 3, 4, 5]),
    ("lht65n", &[9, 10]),
    ("r311w", &[0, 6, 7, 8, 9, 10]),
    ("r718wb", &[0, 5, 6, 7, 8, 9, 10]),
    ("tekzipark", &[2, 3, 4, 5, 6, 7]),
    ("wwd", &[]),
];

fn is_skipped(case: &Json, at: usize) -> bool {
    let hex = case["bytes_hex"].as_str().expect("a payload");
    let byte = |n: usize| hex.get(2 * n..2 * n + 2);
    let model = case["model"].as_str().expect("a model");
    match model {
        // Device information other than the firmware (FF 0A), and the reserved bytes of a stored record.
        "em400-udl" if byte(0) == Some("ff") => true,
        "em300-mld" if byte(0) == Some("20") => (6..9).contains(&at),
        // A start-up frame begins with debug bytes; an acknowledged configuration and a version report say nothing.
        "tps110" => case["fport"] == 3 && at < 12,
        "df702" if byte(3) == Some("03") => at > 4,
        "r718wb" if byte(2) == Some("00") => at == 0 || at > 2,
        // An answer to a downlink.
        "sd-1001" if hex.len() == 2 => true,
        "em300-di" if byte(0) != Some("05") => false,
        _ => CARRY_NOTHING
            .iter()
            .any(|(known, bytes)| *known == model && bytes.contains(&at)),
    }
}

fn context(case: &Json) -> DeviceContext {
    DeviceContext {
        role: case["role"].as_str().and_then(Role::from_name),
        ..DeviceContext::default()
    }
}
