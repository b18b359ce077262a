//! Rules from a shell against a running gateway: tried on what was recorded, kept, told apart by their versions; and a
//! simulated estate judged by the program itself, written down and played again.

use crate::estate::{LEAK_TOPIC, estate, leak_message};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::workspace_program;
use e2e::publisher::say;
use e2e::wait::until;
use serde_json::Value;
use std::path::Path;
use tokio::process::Command;

const RULE: &str = r#"
[[rules]]
id = "leak-twice"
class = "leak-twice"
fault = "leak"
measure = "leak.wet"
applies_to = { kind = "pipe_zone" }
when = { state = true }
priority = "P3"
cause = { zh = "渗漏", en = "It drips" }
consequence = { zh = "积水", en = "Water stands" }
response = { zh = "查看。", en = "Have a look." }
"#;

/// Runs the program by itself; standard output, standard error and exit code.
async fn linli(arguments: &[&str], folder: &Path) -> (String, String, i32) {
    let mut command = Command::new(workspace_program("linli"));
    command.args(arguments).args(["--lang", "en"]);
    let output = command.current_dir(folder).output().await.expect("the program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap_or(-1),
    )
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_tried_on_what_was_recorded_then_kept_and_its_alarms_name_its_version() {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::start(&Site {
        estate: estate("main", ""),
        broker: Some(broker.port),
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    say(broker.port, LEAK_TOPIC, &leak_message(true), false).await;
    let this = &gateway;
    until("the leak to be an alarm", || async move {
        match this.list("/api/v1/alarms?class=leak").await?.len() {
            1 => Ok(()),
            count => Err(format!("{count} alarms")),
        }
    })
    .await;

    let file = gateway.folder.path().join("proposal.toml");
    std::fs::write(&file, RULE).expect("a file");
    let file = file.to_str().expect("a path");
    let (text, code) = gateway
        .cli(&["rules", "check", file, "--days", "1", "--json"])
        .await;
    assert_eq!(code, 0, "{text}");
    let checked = &json(&text)["items"][0];
    assert_eq!(
        (&checked["problems"], &checked["assets_total"]),
        (&Value::Array(vec![]), &Value::from(1))
    );
    assert_eq!(
        checked["advice"][0]["code"], "overlaps",
        "it does the job of the rule there is: {checked:#}"
    );
    assert_eq!(checked["backtest"]["alarms_real"], 1);

    // The same readings from the shell, with the file alone in the place of the estate's own rules.
    let (text, code) = gateway
        .cli(&["backtest", "--days", "1", "--rules", file, "--json"])
        .await;
    assert_eq!(code, 0, "{text}");
    let tested = json(&text);
    let classes: Vec<&str> = tested["by_class"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| class["class"].as_str().unwrap())
        .collect();
    assert_eq!(
        classes,
        ["leak", "leak-twice"],
        "what was and what would have been: {tested:#}"
    );

    let (text, code) = gateway.cli(&["rules", "add", file]).await;
    assert_eq!(code, 0, "{text}");
    let (text, code) = gateway.cli(&["rules", "add", file, "--lang", "en"]).await;
    assert!(code == 1 && text.contains("rule_exists"), "{text}");
    // It looks at the last value: the leak that was there before it.
    until("the new rule to see the water", || async move {
        let alarms = this.list("/api/v1/alarms?class=leak-twice").await?;
        let alarm = alarms.first().ok_or("no alarm yet")?;
        (alarm["rule_version"] == 1)
            .then_some(())
            .ok_or(format!("{alarm}"))
    })
    .await;
    // What is wrong is said in the words of whoever asks, at its line of the file.
    let wrong = RULE
        .replace("\"leak.wet\"", "\"bin.fill\"")
        .replace("{ state = true }", "{ above = 80.0, clear = 90.0 }")
        .replace("cause = { zh = \"渗漏\", en = \"It drips\" }\n", "");
    std::fs::write(file, wrong).expect("a file");
    let (text, code) = gateway.cli(&["rules", "check", file, "--lang", "zh-CN"]).await;
    let said = [
        "恢复值 90 高于触发值 80",
        "高于某值的告警，恢复值须等于或低于该值",
        "缺少：须用中英文写明为何发生",
        "proposal.toml:8:",
    ];
    assert!(code == 1 && said.iter().all(|part| text.contains(part)), "{text}");
    assert!(!text.contains("rules[") && !text.contains("个资产"), "{text}");
    let (text, _) = gateway.cli(&["rules", "set", file, "--lang", "zh-CN"]).await;
    assert!(
        text.contains("规则须写明为何发生") && text.contains("缺少"),
        "{text}"
    );
    std::fs::write(file, RULE.replace("P3", "P2")).expect("a file");
    let (text, code) = gateway.cli(&["rules", "set", file, "--json"]).await;
    assert_eq!((code, &json(&text)["items"][0]["version"]), (0, &Value::from(2)));
    let (text, _) = gateway.cli(&["rules", "history", "leak-twice", "--json"]).await;
    let changes: Vec<Value> = json(&text)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["change"].clone())
        .collect();
    assert_eq!(changes, ["changed", "added"]);
    let (text, code) = gateway.cli(&["alarms", "quality", "--json"]).await;
    assert_eq!(code, 0, "{text}");
    let quality = json(&text);
    assert_eq!(
        (&quality["raised"], quality["figures"].as_array().unwrap().len()),
        (&Value::from(2), 10)
    );
    let (text, code) = gateway.cli(&["rules", "remove", "leak-twice"]).await;
    assert_eq!(code, 0, "{text}");
    let (text, code) = gateway
        .cli(&["rules", "show", "leak-twice", "--lang", "zh-CN"])
        .await;
    assert!(
        code == 1 && text.contains("没有规则 \"leak-twice\" [not_found]"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_estate_is_judged_a_broken_rule_is_missed_and_a_play_is_played_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let judge = [
        "simulate",
        "--judge",
        "--for",
        "11h",
        "--faults",
        "leak,fire,blocked-lane,broker-loss",
        "--json",
    ];
    let (text, noise, code) = linli(&judge, folder.path()).await;
    assert_eq!(code, 0, "{text}{noise}");
    let verdict = json(&text);
    for kind in ["alarms", "orders"] {
        let tally = &verdict[kind];
        assert_eq!(
            (&tally["missed"], &tally["doubled"]),
            (&Value::from(0), &Value::from(0)),
            "{verdict:#}"
        );
        assert_eq!(tally["expected"], tally["raised"]);
        assert!(tally["false"].is_u64() && tally["late"].is_u64());
    }

    let broken = RULE
        .replace("leak-twice", "leak")
        .replace("priority", "on_delay = \"12h\"\npriority");
    std::fs::write(folder.path().join("broken.toml"), broken).expect("a file");
    let (text, _, code) = linli(
        &[
            "simulate",
            "--judge",
            "--for",
            "11h",
            "--faults",
            "leak",
            "--seed",
            "2",
            "--rules",
            "broken.toml",
            "--json",
        ],
        folder.path(),
    )
    .await;
    let verdict = json(&text);
    assert_eq!(code, 1, "a missed alarm is a problem");
    assert!(verdict["alarms"]["missed"].as_u64().unwrap() > 0, "{verdict:#}");

    let write = ["simulate", "--output", "play", "--for", "11h", "--faults", "leak"];
    let (_, noise, code) = linli(&write, folder.path()).await;
    assert_eq!(code, 0, "{noise}");
    let (_, noise, code) = linli(&["check", "--config", "play/linli.toml"], folder.path()).await;
    assert_eq!(code, 0, "{noise}");
    let mut command = Command::new(workspace_program("linli"));
    command.args([
        "replay",
        "play/frames.ndjson",
        "--config",
        "play/linli.toml",
        "--json",
    ]);
    let output = command
        .current_dir(folder.path())
        .output()
        .await
        .expect("the program");
    let replayed = json(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(
        (&replayed["alarms"], &replayed["not_played"]),
        (&Value::from(2), &Value::from(0)),
        "{replayed:#}"
    );

    for (wrong, code) in [
        (&["simulate"][..], 2),
        (&["simulate", "--judge", "--faults", "earthquake"][..], 2),
        (&["simulate", "--judge", "--for", "1h"][..], 2),
        (&["simulate", "--judge", "--estate", "nowhere.toml"][..], 1),
        (&["replay", "nowhere.ndjson"][..], 1),
    ] {
        let (_, noise, found) = linli(wrong, folder.path()).await;
        assert_eq!(found, code, "{wrong:?}: {noise}");
        assert!(!noise.is_empty(), "{wrong:?} says nothing");
    }
}
