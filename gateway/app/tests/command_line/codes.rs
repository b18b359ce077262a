//! What else is asked of the program: how it ends when it could not do all of it, and what needs no gateway.

use super::*;

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
