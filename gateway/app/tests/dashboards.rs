//! The dashboard and the alert rules keep in step with the program: names, layout, data source, runbooks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use linli::metrics::NAMES;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const DASHBOARD: &str = include_str!("../../../dashboards/grafana/dashboards/gateway.json");
const DATASOURCE: &str = include_str!("../../../dashboards/grafana/provisioning/datasources/linli.yml");
const RULES: &str = include_str!("../../../dashboards/prometheus/rules.yml");
const RULES_TEST: &str = include_str!("../../../dashboards/prometheus/rules_test.yml");
const RUNBOOKS: &str = include_str!("../../../dashboards/prometheus/runbooks.md");
const COLUMNS: u64 = 24;

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

/// Every word of `text` that looks like one of our metrics.
fn metric_words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("linli_"))
        .collect()
}

/// The metric a word asks for; histograms are asked for by their parts.
fn metric_of(word: &str) -> Option<&'static str> {
    let of_histogram = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| word.strip_suffix(suffix));
    let known = |name: &str| NAMES.iter().find(|known| **known == name).copied();
    known(word).or_else(|| known(of_histogram?))
}

fn assert_metrics_exist(text: &str, place: &str) {
    for word in metric_words(text) {
        assert!(
            metric_of(word).is_some(),
            "{place} asks for {word}, which does not exist"
        );
    }
}

fn alerts() -> Vec<&'static str> {
    RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect()
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[test]
fn every_metric_of_the_dashboard_and_the_rules_exists() {
    assert_metrics_exist(RULES, "rules.yml");
    assert_metrics_exist(RULES_TEST, "rules_test.yml");
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            assert_metrics_exist(expression, panel["title"].as_str().unwrap());
            assert!(
                expression.contains("job=\"$job\""),
                "{expression} ignores the chosen job"
            );
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        assert_metrics_exist(variable["definition"].as_str().unwrap(), "a variable");
    }
}

#[test]
fn every_metric_is_shown() {
    let shown: BTreeSet<_> = metric_words(DASHBOARD)
        .into_iter()
        .filter_map(metric_of)
        .collect();
    let missing: Vec<_> = NAMES.iter().filter(|name| !shown.contains(*name)).collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
}

#[test]
fn panels_stand_side_by_side_within_the_grid() {
    let dashboard = dashboard();
    let (mut taken, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= COLUMNS, "{title} leaves the grid");
        assert!(at("w") > 0 && at("h") > 0, "{title} is empty");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} overlaps at {x},{y}");
            }
        }
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: id twice");
    }
}

#[test]
fn panels_have_a_chinese_title_an_english_description_a_unit_and_the_pinned_source() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "linli-gateway");
    assert_eq!(dashboard["schemaVersion"], 39);
    assert!(DATASOURCE.contains("uid: linli-prom"));
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(is_chinese(title), "{title}");
        let description = panel["description"].as_str().unwrap();
        assert!(
            !description.is_empty() && !is_chinese(description),
            "{title}: {description}"
        );
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title} has no unit"
        );
        let targets = panel["targets"].as_array().unwrap();
        let sources = targets
            .iter()
            .map(|t| &t["datasource"])
            .chain([&panel["datasource"]]);
        for source in sources {
            assert_eq!(source["uid"], "linli-prom", "{title}");
        }
    }
}

#[test]
fn every_alert_has_its_words_its_runbook_and_a_test() {
    let alerts = alerts();
    assert!(alerts.len() >= 8, "{alerts:?}");
    for alert in &alerts {
        let start = RULES.find(&format!("- alert: {alert}\n")).unwrap();
        let rest = &RULES[start + 1..];
        let body = &rest[..rest.find("- alert: ").unwrap_or(rest.len())];
        for word in ["severity: ", "summary: ", "description: "] {
            assert!(body.contains(word), "{alert} has no {word}");
        }
        let anchor = format!(
            "runbook: dashboards/prometheus/runbooks.md#{}\n",
            alert.to_lowercase()
        );
        assert!(body.contains(&anchor), "{alert} does not name its runbook");
        assert!(
            RUNBOOKS.contains(&format!("\n## {alert}\n")),
            "{alert} has no runbook"
        );
        assert!(
            RULES_TEST.contains(&format!("alertname: {alert}\n")),
            "{alert} has no test"
        );
    }
    for title in RUNBOOKS.lines().filter_map(|line| line.strip_prefix("## ")) {
        assert!(alerts.contains(&title), "runbook {title} has no alert");
    }
}

/// Runs the rules' own tests where promtool is installed; `make test` runs them again and needs it.
#[test]
fn the_rules_pass_their_own_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards/prometheus");
    let run = Command::new("promtool")
        .args(["test", "rules", "rules_test.yml"])
        .current_dir(folder)
        .output();
    let Ok(output) = run else { return };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
