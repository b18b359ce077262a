//! A thousand generated queries, asked of a real Prometheus and of the program's own evaluator over the same samples, and some
//! over HTTP of a gateway that has heard the samples from its sensors.
//!
//! `LINLI_PROM_QUERIES=1000` for as many over HTTP instead of the few that show the same.

mod prometheus;
mod queries;

use self::prometheus::{Answer, Prometheus, Tally, answer, read};
use self::queries::{Asked, Dice};
use crate::estate::estate;
use e2e::burst;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::wait::PATIENCE;
use linli_promql::eval::Outcome;
use linli_promql::{Error, Labels, Limits, Matcher, NAME, Series, Source, instant, parse, range};
use serde_json::Value;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// 2026-01-01T00:00:00Z, seconds.
const START: i64 = 1_767_225_600;
const QUERIES: usize = 1_000;

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

/// What the evaluator makes of a query.
fn evaluated(memory: &Memory, asked: &Asked) -> Result<Answer, Error<Infallible>> {
    let query = parse(&asked.text).unwrap_or_else(|error| panic!("{}: {error}", asked.text));
    let (at, end) = (asked.at * 1_000, asked.end() * 1_000);
    if let Some(step) = asked.step {
        return range(memory, &query, (at, end), step * 1_000, Limits::default()).map(answer);
    }
    instant(memory, &query, at, Limits::default()).map(|outcome| match outcome {
        Outcome::Scalar(value) => Answer::from([(Labels::new(), vec![(at, value)])]),
        Outcome::Vector(samples) => samples
            .into_iter()
            .map(|sample| (sample.labels, vec![(at, sample.value)]))
            .collect(),
        Outcome::Matrix(series) => answer(series),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_queries_have_the_answers_of_a_real_prometheus() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory(samples());
    let prometheus = Prometheus::with(folder.path(), &memory.0).await;
    let mut dice = Dice(2_026);
    let mut tally = Tally::default();
    for n in 0..QUERIES {
        let asked = Asked::new(&mut dice, n, START);
        tally.count(&asked, evaluated(&memory, &asked), prometheus.ask(&asked).await);
    }
    tally.holds("to the evaluator");
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
    gateway.stored(count, PATIENCE).await;
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
    let prometheus = Prometheus::with(folder.path(), &series).await;
    let wanted = std::env::var("LINLI_PROM_QUERIES").ok();
    let queries: usize = wanted.and_then(|count| count.parse().ok()).unwrap_or(200);
    let mut dice = Dice(4_711);
    let mut tally = Tally::default();
    for n in 0..queries {
        let mut asked = Asked::new(&mut dice, n, start);
        asked.text = asked
            .text
            .replace("linli_state", "linli_value")
            .replace("env.temperature", "temperature")
            .replace("building-.", "b.")
            .replace("building-0", "b3")
            .replace("@ 1767229200", &format!("@ {}", start + 3_600));
        let (path, parameters) = asked.request();
        let ours = read(&ask(&gateway, path, &parameters).await);
        tally.count(&asked, ours, prometheus.ask(&asked).await);
    }
    tally.holds("through HTTP");
}
