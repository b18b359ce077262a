//! The shipped configuration loads, and the folder of wrong ones answers each with its expected text.
//!
//! `LINLI_BLESS=1 cargo test -p linli --test config_files` writes the expected texts anew; read the difference.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use linli::config::problem::{Severity, has_errors};
use linli::config::{Loaded, inspect_text, render};
use linli_domain::text::Language;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A machine where every environment variable is set, and credentials lie in a folder that exists.
fn inspect(path: &Path, text: &str, credentials: &Path) -> Loaded {
    let environment = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => Some(credentials.display().to_string()),
        "UNSET" => None,
        _ => Some("https://robot.example/send?key=canary".to_owned()),
    };
    inspect_text(path, text.to_owned(), &environment)
}

#[test]
fn the_shipped_configuration_loads_with_only_the_warning_to_add_a_user() {
    let path = repository().join("config/linli.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let loaded = inspect(&path, &text, Path::new("/nonexistent"));
    let shown = render::render(&loaded.problems, Language::En, false);
    assert!(loaded.config.is_some(), "{shown}");
    assert_eq!(loaded.problems.len(), 1, "{shown}");
    assert!(shown.contains("no users"), "{shown}");
    let config = loaded.config.unwrap();
    assert!(config.http.listen.ip().is_loopback());
    assert_eq!(config.broker.unwrap().subscriptions.len(), 2);
    assert!(config.profiles.is_dir() || !config.profiles.exists());
}

#[test]
fn every_example_of_the_shipped_configuration_is_right_when_it_is_switched_on() {
    let path = repository().join("config/linli.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let switched_on: String = text.lines().fold(String::new(), |all, line| {
        let line = match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
            _ => line,
        };
        all + line + "\n"
    });
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    for name in [
        "mqtt-lora",
        "wecom-duty-group",
        "secrets/broker-chirpstack",
        "secrets/webhook-url",
        "secrets/webhook-key",
        "influx-token",
        "secrets/influx-old",
    ] {
        std::fs::write(folder.path().join(name), "https://robot.example/send\n").unwrap();
    }
    let loaded = inspect(&folder.path().join("linli.toml"), &switched_on, folder.path());
    let shown = render::render(&loaded.problems, Language::En, false);
    let config = loaded.config.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(
        (
            config.mqtt.len(),
            config.modbus.len(),
            config.channels.len(),
            config.routes.len()
        ),
        (1, 5, 2, 2)
    );
    assert!(config.mqtt[0].tls.as_ref().unwrap().client.is_some());
    assert!(
        !format!("{config:?}").contains("robot.example"),
        "a secret is shown by Debug"
    );
}

#[test]
fn every_key_the_program_reads_stands_in_the_shipped_configuration() {
    // The refusal of an unknown key lists the keys of its table: each of them has to be documented.
    let path = repository().join("config/linli.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let sections = "xyzzy1 = 1\n[store]\nxyzzy2 = 1\n[http]\nxyzzy3 = 1\n[log]\nxyzzy4 = 1\n[clock]\nxyzzy5 = 1\n\
        [broker]\nxyzzy6 = 1\n[[broker.users]]\nxyzzy7 = 1\n[[broker.subscriptions]]\nxyzzy8 = 1\n[broker.tls]\n\
        xyzzye = 1\n[broker.limits]\nxyzzyf = 1\n[[mqtt]]\nxyzzy9 = 1\n[[modbus]]\nxyzzya = 1\nserial = { xyzzyb = 1 }\n\
        dtu = { xyzzyg = 1 }\n[[channels]]\nxyzzyc = 1\n[[routes]]\nxyzzyd = 1\n";
    let loaded = inspect(Path::new("keys.toml"), sections, Path::new("/nonexistent"));
    let mut tables = 0;
    for problem in loaded.problems.iter().filter(|p| p.said.code == "unknown-key") {
        tables += 1;
        let hint = &problem.said.hint.as_ref().unwrap().en;
        for key in hint.split(": ").nth(1).unwrap().split(", ") {
            let written = |line: &str| {
                let line = line.trim_start_matches('#').trim_start_matches('[');
                line.starts_with(key)
                    || line.contains(&format!("{{ {key} ="))
                    || line.contains(&format!(", {key} ="))
                    || line.contains(&format!(".{key}]"))
            };
            assert!(
                text.lines().any(written),
                "config/linli.toml does not mention {key:?}"
            );
        }
    }
    assert_eq!(tables, 16);
}

#[test]
fn wrong_configurations_are_answered_with_every_problem() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/invalid");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 12);
    let mut wrong = Vec::new();
    for case in cases {
        let name = PathBuf::from(case.file_name().unwrap());
        let text = std::fs::read_to_string(&case).unwrap();
        let loaded = inspect(&name, &text, Path::new("/nonexistent/credentials"));
        assert!(
            loaded.config.is_none() && has_errors(&loaded.problems),
            "{} was accepted",
            case.display()
        );
        let got = [Language::En, Language::Zh]
            .map(|l| render::render(&loaded.problems, l, false))
            .join("\n");
        assert!(!got.contains("canary"), "{}: a secret is shown", case.display());
        let expected_path = case.with_extension("txt");
        if std::env::var_os("LINLI_BLESS").is_some() {
            std::fs::write(&expected_path, &got).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if got != expected {
            wrong.push(format!(
                "{}\n--- got\n{got}\n--- expected\n{expected}",
                case.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_warning_alone_does_not_stop_the_program() {
    let text = "config_version = 1\nestate_seed = \"e.toml\"\nprofiles = \"p\"\nstore = { data = \"d\" }\n\
        [http]\nlisten = \"0.0.0.0:8080\"\n";
    let loaded = inspect(Path::new("w.toml"), text, Path::new("/nonexistent"));
    assert!(loaded.config.is_some());
    assert!(loaded.problems.iter().all(|p| p.severity == Severity::Warning) && loaded.problems.len() == 1);
}
