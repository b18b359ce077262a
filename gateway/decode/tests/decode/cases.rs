//! Every register map of the fixtures: its samples and frames mean what it says, by the catalogue's profile and by the
//! map itself.

use crate::catalogue;
use linli_decode::modbus::case::{self, CaseReport};
use linli_decode::{Catalogue, Profile};
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;

/// A map of the fixtures and the catalogue's profile for its device.
const PROFILES: [(&str, &str); 15] = [
    ("acrel-adw300", "acrel.adw300"),
    ("aqualeak-10k", "aqualeak.10k"),
    ("carlo-gavazzi-em24", "carlo-gavazzi.em24"),
    ("chint-dtsu666", "chint.dtsu666"),
    ("controlbox-th332", "controlbox.th332"),
    ("ddm18sd", "ddm.18sd"),
    ("dfrobot-sen0310", "dfrobot.sen0310"),
    ("dyp-a21", "dyp.a21"),
    ("eastron-sdm120", "eastron.sdm120"),
    ("eastron-sdm630", "eastron.sdm630"),
    ("orno-we-514", "orno.we-514"),
    ("peacefair-pzem-004t-v3", "peacefair.pzem-004t-v3"),
    ("tuf-2000", "generic.tuf-2000"),
    ("waveshare-modbus-rtu-io-8ch", "waveshare.modbus-rtu-io-8ch"),
    ("xy-md02", "generic.xy-md02"),
];

fn read(case: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/devices/modbus");
    fs::read_to_string(folder.join(format!("{case}.json"))).expect("a case")
}

fn run(case: &str, profile: Option<&Profile>) -> CaseReport {
    case::run(case, profile).unwrap_or_else(|error| panic!("{error}"))
}

fn failures(report: &CaseReport) -> String {
    let lines = report.samples.iter().flat_map(|sample| {
        sample
            .differences
            .iter()
            .map(move |difference| format!("{} ({}): {difference}", report.id, sample.name))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn profile(catalogue: &Catalogue, id: &str) -> std::sync::Arc<Profile> {
    catalogue
        .get(&id.parse().unwrap())
        .unwrap_or_else(|| panic!("{id} is in the catalogue"))
}

#[test]
fn every_map_passes_from_the_catalogue_frames_included() {
    let catalogue = catalogue::load();
    for (map, id) in PROFILES {
        let report = run(&read(map), Some(&profile(&catalogue, id)));
        assert!(report.passes(), "{}", failures(&report));
        assert_eq!(report.profile.as_deref(), Some(id));
        let case: Json = serde_json::from_str(&read(map)).unwrap();
        let given = case["samples"].as_array().unwrap();
        assert_eq!(report.samples.len(), given.len());
        for (sample, given) in report.samples.iter().zip(given) {
            assert_eq!(
                sample.frames,
                given["frames"].as_array().map_or(0, Vec::len),
                "{map}"
            );
            assert_eq!(
                sample.observations.len(),
                given["expect"].as_array().unwrap().len(),
                "{map}"
            );
        }
    }
}

#[test]
fn every_map_passes_by_itself() {
    for (map, _) in PROFILES {
        let report = run(&read(map), None);
        assert!(report.passes(), "{}", failures(&report));
        assert_eq!(report.profile, None);
    }
}

#[test]
fn no_map_of_the_fixtures_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/devices/modbus");
    let mut found: Vec<String> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| {
            entry
                .expect("a fixture")
                .path()
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    found.sort();
    assert_eq!(found, PROFILES.map(|(map, _)| map.to_owned()));
}

/// The case with one thing changed.
fn changed(case: &str, change: impl FnOnce(&mut Json)) -> String {
    let mut json: Json = serde_json::from_str(&read(case)).unwrap();
    change(&mut json);
    json.to_string()
}

#[test]
fn a_case_that_is_not_as_the_device_says_fails_and_says_where() {
    let catalogue = catalogue::load();
    let profile = profile(&catalogue, "generic.xy-md02");
    let says = |case: String, part: &str| {
        let report = run(&case, Some(&profile));
        assert!(!report.passes());
        assert!(
            failures(&report).contains(part),
            "{part} not in {}",
            failures(&report)
        );
    };
    says(
        changed("xy-md02", |case| {
            case["samples"][0]["expect"][0]["value"] = json!(31)
        }),
        "temperature: expected 31, got Some(Number(30.5))",
    );
    says(
        changed("xy-md02", |case| {
            case["samples"][0]["expect"][1]["unit"] = json!("%")
        }),
        "expected the unit %, got %RH",
    );
    says(
        changed("xy-md02", |case| {
            case["samples"][0]["image"][0]["start"] = json!(0)
        }),
        "the image does not hold what is asked",
    );
    says(
        changed("xy-md02", |case| {
            case["samples"][0]["frames"][0]["request"] = json!("0104000000027 1cb")
        }),
        "no frame asks 010400010002200b",
    );
    says(
        changed("xy-md02", |case| {
            case["samples"][0]["frames"][0]["response"] = json!("010404013102222acf")
        }),
        "is not taken for the answer",
    );
    says(
        changed("xy-md02", |case| {
            case["samples"][0]["frames"][0]["response"] = json!("010404ff330222bae6")
        }),
        "the frames do not say what the image says",
    );
}

#[test]
fn what_is_no_case_is_refused() {
    for (case, part) in [
        ("{", "not a Modbus case"),
        ("{}", "the case's map cannot be read"),
        (
            &*changed("tuf-2000", |case| case["derived"][0]["sum"][0] = json!("volume")),
            "no register \"volume\"",
        ),
        (
            &*changed("xy-md02", |case| case["registers"][0]["measure"] = json!("heat")),
            "not a sound one",
        ),
    ] {
        let error = case::run(case, None).unwrap_err().to_string();
        assert!(error.contains(part), "{part} not in {error}");
    }
    let catalogue = catalogue::load();
    let no_registers = profile(&catalogue, "dragino.lwl02");
    assert!(
        case::run(&read("xy-md02"), Some(&no_registers))
            .unwrap_err()
            .to_string()
            .contains("no [modbus]")
    );
}

#[test]
fn a_unit_register_of_a_map_decides_the_unit() {
    let feet = changed("aqualeak-10k", |case| {
        for register in case["registers"].as_array_mut().unwrap() {
            if register["name"] == "distance" {
                register["unit_from"] = json!("units");
            }
        }
        let sample = case["samples"][0].as_object_mut().unwrap();
        sample.remove("frames");
        sample["image"][0]["values"][1] = json!("0x0758");
        sample["image"][0]["values"][2] = json!("0x0001");
        sample["expect"] = json!([{ "measure": "leak.position", "value": 57.3024, "unit": "m" }]);
        case["samples"].as_array_mut().unwrap().truncate(1);
    });
    let report = run(&feet, None);
    assert!(report.passes(), "{}", failures(&report));
}
