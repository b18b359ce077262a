//! Managers edit the estate and the tokens.

use super::*;

#[tokio::test]
async fn the_estate_goes_out_is_changed_and_comes_back() {
    let story = Story::new().await;
    let out = story.get("/api/v1/estate/document").send().await;
    let mut document = out.json();
    let same = story
        .post("/api/v1/estate/diff")
        .json(&document)
        .send()
        .await
        .json();
    assert_eq!((&same["changes"], &same["problems"]), (&json!([]), &json!([])));

    document["assets"][1]["name"]["en"] = json!("Pipe zone four");
    let differs = story
        .post("/api/v1/estate/diff")
        .json(&document)
        .send()
        .await
        .json();
    assert_eq!(
        differs["changes"],
        json!([{ "section": "assets", "id": "b4-pipe", "change": "changed", "fields": ["name"] }])
    );
    let put = || story.ask(Method::PUT, "/api/v1/estate").json(&document);
    let staff = put()
        .token(&story.staff)
        .with("if-match", out.header("etag"))
        .send()
        .await;
    assert_eq!(staff.problem(), "forbidden");
    let blind = put().token(&story.manager).send().await;
    assert_eq!(blind.problem(), "precondition_required");
    let done = put()
        .token(&story.manager)
        .with("if-match", out.header("etag"))
        .send()
        .await;
    assert_eq!(done.status, 200, "{done:?}");
    let stale = put()
        .token(&story.manager)
        .with("if-match", out.header("etag"))
        .send()
        .await;
    assert_eq!(
        (stale.status.as_u16(), &stale.json()["current"]["changed_by"]),
        (412, &json!("admin"))
    );

    let shown = story
        .until("/api/v1/estate", |estate| {
            estate["assets"][1]["name"]["en"] == "Pipe zone four"
        })
        .await;
    assert_eq!(shown["version"], done.json()["version"]);
}

#[tokio::test]
async fn an_estate_that_makes_no_sense_names_every_problem_and_changes_nothing() {
    let story = Story::new().await;
    let out = story.get("/api/v1/estate/document").send().await;
    let mut document = out.json();
    document["assets"][0]["place"] = json!("nowhere");
    document["devices"][0]["asset"] = json!("nothing");
    let put = story
        .ask(Method::PUT, "/api/v1/estate")
        .token(&story.manager)
        .with("if-match", out.header("etag"));
    let refused = put.json(&document).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (422, "invalid_estate")
    );
    let body = refused.json();
    let pointers: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    assert!(
        pointers.contains(&"assets[0].place") && pointers.contains(&"devices[0].asset"),
        "{pointers:?}"
    );
    let after = story.get("/api/v1/estate/document").send().await;
    assert_eq!(after.header("etag"), out.header("etag"));
}

#[tokio::test]
async fn a_token_lives_from_its_making_to_its_revocation() {
    let story = Story::new().await;
    let made = story
        .manage("/api/v1/tokens")
        .json(&json!({ "name": "li", "role": "staff" }))
        .send()
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let (id, first) = (
        made.json()["id"].as_str().unwrap().to_owned(),
        made.json()["token"].as_str().unwrap().to_owned(),
    );
    let works = |token: String| {
        let asked = story.ask(Method::GET, "/api/v1/orders").token(&token).send();
        async { asked.await.status.as_u16() }
    };
    assert_eq!(works(first.clone()).await, 200);
    let twin = story
        .manage("/api/v1/tokens")
        .json(&json!({ "name": "li", "role": "staff" }))
        .send()
        .await;
    assert_eq!(twin.problem(), "refused");

    let turned = story
        .manage(&format!("/api/v1/tokens/{id}/rotate"))
        .send()
        .await
        .json();
    let second = turned["token"].as_str().unwrap().to_owned();
    assert_eq!((works(first).await, works(second.clone()).await), (401, 200));
    let gone = story.manage(&format!("/api/v1/tokens/{id}/revoke")).send().await;
    assert!(gone.json()["revoked_at"].is_string());
    assert_eq!(works(second.clone()).await, 401);
    assert_eq!(
        story
            .manage(&format!("/api/v1/tokens/{id}/rotate"))
            .send()
            .await
            .problem(),
        "invalid_transition"
    );

    let listed = story
        .ask(Method::GET, "/api/v1/tokens")
        .token(&story.manager)
        .send()
        .await;
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 3);
    let secret = second.rsplit('_').next().unwrap();
    assert!(!listed.text.contains(secret), "a secret is shown once");
    let ledger = std::fs::read(story.folder.path().join(linli_ledger::DATABASE_FILE)).unwrap();
    assert!(
        !ledger
            .windows(secret.len())
            .any(|bytes| bytes == secret.as_bytes()),
        "only its hash is stored"
    );
}

#[tokio::test]
async fn the_last_managers_token_is_kept() {
    let story = Story::new().await;
    let listed = story
        .ask(Method::GET, "/api/v1/tokens")
        .token(&story.manager)
        .send()
        .await
        .json();
    let admin = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["name"] == "admin")
        .unwrap();
    let path = format!("/api/v1/tokens/{}/revoke", admin["id"].as_str().unwrap());
    assert_eq!(story.manage(&path).send().await.problem(), "refused");
}

#[tokio::test]
async fn the_engine_is_dumped_with_its_commit() {
    let story = Story::new().await;
    story.leak().await;
    let dump = story
        .ask(Method::GET, "/api/v1/engine/dump")
        .token(&story.manager)
        .send()
        .await
        .json();
    assert!(
        dump["commit"].as_u64().unwrap() > 0 && dump["state"].as_str().unwrap().contains("b3-pipe"),
        "{dump:#}"
    );
}
