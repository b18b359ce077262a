//! The real program on the command line: exit codes, one JSON value on standard output, shipped files without errors.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Runs `linli` with the locale of a shell that has none.
fn linli(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linli"));
    command.env_clear().args(arguments).current_dir(repository());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

#[test]
fn the_shipped_configuration_and_estate_pass_the_check() {
    let output = linli(&["check", "--config", "config/linli.toml", "--json"]);
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["ok"], true);
    assert!(report["looked_at"]["rules"].as_u64().unwrap() >= 7, "{report:#}");
    let strict = linli(&["check", "--config", "config/linli.toml", "--strict"]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn the_demo_estate_fits_a_configuration_with_its_buses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("linli.toml");
    let buses = ["bus-1", "bus-2", "bus-3"]
        .map(|bus| format!("[[modbus]]\nname = \"{bus}\"\ntcp = \"{bus}.example:502\"\n"));
    let head = "config_version = 1\nestate_seed = \"estate.toml\"\nlanguage = \"en\"\nstore = { data = \"data\" }\n\
        broker = { subscriptions = [{ family = \"chirpstack-v4\" }] }\n";
    std::fs::write(&path, head.to_owned() + &buses.concat()).unwrap();
    let output = linli(&[
        "check",
        "--config",
        path.to_str().unwrap(),
        "--estate",
        "config/estates/demo.toml",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_wrong_estate_is_answered_with_every_problem_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(repository().join("config/estates/example.toml")).unwrap();
    let wrong = shipped
        .replace("profile = \"bosch.tps110\"", "profile = \"bosch.tps11\"")
        .replace(
            "mqtt = \"embedded\", key = \"b1/pipe\"",
            "mqtt = \"embeded\", key = \"b1/pipe\"",
        )
        .replace("a84041f8c1870101", "A84041F8C1870101")
        .replacen("place = \"yard\"", "place = \"yrad\"", 1)
        .replacen("role = \"bin\"", "role = \"bni\"", 1);
    let path = folder.path().join("estate.toml");
    std::fs::write(&path, wrong).unwrap();
    let output = linli(&[
        "check",
        "--config",
        "config/linli.toml",
        "--estate",
        path.to_str().unwrap(),
        "--lang",
        "en",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stderr);
    for part in [
        "there is no profile \"bosch.tps11\"",
        "did you mean \"bosch.tps110\"?",
        "there is no MQTT connection \"embeded\"",
        "write \"a84041f8c1870101\"",
        "yrad",
        "\"role\" cannot be \"bni\"",
        "estate.toml:",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
}

#[test]
fn one_item_of_the_wrong_shape_does_not_hide_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("estate.toml");
    let estate = "id = \"e\"\nname = { zh = \"小区\", en = \"Estate\" }\n[[places]]\nid = \"no spaces\"\nkind = \"x\"\n\
        name = { zh = \"一\", en = \"1\" }\n[[assets]]\nid = \"a\"\nkind = \"bni\"\nplace = \"p\"\n\
        name = { zh = \"一\", en = \"1\" }\n[[devices]]\nid = \"d\"\nprofil = \"x\"\nname = { zh = \"一\", en = \"1\" }\n";
    std::fs::write(&path, estate).unwrap();
    let arguments = [
        "check",
        "--config",
        "config/linli.toml",
        "--json",
        "--estate",
        path.to_str().unwrap(),
    ];
    let report = json(&linli(&arguments));
    let errors = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["severity"] == "error");
    let lines: Vec<u64> = errors.map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [4, 9, 14], "{report:#}");
}

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

#[test]
fn wrong_use_is_two_and_a_gateway_out_of_reach_is_one() {
    assert_eq!(linli(&[]).status.code(), Some(2));
    assert_eq!(linli(&["bogus"]).status.code(), Some(2));
    assert_eq!(linli(&["orders", "override", "WO-1"]).status.code(), Some(2));
    assert_eq!(linli(&["--version"]).status.code(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "linli_x_canary").unwrap();
    let output = linli(&[
        "orders",
        "list",
        "--url",
        "http://127.0.0.1:9",
        "--token-file",
        token.to_str().unwrap(),
        "--lang",
        "zh-CN",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stderr);
    assert!(
        shown.contains("无法连接网关") && !shown.contains("canary") && output.stdout.is_empty(),
        "{shown}"
    );
    let piped = linli(&["token", "add", "li", "--token-file", token.to_str().unwrap()]);
    assert_eq!(piped.status.code(), Some(2), "a secret does not go into a pipe");
}

#[test]
fn the_description_of_the_api_is_printed() {
    let output = linli(&["openapi"]);
    assert_eq!(
        json(&output)["openapi"].as_str().unwrap().split('.').next(),
        Some("3")
    );
}
