//! Readings over time: buckets, changes, lines, PromQL, and where forwarders stand.

use super::*;

const POINT: &str = "/api/v1/points/leak-b3%2Fleak.wet";

/// A leak rope that was dry, wet and dry again.
async fn heard() -> Story {
    let story = Story::new().await;
    for wet in [false, true, true, false] {
        story.says("leak-b3", wet).await;
        // Each has a time of its own.
        let said = story.http.clock.now().wall;
        while story.http.clock.now().wall <= said {
            tokio::task::yield_now().await;
        }
    }
    let path = format!("{POINT}/readings");
    story
        .until(&path, |page| {
            page["items"].as_array().is_some_and(|items| items.len() == 4)
        })
        .await;
    story
}

#[tokio::test]
async fn a_chart_gets_columns_of_equal_length_with_its_gaps() {
    let story = heard().await;
    let answer = story
        .get(&format!("{POINT}/buckets?width=1h"))
        .send()
        .await
        .json();
    let length = answer["t"].as_array().unwrap().len();
    for column in [
        "count",
        "min",
        "max",
        "avg",
        "last",
        "true_seconds",
        "known_seconds",
        "changes",
    ] {
        assert_eq!(answer[column].as_array().unwrap().len(), length, "{column}");
    }
    let counts: u64 = answer["count"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    let changes: u64 = answer["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!((length, counts, changes), (24, 4, 2));
    let chosen = story
        .get(&format!("{POINT}/buckets?max_buckets=10"))
        .send()
        .await
        .json();
    assert!(chosen["t"].as_array().unwrap().len() <= 11, "{chosen}");
    for wrong in [
        "width=0s",
        "width=soon",
        "width=1ms",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "wdith=1h",
    ] {
        let refused = story.get(&format!("{POINT}/buckets?{wrong}")).send().await;
        assert_eq!(refused.problem(), "bad_query", "{wrong}");
    }
    let nothing = story.get(&format!("{POINT}/buckets?width=0s")).send().await;
    assert!(
        nothing.text.contains("at least a millisecond"),
        "{}",
        nothing.text
    );
}

#[tokio::test]
async fn changes_leave_out_what_was_the_same_as_before() {
    let story = heard().await;
    let answer = story.get(&format!("{POINT}/changes")).send().await.json();
    let shown: Vec<&Value> = answer["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["value"])
        .collect();
    assert_eq!(shown, [&json!(false), &json!(true), &json!(false)]);
    assert_eq!(
        (&answer["before"], &answer["complete"]),
        (&Value::Null, &json!(true))
    );
}

#[tokio::test]
async fn readings_are_exported_as_lines() {
    let story = heard().await;
    let csv = story.get("/api/v1/readings/export?measure=leak.wet").send().await;
    assert!(csv.header("content-type").starts_with("text/csv"), "{csv:?}");
    assert_eq!(csv.text.lines().count(), 5, "{}", csv.text);
    assert!(
        csv.text.lines().nth(2).unwrap().contains(",true,good,"),
        "{}",
        csv.text
    );
    let lines = story
        .get("/api/v1/readings/export?format=ndjson&point=leak-b3%2Fleak.wet")
        .send()
        .await;
    let first: Value = serde_json::from_str(lines.text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["point"], &first["value"]),
        (&json!("leak-b3/leak.wet"), &json!(false))
    );
    for (wrong, code) in [
        ("format=xlsx", "bad_query"),
        ("measure=leak.wt", "bad_query"),
        ("device=leak-b9", "not_found"),
    ] {
        let refused = story
            .get(&format!("/api/v1/readings/export?{wrong}"))
            .send()
            .await;
        assert_eq!(refused.problem(), code, "{wrong}");
    }
    // A device of the estate that has not spoken has nothing to export, and is none the less known.
    let devices = story.get("/api/v1/devices?limit=500").send().await.json();
    for device in devices["items"].as_array().unwrap() {
        let id = device["id"].as_str().unwrap();
        let lines = story
            .get(&format!("/api/v1/readings/export?device={id}"))
            .send()
            .await;
        assert_eq!(lines.text.lines().count() > 1, id == "leak-b3", "{}", lines.text);
    }
}

#[tokio::test]
async fn a_list_for_prometheus_is_cut_where_it_was_asked_to_be_and_says_so() {
    let story = heard().await;
    let ask = async |path: &str| story.get(&format!("/prom/api/v1/{path}")).send().await.json();
    let cut = json!(["results truncated due to limit"]);
    for path in [
        "series?match[]=%7B__name__%3D~%22linli_.*%22%7D",
        "labels?",
        "label/quality/values?",
    ] {
        let all = ask(path).await;
        let entries = all["data"].as_array().unwrap();
        assert!(entries.len() > 1 && all["warnings"].is_null(), "{path} {all}");
        let one = ask(&format!("{path}&limit=1")).await;
        assert_eq!(
            (&one["data"], &one["warnings"]),
            (&json!([entries[0]]), &cut),
            "{path}"
        );
        for whole in [0, entries.len(), 1_000_000] {
            assert_eq!(ask(&format!("{path}&limit={whole}")).await, all, "{path} {whole}");
        }
        for wrong in ["-1", "few"] {
            let refused = ask(&format!("{path}&limit={wrong}")).await;
            assert_eq!(refused["errorType"], "bad_data", "{path} {wrong}");
        }
    }
    let described = async |path: &str| {
        let answer = ask(path).await;
        answer["data"]
            .as_object()
            .map(|data| data.keys().cloned().collect::<Vec<_>>())
    };
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let both = names(&["linli_state", "linli_value"]);
    assert_eq!(described("metadata").await, both);
    assert_eq!(described("metadata?limit=-1").await, both);
    assert_eq!(described("metadata?limit=1").await, names(&["linli_state"]));
    assert_eq!(described("metadata?limit=0").await, names(&[]));
    assert_eq!(
        described("metadata?metric=linli_value").await,
        names(&["linli_value"])
    );
    assert_eq!(described("metadata?metric=up").await, names(&[]));
    assert_eq!(described("metadata?limit=few").await, None);
}

#[tokio::test]
async fn grafana_tests_its_connection_and_asks_for_states() {
    let story = heard().await;
    let sum = story
        .get("/prom/api/v1/query?query=1%2B1&time=4")
        .send()
        .await
        .json();
    assert_eq!(
        sum,
        json!({ "status": "success", "data": { "resultType": "scalar", "result": [4.0, "2"] } })
    );
    let form = story
        .ask(Method::POST, "/prom/api/v1/query")
        .token(&story.staff)
        .body("query=linli_state%7Bmeasure%3D%22leak.wet%22%7D")
        .send()
        .await
        .json();
    let series = &form["data"]["result"][0];
    assert_eq!(
        (&series["metric"]["device"], &series["value"][1]),
        (&json!("leak-b3"), &json!("0")),
        "{form}"
    );
    assert_eq!(
        (&series["metric"]["asset"], &series["metric"]["quality"]),
        (&json!("b3-pipe"), &json!("good"))
    );
    let highest = "max_over_time(linli_state%7Bdevice%3D%22leak-b3%22%7D%5B1h%5D)";
    let now = story.http.clock.now().wall.as_millis() / 1_000;
    let range = story
        .get(&format!(
            "/prom/api/v1/query_range?query={highest}&start={}&end={}&step=60",
            now - 120,
            now + 1
        ))
        .send()
        .await
        .json();
    let values = range["data"]["result"][0]["values"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(values.is_empty() || values.last().unwrap()[1] == "1", "{range}");
    let names = story
        .get("/prom/api/v1/label/__name__/values")
        .send()
        .await
        .json();
    assert!(
        names["data"].as_array().unwrap().contains(&json!("linli_state")),
        "{names}"
    );
    let sets = story
        .get("/prom/api/v1/series?match[]=linli_state%7Bdevice%3D%22leak-b3%22%7D")
        .send()
        .await
        .json();
    assert_eq!(sets["data"].as_array().unwrap().len(), 1, "{sets}");
    // Whoever picks a quality is offered both, and finds the series of the one that was picked.
    let qualities = story.get("/prom/api/v1/label/quality/values").send().await.json();
    assert_eq!(qualities["data"], json!(["good", "uncertain"]));
    let picked = story
        .get("/prom/api/v1/series?match[]=%7Bdevice%3D%22leak-b3%22,quality%3D%22uncertain%22%7D")
        .send()
        .await
        .json();
    let picked = picked["data"].as_array().unwrap();
    assert!(
        !picked.is_empty() && picked.iter().all(|set| set["quality"] == "uncertain"),
        "{picked:?}"
    );
    let build = story.get("/prom/api/v1/status/buildinfo").send().await.json();
    assert_eq!(build["data"]["application"], "linli");
}

#[tokio::test]
async fn what_the_subset_does_not_know_is_refused_by_its_name_in_prometheus_own_words() {
    let story = heard().await;
    let table = [
        (
            "query?query=histogram_quantile(0.9,linli_value)",
            422,
            "histogram_quantile",
        ),
        ("query?query=linli_value%20and%20linli_state", 422, "and"),
        ("query?query=group(linli_value)", 422, "group"),
        (
            "query?query=changes(linli_state%5B1d%5D)",
            422,
            "the function changes",
        ),
        (
            "query?query=linli_value%20*%20on(device)%20group_left%20linli_state",
            422,
            "group_left",
        ),
        (
            "query?query=max_over_time(linli_value%5B5m:1m%5D)",
            422,
            "subquery",
        ),
        ("query?query=sum(", 400, "parse the query"),
        ("query", 400, "query is missing"),
        ("query?query=1&time=soon", 400, "RFC 3339"),
        (
            "query_range?query=1&start=0&end=20000&step=1",
            400,
            "11,000 steps",
        ),
        ("query_range?query=1&start=10&end=0&step=1", 400, "before start"),
        ("series", 400, "match[]"),
    ];
    for (path, status, words) in table {
        let answer = story.get(&format!("/prom/api/v1/{path}")).send().await;
        assert_eq!(answer.status.as_u16(), status, "{path} {answer:?}");
        let body = answer.json();
        assert_eq!(body["status"], "error", "{path}");
        assert!(body["error"].as_str().unwrap().contains(words), "{path} {body}");
    }
}

#[tokio::test]
async fn forwarders_are_listed_and_unknown_ones_are_not_found() {
    let story = heard().await;
    let none = story.get("/api/v1/forwarders").send().await.json();
    assert_eq!(none, json!([]));
    let unknown = story.get("/api/v1/forwarders/nobody/parked").send().await;
    assert_eq!(unknown.problem(), "not_found");
}

#[tokio::test]
async fn a_query_that_stumbles_over_a_damaged_chunk_has_it_set_aside() {
    let story = heard().await;
    let folder = story.folder.path().to_owned();
    let rot = rusqlite::Connection::open(folder.join("linli.db")).unwrap();
    rot.busy_timeout(Duration::from_secs(5)).unwrap();
    // A chunk that nobody could have written, of the point that was heard.
    rot.execute_batch(
        "INSERT INTO chunk (point, t0, t1, n, numeric, data)
         SELECT key, 1, 99, 4, 0, x'00' FROM point WHERE measure = 'leak.wet' AND device = 'leak-b3'",
    )
    .unwrap();
    let path = format!("{POINT}/readings?from=1970-01-01T00:00:00Z");
    let page = story
        .until(&path, |page| {
            page["items"].as_array().is_some_and(|items| items.len() == 4)
        })
        .await;
    assert_eq!(page["items"][1]["value"], true);
    let aside: i64 = rot
        .query_row("SELECT count(*) FROM set_aside", [], |row| row.get(0))
        .unwrap();
    assert_eq!(aside, 1);
}
