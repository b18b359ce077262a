//! A thousand generated queries, asked of a real Prometheus and of the program's own evaluator over the same samples, and some
//! over HTTP of a gateway that has heard the samples from its sensors.
//!
//! `LINLI_PROM_QUERIES=1000` for as many over HTTP instead of the few that show the same.

use crate::estate::estate;
use e2e::burst;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::{Running, free_port};
use e2e::wait::until;
use linli_promql::eval::Outcome;
use linli_promql::{Error, Labels, Limits, Matcher, NAME, Series, Source, instant, parse, range};
use serde_json::Value;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::process::Command;

/// 2026-01-01T00:00:00Z, seconds.
const START: i64 = 1_767_225_600;
const QUERIES: usize = 1_000;

/// A small generator with a seed, so that a failing query can be told.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

struct Memory(Vec<Series>);

impl Source for Memory {
    type Error = Infallible;

    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Result<Vec<Series>, Infallible> {
        let value = |labels: &Labels, label: &str| labels.get(label).cloned().unwrap_or_default();
        let passes = |labels: &Labels| {
            matchers
                .iter()
                .all(|matcher| matcher.matches(&value(labels, matcher.label())))
        };
        let found = self.0.iter().filter(|series| passes(&series.labels));
        Ok(found
            .map(|series| Series {
                labels: series.labels.clone(),
                samples: series
                    .samples
                    .iter()
                    .copied()
                    .filter(|(at, _)| (from..=to).contains(at))
                    .collect(),
            })
            .filter(|series| !series.samples.is_empty())
            .collect())
    }
}

/// Two hours of a dozen points: numbers, states, a counter that is reset, gaps longer than the look-back, jitter.
fn samples() -> Vec<Series> {
    let mut dice = Dice(7);
    let mut all = Vec::new();
    for n in 0..12usize {
        let mut labels = Labels::new();
        let state = n % 4 == 3;
        let mut put = |key: &str, value: String| drop(labels.insert(key.into(), value));
        put(NAME, if state { "linli_state" } else { "linli_value" }.into());
        put("device", format!("d{}", n % 6));
        put(
            "measure",
            ["bin.fill", "env.temperature", "pulse.count", "leak.wet"][n % 4].into(),
        );
        put("place", format!("building-{}", n / 6));
        let (mut at, mut value, mut samples) =
            (START * 1_000 + dice.roll(20_000) as i64, 20.0f64, Vec::new());
        while at < (START + 7_200) * 1_000 {
            value = match n % 4 {
                0 => (dice.roll(1_000) as f64) / 10.0,
                1 => value + (dice.roll(200) as f64 - 100.0) / 100.0,
                2 if dice.roll(60) == 0 => 0.0,
                2 => value + dice.roll(5) as f64,
                _ => f64::from(u8::from(dice.roll(3) == 0)),
            };
            samples.push((at, value));
            at += 20_000 + dice.roll(40_000) as i64;
            if dice.roll(40) == 0 {
                at += 700_000;
            }
        }
        all.push(Series { labels, samples });
    }
    all
}

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

/// A selector, and what moves its time.
fn selector(dice: &mut Dice) -> (String, String) {
    let state = dice.roll(3) == 0;
    let common = [
        "",
        "",
        "{device!=\"d2\"}",
        "{device=~\"d[0-3]\"}",
        "{place=~\"building-.\",device=~\"d.*\"}",
        "{nobody=\"\"}",
    ];
    let numbers = [
        "{measure!~\"pulse.*\"}",
        "{measure=\"bin.fill\"}",
        "{device=\"d1\"}",
    ];
    let matcher = match dice.roll(3) {
        0 if !state => dice.pick(&numbers),
        _ => dice.pick(&common),
    };
    let name = if state { "linli_state" } else { "linli_value" };
    let offset = dice.pick(&[
        "",
        "",
        "",
        " offset 7m",
        " offset -3m",
        " @ 1767229200",
        " @ start()",
        " @ end() offset 90s",
    ]);
    (format!("{name}{matcher}"), offset.to_owned())
}

/// The samples of a range themselves.
fn samples_of(dice: &mut Dice) -> String {
    let (selector, offset) = selector(dice);
    let range = dice.pick(&["5m", "1h", "90s", "17m"]);
    format!("{selector}[{range}]{offset}")
}

/// A query out of everything the subset knows; some are bare ranges, which have an answer at one time only.
fn query(dice: &mut Dice, n: usize) -> String {
    if n % 10 == 4 || n % 100 == 5 {
        return samples_of(dice);
    }
    let depth = 1 + dice.roll(3);
    vector(dice, depth)
}

fn vector(dice: &mut Dice, depth: usize) -> String {
    let simple = |dice: &mut Dice| {
        let (selector, offset) = selector(dice);
        format!("{selector}{offset}")
    };
    if depth == 0 {
        return simple(dice);
    }
    match dice.roll(14) {
        0..=3 => {
            let function = dice.pick(&[
                "rate",
                "increase",
                "delta",
                "deriv",
                "avg_over_time",
                "min_over_time",
                "max_over_time",
                "sum_over_time",
                "count_over_time",
                "last_over_time",
                "stddev_over_time",
            ]);
            let (selector, offset) = selector(dice);
            let range = dice.pick(&["5m", "10m", "1h", "90s", "17m"]);
            format!("{function}({selector}[{range}]{offset})")
        }
        4 => {
            let (selector, offset) = selector(dice);
            let share = dice.pick(&["0", "0.5", "0.9", "1", "1.5", "-1"]);
            format!("quantile_over_time({share}, {selector}[20m]{offset})")
        }
        5 | 6 => {
            let by = dice.pick(&["sum", "avg", "min", "max", "count"]);
            let grouping = dice.pick(&[
                "",
                " by (device)",
                " by (place, measure)",
                " without (device)",
                " without (place)",
            ]);
            format!("{by}{grouping} ({})", vector(dice, depth - 1))
        }
        7 => {
            let grouping = dice.pick(&["", " by (place)"]);
            match dice.roll(3) {
                0 => format!("quantile{grouping} (0.3, {})", vector(dice, depth - 1)),
                // Values of temperatures differ, so it is certain which are the first.
                1 => format!("topk{grouping} (2, linli_value{{measure=\"env.temperature\"}})"),
                _ => format!("bottomk{grouping} (1, linli_value{{measure=\"env.temperature\"}})"),
            }
        }
        8 | 9 => {
            let operator = dice.pick(&[
                "+", "-", "*", "/", "%", ">", "!=", ">= bool", "> bool", "<= bool", "== bool",
            ]);
            let number = dice.pick(&["2", "0.5", "10", "-3", "20"]);
            let inner = vector(dice, depth - 1);
            if dice.roll(2) == 0 {
                format!("({inner}) {operator} {number}")
            } else {
                format!("{number} {operator} ({inner})")
            }
        }
        // Both sides are of one metric, or nothing would match.
        10 => {
            let operator = dice.pick(&["+", "-", "*", "/", ">", "== bool"]);
            let matching = dice.pick(&["", " on (device, measure, place)", " ignoring (unit)"]);
            let side = |dice: &mut Dice| {
                let matcher = dice.pick(&["", "{device!=\"d2\"}", "{device=~\"d[0-3]\"}"]);
                let offset = dice.pick(&["", " offset 7m", " offset -3m"]);
                format!("linli_value{matcher}{offset}")
            };
            let (left, right) = (side(dice), side(dice));
            format!("{left} {operator}{matching} {right}")
        }
        11 => format!(
            "{}({})",
            dice.pick(&["abs", "round", "-", "+"]),
            vector(dice, depth - 1)
        ),
        12 => {
            let inner = vector(dice, depth - 1);
            match dice.roll(4) {
                0 => format!("clamp({inner}, 1, 30)"),
                1 => format!("clamp_min({inner}, 5)"),
                2 => format!("clamp_max({inner}, 25)"),
                _ => format!("round({inner}, 0.25)"),
            }
        }
        _ => match dice.roll(4) {
            0 => "absent(linli_value{device=\"nobody\", measure=\"bin.fill\"})".to_owned(),
            1 => "vector(time())".to_owned(),
            2 => format!(
                "scalar(linli_value{{device=\"d0\", place=\"building-0\"}}) + {}",
                simple(dice)
            ),
            _ => format!("sum({}) / count({})", simple(dice), simple(dice)),
        },
    }
}

type Answer = BTreeMap<Labels, Vec<(i64, f64)>>;

fn answer(series: Vec<Series>) -> Answer {
    let each = series.into_iter();
    each.map(|series| (series.labels, series.samples)).collect()
}

#[allow(clippy::cast_possible_truncation, reason = "times of a test")]
fn theirs(body: &Value) -> Result<Answer, String> {
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

async fn prometheus(folder: &std::path::Path, series: &[Series]) -> (Running, u16) {
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
    (running, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_queries_have_the_answers_of_a_real_prometheus() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let series = samples();
    let (_running, port) = prometheus(folder.path(), &series).await;
    let memory = Memory(series);
    let client = reqwest::Client::new();
    let mut dice = Dice(2_026);
    let (mut with_data, mut refused, mut wrong) = (0, 0, Vec::new());
    for n in 0..QUERIES {
        let text = query(&mut dice, n);
        let at = START + 600 + dice.roll(6_000) as i64;
        let (path, parameters) = if n % 2 == 0 {
            ("query", vec![("query", text.clone()), ("time", at.to_string())])
        } else {
            let step = [15, 60, 97, 300][dice.roll(4)];
            (
                "query_range",
                vec![
                    ("query", text.clone()),
                    ("start", at.to_string()),
                    ("end", (at + 1_800).to_string()),
                    ("step", step.to_string()),
                ],
            )
        };
        let mut url = reqwest::Url::parse(&format!("http://127.0.0.1:{port}/api/v1/{path}")).unwrap();
        url.query_pairs_mut().extend_pairs(&parameters);
        let body: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        let theirs = theirs(&body);
        let parsed = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let ours: Result<Answer, Error<Infallible>> = if path == "query" {
            instant(&memory, &parsed, at * 1_000, Limits::default()).map(|outcome| match outcome {
                Outcome::Scalar(value) => Answer::from([(Labels::new(), vec![(at * 1_000, value)])]),
                Outcome::Vector(samples) => samples
                    .into_iter()
                    .map(|sample| (sample.labels, vec![(at * 1_000, sample.value)]))
                    .collect(),
                Outcome::Matrix(series) => answer(series),
            })
        } else {
            let step: i64 = parameters[3].1.parse().unwrap();
            range(
                &memory,
                &parsed,
                (at * 1_000, (at + 1_800) * 1_000),
                step * 1_000,
                Limits::default(),
            )
            .map(answer)
        };
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if same(&ours, &theirs) => with_data += usize::from(!ours.is_empty()),
            (Err(_), Err(_)) => refused += 1,
            (ours, theirs) => wrong.push(format!(
                "{path} {text} at {at}\n  ours   {ours:?}\n  theirs {theirs:?}"
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {QUERIES} differ, among them:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    assert!(
        with_data * 100 >= QUERIES * 95,
        "{with_data} with data, {refused} refused by both"
    );
    println!(
        "{QUERIES} queries: {with_data} with data on both sides ({}.{} %), {refused} refused by both, 0 differ",
        with_data * 100 / QUERIES,
        with_data * 1_000 / QUERIES % 10
    );
}

/// What a bin says with each message, by measure.
const SAID: [&str; 4] = ["bin.fill", "temperature", "device.battery_voltage", "signal.rssi"];

/// Two hours of six bins that say four things each, by device: when, and what.
fn messages(start: i64) -> BTreeMap<String, Vec<(i64, [f64; 4])>> {
    let mut dice = Dice(11);
    let mut all = BTreeMap::new();
    for n in 0..6 {
        let (mut at, mut warm) = (start * 1_000 + dice.roll(20_000) as i64, 20.0 + f64::from(n));
        let mut said = Vec::new();
        while at < (start + 7_200) * 1_000 {
            // As a sensor writes it: more digits than these are the business of whoever reads the message.
            warm = ((warm * 1_000.0).round() + dice.roll(200) as f64 - 100.0) / 1_000.0;
            let fill = dice.roll(1_000) as f64 / 10.0;
            let battery = 3.0 + dice.roll(50) as f64 / 100.0;
            said.push((at, [fill, warm, battery, -90.0 + dice.roll(40) as f64]));
            at += 20_000 + dice.roll(40_000) as i64;
            if dice.roll(40) == 0 {
                at += 700_000;
            }
        }
        all.insert(format!("d{n}"), said);
    }
    all
}

/// A gateway that has heard them, and what `/series` says about each of their points.
async fn heard(broker: &Mosquitto, said: &BTreeMap<String, Vec<(i64, [f64; 4])>>) -> (Gateway, Vec<Labels>) {
    let devices = said.keys().fold(String::new(), |mut text, device| {
        let _ = write!(
            text,
            "[[devices]]\nid = \"{device}\"\nprofile = \"generic.json-bin\"\nname = {{ zh = \"桶\", en = \"Bin\" }}\n\
             address = {{ mqtt = \"main\", key = \"{device}\" }}\nasset = \"b3-bin\"\n\n"
        );
        text
    });
    let gateway = Gateway::start(&Site {
        estate: estate("main", &devices),
        broker: Some(broker.port),
        window: 1_000,
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    let lines = said.iter().flat_map(|(device, said)| {
        said.iter().map(move |(at, [fill, warm, battery, rssi])| {
            let payload =
                format!("{{\"ts\":{at},\"fill\":{fill},\"temp\":{warm},\"batt\":{battery},\"rssi\":{rssi}}}");
            (format!("site/bin/{device}/up"), payload)
        })
    });
    burst::publish(broker.port, "bins", lines).await;
    let count = said.values().map(Vec::len).sum::<usize>() * SAID.len();
    until("every reading to be stored", || async {
        let stored = gateway.metric("linli_readings_stored_total").await;
        if stored >= count as f64 {
            Ok(())
        } else {
            Err(format!("{stored} of {count}"))
        }
    })
    .await;
    let listed = ask(
        &gateway,
        "series",
        &[("match[]", "linli_value{device=~\"d.\"}".to_owned())],
    )
    .await;
    let labels: Vec<Labels> = serde_json::from_value(listed["data"].clone()).unwrap();
    assert_eq!(labels.len(), said.len() * SAID.len(), "{labels:#?}");
    (gateway, labels)
}

async fn ask(gateway: &Gateway, path: &str, parameters: &[(&str, String)]) -> Value {
    let mut url = reqwest::Url::parse(&format!("{}/prom/api/v1/{path}", gateway.base())).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    let request = reqwest::Client::new().get(url).bearer_auth(gateway.token());
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_answers_queries_as_prometheus_would_over_the_same_samples() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[allow(clippy::disallowed_methods, reason = "sensors have a clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let start = now - 5 * 3_600;
    let said = messages(start);
    let broker = Mosquitto::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await;
    let (gateway, labels) = heard(&broker, &said).await;
    let folder = tempfile::tempdir().unwrap();
    let series: Vec<Series> = labels
        .into_iter()
        .map(|labels| {
            let which = SAID.iter().position(|measure| *measure == labels["measure"]);
            let which = which.unwrap_or_else(|| panic!("{labels:?}"));
            let samples = said[&labels["device"]].iter();
            Series {
                samples: samples.map(|(at, values)| (*at, values[which])).collect(),
                labels,
            }
        })
        .collect();
    let (_running, port) = prometheus(folder.path(), &series).await;
    let client = reqwest::Client::new();
    let asked = std::env::var("LINLI_PROM_QUERIES").ok();
    let queries: usize = asked.and_then(|count| count.parse().ok()).unwrap_or(200);
    let mut dice = Dice(4_711);
    let (mut with_data, mut refused, mut wrong) = (0, 0, Vec::new());
    for n in 0..queries {
        let text = query(&mut dice, n)
            .replace("linli_state", "linli_value")
            .replace("env.temperature", "temperature")
            .replace("building-.", "b.")
            .replace("building-0", "b3")
            .replace("@ 1767229200", &format!("@ {}", start + 3_600));
        let at = start + 600 + dice.roll(6_000) as i64;
        let mut parameters = vec![("query", text.clone())];
        let path = if n % 2 == 0 {
            parameters.push(("time", at.to_string()));
            "query"
        } else {
            let step = [15, 60, 97, 300][dice.roll(4)];
            parameters.extend([
                ("start", at.to_string()),
                ("end", (at + 1_800).to_string()),
                ("step", step.to_string()),
            ]);
            "query_range"
        };
        let mut url = reqwest::Url::parse(&format!("http://127.0.0.1:{port}/api/v1/{path}")).unwrap();
        url.query_pairs_mut().extend_pairs(&parameters);
        let body: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        match (theirs(&ask(&gateway, path, &parameters).await), theirs(&body)) {
            (Ok(ours), Ok(theirs)) if same(&ours, &theirs) => with_data += usize::from(!ours.is_empty()),
            (Err(_), Err(_)) => refused += 1,
            (ours, theirs) => wrong.push(format!(
                "{path} {text} at {at}\n  ours   {ours:?}\n  theirs {theirs:?}"
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {queries} differ, among them:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    assert!(
        with_data * 100 >= queries * 95,
        "{with_data} with data, {refused} refused by both"
    );
    println!(
        "{queries} queries through HTTP: {with_data} with data on both sides, {refused} refused by both, 0 differ"
    );
}
