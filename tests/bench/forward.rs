//! `forward`: VictoriaMetrics is away while 600,000 readings are stored; how fast they are caught up, beside one client
//! that only posts as many lines of the same shape, and how old the readings of a device that goes on speaking are
//! when they arrive meanwhile. Both go through the same relay, which does the counting.

use crate::load::{DEVICES, Load, cpu_seconds, dealt_with, estate, now_us, resident_mb};
use crate::relay::Relay;
use crate::report::{Goal, Report, quantile};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::store::Store;
use e2e::wait::within;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const SCENARIO: &str = "forward";
const MESSAGES: usize = 150_000;
/// Values of one message, each a reading.
const READINGS: usize = MESSAGES * 4;
const BATCH: usize = 2_000;
/// The device that goes on speaking, each 50 ms.
const LIVE: usize = DEVICES - 1;
const EACH: Duration = Duration::from_millis(50);
/// A forwarder that was refused for long looks again after a minute at most.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs the scenario.
#[allow(clippy::cast_precision_loss, reason = "figures")]
pub(crate) async fn run(report: &mut Report) {
    let broker = Mosquitto::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await;
    let mut store = Store::victoria_metrics().await;
    let relay = Relay::start(store.port, &format!("d{LIVE:06}")).await;
    let limit = bare(relay.port).await;
    report.add(SCENARIO, "bare_lines_per_s", limit, "1/s", None);
    let gateway = Gateway::start(&Site {
        estate: estate(),
        broker: Some(broker.port),
        window: 1_000,
        more: format!(
            "[[forwarders]]\nname = \"vm\"\nkind = \"victoriametrics\"\nurl = \"http://127.0.0.1:{}\"\n",
            relay.port
        ),
        ..Site::default()
    })
    .await;
    gateway.subscribed().await;
    store.kill().await;
    let began = Instant::now();
    let load = Load {
        devices: 900,
        ..Load::flood(MESSAGES)
    };
    load.publish(broker.port).await;
    within(PATIENCE, "every reading to be durable", || async {
        let stored = dealt_with(&gateway).await;
        if stored >= READINGS as f64 {
            Ok(())
        } else {
            Err(format!("{stored}"))
        }
    })
    .await;
    let away = READINGS as f64 / began.elapsed().as_secs_f64();
    report.add(SCENARIO, "stored_while_away_per_s", away, "1/s", None);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let missed = gateway.metric("linli_readings_stored_total").await as usize;
    let speaker = tokio::spawn(speak(broker.port));
    let used = cpu_seconds(gateway.pid());
    relay.reset();
    store.run().await;
    within(PATIENCE, "the target to have it all", || async {
        let sent = relay.lines();
        if sent >= missed {
            Ok(())
        } else {
            Err(format!("{sent} of {missed}"))
        }
    })
    .await;
    let caught_up = now_us() / 1_000;
    let passed = relay.passed();
    let (first, last) = passed.first.zip(passed.last).expect("lines");
    let took = (last - first).as_secs_f64();
    report.add(
        SCENARIO,
        "caught_up_readings_per_s",
        missed as f64 / took,
        "1/s",
        Some((limit, "one client that only posts")),
    );
    let cpu = (cpu_seconds(gateway.pid()) - used) * 1e6 / missed as f64;
    report.add(SCENARIO, "cpu_us_per_reading", cpu, "us", None);
    let bytes = passed.bytes as f64 / passed.lines as f64;
    report.add(SCENARIO, "bytes_per_line", bytes, "B", None);
    let resident = resident_mb(gateway.pid());
    report.add(SCENARIO, "resident_mb_after", resident, "MB", None);

    // What was observed after the target was there again; before that nobody could have had it.
    let again = caught_up.saturating_sub((took * 1_000.0) as u64);
    let ages: Vec<f64> = passed
        .watched
        .iter()
        .filter(|(at, _)| *at >= again)
        .map(|(_, age)| *age as f64)
        .collect();
    report.add(
        SCENARIO,
        "live_readings_meanwhile",
        ages.len() as f64,
        "readings",
        None,
    );
    report.add(
        SCENARIO,
        "live_age_ms_p50",
        quantile(ages.clone(), 0.5),
        "ms",
        None,
    );
    report
        .add(SCENARIO, "live_age_ms_max", quantile(ages, 1.0), "ms", None)
        .goal(Goal::AtMost(2_000.0));
    speaker.abort();
}

/// One client that posts lines of the same shape, lines per second.
#[allow(clippy::cast_precision_loss, reason = "a rate")]
async fn bare(port: u16) -> f64 {
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{port}/write?precision=ms");
    let bodies: Vec<String> = (0..READINGS / BATCH)
        .map(|batch| {
            (0..BATCH).fold(String::new(), |mut text, line| {
                let n = batch * BATCH + line;
                let _ = writeln!(
                    text,
                    "bare,estate=bench,device=d{0:06},point=d{0:06}/bin.fill,asset=bin-{0},place=p,unit=% value={1} {2}",
                    n % 900,
                    n % 100,
                    1_767_225_600_000u64 + n as u64
                );
                text
            })
        })
        .collect();
    let began = Instant::now();
    for body in bodies {
        let answer = client.post(&url).body(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
    READINGS as f64 / began.elapsed().as_secs_f64()
}

/// One device that goes on speaking with its own time.
async fn speak(port: u16) {
    let mut options = MqttOptions::new("bench-live", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(60));
    let (client, mut events) = AsyncClient::new(options, 64);
    let speaking = async {
        let mut tick = tokio::time::interval(EACH);
        loop {
            tick.tick().await;
            let at = now_us() / 1_000;
            let payload = format!("{{\"id\":\"d{LIVE:06}\",\"ts\":{at},\"fill\":{}}}", at / 50 % 100);
            let topic = format!("site/bin/d{LIVE:06}/up");
            let sent = client.publish(topic, QoS::AtLeastOnce, false, payload).await;
            sent.expect("publish");
        }
    };
    let network = async { while events.poll().await.is_ok() {} };
    tokio::select! {
        () = speaking => {}
        () = network => {}
    }
}
