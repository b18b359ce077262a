//! The real program on the command line: exit codes, one JSON value on standard output, shipped files without errors.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
    command.stdin(Stdio::null()).output().unwrap()
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

/// A configuration with one bus, and an estate with so many energy meters on it.
fn meters(folder: &Path, bus: &str, count: usize) -> PathBuf {
    let mut estate = String::from(
        "id = \"e\"\nname = { zh = \"园\", en = \"E\" }\n[[places]]\nid = \"p\"\nkind = \"room\"\n\
         name = { zh = \"房\", en = \"Room\" }\n",
    );
    for unit in 1..=count {
        estate += &format!(
            "[[devices]]\nid = \"m{unit}\"\nprofile = \"carlo-gavazzi.em24\"\nname = {{ zh = \"表\", en = \"M\" }}\n\
             address = {{ bus = \"bus-1\", unit = {unit} }}\n"
        );
    }
    std::fs::write(folder.join("estate.toml"), estate).unwrap();
    let config = format!(
        "config_version = 1\nestate_seed = \"estate.toml\"\nlanguage = \"en\"\nstore = {{ data = \"data\" }}\n\
         [[modbus]]\nname = \"bus-1\"\n{bus}\n"
    );
    let path = folder.join("linli.toml");
    std::fs::write(&path, config).unwrap();
    path
}

fn check(config: &Path, language: &str) -> (Option<i32>, Value) {
    let output = linli(&[
        "check",
        "--config",
        config.to_str().unwrap(),
        "--json",
        "--lang",
        language,
    ]);
    (output.status.code(), json(&output))
}

#[test]
fn a_sump_that_does_not_say_how_deep_it_is_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("linli.toml");
    let head = "config_version = 1\nestate_seed = \"estate.toml\"\nlanguage = \"en\"\nstore = { data = \"data\" }\n\
        broker = { subscriptions = [{ family = \"chirpstack-v4\" }] }\n";
    std::fs::write(&config, head).unwrap();
    let found = |tank: &str| {
        let estate = format!(
            "id = \"e\"\nname = {{ zh = \"园\", en = \"E\" }}\n[[places]]\nid = \"p\"\nkind = \"room\"\n\
             name = {{ zh = \"房\", en = \"Room\" }}\n[[assets]]\nid = \"sump-1\"\nkind = \"sump\"\nplace = \"p\"\n\
             name = {{ zh = \"井\", en = \"Sump\" }}\n{tank}\n[[devices]]\nid = \"probe\"\n\
             profile = \"milesight.em500-swl\"\nname = {{ zh = \"液位计\", en = \"Probe\" }}\n\
             address = {{ mqtt = \"embedded\", key = \"24e124713b490101\" }}\nasset = \"sump-1\"\n"
        );
        std::fs::write(folder.path().join("estate.toml"), estate).unwrap();
        let (code, report) = check(&config, "en");
        assert_eq!(code, Some(0), "{report:#}");
        let problems = report["problems"].as_array().unwrap().clone();
        let mut unguarded = problems
            .into_iter()
            .filter(|problem| problem["code"] == "unguarded");
        unguarded.next().map(|problem| problem["line"].clone())
    };
    assert_eq!(found(""), Some(Value::from(7)));
    assert_eq!(
        found("tank = { empty_distance_mm = 2400, full_distance_mm = 400 }"),
        None
    );
}

#[test]
fn a_plan_that_no_line_can_keep_is_refused_with_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let serial = "serial = { path = \"/dev/ttyUSB0\", baud = 9600 }";
    let (code, report) = check(&meters(folder.path(), serial, 20), "en");
    let problem = &report["problems"][0];
    assert_eq!(
        (code, &problem["code"], &problem["line"]),
        (Some(1), &"bus-time".into(), &5.into()),
        "{report:#}"
    );
    // Five requests every 5 s and two a minute, 20 times: 20.7 a second, each about 50 ms.
    let message = problem["message"].as_str().unwrap();
    assert!(
        message.contains("20 slaves and 20.7 requests a second take"),
        "{message}"
    );
    assert!(message.contains("at 9600 baud"), "{message}");
    assert!(
        problem["hint"].as_str().unwrap().contains("turnaround of 20ms"),
        "{problem}"
    );
    let (_, chinese) = check(&meters(folder.path(), serial, 20), "zh-CN");
    assert!(
        chinese["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("20 个从机每秒 20.7 个请求"),
        "{chinese}"
    );

    let (code, report) = check(&meters(folder.path(), serial, 16), "en");
    assert_eq!(
        (code, &report["problems"][0]["severity"]),
        (Some(0), &"warning".into()),
        "{report:#}"
    );
    assert!(
        report["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("% full"),
        "{report:#}"
    );
    let (code, report) = check(&meters(folder.path(), serial, 10), "en");
    assert_eq!(
        (code, report["problems"].as_array().unwrap().len()),
        (Some(0), 0),
        "{report:#}"
    );
    let faster = "serial = { path = \"/dev/ttyUSB0\", baud = 115200 }\nturnaround = \"5ms\"";
    let (_, report) = check(&meters(folder.path(), faster, 20), "en");
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report:#}");
}

#[test]
fn a_line_of_unknown_speed_is_warned_about_and_a_unit_no_line_has_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let converter = "rtu_over_tcp = \"10.0.0.6:4196\"";
    let (code, report) = check(&meters(folder.path(), converter, 60), "en");
    assert_eq!(
        (code, &report["problems"][0]["severity"]),
        (Some(0), &"warning".into()),
        "{report:#}"
    );
    let known = format!("{converter}\nbaud = 9600");
    let (code, _) = check(&meters(folder.path(), &known, 60), "en");
    assert_eq!(code, Some(1));
    let estate = folder.path().join("estate.toml");
    let path = meters(folder.path(), converter, 1);
    let text = std::fs::read_to_string(&estate)
        .unwrap()
        .replace("unit = 1 ", "unit = 255 ");
    std::fs::write(&estate, text).unwrap();
    let (code, report) = check(&path, "en");
    assert_eq!(code, Some(1));
    assert!(
        report["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("unit 255"),
        "{report:#}"
    );
    let config = std::fs::read_to_string(&path)
        .unwrap()
        .replace(converter, "tcp = \"10.0.0.6:502\"");
    std::fs::write(&path, config).unwrap();
    assert_eq!(check(&path, "en").0, Some(0));
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

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let run = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(run.status.success(), "openssl {arguments}: {}", text(&run.stderr));
}

/// Makes `gone.pem` with its key: a certificate whose time is over takes an authority's bookkeeping to make.
fn expired(folder: &Path, key: &str) {
    let config = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nnew_certs_dir = .\nserial = serial\n\
        default_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n";
    for (name, text) in [("ca.cnf", config), ("index.txt", ""), ("serial", "01\n")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    openssl(
        folder,
        &format!("req {key} -keyout gone.key -out gone.csr -subj /CN=gone"),
    );
    openssl(
        folder,
        "ca -batch -selfsign -config ca.cnf -in gone.csr -keyfile gone.key -out gone.pem \
         -startdate 20200101000000Z -enddate 20210101000000Z",
    );
}

#[test]
fn the_check_looks_into_certificates_and_the_users_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for (name, days) in [("good", 400), ("soon", 5)] {
        openssl(
            folder.path(),
            &format!("req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name} -days {days}"),
        );
    }
    expired(folder.path(), key);
    std::fs::write(at("empty.pem"), "nothing here\n").unwrap();
    std::fs::write(at("gate"), "canary\n").unwrap();
    std::fs::set_permissions(at("gate"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let digest = "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let config = |certificate: &str, key: &str, users: &str| {
        let users_file = at("users");
        std::fs::write(&users_file, users).unwrap();
        for private in [at(key), users_file] {
            std::fs::set_permissions(private, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let text = format!(
            "config_version = 1\nestate_seed = \"{}/config/estates/example.toml\"\nlanguage = \"en\"\n\
             store = {{ data = \"data\" }}\n[broker]\nusers_file = \"users\"\n\
             subscriptions = [{{ family = \"chirpstack-v4\" }}]\n[broker.tls]\nlisten = \"127.0.0.1:8883\"\n\
             certificate = \"{certificate}\"\nkey = \"{key}\"\n[[broker.users]]\nusername = \"bin\"\n\
             [[broker.users]]\nusername = \"gate\"\npassword = {{ file = \"gate\" }}\n",
            repository().display()
        );
        std::fs::write(at("linli.toml"), text).unwrap();
        let path = at("linli.toml");
        let output = linli(&["check", "--config", path.to_str().unwrap(), "--json"]);
        (output.status.code(), json(&output))
    };
    let said = |report: &Value| -> Vec<String> {
        let problems = report["problems"].as_array().unwrap().iter();
        problems
            .map(|p| {
                format!(
                    "{}:{} {}",
                    p["severity"].as_str().unwrap(),
                    p["line"],
                    p["message"].as_str().unwrap()
                )
            })
            .collect()
    };
    let (code, report) = config("good.pem", "good.key", &format!("# yard\nbin:{digest}\n"));
    assert_eq!((code, said(&report).len()), (Some(0), 0), "{report:#}");
    assert!(
        report["notes"][0].as_str().unwrap().contains("but not sessions"),
        "{report:#}"
    );
    for (certificate, key, users, expected) in [
        (
            "soon.pem",
            "soon.key",
            format!("bin:{digest}\n"),
            "warning:10 the certificate expires at",
        ),
        (
            "gone.pem",
            "gone.key",
            format!("bin:{digest}\n"),
            "error:10 the certificate expired at",
        ),
        (
            "good.pem",
            "soon.key",
            format!("bin:{digest}\n"),
            "error:11 the key does not belong",
        ),
        (
            "empty.pem",
            "good.key",
            format!("bin:{digest}\n"),
            "error:10 cannot find a certificate",
        ),
        (
            "none.pem",
            "good.key",
            format!("bin:{digest}\n"),
            "error:10 cannot read ",
        ),
        (
            "good.pem",
            "good.key",
            format!("bay:{digest}\n"),
            "error:13 the user \"bin\" has no password",
        ),
        (
            "good.pem",
            "good.key",
            format!("bin:{digest}\ngate:{digest}\n"),
            "warning:15 the user \"gate\" has a second password",
        ),
        (
            "good.pem",
            "good.key",
            "bin:canary\n".into(),
            "error:1 the digest of \"bin\" cannot be used",
        ),
    ] {
        let (code, report) = config(certificate, key, &users);
        let found = said(&report);
        assert!(
            found.iter().any(|line| line.starts_with(expected)),
            "{expected}: {found:#?}"
        );
        assert_eq!(code, Some(i32::from(expected.starts_with("error"))), "{found:#?}");
        assert!(!report.to_string().contains("canary"), "a secret is shown");
    }
    std::fs::set_permissions(at("good.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = linli(&[
        "check",
        "--config",
        at("linli.toml").to_str().unwrap(),
        "--lang",
        "zh-CN",
    ]);
    let shown = text(&output.stderr);
    assert!(shown.contains("其他用户可读取密钥文件"), "{shown}");
    assert!(
        !shown.contains("canary") && shown.contains("不保留会话"),
        "{shown}"
    );
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
    let nothing = linli(&["simulate", "--seed", "3"]);
    let asks = text(&nothing.stderr);
    assert!(
        nothing.status.code() == Some(2) && asks.contains("<--judge|--output <FOLDER>>"),
        "neither judged nor written down, a play comes to nothing: {asks}"
    );
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
fn a_recording_of_which_not_every_line_could_be_played_says_so_and_ends_with_a_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("frames.ndjson");
    let frame = r#"{"at":"2026-03-02T08:00:00Z","connection":"main","origin":"zigbee2mqtt/nobody","payload":{"text":"{}","bytes":2}}"#;
    let replay = |lines: &[&str], language: &str| {
        std::fs::write(&recording, lines.join("\n")).unwrap();
        let estate = "config/estates/demo.toml";
        let path = recording.to_str().unwrap();
        linli(&["replay", path, "--estate", estate, "--lang", language, "--json"])
    };
    let whole = replay(&[frame, "", frame], "en");
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole.stderr));

    let part = replay(&["no frame", frame, "", "nor this"], "en");
    let noise = text(&part.stderr);
    assert_eq!(part.status.code(), Some(3), "{noise}");
    assert!(noise.contains("2 of 3 lines were not played"), "{noise}");
    assert_eq!(
        (&json(&part)["lines"], &json(&part)["not_played"]),
        (&3.into(), &2.into())
    );
    let noise = text(&replay(&["no frame", frame], "zh-CN").stderr);
    assert!(noise.contains("2 行中有 1 行未重放"), "{noise}");

    let none = replay(&["no frame"], "zh-CN");
    let noise = text(&none.stderr);
    assert_eq!(none.status.code(), Some(1), "nothing at all was played");
    assert!(noise.contains("没有一条可重放的消息"), "{noise}");
}

#[test]
fn a_judge_who_could_not_simulate_everything_does_not_call_it_fine() {
    let folder = tempfile::tempdir().unwrap();
    let estate = folder.path().join("estate.toml");
    let device = |id: &str, profile: &str, key: &str| {
        format!(
            "[[devices]]\nid = \"{id}\"\nprofile = \"{profile}\"\nname = {{ zh = \"传感器\", en = \"Sensor\" }}\n\
             asset = \"zone\"\naddress = {{ mqtt = \"main\", key = \"{key}\" }}\n"
        )
    };
    let head = "id = \"e\"\nname = { zh = \"园\", en = \"E\" }\n[[places]]\nid = \"p\"\nkind = \"room\"\n\
         name = { zh = \"房\", en = \"Room\" }\n[[assets]]\nid = \"zone\"\nkind = \"pipe_zone\"\nplace = \"p\"\n\
         name = { zh = \"管段\", en = \"Zone\" }\n";
    let known = device("leak", "aqara.sjcgq11lm", "leak");
    let judge = |devices: &str, faults: &str, language: &str| {
        std::fs::write(&estate, head.to_owned() + devices).unwrap();
        let path = estate.to_str().unwrap();
        linli(&[
            "simulate", "--judge", "--for", "11h", "--estate", path, "--faults", faults, "--lang", language,
        ])
    };
    let whole = judge(&known, "all", "en");
    assert_eq!(
        whole.status.code(),
        Some(0),
        "{}{}",
        text(&whole.stdout),
        text(&whole.stderr)
    );

    let devices = known.clone() + &device("lid", "aqara.mccgq11lm", "lid");
    let part = judge(&devices, "leak", "zh-CN");
    let noise = text(&part.stderr);
    assert_eq!(part.status.code(), Some(3), "{noise}");
    assert!(noise.contains("2 个设备中有 1 个未模拟"), "{noise}");

    let part = judge(&known, "leak,fire", "en");
    let noise = text(&part.stderr);
    assert_eq!(part.status.code(), Some(3), "{noise}");
    assert!(noise.contains("1 of 2 faults"), "{noise}");
}

#[test]
fn the_description_of_the_api_is_printed() {
    let output = linli(&["openapi"]);
    assert_eq!(
        json(&output)["openapi"].as_str().unwrap().split('.').next(),
        Some("3")
    );
}

#[test]
fn users_of_the_broker_are_added_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    let file = file.to_str().unwrap();
    let made = json(&linli(&[
        "broker", "user", "add", "bin-7", "--file", file, "--json",
    ]));
    let password = made["password"].as_str().unwrap();
    assert!(password.len() >= 24, "{made}");
    let kept = std::fs::read_to_string(file).unwrap();
    assert!(
        kept.starts_with("bin-7:$argon2id$") && !kept.contains(password),
        "{kept}"
    );
    let piped = linli(&["broker", "user", "add", "bin-8", "--file", file]);
    assert_eq!(piped.status.code(), Some(2), "a password does not go into a pipe");
    let mut child = Command::new(env!("CARGO_BIN_EXE_linli"))
        .args(["broker", "user", "add", "bin-8", "--file", file])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"canary\n").unwrap();
    let given = child.wait_with_output().unwrap();
    assert!(given.status.success() && !text(&given.stdout).contains("canary"));
    let listed = linli(&["broker", "user", "list", "--file", file]);
    assert_eq!(text(&listed.stdout), "bin-7\nbin-8\n");
    assert!(
        linli(&["broker", "user", "remove", "bin-7", "--file", file])
            .status
            .success()
    );
    let again = linli(&[
        "broker", "user", "remove", "bin-7", "--file", file, "--lang", "zh-CN",
    ]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("用户文件中没有 bin-7"));
    let wrong = linli(&["broker", "user", "add", "bin/7", "--file", file, "--json"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", text(&wrong.stderr));
}
