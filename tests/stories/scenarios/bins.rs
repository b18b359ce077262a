//! S2: seven bins fill up on one evening.

use super::{MINUTE, SECOND, Scene};
use e2e::clock::instant;
use serde_json::{Value, json};
use std::fmt::Write as _;

const BINS: u32 = 7;

fn estate() -> String {
    let mut text = String::new();
    for n in 1..=BINS {
        let _ = write!(
            text,
            "\n[[assets]]\nid = \"bin-{n}\"\nkind = \"bin\"\nplace = \"b3\"\n\
             name = {{ zh = \"{n}号桶\", en = \"Bin {n}\" }}\n\n\
             [[devices]]\nid = \"fill-{n}\"\nprofile = \"generic.json-bin-untimed\"\n\
             name = {{ zh = \"满溢{n}\", en = \"Fill {n}\" }}\n\
             address = {{ mqtt = \"main\", key = \"fill-{n}\" }}\nasset = \"bin-{n}\"\n"
        );
    }
    text
}

impl Scene {
    async fn bin_says(&self, n: u32, fill: f64) {
        let (topic, point) = (format!("site/plain/fill-{n}/up"), format!("fill-{n}/bin.fill"));
        self.says(&topic, &format!("{{\"fill\":{fill}}}"), &point).await;
    }

    /// The one order there ever was.
    async fn one_order(&self) -> Value {
        let mut orders = self.gateway.list("/api/v1/orders").await.expect("the orders");
        assert_eq!(orders.len(), 1, "{orders:#?}");
        orders.remove(0)
    }

    /// Time passes while the bins keep reporting what they hold, as often as they usually do.
    async fn evening(&self, minutes: u32, fills: [f64; BINS as usize]) {
        for minute in 1..=minutes {
            self.walk(MINUTE, 30 * SECOND).await;
            if minute % 15 == 0 {
                for (n, fill) in (1..).zip(fills) {
                    self.bin_says(n, fill).await;
                }
            }
        }
    }
}

/// How many tasks of an order stand there.
fn tasks(order: &Value, state: &str) -> usize {
    let tasks = order["tasks"].as_array().expect("tasks");
    tasks.iter().filter(|task| task["state"] == state).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn seven_bins_that_fill_up_in_two_minutes_are_seven_alarms_one_order_and_two_messages() {
    let scene = Scene::at("2026-06-11T17:50:00+08:00", &estate()).await;
    for n in 1..=BINS {
        scene.bin_says(n, 60.0).await;
    }
    scene.walk_to("2026-06-11T18:00:00+08:00", MINUTE).await;
    for n in 1..=BINS {
        scene.bin_says(n, 90.0 + f64::from(n)).await;
        scene.walk(17 * SECOND, 17 * SECOND).await;
    }
    scene.walk_to("2026-06-11T18:09:59+08:00", 30 * SECOND).await;
    let early = scene.gateway.list("/api/v1/alarms?class=bin-full").await.unwrap();
    assert!(early.is_empty(), "{early:#?}");

    // To the second, so that nothing due is taken together with what follows.
    scene.walk_to("2026-06-11T18:10:29+08:00", SECOND).await;
    assert!(scene.gateway.list("/api/v1/orders").await.unwrap().is_empty());
    scene.walk_to("2026-06-11T18:10:31+08:00", SECOND).await;
    let order = scene.one_order().await;
    let opened = instant(order["opened_at"].as_str().unwrap());
    assert_eq!(opened, instant("2026-06-11T18:10:30+08:00"));
    assert_eq!((&order["priority"], tasks(&order, "open")), (&json!("P3"), 2));
    scene.all_said().await;
    let first = scene.said();
    assert_eq!(first.len(), 1, "{first:#?}");
    assert!(
        first[0].contains("Bin 1") && first[0].contains("Bin 2"),
        "{first:#?}"
    );
    assert!(
        !first[0].contains("Bin 3"),
        "not full for ten minutes yet: {first:#?}"
    );

    scene.walk_to("2026-06-11T18:12:00+08:00", SECOND).await;
    for n in 1..=BINS {
        let alarm = scene.alarm(&format!("bin-{n}"), "bin-full").await;
        let raised = instant(alarm["raised_at"].as_str().unwrap());
        let due = instant("2026-06-11T18:10:00+08:00").plus((n - 1) * 17 * SECOND);
        assert_eq!(
            (raised, &alarm["state"]),
            (due, &json!("active_unack")),
            "bin {n}"
        );
    }
    let order = scene.one_order().await;
    assert_eq!(tasks(&order, "open"), 7, "the others have joined it: {order:#}");
    let id = order["id"].as_str().unwrap().to_owned();
    let cleaner = scene.gateway.token_of("保洁李师傅", "staff").await;
    scene.gateway.press(&cleaner, &id, "accept", json!({})).await;

    scene
        .evening(60, [91.0, 92.0, 93.0, 94.0, 95.0, 96.0, 97.0])
        .await;
    scene.all_said().await;
    let said = scene.said();
    assert!(said.len() <= 3, "{said:#?}");
    let whole = said
        .iter()
        .any(|text| (1..=BINS).all(|n| text.contains(&format!("Bin {n}"))));
    assert!(whole, "one message names all seven: {said:#?}");

    // Five are emptied.
    scene.gateway.press(&cleaner, &id, "start", json!({})).await;
    for n in 1..=5 {
        scene.bin_says(n, 10.0).await;
    }
    scene.evening(5, [10.0, 10.0, 10.0, 10.0, 10.0, 96.0, 97.0]).await;
    for n in 1..=BINS {
        let alarm = scene.alarm(&format!("bin-{n}"), "bin-full").await;
        let goes_on = if n <= 5 { "normal" } else { "active" };
        assert_eq!(alarm["condition"], goes_on, "bin {n}: {alarm:#}");
        assert_eq!(alarm["count"], 1, "bin {n}");
    }
    let order = scene.one_order().await;
    assert_eq!(
        (tasks(&order, "ended"), tasks(&order, "open")),
        (5, 2),
        "{order:#}"
    );
    assert_eq!(order["state"], "in_progress");

    // The last two, and nobody is asked for a photo: the sensors are the evidence.
    for n in 6..=BINS {
        scene.bin_says(n, 10.0).await;
    }
    scene.walk(3 * MINUTE, 30 * SECOND).await;
    scene.gateway.press(&cleaner, &id, "complete", json!({})).await;
    scene.walk(MINUTE, 30 * SECOND).await;
    let order = scene.one_order().await;
    assert_eq!(tasks(&order, "ended"), 7);
    assert_eq!(
        (&order["state"], &order["closing"]),
        (&json!("closed"), &json!("verified")),
        "{order:#}"
    );
    scene.all_said().await;
    assert!(
        scene.alarms("bin-1", "silent").await.is_empty(),
        "they reported as often as they should"
    );
}
