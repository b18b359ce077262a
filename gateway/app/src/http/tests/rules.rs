//! Rules are listed, tried, added, changed and removed one by one.

use super::*;

fn rule(id: &str) -> Value {
    json!({
        "id": id, "class": "hot", "fault": "hot", "measure": "device.temperature",
        "applies_to": { "kind": "pipe_zone" }, "when": { "above": 60.0, "clear": 50.0 }, "on_delay": "10s",
        "priority": "P2", "name": { "zh": "过热", "en": "Too hot" },
        "cause": { "zh": "因", "en": "Cause" }, "consequence": { "zh": "果", "en": "Consequence" },
        "response": { "zh": "冷却。", "en": "Cool it." },
    })
}

async fn added(story: &Story, rule: &Value) -> Answer {
    story.manage("/api/v1/rules").json(rule).send().await
}

#[tokio::test]
async fn a_rule_lives_from_its_adding_to_its_removal_and_its_history_tells_of_it() {
    let story = Story::new().await;
    let done = added(&story, &rule("too-hot")).await;
    assert_eq!(done.status, 201, "{done:?}");
    assert_eq!(
        (&done.json()["id"], done.header("etag")),
        (&json!("too-hot"), "\"1\"")
    );
    assert_eq!(added(&story, &rule("too-hot")).await.problem(), "rule_exists");

    let shown = story.get("/api/v1/rules/too-hot").send().await;
    let body = shown.json();
    assert_eq!((&body["version"], &body["shipped"]), (&json!(1), &json!(false)));
    assert_eq!(body["document"]["when"]["above"], 60.0);
    assert!(body["assets"].as_u64().unwrap() > 0);
    let same = story
        .get("/api/v1/rules/too-hot")
        .with("if-none-match", "\"1\"")
        .send()
        .await;
    assert_eq!(same.status, 304);

    let mut hotter = rule("too-hot");
    hotter["when"]["above"] = json!(70.0);
    let put = |version: &str, body: &Value| {
        let ask = story
            .ask(Method::PUT, "/api/v1/rules/too-hot")
            .token(&story.manager);
        ask.with("if-match", version).json(body).send()
    };
    let staff = story
        .ask(Method::PUT, "/api/v1/rules/too-hot")
        .token(&story.staff);
    assert_eq!(
        staff
            .with("if-match", "\"1\"")
            .json(&hotter)
            .send()
            .await
            .problem(),
        "forbidden"
    );
    assert_eq!(put("\"1\"", &rule("other")).await.problem(), "invalid_body");
    let changed = put("\"1\"", &hotter).await;
    assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"2\""));
    let stale = put("\"1\"", &hotter).await;
    assert_eq!(
        (stale.status.as_u16(), &stale.json()["current"]["version"]),
        (412, &json!(2))
    );

    let delete = |version: &str| {
        let ask = story
            .ask(Method::DELETE, "/api/v1/rules/too-hot")
            .token(&story.manager);
        ask.with("if-match", version).send()
    };
    assert_eq!(delete("\"1\"").await.problem(), "version_conflict");
    assert_eq!(delete("\"2\"").await.status, 200);
    assert_eq!(
        story.get("/api/v1/rules/too-hot").send().await.problem(),
        "not_found"
    );

    let history = story.get("/api/v1/rules/too-hot/history").send().await.json();
    let items = history["items"].as_array().unwrap();
    let told: Vec<_> = items
        .iter()
        .map(|edit| edit["change"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["removed", "changed", "added"]);
    assert_eq!(
        (&items[1]["document"]["when"]["above"], &items[1]["author"]),
        (&json!(70.0), &json!("admin"))
    );
    // What comes back goes on counting: no two alarms name one version and mean two.
    let again = added(&story, &rule("too-hot")).await;
    assert!(again.json()["version"].as_u64().unwrap() >= 3, "{again:?}");
    let never = story.get("/api/v1/rules/never-was/history").send().await;
    assert_eq!(never.problem(), "not_found");
}

#[tokio::test]
async fn the_rules_are_listed_with_what_they_look_at_page_by_page() {
    let story = Story::new().await;
    story.leak().await;
    let first = story.get("/api/v1/rules?limit=3").send().await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = story
        .get(&format!("/api/v1/rules?limit=3&cursor={cursor}"))
        .send()
        .await
        .json();
    assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);
    let own = story.get("/api/v1/rules?shipped=false").send().await.json();
    let items = own["items"].as_array().unwrap();
    assert!(items.iter().all(|rule| rule["shipped"] == false) && !items.is_empty());
    assert!(
        items.iter().any(|rule| rule["instances"].as_u64().unwrap() > 0),
        "{own:#}"
    );
    let shipped = story
        .get("/api/v1/rules?shipped=true&class=disk-low")
        .send()
        .await
        .json();
    let items = shipped["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["id"]), (1, &json!("gateway-disk-low")));
    assert_eq!(items[0]["document"]["class"], "disk-low");
}

#[tokio::test]
async fn a_rule_that_does_not_explain_itself_or_makes_no_sense_is_refused_and_changes_nothing() {
    let story = Story::new().await;
    let before = story.get("/api/v1/estate/document").send().await;
    let pointers = |answer: &Answer| -> Vec<String> {
        let body = answer.json();
        let errors = body["errors"].as_array().unwrap();
        errors
            .iter()
            .map(|e| e["pointer"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut silent = rule("silent-one");
    silent.as_object_mut().unwrap().remove("cause");
    silent["consequence"]["en"] = json!("");
    let refused = added(&story, &silent).await;
    assert_eq!(refused.problem(), "invalid_estate");
    assert_eq!(pointers(&refused), ["cause", "consequence"]);
    let mut wrong = rule("wrong");
    wrong["when"] = json!({ "above": 60.0, "clear": 70.0 });
    let refused = added(&story, &wrong).await;
    assert_eq!(refused.problem(), "invalid_estate");
    assert_eq!(pointers(&refused), ["when.clear"], "a place in the rule");
    let shipped = story
        .ask(Method::DELETE, "/api/v1/rules/gateway-disk-low")
        .token(&story.manager);
    assert_eq!(
        shipped.with("if-match", "\"1\"").send().await.problem(),
        "rule_shipped"
    );
    let after = story.get("/api/v1/estate/document").send().await;
    assert_eq!(after.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn a_shipped_rule_is_changed_by_one_of_the_estate_in_its_place() {
    let story = Story::new().await;
    let shown = story.get("/api/v1/rules/gateway-disk-low").send().await;
    let mut document = shown.json()["document"].clone();
    document["priority"] = json!("P1");
    let put = story
        .ask(Method::PUT, "/api/v1/rules/gateway-disk-low")
        .token(&story.manager)
        .with("if-match", shown.header("etag"));
    let done = put.json(&document).send().await;
    assert_eq!(done.status, 200, "{done:?}");
    let shown = story.get("/api/v1/rules/gateway-disk-low").send().await.json();
    assert_eq!(
        (&shown["shipped"], &shown["priority"]),
        (&json!(false), &json!("P1"))
    );
}

#[tokio::test]
async fn a_rule_is_looked_at_before_it_is_kept() {
    let story = Story::new().await;
    story.leak().await;
    let check = |body: Value| story.post("/api/v1/rules/check").json(&body).send();
    let mut other = rule("my-leak");
    other["fault"] = json!("leak");
    other["class"] = json!("leak-too");
    other["measure"] = json!("leak.wet");
    other["when"] = json!({ "state": true });
    other["on_delay"] = json!("0s");
    let found = check(json!({ "rule": other, "days": 1 })).await.json();
    assert_eq!(found["problems"], json!([]), "{found:#}");
    let codes: Vec<_> = found["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["overlaps"]);
    assert!(found["assets_total"].as_u64().unwrap() > 0);
    let backtest = &found["backtest"];
    assert!(backtest["readings"].as_u64().unwrap() > 0, "{backtest:#}");
    let classes: Vec<_> = backtest["by_class"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["class"].as_str().unwrap())
        .collect();
    assert!(
        classes.contains(&"leak-too") && classes.contains(&"leak"),
        "{classes:?}"
    );

    let mut wrong = rule("wrong");
    wrong["applies_to"] = json!({ "assets": ["nowhere"] });
    let found = check(json!({ "rule": wrong })).await.json();
    assert_eq!(
        found["problems"][0]["path"], "applies_to.assets[0]",
        "a place in the rule, not in the estate"
    );
    assert_eq!(
        check(json!({ "rule": wrong, "days": 400 })).await.problem(),
        "invalid_body"
    );
    assert_eq!(
        check(json!({ "rule": { "id": "x" } })).await.problem(),
        "invalid_body"
    );
    let still = story.get("/api/v1/rules/my-leak").send().await;
    assert_eq!(still.problem(), "not_found", "nothing was kept");
}

#[tokio::test]
async fn the_quality_of_alarms_is_measured_beside_its_targets() {
    let story = Story::new().await;
    story.leak().await;
    let quality = story
        .get("/api/v1/alarms/quality?operators=2")
        .send()
        .await
        .json();
    assert_eq!(
        (&quality["raised"], &quality["operators"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(quality["top"][0]["class"], "leak");
    let figures = quality["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 10);
    assert!(
        figures
            .iter()
            .all(|figure| ["good", "watch", "poor"].contains(&figure["tier"].as_str().unwrap()))
    );
    let wrong = |query: &str| story.get(&format!("/api/v1/alarms/quality?{query}")).send();
    assert_eq!(wrong("operators=0").await.problem(), "bad_query");
    let backwards = "from=2026-02-02T00:00:00Z&to=2026-01-01T00:00:00Z";
    assert_eq!(wrong(backwards).await.problem(), "bad_query");
}
