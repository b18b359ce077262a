//! A real Prometheus over given samples, its answers, and how ours compare.

use super::queries::Asked;
use e2e::process::{Running, free_port};
use e2e::wait::until;
use linli_promql::{Labels, NAME, Series};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use tokio::process::Command;

/// Series by their labels: when, in milliseconds, and what.
pub(super) type Answer = BTreeMap<Labels, Vec<(i64, f64)>>;

pub(super) fn answer(series: Vec<Series>) -> Answer {
    let each = series.into_iter();
    each.map(|series| (series.labels, series.samples)).collect()
}

/// An answer of the HTTP API.
#[allow(clippy::cast_possible_truncation, reason = "times of a test")]
pub(super) fn read(body: &Value) -> Result<Answer, String> {
    if body["status"] != "success" {
        return Err(body["error"].to_string());
    }
    let number = |value: &Value| match value.as_str().unwrap() {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap(),
    };
    let pair = |pair: &Value| {
        (
            (pair[0].as_f64().unwrap() * 1_000.0).round() as i64,
            number(&pair[1]),
        )
    };
    let data = &body["data"];
    if data["resultType"] == "scalar" {
        return Ok(Answer::from([(Labels::new(), vec![pair(&data["result"])])]));
    }
    let each = data["result"].as_array().unwrap().iter();
    Ok(each
        .map(|series| {
            let labels: Labels = serde_json::from_value(series["metric"].clone()).unwrap();
            let values = match series["values"].as_array() {
                Some(values) => values.iter().map(pair).collect(),
                None => vec![pair(&series["value"])],
            };
            (labels, values)
        })
        .collect())
}

fn same(a: &Answer, b: &Answer) -> bool {
    let near = |a: f64, b: f64| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
    };
    a.len() == b.len()
        && a.iter().zip(b).all(|((one, left), (other, right))| {
            one == other
                && left.len() == right.len()
                && left.iter().zip(right).all(|(l, r)| l.0 == r.0 && near(l.1, r.1))
        })
}

/// The samples as `promtool` takes them.
fn open_metrics(series: &[Series]) -> String {
    let mut text = String::new();
    for name in ["linli_value", "linli_state"] {
        let _ = writeln!(text, "# TYPE {name} gauge");
        for series in series.iter().filter(|series| series.labels[NAME] == name) {
            let labels: Vec<String> = series
                .labels
                .iter()
                .filter(|(key, _)| *key != NAME)
                .map(|(key, value)| format!("{key}=\"{value}\""))
                .collect();
            for (at, value) in &series.samples {
                let _ = writeln!(
                    text,
                    "{name}{{{}}} {value} {}.{:03}",
                    labels.join(","),
                    at / 1_000,
                    at % 1_000
                );
            }
        }
    }
    text + "# EOF\n"
}

/// A Prometheus that holds the samples.
pub(super) struct Prometheus {
    _running: Running,
    port: u16,
    client: reqwest::Client,
}

impl Prometheus {
    pub(super) async fn with(folder: &std::path::Path, series: &[Series]) -> Self {
        let file = folder.join("samples.om");
        std::fs::write(&file, open_metrics(series)).unwrap();
        let data = folder.join("data");
        let mut blocks = Command::new("promtool");
        blocks
            .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
            .arg(&file)
            .arg(&data);
        assert!(blocks.status().await.unwrap().success(), "promtool makes blocks");
        std::fs::write(folder.join("prometheus.yml"), "global: {}\n").unwrap();
        let port = free_port();
        let mut command = Command::new("prometheus");
        command
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg("--enable-feature=promql-at-modifier,promql-negative-offset")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let running = Running::start("prometheus", &mut command);
        until("prometheus to be ready", || async {
            match reqwest::get(format!("http://127.0.0.1:{port}/-/ready")).await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(answer.status().to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
        Self {
            _running: running,
            port,
            client: reqwest::Client::new(),
        }
    }

    /// Its answer, or what it says against the query.
    pub(super) async fn ask(&self, asked: &Asked) -> Result<Answer, String> {
        let (path, parameters) = asked.request();
        let mut url = reqwest::Url::parse(&format!("http://127.0.0.1:{}/api/v1/{path}", self.port)).unwrap();
        url.query_pairs_mut().extend_pairs(&parameters);
        read(&self.client.get(url).send().await.unwrap().json().await.unwrap())
    }
}

/// How often both answered alike.
#[derive(Default)]
pub(super) struct Tally {
    asked: usize,
    with_data: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Counts a pair of answers; refusals need not be worded alike.
    pub(super) fn count<E: Debug>(
        &mut self,
        asked: &Asked,
        ours: Result<Answer, E>,
        theirs: Result<Answer, String>,
    ) {
        self.asked += 1;
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if same(&ours, &theirs) => self.with_data += usize::from(!ours.is_empty()),
            (Err(_), Err(_)) => self.refused += 1,
            (ours, theirs) => self.wrong.push(format!(
                "{} from {} to {}\n  ours   {ours:?}\n  theirs {theirs:?}",
                asked.text,
                asked.at,
                asked.end()
            )),
        }
    }

    /// All were alike, and hardly one in twenty without data.
    pub(super) fn holds(&self, how: &str) {
        let Self {
            asked,
            with_data,
            refused,
            wrong,
        } = self;
        assert!(
            wrong.is_empty(),
            "{} of {asked} differ, among them:\n{}",
            wrong.len(),
            wrong[..wrong.len().min(5)].join("\n")
        );
        assert!(
            with_data * 100 >= asked * 95,
            "{with_data} with data, {refused} refused by both"
        );
        println!(
            "{asked} queries {how}: {with_data} with data on both sides, {refused} refused by both, 0 differ"
        );
    }
}
