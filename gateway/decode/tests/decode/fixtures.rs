//! The recorded and constructed messages under `tests/fixtures/devices`, for every device the catalogue knows.
//!
//! A case is run when its envelope is supported and a profile covers its device; nothing looks at a case's id.

use crate::catalogue;
use linli_decode::{
    BinGeometry, DeviceContext, Event, Family, Frame, LorawanIdentity, Observation, Opened, Profile,
    RegisterData, Role, open,
};
use linli_domain::reading::Value;
use linli_domain::time::Timestamp;
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The device names of the fixtures and the profile that covers each.
const COVERED: &[(&str, &str)] = &[
    ("Milesight EM400-UDL", "milesight.em400-udl"),
    ("Milesight EM310-UDL", "milesight.em310-udl"),
    ("Bosch TPS110 parking lot sensor", "bosch.tps110"),
    ("PNI PlacePod", "pni.placepod"),
    ("Dragino LWL02", "dragino.lwl02"),
    ("Aqara SJCGQ11LM", "aqara.sjcgq11lm"),
    (
        "Waveshare Modbus RTU IO 8CH (leak relays on DI1..DI4)",
        "waveshare.modbus-rtu-io-8ch",
    ),
    ("DYP A21 ultrasonic level sensor (RS485)", "dyp.a21"),
];

/// Devices that stand for any: their messages are understood by the envelope alone.
const ENVELOPE_ONLY: &[&str] = &[
    "any LoRaWAN device",
    "Zigbee2MQTT availability",
    "Zigbee2MQTT bridge inventory",
    "Zigbee2MQTT bridge state",
];

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

/// Topic and payload of every message fixture.
pub(crate) fn messages() -> Vec<(String, Vec<u8>)> {
    let cases = folder("mqtt").into_iter();
    cases
        .filter_map(|(_, case)| {
            Some((
                case["topic"].as_str()?.to_owned(),
                payload_bytes(&case["payload"]),
            ))
        })
        .collect()
}

fn profile_of(case: &Json) -> Option<Arc<Profile>> {
    let (_, id) = COVERED.iter().find(|(device, _)| case["device"] == *device)?;
    Some(
        catalogue::load()
            .get(&id.parse().unwrap())
            .expect("a covered device has a profile"),
    )
}

fn time(case: &Json, key: &str) -> Option<Timestamp> {
    case[key]
        .as_str()
        .map(|text| Timestamp::parse_rfc3339(text).expect("a time"))
}

/// One message through both steps.
struct Played {
    opened_as: Opened<'static>,
    observations: Vec<Observation>,
    malformed: bool,
}

pub(crate) fn payload_bytes(payload: &Json) -> Vec<u8> {
    match payload["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => payload.to_string().into_bytes(),
    }
}

fn context(case: &Json) -> DeviceContext {
    let bin = &case["context"]["bin"];
    DeviceContext {
        role: case["role"].as_str().and_then(Role::from_name),
        bin: bin["empty_distance_mm"]
            .as_f64()
            .map(|empty_distance_mm| BinGeometry {
                empty_distance_mm,
                full_distance_mm: bin["full_distance_mm"].as_f64().expect("both ends of a bin"),
            }),
        caution: None,
    }
}

fn play(case: &Json, family: Family, profile: Option<&Profile>) -> Played {
    // Leaked on purpose: a fixture lives as long as its test.
    let topic: &'static str = case["topic"].as_str().expect("a topic").to_owned().leak();
    let payload: &'static [u8] = payload_bytes(&case["payload"]).leak();
    let pattern = family
        .default_pattern()
        .expect("a pattern")
        .parse()
        .expect("a sound pattern");
    let frame = Frame {
        topic,
        payload,
        retained: case["retain"] == true,
        received: Timestamp::parse_rfc3339("2026-01-31T12:00:00Z").unwrap(),
    };
    let opened_as = open(family, &pattern, &frame).unwrap_or_else(|e| panic!("{}: {e}", case["id"]));
    let mut observations = opened_as.envelope_readings.clone();
    let context = DeviceContext {
        caution: opened_as.caution,
        ..context(case)
    };
    let decoded = profile.map(|profile| profile.decode(&opened_as.body, &context, &mut observations));
    Played {
        malformed: matches!(decoded, Some(Err(_))),
        opened_as,
        observations,
    }
}

fn matches(expected: &Json, got: &Value) -> bool {
    match got {
        Value::Number(got) => expected["value"].as_f64().is_some_and(|want| {
            let tolerance = expected["tolerance"].as_f64().unwrap_or(0.0);
            (got - want).abs() <= tolerance.max(1e-9).max(1e-6 * want.abs())
        }),
        Value::State(got) => expected["value"] == *got,
        Value::Text(got) => expected["value"] == **got,
    }
}

/// What contradicts `case` in `observations`, each in a line.
fn contradictions(case: &Json, observations: &[Observation], message_time: Option<Timestamp>) -> Vec<String> {
    let mut wrong = Vec::new();
    for expected in case["expect"].as_array().expect("expectations") {
        let found = observations.iter().find(|o| {
            expected["measure"] == o.measure.name() && expected["instance"].as_str() == o.instance.as_deref()
        });
        match found.and_then(|o| Some((o, o.value.as_ref()?))) {
            Some((o, value)) if matches(expected, value) => {
                if expected["unit"] != o.measure.unit().symbol() {
                    wrong.push(format!(
                        "{} is in {}, not {}",
                        o.measure,
                        o.measure.unit(),
                        expected["unit"]
                    ));
                }
                let want = time(expected, "time").or(time(case, "expect_time"));
                if want.is_some() && o.observed.or(message_time) != want {
                    wrong.push(format!(
                        "{} is of {:?}, not {want:?}",
                        o.measure,
                        o.observed.or(message_time)
                    ));
                }
            }
            _ => wrong.push(format!("expected {expected}, got {found:?}")),
        }
    }
    for absent in case["absent"].as_array().into_iter().flatten() {
        let name = absent.as_str().expect("a measure");
        let there = observations.iter().find(|o| {
            let with_instance = o
                .instance
                .as_ref()
                .map_or(o.measure.to_string(), |i| format!("{}[{i}]", o.measure));
            (with_instance == name || o.measure.name() == name) && o.value.is_some()
        });
        wrong.extend(there.map(|o| format!("{name} must be absent, got {:?}", o.value)));
    }
    wrong
}

fn envelope_contradictions(case: &Json, opened: &Opened<'_>, malformed: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for key in ["dev_eui", "name"] {
        if let Some(want) = case["expect_device"][key]
            .as_str()
            .filter(|want| *want != opened.address)
        {
            wrong.push(format!("spoken by {}, not {want}", opened.address));
        }
    }
    let available = match opened.event {
        Event::Availability(online) | Event::BridgeAvailability(online) => Some(online),
        Event::Join => Some(true),
        _ => None,
    };
    let want = case["expect_availability"].as_str();
    if want.is_some_and(|want| available != Some(want == "online")) {
        wrong.push(format!("expected {want:?}, got {:?}", opened.event));
    }
    if malformed != (case["status"] == "malformed") {
        wrong.push(format!("malformed: {malformed}"));
    }
    wrong
}

#[test]
fn every_message_of_a_covered_device_means_what_its_fixture_says() {
    let (mut run, mut wrong) = (Vec::new(), Vec::new());
    for (_, case) in folder("mqtt") {
        let family = Family::ALL
            .into_iter()
            .find(|family| case["family"] == family.name());
        let Some(family) = family.filter(|family| family.default_pattern().is_some()) else {
            continue;
        };
        let profile = profile_of(&case);
        if profile.is_none() && !ENVELOPE_ONLY.iter().any(|device| case["device"] == *device) {
            continue;
        }
        let played = play(&case, family, profile.as_deref());
        let mut found = contradictions(&case, &played.observations, played.opened_as.observed);
        found.extend(envelope_contradictions(
            &case,
            &played.opened_as,
            played.malformed,
        ));
        wrong.extend(found.into_iter().map(|line| format!("{}: {line}", case["id"])));
        run.push(case["id"].clone());
    }
    println!("{} cases: {run:?}", run.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run.len() >= 22, "only {} cases were run", run.len());
}

#[test]
fn the_application_payload_comes_out_of_every_chirpstack_envelope_unchanged() {
    let mut seen = 0;
    for (path, case) in folder("mqtt") {
        let Some(hex) = case["bytes_hex"]
            .as_str()
            .filter(|_| case["family"] == "chirpstack-v4")
        else {
            continue;
        };
        let opened = play(&case, Family::ChirpstackV4, None).opened_as;
        let linli_decode::Body::Bytes { f_port, bytes } = &opened.body else {
            panic!("{} has a payload", path.display())
        };
        let got: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            (got.as_str(), f_port.map(Json::from)),
            (hex, Some(case["fport"].clone()))
        );
        seen += 1;
    }
    assert!(seen >= 45, "{seen}");
}

#[test]
fn a_redelivered_uplink_has_the_same_identity_and_a_later_one_another() {
    let case = folder("mqtt")
        .into_iter()
        .find(|(_, case)| case["expect_duplicate"] == true)
        .expect("a duplicate")
        .1;
    let again = play(&case, Family::ChirpstackV4, None).opened_as;
    let first = play(&case["before"][0], Family::ChirpstackV4, None).opened_as;
    assert_eq!((first.identity, &first.body), (again.identity, &again.body));
    let LorawanIdentity {
        dev_eui,
        f_port,
        f_cnt,
    } = first.identity.expect("an uplink has an identity");
    assert_eq!(
        (format!("{dev_eui:016x}"), f_port, f_cnt),
        (first.address.to_string(), 85, 108)
    );
}

#[test]
fn every_register_image_of_a_covered_device_means_what_its_fixture_says() {
    let mut run = 0;
    for (_, map) in folder("modbus") {
        let Some(profile) = profile_of(&map) else { continue };
        let registers = profile.modbus().expect("a register map");
        for sample in map["samples"].as_array().expect("samples") {
            let mut observations = Vec::new();
            for (index, request) in registers.requests().iter().enumerate() {
                let block = sample["image"]
                    .as_array()
                    .expect("an image")
                    .iter()
                    .find(|block| block["function"] == request.function && block["start"] == request.start);
                let words: Vec<u16> = block.expect("the image covers the plan")["values"]
                    .as_array()
                    .expect("values")
                    .iter()
                    .map(|value| match value.as_str() {
                        Some(hex) => {
                            u16::from_str_radix(hex.trim_start_matches("0x"), 16).expect("a hex word")
                        }
                        None => value.as_u64().and_then(|v| v.try_into().ok()).expect("a word"),
                    })
                    .collect();
                let bits: Vec<bool> = words.iter().map(|word| *word != 0).collect();
                let data = if request.function <= 2 {
                    RegisterData::Bits(bits)
                } else {
                    RegisterData::Words(words)
                };
                registers.decode(index, &data, &context(&map), &mut observations);
            }
            let wrong = contradictions(sample, &observations, None);
            assert!(wrong.is_empty(), "{}: {}", map["id"], wrong.join("\n"));
            assert_eq!(
                observations.len(),
                sample["expect"].as_array().expect("expectations").len()
            );
            run += 1;
        }
    }
    assert_eq!(run, 2);
}

#[test]
fn changing_a_byte_that_carries_a_value_changes_the_reading_or_fails() {
    let mut changed = 0;
    for (_, case) in folder("mqtt") {
        let (Some(profile), Some(hex)) = (profile_of(&case), case["bytes_hex"].as_str()) else {
            continue;
        };
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
    assert!(changed >= 60, "{changed}");
}

/// Bytes without a reading in the covered models, by what `models.json` says of them: Milesight's device information
/// other than the firmware (FF 0A), and the start-up frame's debug bytes.
fn is_skipped(case: &Json, at: usize) -> bool {
    match case["device"].as_str() {
        Some("Milesight EM400-UDL") => case["bytes_hex"]
            .as_str()
            .is_some_and(|hex| hex.starts_with("ff")),
        Some("Bosch TPS110 parking lot sensor") => case["fport"] == 3 && at < 12,
        _ => false,
    }
}
