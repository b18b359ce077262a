//! Alarms are muted, taken out of service, asked for by what people see, and several are answered at once.

use super::*;

/// The one alarm of building 3, once it is there.
async fn leaking(story: &Story) -> Value {
    story.leak().await;
    let page = story.get("/api/v1/alarms?class=leak").send().await.json();
    page["items"][0].clone()
}

fn named(alarm: &Value) -> (String, u64) {
    (
        alarm["id"].as_str().unwrap().to_owned(),
        alarm["version"].as_u64().unwrap(),
    )
}

async fn ids(story: &Story, query: &str) -> Vec<String> {
    let page = story.get(&format!("/api/v1/alarms?{query}")).send().await.json();
    let items = page["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{query}: {page}"));
    items
        .iter()
        .map(|a| a["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_manager_shelves_a_leak_and_ends_it_and_the_history_says_so() {
    let story = Story::new().await;
    let (id, version) = named(&leaking(&story).await);
    let path = format!("/api/v1/alarms/{id}");
    let words = json!({ "for": "2h", "reason": "the plumber is there" });
    let staff = story
        .post(&format!("{path}/shelve"))
        .version(version)
        .json(&words)
        .send()
        .await;
    assert_eq!(
        (staff.status.as_u16(), staff.problem().as_str()),
        (403, "manager_only")
    );
    let done = story
        .manage(&format!("{path}/shelve"))
        .version(version)
        .json(&words)
        .send()
        .await;
    assert_eq!(done.status, 200, "{done:?}");
    let alarm = story.get(&path).send().await.json();
    assert_eq!(
        (&alarm["state"], &alarm["annunciation"]),
        (&json!("shelved"), &json!("shelved"))
    );
    assert_eq!(alarm["state_name"], json!({ "zh": "搁置", "en": "shelved" }));
    assert_eq!(
        (&alarm["shelving"]["by"], &alarm["shelving"]["reason"]),
        (&json!("admin"), &words["reason"])
    );
    for state in ["shelved", "Shelved", "%E6%90%81%E7%BD%AE", "latched,shelved"] {
        assert_eq!(
            ids(&story, &format!("state={state}")).await,
            std::slice::from_ref(&id),
            "{state}"
        );
    }
    assert!(ids(&story, "state=Active-Unack").await.is_empty());
    let wrong = story.get("/api/v1/alarms?state=sleeping").send().await;
    assert_eq!(wrong.problem(), "bad_query");

    let version = done.json()["version"].as_u64().unwrap();
    let ended = story
        .post(&format!("{path}/unshelve"))
        .version(version)
        .json(&json!({}))
        .send()
        .await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let life = story.get(&format!("{path}/transitions")).send().await.json();
    let steps: Vec<_> = life["items"].as_array().unwrap().iter().collect();
    let shelved = steps.iter().find(|step| step["event"] == "shelved").unwrap();
    let beside = &shelved["beside"];
    assert_eq!(beside["reason"], "the plumber is there");
    assert_eq!(beside["until"], alarm["shelving"]["until"], "{shelved}");
    assert_eq!(steps.last().unwrap()["event"], "unshelved");
}

#[tokio::test]
async fn too_long_a_shelving_and_a_wrong_duration_are_refused_with_what_to_write() {
    let story = Story::new().await;
    let (id, version) = named(&leaking(&story).await);
    let path = format!("/api/v1/alarms/{id}/shelve");
    for (lasts, code) in [
        ("80h", "shelving_length"),
        ("10s", "shelving_length"),
        ("soon", "invalid_body"),
    ] {
        let words = json!({ "for": lasts, "reason": "noise" });
        let refused = story.manage(&path).version(version).json(&words).send().await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (422, code.to_owned()),
            "{lasts}"
        );
    }
    let silent = json!({ "for": "1h", "reason": " " });
    let refused = story.manage(&path).version(version).json(&silent).send().await;
    assert_eq!(refused.problem(), "reason_required");
}

#[tokio::test]
async fn of_several_alarms_each_is_answered_for_itself() {
    let story = Story::new().await;
    let (first, version) = named(&leaking(&story).await);
    story.says("leak-b4", true).await;
    let page = story
        .until("/api/v1/alarms?asset=b4-pipe&class=leak", |page| {
            page["items"][0].is_object()
        })
        .await;
    let (second, other) = named(&page["items"][0]);
    let body = json!({ "action": "ack", "alarms": [
        { "id": first, "version": version },
        { "id": second, "version": other + 5 },
        { "id": "AL-999", "version": 1 },
        { "id": "seven", "version": 1 },
    ] });
    let done = story.post("/api/v1/alarms/bulk").json(&body).send().await;
    assert_eq!(done.status, 200, "{done:?}");
    let items = done.json()["items"].as_array().unwrap().clone();
    let codes: Vec<_> = items
        .iter()
        .map(|item| item["code"].as_str().unwrap_or("done"))
        .collect();
    assert_eq!(codes, ["done", "version_conflict", "unknown_alarm", "not_found"]);
    assert_eq!(items[0]["version"], version + 1);
    assert_eq!(ids(&story, "state=active_ack").await, [first]);
    let none = json!({ "action": "ack", "alarms": [] });
    assert_eq!(
        story
            .post("/api/v1/alarms/bulk")
            .json(&none)
            .send()
            .await
            .problem(),
        "invalid_body"
    );
    let endless =
        json!({ "action": "shelve", "alarms": [{ "id": second, "version": other }], "reason": "x" });
    assert_eq!(
        story
            .manage("/api/v1/alarms/bulk")
            .json(&endless)
            .send()
            .await
            .problem(),
        "invalid_body"
    );
}

#[tokio::test]
async fn what_is_out_of_service_stands_in_a_list_and_opens_no_order() {
    let story = Story::new().await;
    let out = "/api/v1/out-of-service";
    let pipe = json!({ "asset": "b3-pipe", "reason": "the riser is being replaced" });
    assert_eq!(story.post(out).json(&pipe).send().await.problem(), "manager_only");
    let both = json!({ "asset": "b3-pipe", "device": "leak-b3", "reason": "x" });
    assert_eq!(
        story.manage(out).json(&both).send().await.problem(),
        "invalid_body"
    );
    let unknown = json!({ "device": "leak-b9", "reason": "x" });
    let refused = story.post(out).json(&unknown).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (404, "unknown_device")
    );
    let press = || {
        story
            .manage(out)
            .with("idempotency-key", "out-1")
            .json(&pipe)
            .send()
    };
    assert_eq!(press().await.json()["out_of_service"], true);
    assert_eq!(press().await.header("idempotency-replayed"), "true");
    assert_eq!(
        story.manage(out).json(&pipe).send().await.problem(),
        "already_out_of_service"
    );

    let listed = story.get(out).send().await.json();
    assert_eq!(listed["items"][0]["asset"], "b3-pipe");
    assert_eq!(
        (&listed["items"][0]["by"], &listed["items"][0]["reason"]),
        (&json!("admin"), &pipe["reason"])
    );
    story.says("leak-b3", true).await;
    let quiet = |page: &Value| page["items"][0].is_object();
    story.until("/api/v1/alarms?state=out_of_service", quiet).await;
    assert_eq!(
        story.get("/api/v1/orders").send().await.json()["items"],
        json!([])
    );

    let back = json!({ "asset": "b3-pipe" });
    let brought = story
        .manage("/api/v1/out-of-service/back")
        .json(&back)
        .send()
        .await;
    assert_eq!(brought.json()["out_of_service"], false, "{brought:?}");
    story.until("/api/v1/orders", quiet).await;
    let metrics = story.ask(Method::GET, "/metrics").send().await.text;
    assert!(
        metrics.contains("linli_alarms_by_state{state=\"active_unack\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("linli_alarms_by_state{state=\"out_of_service\"} 0"));
}

#[tokio::test]
async fn what_lives_depend_on_is_out_of_service_until_a_time_that_everybody_sees() {
    let story = Story::new().await;
    let estate = story.get("/api/v1/estate/document").send().await;
    let mut document = estate.json();
    document["rules"][0]["life_safety"] = json!(true);
    let put = story
        .ask(Method::PUT, "/api/v1/estate")
        .json(&document)
        .token(&story.manager)
        .with("if-match", estate.header("etag"))
        .send()
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    story.says("leak-b3", false).await;
    let out = "/api/v1/out-of-service";
    let say = |lasts: Value| json!({ "device": "leak-b3", "reason": "new cable", "for": lasts });
    for lasts in [Value::Null, json!("9h")] {
        let refused = story.post(out).json(&say(lasts)).send().await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (422, "lives_guarded")
        );
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("8h"), "it says what may be asked for: {detail}");
    }
    let done = story.post(out).json(&say(json!("2h"))).send().await;
    assert_eq!(done.json()["out_of_service"], true, "{done:?}");
    let item = story.get(out).send().await.json()["items"][0].clone();
    let time = |key: &str| Timestamp::parse_rfc3339(item[key].as_str().unwrap()).unwrap();
    assert_eq!(time("until"), time("since").plus(Duration::from_secs(7_200)));
    assert_eq!(item["life_safety"], true);
    let metrics = story.ask(Method::GET, "/metrics").send().await.text;
    assert!(
        metrics.contains("linli_out_of_service{guards=\"lives\"} 1"),
        "{metrics}"
    );
    let page = story.get("/status?lang=en").send().await.text;
    assert!(page.contains("of these lives depend on 1"), "{page}");
}

#[tokio::test]
async fn what_one_leak_explains_is_found_by_its_cause_and_late_history_stands_apart() {
    let story = Story::new().await;
    let out = story.get("/api/v1/estate/document").send().await;
    let mut document = out.json();
    document["assets"][1]["branch_of"] = json!("b3-pipe");
    document["rules"][0]["inhibits"] = json!("branches");
    let put = story
        .ask(Method::PUT, "/api/v1/estate")
        .json(&document)
        .token(&story.manager)
        .with("if-match", out.header("etag"))
        .send()
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    let (cause, _) = named(&leaking(&story).await);
    story.says("leak-b4", true).await;
    let explained = format!("/api/v1/alarms?cause={cause}");
    let page = story.until(&explained, |page| page["items"][0].is_object()).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let alarm = &page["items"][0];
    assert_eq!(
        (&alarm["asset"], &alarm["state"], &alarm["suppressed_by"]),
        (&json!("b4-pipe"), &json!("suppressed"), &json!(cause))
    );
    assert_eq!(ids(&story, "cause=AL-999").await, [""; 0]);
    assert_eq!(ids(&story, "late=true").await, [""; 0]);
    assert_eq!(ids(&story, "late=false").await.len(), 2);
    let wrong = story.get("/api/v1/alarms?cause=b3-pipe").send().await;
    assert_eq!(wrong.problem(), "bad_query");
}

#[tokio::test]
async fn a_cause_is_named_by_number_and_refused_in_words() {
    let story = Story::new().await;
    let (id, version) = named(&leaking(&story).await);
    let path = format!("/api/v1/alarms/{id}/suppress");
    let say = |cause: &str| json!({ "cause": cause, "reason": "the main is broken" });
    let itself = story.manage(&path).version(version).json(&say(&id)).send().await;
    assert_eq!(
        (itself.status.as_u16(), itself.problem().as_str()),
        (409, "no_cause")
    );
    let number = story
        .manage(&path)
        .version(version)
        .json(&say("seven"))
        .send()
        .await;
    assert_eq!(
        (number.status.as_u16(), number.problem().as_str()),
        (422, "invalid_body")
    );
    let taken_back = story
        .manage(&format!("/api/v1/alarms/{id}/unsuppress"))
        .version(version)
        .json(&json!({}))
        .send()
        .await;
    assert_eq!(taken_back.problem(), "not_named");
    let several =
        json!({ "action": "suppress", "alarms": [{ "id": id, "version": version }], "reason": "why" });
    let causeless = story.manage("/api/v1/alarms/bulk").json(&several).send().await;
    assert!(
        causeless.json()["detail"].as_str().unwrap().contains("AL-7"),
        "{causeless:?}"
    );
}
