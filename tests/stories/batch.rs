//! Several damp walls are one job: through mosquitto, a kill -9 while they wait for each other, the shell, the status
//! page and a webhook, to an order that closes when the last wall is dry.

use crate::estate::estate;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::talker::Talker;
use e2e::wait::until;
use e2e::webhook::Receiver;
use linli_domain::time::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const RULE: &str = r#"
[[rules]]
id = "damp"
name = { zh = "墙面潮湿", en = "Damp wall" }
class = "damp"
fault = "damp"
measure = "leak.wet"
applies_to = { kind = "other" }
when = { state = true }
off_delay = "1s"
priority = "P3"
cause = { zh = "渗漏", en = "It seeps" }
consequence = { zh = "墙面发霉", en = "Mould" }
response = { zh = "擦干", en = "Dry it" }
order = { role = "cleaning", profile = "damp", batch = true }

[[order_profiles]]
id = "damp"
name = { zh = "擦干", en = "Drying" }
verify = { hold = "0s", grace = "60s" }
auto_close = true

"#;

/// The small estate with three walls, each with a spot sensor.
fn walls() -> String {
    let wall = |n: u32| {
        format!(
            "[[assets]]\nid = \"wall-{n}\"\nkind = \"other\"\nplace = \"b3\"\n\
             name = {{ zh = \"{n}号墙\", en = \"Wall {n}\" }}\n\n[[devices]]\nid = \"spot-{n}\"\n\
             profile = \"aqara.sjcgq11lm\"\nname = {{ zh = \"点{n}\", en = \"Spot {n}\" }}\n\
             address = {{ mqtt = \"main\", key = \"b3/wall-{n}\" }}\nasset = \"wall-{n}\"\n\n"
        )
    };
    let walls: String = (1..=3).map(wall).collect();
    estate("main", &format!("{walls}{RULE}"))
}

async fn says(talker: &mut Talker, n: u32, wet: bool) {
    let payload = format!("{{\"battery\":100,\"water_leak\":{wet}}}");
    talker.say(&format!("zigbee2mqtt/b3/wall-{n}"), payload).await;
}

/// The tasks of the one order, as `wall-1 open`, when they are as wanted.
async fn tasks_are(gateway: &Gateway, state: &str, wanted: &[&str]) -> Value {
    until(&format!("the order to be {state} with {wanted:?}"), || async {
        let orders = gateway.list("/api/v1/orders?asset=wall-2").await?;
        let [order] = &orders[..] else {
            return Err(format!("{orders:#?}\n{}", gateway.log()));
        };
        let tasks = order["tasks"].as_array().cloned().unwrap_or_default();
        let text = |task: &Value, field: &str| task[field].as_str().unwrap_or_default().to_owned();
        let tasks: Vec<String> = tasks
            .iter()
            .map(|task| format!("{} {}", text(task, "asset"), text(task, "state")))
            .collect();
        if order["state"] == state && tasks == wanted {
            Ok(order.clone())
        } else {
            Err(format!("{order:#}"))
        }
    })
    .await
}

/// What is answered to somebody who asks for what is newer than a version.
async fn since(gateway: &Gateway, path: &str, version: Option<u64>) -> u16 {
    let asking = reqwest::Client::new()
        .get(format!("{}{path}", gateway.base()))
        .bearer_auth(gateway.token())
        .header("if-none-match", format!("\"{}\"", version.unwrap()));
    asking.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn damp_walls_are_one_order_that_a_kill_does_not_lose_and_that_closes_wall_by_wall() {
    let broker = Mosquitto::start().await;
    let hook = Receiver::start().await;
    let site = Site {
        estate: walls(),
        broker: Some(broker.port),
        webhook: Some((hook.url(), hook.secret.clone())),
        ..Site::default()
    };
    let mut gateway = Gateway::start(&site).await;
    gateway.subscribed().await;
    let mut talker = Talker::connect(broker.port, "bridge").await;
    says(&mut talker, 1, true).await;
    says(&mut talker, 2, true).await;
    let alarms = until("two alarms that wait for their order", || async {
        let alarms = gateway.list("/api/v1/alarms?class=damp").await?;
        let waiting = alarms.iter().filter(|alarm| alarm["order"].is_null()).count();
        if waiting == 2 {
            Ok(alarms)
        } else {
            Err(format!("{alarms:#?}"))
        }
    })
    .await;
    gateway.kill().await;
    gateway.run().await;
    gateway.subscribed().await;

    let order = tasks_are(&gateway, "dispatched", &["wall-1 open", "wall-2 open"]).await;
    let id = order["id"].as_str().unwrap().to_owned();
    let at = |item: &Value, field: &str| Timestamp::parse_rfc3339(item[field].as_str().unwrap()).unwrap();
    let first = alarms.iter().map(|alarm| at(alarm, "raised_at")).min().unwrap();
    let waited = at(&order, "opened_at").since(first);
    // The wait of 30 s runs on the steady clock; what is shown is the wall clock, which is disciplined and cut to milliseconds.
    assert!(waited >= Duration::from_secs(29), "it opened after {waited:?}");
    until("the webhook to name both walls", || async {
        let received = hook.received();
        let dispatched = received
            .iter()
            .find(|r| r.event["type"] == "org.linli.order.dispatched");
        match dispatched.map(|r| r.event["data"].clone()) {
            Some(data) if data["task_count"] == 2 && data["tasks"][1]["asset"] == "wall-2" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    says(&mut talker, 3, true).await;
    let joined = tasks_are(
        &gateway,
        "dispatched",
        &["wall-1 open", "wall-2 open", "wall-3 open"],
    )
    .await;
    // Whoever has seen two walls is told that it is three by now, and not taken for somebody who knows.
    let path = format!("/api/v1/orders/{id}");
    let known = |order: &Value| order["version"].as_u64();
    assert_eq!(since(&gateway, &path, known(&order)).await, 200);
    assert_eq!(since(&gateway, &path, known(&joined)).await, 304);
    let accept = format!("{path}/accept");
    let (status, told) = gateway
        .post(&gateway.token(), &accept, known(&order), json!({}))
        .await;
    assert_eq!((status, &told["current"]["changed_by"]), (412, &json!("gateway")));
    says(&mut talker, 1, false).await;
    tasks_are(
        &gateway,
        "dispatched",
        &["wall-1 ended", "wall-2 open", "wall-3 open"],
    )
    .await;

    let (text, code) = gateway.cli(&["orders", "show", &id]).await;
    let named = ["1/3", "Wall 3", "another place joined", "wall-3"];
    assert!(
        code == 0 && named.iter().all(|word| text.contains(word)),
        "{text}"
    );
    let page = reqwest::get(format!("{}/status?lang=en", gateway.base()))
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("1/3") && page.contains("Wall 2, Wall 3"), "{page}");

    gateway.order(&id, "accept", json!({})).await;
    gateway.order(&id, "start", json!({})).await;
    says(&mut talker, 2, false).await;
    says(&mut talker, 3, false).await;
    tasks_are(
        &gateway,
        "in_progress",
        &["wall-1 ended", "wall-2 ended", "wall-3 ended"],
    )
    .await;
    gateway.order(&id, "complete", json!({})).await;
    let closed = tasks_are(
        &gateway,
        "closed",
        &["wall-1 ended", "wall-2 ended", "wall-3 ended"],
    )
    .await;
    assert_eq!(closed["closing"], "verified");
    until("systems to have heard of each wall", || async {
        let received = hook.received();
        let told: Vec<_> = received
            .iter()
            .filter_map(|r| {
                let kind = r.event["type"].as_str()?.strip_prefix("org.linli.order.task_")?;
                Some(format!("{kind} {}", r.event["data"]["asset"].as_str()?))
            })
            .collect();
        match &told.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["joined wall-3", "ended wall-1", "ended wall-2", "ended wall-3"] => Ok(()),
            told => Err(format!("{told:?}")),
        }
    })
    .await;
    assert_eq!(
        gateway.list("/api/v1/orders").await.unwrap().len(),
        1,
        "three walls, one order"
    );
    assert_eq!(gateway.terminate().await, Some(0), "an orderly end");
}
