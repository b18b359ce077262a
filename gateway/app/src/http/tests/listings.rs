//! Points, readings, rejects and deliveries as lists.

use super::*;

#[tokio::test]
async fn points_carry_their_newest_reading_and_are_found_by_id_and_by_key() {
    let story = Story::new().await;
    story.says("leak-b3", false).await;
    let wet = |page: &Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["latest"]["value"] == false)
    };
    story.until("/api/v1/points?measure=leak.wet", wet).await;
    let point = story.get("/api/v1/points/leak-b3%2Fleak.wet").send().await.json();
    assert_eq!(
        (&point["asset"], &point["unit"]),
        (&json!("b3-pipe"), &json!("bool"))
    );
    assert_eq!(point["latest"]["quality"], "good");
    assert!(point["latest"]["observed_at"].as_str().unwrap().ends_with('Z'));
    let by_key = story
        .get(&format!("/api/v1/points/{}", point["key"].as_str().unwrap()))
        .send()
        .await
        .json();
    assert_eq!(by_key["id"], point["id"]);
    let others = story.get("/api/v1/points?asset=b4-pipe").send().await.json();
    assert_eq!(others["items"], json!([]));
}

#[tokio::test]
async fn readings_are_paged_in_order_without_a_gap() {
    let story = Story::new().await;
    for n in 0..7 {
        story.says("leak-b3", n % 2 == 1).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let path = "/api/v1/points/leak-b3%2Fleak.wet/readings";
    story
        .until(path, |page| {
            page["items"].as_array().is_some_and(|items| items.len() == 7)
        })
        .await;
    let mut seen = Vec::new();
    let mut next = format!("{path}?limit=3");
    loop {
        let page = story.get(&next).send().await.json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r["value"].as_bool().unwrap()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [false, true, false, true, false, true, false]);
    let narrow = story
        .get(&format!("{path}?to=2020-01-01T00:00:00Z"))
        .send()
        .await
        .json();
    assert_eq!(narrow["items"], json!([]));
}

#[tokio::test]
async fn a_cursor_does_not_lead_into_another_listing() {
    let story = Story::new().await;
    story.leak().await;
    story.says("leak-b4", true).await;
    story
        .until("/api/v1/orders", |page| {
            page["items"].as_array().unwrap().len() == 2
        })
        .await;
    let first = story.get("/api/v1/orders?limit=1&open=true").send().await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = story
        .get(&format!("/api/v1/orders?limit=1&open=true&cursor={cursor}"))
        .send()
        .await
        .json();
    assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);
    assert_eq!(second.get("next_cursor"), None);
    let foreign = story
        .get(&format!("/api/v1/orders?limit=1&cursor={cursor}"))
        .send()
        .await;
    assert_eq!(foreign.problem(), "cursor_mismatch");
}

#[tokio::test]
async fn a_test_message_is_a_delivery_that_can_be_sent_again() {
    let story = Story::new().await;
    let sent = story.manage("/api/v1/notify/test").json(&json!({})).send().await;
    assert_eq!(
        (sent.status.as_u16(), &sent.json()["channels"]),
        (202, &json!(["hook"])),
        "{sent:?}"
    );
    let listed = story.get("/api/v1/deliveries?state=pending").send().await.json();
    let delivery = &listed["items"][0];
    assert_eq!(
        (&delivery["subject_kind"], &delivery["state"]),
        (&json!("test"), &json!("pending"))
    );
    let path = format!("/api/v1/deliveries/{}/retry", delivery["id"]);
    let again = story.manage(&path).send().await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["attempts"]),
        (200, &json!(0)),
        "{again:?}"
    );
}

#[tokio::test]
async fn what_could_not_be_used_is_found_counted_and_explained() {
    let story = Story::new().await;
    story.hears("zigbee2mqtt/leak-b3", "{\"water_leak\": NaN}").await;
    story.hears("zigbee2mqtt/nobody/availability", "maybe").await;
    let page = story
        .until("/api/v1/rejects", |page| page["items"][1].is_object())
        .await;
    let known = &page["items"][1];
    assert_eq!(
        (&known["device"], &known["connection"], &known["reason"]),
        (&json!("leak-b3"), &json!("main"), &json!("not_json"))
    );
    assert_eq!(known["payload"]["text"], "{\"water_leak\": NaN}");
    for field in ["reason_text", "detail_text", "hint"] {
        for language in ["zh", "en"] {
            assert_ne!(known[field][language], "", "{field} {language}");
        }
    }
    let of_b3 = story
        .get("/api/v1/rejects?device=leak-b3&reason=not_json")
        .send()
        .await
        .json();
    assert_eq!(of_b3["items"].as_array().unwrap().len(), 1);
    let none = story.get("/api/v1/rejects?connection=second").send().await.json();
    assert_eq!(none["items"], json!([]));
    let one = story
        .get(&format!("/api/v1/rejects/{}", known["id"]))
        .send()
        .await
        .json();
    assert_eq!(&one, known);
    let counts = story.get("/api/v1/rejects/counts").send().await.json();
    assert_eq!(
        (&counts["items"][0]["reason"], &counts["items"][0]["count"]),
        (&json!("not_json"), &json!(2))
    );
    assert_eq!(
        story.get("/api/v1/rejects/99").send().await.problem(),
        "not_found"
    );
}
