//! Targets are away while the estate goes on: they are caught up with everything, nothing new waits behind the old, and
//! none slows another.
//!
//! `LINLI_OUTAGE_READINGS=600000` for a day's worth instead of the few that show the same.

use crate::estate::{counter, counter_profiles, estate};
use e2e::burst;
use e2e::gateway::{Gateway, Site};
use e2e::influx::{Answer, Influx};
use e2e::mosquitto::Mosquitto;
use e2e::publisher::{Publisher, Script};
use e2e::store::Store;
use e2e::wait::{until, within};
use linli_ledger::{Page, Reader};
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A target is tried again after a minute at the latest.
const LONG: Duration = Duration::from_secs(300);
const DEVICES: usize = 20;
/// What each message holds.
const MEASURES: [&str; 4] = ["bin_fill", "temperature", "device_battery_voltage", "signal_rssi"];
/// Between two messages, in milliseconds of the sensors' clocks: what is older than hours would not be believed.
const APART: u64 = 20;

/// When the first message was measured, milliseconds.
#[allow(clippy::disallowed_methods, reason = "sensors have a clock")]
fn an_hour_ago() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap() - 3_600_000
}

fn readings() -> usize {
    let asked = std::env::var("LINLI_OUTAGE_READINGS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(24_000)
}

fn messages(began: u64, from: usize, count: usize) -> impl Iterator<Item = (String, String)> {
    (from..from + count).map(move |n| {
        let (device, at) = (n % DEVICES, began + APART * n as u64);
        // One reading that no other is like.
        let temperature = if n == 1_234 {
            17.125
        } else {
            20.0 + (n % 50) as f64 / 10.0
        };
        (
            format!("site/bin/d{device}/up"),
            format!(
                "{{\"ts\":{at},\"fill\":{},\"temp\":{temperature},\"batt\":3.{},\"rssi\":-{}}}",
                n % 100,
                n % 10,
                50 + n % 40
            ),
        )
    })
}

fn plain(n: u64) -> String {
    format!("{{\"n\":{n}}}")
}

async fn holds(influx: &Influx, name: &str, each: usize, less: usize) {
    within(LONG, name, || async {
        let held: Vec<usize> = MEASURES.iter().map(|measure| influx.count(measure)).collect();
        if held.iter().sum::<usize>() + less >= each * MEASURES.len() {
            Ok(())
        } else {
            Err(format!("{held:?} of {each}"))
        }
    })
    .await;
    let held: usize = MEASURES.iter().map(|measure| influx.count(measure)).sum();
    assert_eq!(
        (held + less, influx.wrong()),
        (each * MEASURES.len(), Vec::new()),
        "{name}"
    );
}

async fn store_holds(store: &Store, name: &str, each: usize) {
    for measure in MEASURES {
        within(LONG, name, || async {
            let held = store.counted_of(measure).await?;
            if held >= each as f64 {
                Ok(())
            } else {
                Err(format!("{held} of {each} {measure}"))
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_caught_up_at_full_speed_while_new_readings_do_not_wait() {
    let (each, an_hour) = (readings() / MEASURES.len(), an_hour_ago());
    let broker = Mosquitto::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await;
    let (away, well, late) = (
        Influx::start().await,
        Influx::start().await,
        Influx::start().await,
    );
    let (mut victoria, mut one) = (Store::victoria_metrics().await, Store::influx1().await);
    let devices = (0..DEVICES).fold(counter("main", "probe", false), |mut text, n| {
        let _ = write!(
            text,
            "[[devices]]\nid = \"d{n}\"\nprofile = \"generic.json-bin\"\nname = {{ zh = \"桶\", en = \"Bin\" }}\n\
             address = {{ mqtt = \"main\", key = \"d{n}\" }}\n\n"
        );
        text
    });
    let more = away.section("away")
        + &well.section("well")
        + &format!(
            "[[forwarders]]\nname = \"vm\"\nkind = \"victoriametrics\"\nurl = \"http://127.0.0.1:{}\"\n\
             [[forwarders]]\nname = \"one\"\nkind = \"influxdb1\"\nurl = \"http://127.0.0.1:{}\"\ndatabase = \"readings\"\n",
            victoria.port, one.port
        );
    let mut gateway = Gateway::start(&Site {
        estate: estate("main", &devices),
        profiles: counter_profiles(),
        broker: Some(broker.port),
        window: 1_000,
        more,
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    // Every target has its place before the outage.
    burst::publish(broker.port, "first", messages(an_hour, 0, DEVICES)).await;
    holds(&away, "away", DEVICES, 0).await;
    store_holds(&victoria, "vm", DEVICES).await;
    store_holds(&one, "one", DEVICES).await;

    away.down(Some(503));
    away.refuse("value=17.125 ");
    // Killed, it would forget what it took in its last seconds.
    victoria.stop().await;
    one.kill().await;
    let began = Instant::now();
    burst::publish(broker.port, "flood", messages(an_hour, DEVICES, each - DEVICES)).await;
    gateway.stored(each * MEASURES.len(), LONG).await;
    let storing = began.elapsed();
    // The one that is well did not notice.
    holds(&well, "well", each, 0).await;
    assert!(away.count("bin_fill") <= DEVICES);
    let beside = began.elapsed();

    let probe = Publisher::start(Script {
        port: broker.port,
        client: "probe".into(),
        credentials: None,
        topic: "site/plain/probe/up".into(),
        payload: plain,
        pause: Duration::from_millis(20),
    });
    until("the probe to be heard", || async {
        let heard = probe.acknowledged().len();
        if heard > 5 {
            Ok(())
        } else {
            Err(format!("{heard}"))
        }
    })
    .await;
    away.watch("device=probe");
    // What was missed takes seconds, so new readings come beside it and not after it, however fast the machine is.
    away.say(std::iter::repeat_n(Answer::Slow(Duration::from_millis(200)), 30));
    victoria.run().await;
    one.run().await;
    away.down(None);
    within(LONG, "the first request to be taken", || async {
        if away.watched().is_empty() {
            Err("none".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    let back = Instant::now();
    holds(&away, "away", each, 1).await;
    let caught_up = back.elapsed();
    let order = away.watched();
    store_holds(&victoria, "vm", each).await;
    store_holds(&one, "one", each).await;
    probe.finish();

    // New readings wait a second for company, and not for the queue.
    let first = order.iter().position(|live| *live);
    assert!(first.is_some_and(|first| first <= 20), "{order:?}");
    assert!(order.iter().rposition(|live| !live) > first, "{order:?}");
    let live = order.iter().filter(|live| **live).count();
    let between = order.split(|live| *live).map(<[bool]>::len).max().unwrap_or(0);
    until("the refused line to be parked", || async {
        let reader = Reader::open(&gateway.data()).map_err(|error| error.to_string())?;
        let parked = reader
            .parked("away", Page::newest(10))
            .map_err(|error| error.to_string())?;
        match &parked[..] {
            [(_, row)] if row.line.contains("value=17.125 ") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // A target that is new begins with the history.
    gateway.terminate().await;
    let config = gateway.folder.path().join("linli.toml");
    let text =
        std::fs::read_to_string(&config).unwrap() + "\n" + &late.section("late") + "start = \"history\"\n";
    std::fs::write(&config, text).unwrap();
    gateway.run().await;
    let began = Instant::now();
    holds(&late, "late", each, 0).await;
    println!(
        "{} readings: stored in {storing:.1?}, with the target that is well in {beside:.1?}; caught up in {caught_up:.1?} by {} \
         requests, {live} of them with new readings, at most {between} of old ones between two; history in {:.1?}",
        each * MEASURES.len(),
        order.len(),
        began.elapsed()
    );
}
