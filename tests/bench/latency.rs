//! `latency`: how long a message waits at a paced load, through mosquitto: publish to acknowledgement at half of the
//! rate the gateway reaches flat out, beside a null subscriber at the same rate; publish to alarm at a fifth of it
//! with ten thousand rule instances; and what a thousand messages a second write to the disk.

use crate::disk::{syncs_ms, written_bytes};
use crate::durable;
use crate::load::{DEVICES, Load, cpu_seconds, estate, now_us, result};
use crate::null::Null;
use crate::report::{Goal, Report};
use crate::tap::{Tails, Tap};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::wait::within;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SCENARIO: &str = "latency";
const WINDOW: u16 = 1000;
/// Devices that publish; the others stay quiet until one of them is hot.
const CALM: usize = 800;
/// How long a reading may wait for company, as configured by default.
const DELAY_MS: f64 = 50.0;

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let seconds = report.pick(10, 30);
    let syncs = Tails::of(&syncs_ms(400));
    report.add(SCENARIO, "sync_ms_p50", syncs.p50, "ms", None);
    report.add(SCENARIO, "sync_ms_p99", syncs.p99, "ms", None);
    let broker = Mosquitto::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await;
    let tap = Tap::start(broker.port).await;
    let gateway = Gateway::start(&Site {
        estate: many_rules(),
        broker: Some(tap.port),
        window: WINDOW,
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    let (limit, _) = durable::flood(&gateway, broker.port, report.pick(20_000, 60_000)).await;
    report.add(SCENARIO, "flat_out_through_the_tap", limit, "1/s", None);
    tap.take();

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
    let (half, fifth) = ((limit / 2.0) as usize, (limit / 5.0) as usize);
    let used = cpu_seconds(gateway.pid());
    Load::paced(CALM, half, seconds).publish(broker.port).await;
    let cores = (cpu_seconds(gateway.pid()) - used) / f64::from(seconds);
    let ours = tap.take();
    assert!(!ours.whole.is_empty(), "nothing was acknowledged");
    report.add(SCENARIO, "half_rate", half as f64, "1/s", None);
    report.add(SCENARIO, "cores_at_half_rate", cores, "cores", None);

    let theirs = Tails::of(&null(half, seconds).await);
    let null = "null subscriber at the same rate";
    let whole = Tails::of(&ours.whole);
    for (name, value, limit) in [
        ("publish_to_ack_ms_p50", whole.p50, theirs.p50),
        ("publish_to_ack_ms_p99", whole.p99, theirs.p99),
        ("publish_to_ack_ms_p999", whole.p999, theirs.p999),
    ] {
        report.add(SCENARIO, name, value, "ms", Some((limit, null)));
    }
    let own = Tails::of(&ours.subscriber);
    report.add(SCENARIO, "arrival_to_ack_ms_p50", own.p50, "ms", None);
    report.add(SCENARIO, "arrival_to_ack_ms_p99", own.p99, "ms", None);
    report.add(SCENARIO, "arrival_to_ack_ms_p999", own.p999, "ms", None);
    tap.take();

    let alarms = hot(&gateway, broker.port, fifth).await;
    let alarms = Tails::of(&alarms);
    report.add(SCENARIO, "fifth_rate", fifth as f64, "1/s", None);
    report
        .add(SCENARIO, "publish_to_alarm_ms_p50", alarms.p50, "ms", None)
        .goal(Goal::AtMost((DELAY_MS + 2.0 * syncs.p50).round()));
    report
        .add(SCENARIO, "publish_to_alarm_ms_p99", alarms.p99, "ms", None)
        .goal(Goal::AtMost(100.0));
    tap.take();

    // What came before is sealed and moved into the database first; then long enough for the log to be moved several times.
    disk_at_rest(gateway.pid()).await;
    let seconds = seconds.max(report.pick(40, 120));
    let (before, used) = (written_bytes(gateway.pid()), cpu_seconds(gateway.pid()));
    let messages = Load::paced(CALM, 1_000, seconds).publish(broker.port).await;
    let written = (written_bytes(gateway.pid()) - before) / messages;
    let cores = (cpu_seconds(gateway.pid()) - used) / f64::from(seconds);
    let thousand = Tails::of(&tap.take().whole);
    report
        .add(SCENARIO, "bytes_written_per_message_at_1000", written, "B", None)
        .goal(Goal::AtMost(600.0));
    report.add(SCENARIO, "cores_at_1000", cores, "cores", None);
    report.add(
        SCENARIO,
        "publish_to_ack_ms_p50_at_1000",
        thousand.p50,
        "ms",
        None,
    );
    report.add(
        SCENARIO,
        "publish_to_ack_ms_p99_at_1000",
        thousand.p99,
        "ms",
        None,
    );
}

/// Waits until a process writes next to nothing any more.
async fn disk_at_rest(pid: u32) {
    let last = std::cell::Cell::new(0.0);
    within(Duration::from_secs(120), "the disk to come to rest", || async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (written, before) = (written_bytes(pid), last.get());
        last.set(written);
        if written - before < 100_000.0 {
            Ok(())
        } else {
            Err(format!("{} bytes in three seconds", written - before))
        }
    })
    .await;
}

/// The same load at a broker of its own, with nobody there but the null subscriber.
async fn null(rate: usize, seconds: u32) -> Vec<f64> {
    let broker = Mosquitto::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await;
    let tap = Tap::start(broker.port).await;
    let _null = Null::start(tap.port, WINDOW, usize::MAX).await;
    Load::paced(CALM, rate, seconds).publish(broker.port).await;
    tap.take().whole
}

/// The estate with ten rules on each of a thousand bins, all of them quiet but one that a hot bin trips.
fn many_rules() -> String {
    let mut text = estate();
    for n in 0..8 {
        let _ = write!(
            text,
            "[[rules]]\nid = \"more-{n}\"\nclass = \"more-{n}\"\nfault = \"more-{n}\"\nmeasure = \"temperature\"\n\
             applies_to = {{ kind = \"bin\" }}\nwhen = {{ above = {}.0, clear = 150.0 }}\non_delay = \"10m\"\n\
             off_delay = \"2m\"\npriority = \"P3\"\ncause = {{ zh = \"数值异常\", en = \"A value is out of its range\" }}\n\
             consequence = {{ zh = \"设备可能损坏\", en = \"The equipment may be damaged\" }}\n\
             response = {{ zh = \"查看。\", en = \"Look.\" }}\n",
            200 + n
        );
    }
    text
}

/// One bin after the other becomes hot while the others publish at `rate`: milliseconds from the publish to the alarm
/// on the live feed, which comes after the commit.
async fn hot(gateway: &Gateway, port: u16, rate: usize) -> Vec<f64> {
    let published: Arc<Mutex<HashMap<String, u64>>> = Arc::default();
    let times: Arc<Mutex<Vec<f64>>> = Arc::default();
    let request = reqwest::Client::new()
        .get(format!("{}/api/v1/events?topics=alarms", gateway.base()))
        .bearer_auth(gateway.token());
    let mut stream = request.send().await.expect("a stream");
    let (asked, told) = (Arc::clone(&published), Arc::clone(&times));
    let listener = tokio::spawn(async move {
        let mut text = String::new();
        while let Ok(Some(piece)) = stream.chunk().await {
            let now = now_us();
            text.push_str(&String::from_utf8_lossy(&piece));
            while let Some(end) = text.find('\n') {
                let line: String = text.drain(..=end).collect();
                let Some(data) = line.strip_prefix("data: ") else {
                    continue;
                };
                let alarm: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
                let asset = alarm["asset"].as_str().unwrap_or_default();
                if alarm["class"] == "bin-hot"
                    && let Some(at) = asked.lock().expect("the list").remove(asset)
                {
                    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
                    told.lock()
                        .expect("the list")
                        .push(now.saturating_sub(at) as f64 / 1_000.0);
                }
            }
        }
    });
    let mut options = MqttOptions::new("bench-hot", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(60));
    let (client, mut events) = AsyncClient::new(options, 64);
    let network = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let bins = DEVICES - CALM;
    let seconds = u32::try_from(bins * 70 / 1_000 + 1).unwrap_or(u32::MAX);
    let load = Load::paced(CALM, rate, seconds).start(port);
    let mut tick = tokio::time::interval(Duration::from_millis(70));
    for n in CALM..DEVICES {
        tick.tick().await;
        let at = now_us();
        published.lock().expect("the list").insert(format!("bin-{n}"), at);
        let payload = format!("{{\"id\":\"d{n:06}\",\"ts\":{},\"temp\":95.5}}", at / 1_000);
        client
            .publish(format!("site/bin/d{n:06}/up"), QoS::AtLeastOnce, false, payload)
            .await
            .expect("publish");
    }
    e2e::wait::until("every hot bin to have its alarm", || async {
        let left = published.lock().expect("the list").len();
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} of {bins} are missing"))
        }
    })
    .await;
    let sent = result(load).await;
    assert!(sent.is_object(), "loadgen says nothing");
    listener.abort();
    network.abort();
    std::mem::take(&mut *times.lock().expect("the list"))
}
