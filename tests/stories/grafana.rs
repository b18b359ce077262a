//! Tools made for Prometheus read the embedded store: promtool itself, and the requests Grafana's data source makes when
//! it is set up and when a panel is drawn.

use crate::estate::{LEAK_TOPIC, estate, leak_message};
use e2e::burst;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::process::Command;

#[allow(clippy::disallowed_methods, reason = "a sensor has a clock")]
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A gateway that has heard two bins for ten minutes and a leak sensor.
async fn heard(broker: &Mosquitto) -> Gateway {
    let devices = (0..2).fold(String::new(), |text, n| {
        text + &format!(
            "[[devices]]\nid = \"d{n}\"\nprofile = \"generic.json-bin\"\nname = {{ zh = \"桶\", en = \"Bin\" }}\n\
             address = {{ mqtt = \"main\", key = \"d{n}\" }}\nasset = \"b3-bin\"\n\n"
        )
    });
    let gateway = Gateway::start(&Site {
        estate: estate("main", &devices),
        broker: Some(broker.port),
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    let now = now_s() * 1_000;
    let messages = (0..20u64).flat_map(|n| {
        let at = now - 600_000 + n * 30_000;
        (0..2).map(move |d| {
            let payload = format!("{{\"ts\":{at},\"fill\":{},\"temp\":2{d}.5}}", n + 10 * d);
            (format!("site/bin/d{d}/up"), payload)
        })
    });
    burst::publish(broker.port, "bins", messages).await;
    burst::publish(broker.port, "leak", [(LEAK_TOPIC.to_owned(), leak_message(true))]).await;
    gateway.point_is("d1/bin.fill", json!(29.0)).await;
    gateway.point_is("leak-b3/leak.wet", json!(true)).await;
    gateway
}

/// Runs `promtool query`; its output and whether it succeeded.
async fn promtool(gateway: &Gateway, what: &[&str], query: &str) -> (String, bool) {
    let server = gateway
        .base()
        .replace("http://", &format!("http://promtool:{}@", gateway.token()))
        + "/prom";
    let mut command = Command::new("promtool");
    command.arg("query").args(what);
    if what[0] == "series" {
        command.arg(format!("--match={query}")).arg(server);
    } else {
        command.arg(server).arg(query);
    }
    let output = command.output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        String::from_utf8_lossy(&text).into_owned(),
        output.status.success(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_asks_the_gateway_as_it_would_ask_prometheus() {
    let broker = Mosquitto::start().await;
    let gateway = heard(&broker).await;
    let asked = |what: &'static [&'static str], query: &'static str| promtool(&gateway, what, query);

    let (text, well) = asked(&["instant"], "1+1").await;
    assert!(well && text.contains("2 @["), "{text}");
    let (text, well) = asked(
        &["instant"],
        "max_over_time(linli_value{measure=\"bin.fill\"}[15m])",
    )
    .await;
    assert!(
        well && text.contains("device=\"d0\"") && text.contains("} => 19 @["),
        "{text}"
    );
    assert!(
        text.contains("device=\"d1\"") && text.contains("} => 29 @["),
        "{text}"
    );
    let (text, well) = asked(
        &["instant"],
        "linli_state{device=\"leak-b3\",measure=\"leak.wet\"}",
    )
    .await;
    assert!(well && text.contains("} => 1 @["), "{text}");

    let (start, end) = ((now_s() - 600).to_string(), now_s().to_string());
    let range = ["range", "--start", &start, "--end", &end, "--step", "60s"];
    let (text, well) = promtool(
        &gateway,
        &range,
        "sum by (device) (linli_value{measure=\"bin.fill\"})",
    )
    .await;
    assert!(
        well && text.matches("device=").count() == 2 && text.lines().count() > 15,
        "{text}"
    );

    let (text, well) = asked(&["series"], "linli_value{device=\"d0\"}").await;
    assert!(
        well && text.lines().count() == 2 && text.contains("measure=\"temperature\""),
        "{text}"
    );
    let (text, well) = asked(&["labels"], "device").await;
    assert!(well, "{text}");
    for device in ["d0", "d1", "leak-b3"] {
        assert!(text.lines().any(|line| line == device), "{text}");
    }

    let (text, well) = asked(&["instant"], "histogram_quantile(0.9, linli_value)").await;
    assert!(!well && text.contains("histogram_quantile"), "{text}");
    let (text, well) = asked(&["instant"], "sum(").await;
    assert!(!well && text.contains("parse"), "{text}");
}

struct Grafana<'a> {
    gateway: &'a Gateway,
    client: reqwest::Client,
}

impl Grafana<'_> {
    async fn ask(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let mut url = reqwest::Url::parse(&format!("{}/prom/api/v1/{path}", self.gateway.base())).unwrap();
        let encoded: String = {
            let mut fields = reqwest::Url::parse("http://x/").unwrap();
            fields.query_pairs_mut().extend_pairs(form);
            fields.query().unwrap_or_default().to_owned()
        };
        let request = if method == "POST" {
            let kind = ("content-type", "application/x-www-form-urlencoded");
            self.client.post(url).header(kind.0, kind.1).body(encoded)
        } else {
            url.set_query((!form.is_empty()).then_some(encoded.as_str()));
            self.client.get(url)
        };
        let answer = request
            .bearer_auth(self.gateway.token())
            .header("x-grafana-org-id", "1")
            .send()
            .await
            .unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["status"], "success", "{method} {path}: {body}");
        body["data"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grafana_sets_up_its_data_source_and_draws_a_panel() {
    let broker = Mosquitto::start().await;
    let gateway = heard(&broker).await;
    let grafana = Grafana {
        gateway: &gateway,
        client: reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap(),
    };
    // "Save & test": an instant query of 1+1 a few seconds after 1970, then what it talks to.
    let two = grafana
        .ask("POST", "query", &[("query", "1+1"), ("time", "4")])
        .await;
    assert_eq!(
        (&two["resultType"], &two["result"][1]),
        (&json!("scalar"), &json!("2"))
    );
    let build = grafana.ask("GET", "status/buildinfo", &[]).await;
    assert!(build["version"].is_string(), "{build}");
    assert!(grafana.ask("GET", "rules", &[]).await["groups"].is_array());

    // The query builder: names, labels, values, series, help.
    let (start, end) = ((now_s() - 3_600).to_string(), now_s().to_string());
    let time = [("start", start.as_str()), ("end", end.as_str())];
    let has = |data: &Value, wanted: &str| data.as_array().is_some_and(|all| all.contains(&json!(wanted)));
    for method in ["GET", "POST"] {
        let labels = grafana.ask(method, "labels", &time).await;
        assert!(has(&labels, "measure") && has(&labels, "__name__"), "{labels}");
        let matching = [time[0], time[1], ("match[]", "linli_value{measure=\"bin.fill\"}")];
        let labels = grafana.ask(method, "labels", &matching).await;
        assert!(has(&labels, "device"), "{labels}");
        let series = grafana.ask(method, "series", &matching).await;
        assert_eq!(series.as_array().map(Vec::len), Some(2), "{series}");
    }
    let names = grafana.ask("GET", "label/__name__/values", &time).await;
    assert!(
        has(&names, "linli_value") && has(&names, "linli_state"),
        "{names}"
    );
    let matching = [time[0], time[1], ("match[]", "{__name__=\"linli_value\"}")];
    let measures = grafana.ask("GET", "label/measure/values", &matching).await;
    assert!(
        has(&measures, "bin.fill") && !has(&measures, "leak.wet"),
        "{measures}"
    );
    let help = grafana.ask("GET", "metadata", &[("limit", "40000")]).await;
    assert_eq!(help["linli_value"][0]["type"], "gauge", "{help}");

    // A panel of an hour, as wide as the screen, and its exemplars.
    let query = "avg by (device) (avg_over_time(linli_value{measure=\"bin.fill\"}[1m]))";
    let panel = [("query", query), time[0], time[1], ("step", "15")];
    for method in ["POST", "GET"] {
        let drawn = grafana.ask(method, "query_range", &panel).await;
        let lines = drawn["result"].as_array().cloned().unwrap_or_default();
        assert_eq!(
            (&drawn["resultType"], lines.len()),
            (&json!("matrix"), 2),
            "{drawn}"
        );
        let points = lines[0]["values"].as_array().map_or(0, Vec::len);
        assert!(points > 30, "{points}");
    }
    let none = grafana
        .ask(
            "POST",
            "query_exemplars",
            &[("query", "linli_value"), time[0], time[1]],
        )
        .await;
    assert_eq!(none, json!([]));
}
