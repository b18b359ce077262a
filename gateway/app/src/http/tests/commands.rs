//! Orders and alarms are moved on, once, by those who looked.

use super::*;

#[tokio::test]
async fn an_order_goes_its_way_and_closes_on_the_sensors_word() {
    let story = Story::new().await;
    let order = story.leak().await;
    let id = order["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&order["state"], &order["role"]),
        (&json!("dispatched"), &json!("repair"))
    );
    assert_eq!(order["asset_name"]["zh"], "3号楼管段");
    let path = format!("/api/v1/orders/{id}");

    let mut version = order["version"].as_u64().unwrap();
    for (verb, body) in [
        ("accept", json!({})),
        ("start", json!({})),
        ("complete", json!({ "note": "sealed" })),
    ] {
        let answer = story
            .post(&format!("{path}/{verb}"))
            .version(version)
            .json(&body)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{verb}: {answer:?}");
        let changed = answer.json();
        assert_eq!(changed["id"], id.as_str());
        version = changed["version"].as_u64().unwrap();
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
    }
    let completed = story.get(&path).send().await.json();
    assert_eq!(
        (&completed["state"], &completed["completer"]),
        (&json!("pending_verification"), &json!("zhang"))
    );
    story.says("leak-b3", false).await;
    let closed = story.until(&path, |order| order["state"] == "closed").await;
    assert_eq!(
        (&closed["closing"], &closed["open"]),
        (&json!("verified"), &json!(false))
    );
    let life = story.get(&format!("{path}/transitions")).send().await.json();
    let states: Vec<_> = life["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["to"].as_str().unwrap())
        .collect();
    assert!(
        states.ends_with(&["closed"]) && states.contains(&"in_progress"),
        "{states:?}"
    );
}

#[tokio::test]
async fn of_two_phones_one_wins_and_the_other_is_told_who() {
    let story = Story::new().await;
    let order = story.leak().await;
    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let seen = order["version"].as_u64().unwrap();
    let won = story.post(&format!("{path}/accept")).version(seen).send().await;
    assert_eq!(won.status, 200, "{won:?}");
    let lost = story.manage(&format!("{path}/accept")).version(seen).send().await;
    assert_eq!(
        (lost.status.as_u16(), lost.problem().as_str()),
        (412, "version_conflict")
    );
    let current = &lost.json()["current"];
    assert_eq!(
        (&current["version"], &current["changed_by"]),
        (&won.json()["version"], &json!("zhang"))
    );
    let wrong = story
        .post(&format!("{path}/accept"))
        .version(current["version"].as_u64().unwrap())
        .send()
        .await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.problem().as_str()),
        (409, "wrong_state")
    );
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_answered_and_not_done_again() {
    let story = Story::new().await;
    let order = story.leak().await;
    let path = format!("/api/v1/orders/{}/accept", order["id"].as_str().unwrap());
    let seen = order["version"].as_u64().unwrap();
    let press = |body: Value| {
        let asking = story.post(&path).version(seen).with("idempotency-key", "press-1");
        asking.json(&body).send()
    };
    let first = press(json!({})).await;
    assert_eq!(
        (first.status.as_u16(), first.header("idempotency-replayed")),
        (200, "")
    );
    let repeat = press(json!({})).await;
    assert_eq!(
        (repeat.status.as_u16(), repeat.header("idempotency-replayed")),
        (200, "true")
    );
    assert_eq!(repeat.json(), first.json());
    let other = story
        .post(&path.replace("accept", "start"))
        .version(seen)
        .with("idempotency-key", "press-1");
    let other = other.json(&json!({})).send().await;
    assert_eq!(
        (other.status.as_u16(), other.problem().as_str()),
        (422, "idempotency_mismatch")
    );
    // Keys of two people do not meet.
    let stranger = story
        .manage(&path)
        .version(seen)
        .with("idempotency-key", "press-1")
        .json(&json!({}))
        .send()
        .await;
    assert_eq!(stranger.problem(), "version_conflict");
}

#[tokio::test]
async fn presses_at_the_same_time_are_done_once() {
    let story = Story::new().await;
    let order = story.leak().await;
    let path = format!("/api/v1/orders/{}/accept", order["id"].as_str().unwrap());
    let seen = order["version"].as_u64().unwrap();
    let press = || {
        story
            .post(&path)
            .version(seen)
            .with("idempotency-key", "press-2")
            .json(&json!({}))
            .send()
    };
    let (a, b) = tokio::join!(press(), press());
    for answer in [&a, &b] {
        assert!([200, 409].contains(&answer.status.as_u16()), "{answer:?}");
    }
    assert_eq!(press().await.header("idempotency-replayed"), "true");
    let life = story
        .get(&path.replace("accept", "transitions"))
        .send()
        .await
        .json();
    let accepted = life["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["to"] == "accepted")
        .count();
    assert_eq!(accepted, 1, "{life:#}");
}

#[tokio::test]
async fn a_manager_overrides_what_somebody_else_completed() {
    let story = Story::new().await;
    let order = story.leak().await;
    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let mut version = order["version"].as_u64().unwrap();
    for verb in ["accept", "start", "complete"] {
        let body = if verb == "complete" {
            json!({ "note": "done" })
        } else {
            json!({})
        };
        let answer = story
            .post(&format!("{path}/{verb}"))
            .version(version)
            .json(&body)
            .send()
            .await;
        version = answer.json()["version"].as_u64().unwrap();
    }
    let why = json!({ "reason": "sensor_faulty", "note": "corroded" });
    let staff = story
        .post(&format!("{path}/override"))
        .version(version)
        .json(&why)
        .send()
        .await;
    assert_eq!(staff.problem(), "forbidden");
    let done = story
        .manage(&format!("{path}/override"))
        .version(version)
        .json(&why)
        .send()
        .await;
    assert_eq!(done.status, 200, "{done:?}");
    let closed = story.get(&path).send().await.json();
    assert_eq!(
        (&closed["closing"], &closed["override_reason"]),
        (&json!("overridden"), &json!("sensor_faulty"))
    );
}

#[tokio::test]
async fn an_alarm_is_acknowledged_once() {
    let story = Story::new().await;
    story.leak().await;
    let alarm = story.get("/api/v1/alarms?live=true").send().await.json()["items"][0].clone();
    assert_eq!(
        (&alarm["state"], &alarm["value"]),
        (&json!("active_unack"), &json!(true))
    );
    assert_eq!(alarm["point"], "leak-b3/leak.wet");
    let path = format!("/api/v1/alarms/{}/ack", alarm["id"].as_str().unwrap());
    let version = alarm["version"].as_u64().unwrap();
    let done = story.post(&path).version(version).send().await;
    assert_eq!(done.status, 200, "{done:?}");
    let shown = story.get(path.trim_end_matches("/ack")).send().await;
    assert_eq!(shown.json()["acknowledged_by"], "zhang");
    let same = story
        .get(path.trim_end_matches("/ack"))
        .with("if-none-match", shown.header("etag"))
        .send()
        .await;
    assert_eq!(same.status, 304);
    let again = story
        .post(&path)
        .version(done.json()["version"].as_u64().unwrap())
        .send()
        .await;
    assert_eq!(
        (again.status.as_u16(), again.problem().as_str()),
        (409, "already_acknowledged")
    );
}
