//! The tools of a profile's author, without a gateway.

use super::*;

#[test]
fn a_message_is_decoded_without_a_gateway() {
    let config = ["--config", "/nonexistent/linli.toml"];
    let decode =
        |more: &[&str]| linli(&[&["device", "decode", "--profile", "dragino.lwl02"], more, &config].concat());
    let output = decode(&["--hex", "4c1e0200000500000201", "--f-port", "10", "--json"]);
    let answer = json(&output);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let wet =
        |value: &&Value| value["measure"] == "leak.wet" && value["value"] == true && value["unit"] == "bool";
    assert!(
        answer["values"]
            .as_array()
            .unwrap()
            .iter()
            .any(|value| wet(&value)),
        "{answer:#}"
    );
    assert_eq!(decode(&["--hex", "4c"]).status.code(), Some(1), "too short");
    assert_eq!(decode(&["--hex", "4"]).status.code(), Some(2), "not whole bytes");
    assert_eq!(decode(&[]).status.code(), Some(2), "no message");
}

#[test]
fn an_envelope_is_opened_with_its_topic() {
    let case = std::fs::read_to_string(
        repository().join("tests/fixtures/devices/mqtt/chirpstack-v4-tps110-01.json"),
    );
    let case: Value = serde_json::from_str(&case.unwrap()).unwrap();
    let topic = case["topic"].as_str().unwrap();
    let payload = case["payload"].to_string();
    let output = linli(&[
        "device",
        "decode",
        "--profile",
        "bosch.tps110",
        "--family",
        "chirpstack-v4",
        "--topic",
        topic,
        "--text",
        &payload,
        "--json",
    ]);
    let answer = json(&output);
    assert_eq!(answer["address"], "4eab5e6a4755fa2f");
    let measures: Vec<&str> = answer["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|v| v["measure"].as_str())
        .collect();
    assert!(
        measures.contains(&"parking.occupied") && measures.contains(&"signal.rssi"),
        "{answer:#}"
    );
}

#[test]
fn every_case_of_the_fixtures_passes_and_a_broken_one_shows_its_difference() {
    let all = linli(&["device", "test", "tests/fixtures/devices/mqtt", "--json"]);
    let tested = json(&all);
    assert_eq!(all.status.code(), Some(0), "{tested:#}");
    assert_eq!(
        (tested["failed"].as_u64(), tested["advisory_failed"].as_u64()),
        (Some(0), Some(0))
    );
    assert_eq!(tested["cases"].as_array().unwrap().len(), 123);
    let folder = tempfile::tempdir().unwrap();
    let shipped = "tests/fixtures/devices/mqtt/chirpstack-v4-em400-udl-01.json";
    let mut case: Value =
        serde_json::from_slice(&std::fs::read(repository().join(shipped)).unwrap()).unwrap();
    case["expect"][1]["value"] = 99.into();
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, case.to_string()).unwrap();
    let broken = broken.to_str().unwrap();
    let one = linli(&["device", "test", broken, "--lang", "en"]);
    assert_eq!(one.status.code(), Some(1));
    assert!(
        text(&one.stdout).contains("temperature: expected 99 Cel"),
        "{}",
        text(&one.stdout)
    );
    case["advisory"] = true.into();
    std::fs::write(broken, case.to_string()).unwrap();
    let advisory = linli(&["device", "test", broken, "--json"]);
    assert_eq!(
        advisory.status.code(),
        Some(0),
        "what is nice to have fails nothing"
    );
    assert_eq!(json(&advisory)["advisory_failed"], 1);
    // With the profiles of an empty folder nobody reads the device.
    let empty = folder.path().join("profiles");
    std::fs::create_dir(&empty).unwrap();
    let unread = linli(&[
        "device",
        "test",
        shipped,
        "--profiles",
        empty.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(unread.status.code(), Some(1));
    assert!(
        json(&unread)["cases"][0]["diff"][0]
            .as_str()
            .unwrap()
            .contains("no profile of the catalogue")
    );
    let profile = linli(&["device", "test", "config/profiles/dragino-lwl02.toml", "--json"]);
    assert_eq!(
        (profile.status.code(), json(&profile)["passed"].as_u64()),
        (Some(0), Some(1))
    );
    assert_eq!(linli(&["device", "test", "nowhere.json"]).status.code(), Some(1));
}

#[test]
fn a_trace_shows_what_stood_where_even_of_a_refused_message() {
    let decode = |hex: &str| {
        linli(&[
            "device",
            "decode",
            "--profile",
            "milesight.em400-udl",
            "--hex",
            hex,
            "--trace",
            "--json",
        ])
    };
    let whole = json(&decode("0367010101755c"));
    let steps: Vec<String> = whole["trace"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| format!("{} {} {}", step["at"], step["raw"], step["meaning"]))
        .collect();
    assert_eq!(
        steps,
        [
            r#""bytes 0-1" "03 67" """#,
            r#""bytes 2-3" "01 01" "temperature 25.7 Cel""#,
            r#""bytes 4-5" "01 75" """#,
            r#""byte 6" "5c" "device.battery 92 %""#
        ]
    );
    let cut = decode("03670101 0175");
    assert_eq!(cut.status.code(), Some(1));
    assert_eq!(json(&cut)["refused"]["code"], "truncated");
    assert_eq!(json(&cut)["trace"].as_array().unwrap().len(), 3);
}
