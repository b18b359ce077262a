//! kill -9 at random moments under load: what a publisher holds a PUBACK for is in the ledger exactly once.

use crate::estate::{LEAK_TOPIC, counter, counter_profiles, estate, leak_message};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::free_port;
use e2e::proxy::{Proxy, Witness};
use e2e::publisher::{Publisher, Script};
use e2e::wait::until;
use linli_domain::reading::Value;
use linli_domain::time::Timestamp;
use linli_ledger::Reader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ROUNDS: u32 = 30;

#[allow(clippy::disallowed_methods, reason = "a publisher has a clock")]
fn timed(n: u64) -> String {
    // The time is the publisher's own and different for every number; the millisecond part is the number itself.
    let minute = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3600 * 3600;
    format!("{{\"n\":{n},\"ts\":{}}}", minute * 1000 - 3_600_000 + n)
}

fn plain(n: u64) -> String {
    format!("{{\"n\":{n}}}")
}

/// Every number of every counter in the ledger, with how often it is there.
fn counted(data: &Path) -> Result<BTreeMap<String, BTreeMap<u64, u32>>, String> {
    let reader = Reader::open(data).map_err(|e| e.to_string())?;
    let mut all = BTreeMap::new();
    for point in reader.points().map_err(|e| e.to_string())? {
        if point.measure != "pulse.count" {
            continue;
        }
        let numbers: &mut BTreeMap<u64, u32> = all.entry(point.device.to_string()).or_default();
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
        let mut cursor = None;
        loop {
            let page = reader
                .samples(point.key, from, to, 10_000, cursor)
                .map_err(|e| e.to_string())?;
            for sample in &page.samples {
                if let Some(Value::Number(n)) = sample.value {
                    #[allow(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "small counters"
                    )]
                    let n = n as u64;
                    *numbers.entry(n).or_default() += 1;
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(all)
}

/// Answers whether a counter's message is in the ledger of the gateway. What was found once stays: nothing committed
/// is ever taken back.
fn witness(data: Arc<Mutex<PathBuf>>) -> Witness {
    let found: Mutex<BTreeMap<String, BTreeMap<u64, u32>>> = Mutex::default();
    Arc::new(move |topic, payload| {
        let Some(device) = topic.split('/').nth(2).map(str::to_owned) else {
            return true;
        };
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(payload) else {
            return true;
        };
        let Some(n) = message["n"].as_u64() else {
            return true;
        };
        let mut found = found.lock().unwrap();
        let known = |found: &BTreeMap<String, BTreeMap<u64, u32>>| {
            found.get(&device).is_some_and(|f| f.contains_key(&n))
        };
        if !known(&found) {
            let data = data.lock().unwrap().clone();
            *found = counted(&data).unwrap_or_default();
        }
        known(&found)
    })
}

fn site(connection: &str) -> Site {
    let counters: String = (0..4)
        .map(|n| counter(connection, &format!("c{n}"), n % 2 == 0))
        .collect();
    Site {
        estate: estate(connection, &counters),
        profiles: counter_profiles(),
        ..Site::default()
    }
}

fn publishers(
    port: u16,
    pause: Duration,
    credentials: Option<(String, String)>,
) -> BTreeMap<String, Publisher> {
    let start = |n: u32| {
        let device = format!("c{n}");
        let (topic, payload): (_, fn(u64) -> String) = if n.is_multiple_of(2) {
            ("bin", timed)
        } else {
            ("plain", plain)
        };
        let client = if credentials.is_some() {
            format!("field-{n}")
        } else {
            device.clone()
        };
        let script = Script {
            port,
            client,
            credentials: credentials.clone(),
            topic: format!("site/{topic}/{device}/up"),
            payload,
            pause,
        };
        (device, Publisher::start(script))
    };
    (0..4).map(start).collect()
}

/// A small generator seeded by the test, so that a failing run can be told by its moments.
fn moments(mut seed: u64) -> impl Iterator<Item = Duration> {
    std::iter::repeat_with(move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(30 + (seed >> 33) % 400)
    })
}

async fn everything_once(gateway: &Gateway, publishers: &BTreeMap<String, Publisher>) {
    for publisher in publishers.values() {
        publisher.finish();
    }
    until("every message to be acknowledged and stored", || async {
        let stored = counted(&gateway.data())?;
        for (device, publisher) in publishers {
            let acknowledged = publisher.acknowledged();
            let numbers = stored.get(device).cloned().unwrap_or_default();
            let missing: Vec<_> = acknowledged.iter().filter(|n| !numbers.contains_key(n)).collect();
            if !missing.is_empty() || (acknowledged.len() as u64) < publisher.sent() {
                return Err(format!(
                    "{device}: {} sent, {} acknowledged, missing {missing:?}\n{}",
                    publisher.sent(),
                    acknowledged.len(),
                    gateway.log()
                ));
            }
        }
        Ok(())
    })
    .await;
    for (device, numbers) in counted(&gateway.data()).unwrap() {
        let doubled: Vec<_> = numbers.iter().filter(|(_, times)| **times != 1).collect();
        assert!(doubled.is_empty(), "{device}: stored more than once: {doubled:?}");
        println!("{device}: {} messages, each once", numbers.len());
    }
    let alarms = gateway.list("/api/v1/alarms?limit=100").await.unwrap();
    let orders = gateway.list("/api/v1/orders?limit=100").await.unwrap();
    assert_eq!((alarms.len(), orders.len()), (1, 1), "{alarms:#?} {orders:#?}");
}

/// The engine's state without what a restart itself changes: the clock, and the gateway's facts about its own
/// connections (with the silence watch that follows from them).
fn of_the_estate(dump: &str) -> Vec<String> {
    let own = |line: &&str| !line.starts_with("clock") && !line.contains("gateway");
    dump.lines()
        .filter(own)
        .map(|line| line.split(" watchdog").next().unwrap_or(line).to_owned())
        .collect()
}

/// The engine is the same after a crash as before it: nothing arrives meanwhile, so nothing else may differ.
async fn the_engine_survives(gateway: &mut Gateway) {
    let before = of_the_estate(&gateway.dump().await.1);
    gateway.kill().await;
    gateway.run().await;
    let after = of_the_estate(&gateway.dump().await.1);
    assert!(before.iter().any(|line| line.starts_with("point")), "{before:#?}");
    assert_eq!(before, after, "the engine's state differs after kill -9");
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_kills_lose_nothing_and_double_nothing_through_mosquitto() {
    let broker = Mosquitto::start().await;
    let data = Arc::new(Mutex::new(PathBuf::new()));
    let proxy = Proxy::start(broker.port, witness(Arc::clone(&data))).await;
    let mut gateway = Gateway::start(&Site {
        broker: Some(proxy.port),
        ..site("main")
    })
    .await;
    *data.lock().unwrap() = gateway.data();
    gateway.subscribed().await;

    let leak = Publisher::start(Script {
        port: broker.port,
        client: "leak-b3".into(),
        credentials: None,
        topic: LEAK_TOPIC.into(),
        payload: |_| leak_message(true),
        pause: Duration::from_millis(200),
    });
    let publishers = publishers(broker.port, Duration::from_millis(5), None);
    for moment in moments(7).take(ROUNDS as usize) {
        tokio::time::sleep(moment).await;
        gateway.kill().await;
        gateway.run().await;
        proxy.hold(true).await;
        // The loss of the connection comes through the same door behind the last message that was on its way.
        until("the gateway to have heard everything", || async {
            let state = gateway.dump().await.1;
            let cut = state
                .lines()
                .any(|l| l.contains("gateway.broker_connected/main Some(State(false))"));
            if cut { Ok(()) } else { Err(state) }
        })
        .await;
        the_engine_survives(&mut gateway).await;
        proxy.hold(false).await;
    }
    leak.finish();
    everything_once(&gateway, &publishers).await;
    assert_eq!(
        proxy.too_early(),
        Vec::<String>::new(),
        "a PUBACK left before its commit"
    );
    assert!(
        proxy.passed() > 100,
        "the proxy judged {} acknowledgements",
        proxy.passed()
    );
    println!("{} acknowledgements judged", proxy.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_kills_lose_nothing_and_double_nothing_with_the_embedded_broker() {
    let port = free_port();
    let mut gateway = Gateway::start(&Site {
        embedded: Some(port),
        ..site("embedded")
    })
    .await;
    let credentials = Some(("field".to_owned(), "field".to_owned()));
    let leak = Publisher::start(Script {
        port,
        client: "field-leak".into(),
        credentials: credentials.clone(),
        topic: LEAK_TOPIC.into(),
        payload: |_| leak_message(true),
        pause: Duration::from_millis(200),
    });
    let publishers = publishers(port, Duration::from_millis(5), credentials);
    for moment in moments(11).take(ROUNDS as usize) {
        tokio::time::sleep(moment).await;
        gateway.kill().await;
        gateway.run().await;
    }
    leak.finish();
    everything_once(&gateway, &publishers).await;
    until("the leak sensor to be done", || async {
        let (sent, acknowledged) = (leak.sent(), leak.acknowledged().len() as u64);
        if sent == acknowledged {
            Ok(())
        } else {
            Err(format!("{sent} sent, {acknowledged} acknowledged"))
        }
    })
    .await;
    the_engine_survives(&mut gateway).await;
}
