//! `forward`: VictoriaMetrics is away while 600,000 readings are stored; how fast they are caught up, beside one client
//! that only posts the same number of lines, and how old a new reading is meanwhile.

use crate::load::{DEVICES, Load, cpu_seconds, estate, resident_mb};
use crate::report::Report;
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::store::Store;
use e2e::wait::until;
use std::fmt::Write as _;
use std::time::Instant;

const MESSAGES: usize = 150_000;
/// Values of one message, each a reading.
const READINGS: usize = MESSAGES * 4;
const BATCH: usize = 2_000;

/// One client that posts lines of the same shape, lines per second.
#[allow(clippy::cast_precision_loss, reason = "a rate")]
async fn bare(store: &Store) -> f64 {
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{}/write?precision=ms", store.port);
    let bodies: Vec<String> = (0..READINGS / BATCH)
        .map(|batch| {
            (0..BATCH).fold(String::new(), |mut text, line| {
                let n = batch * BATCH + line;
                let _ = writeln!(
                    text,
                    "bare,estate=bench,device=d{:06},point=d{:06}/bin.fill,asset=bin-{},place=p,unit=% value={} {}",
                    n % DEVICES,
                    n % DEVICES,
                    n % DEVICES,
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

/// Runs the scenario.
#[allow(clippy::cast_precision_loss, reason = "figures")]
pub(crate) async fn run(report: &mut Report) {
    let broker = Mosquitto::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await;
    let mut store = Store::victoria_metrics().await;
    let limit = bare(&store).await;
    report.add("forward", "bare_lines_per_s", limit, "1/s", None);
    let site = Site {
        estate: estate(),
        broker: Some(broker.port),
        window: 1_000,
        more: format!(
            "[[forwarders]]\nname = \"vm\"\nkind = \"victoriametrics\"\nurl = \"http://127.0.0.1:{}\"\n",
            store.port
        ),
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    store.kill().await;
    let began = Instant::now();
    Load::flood(MESSAGES).publish(broker.port).await;
    until("every reading to be durable", || async {
        let stored = gateway.metric("linli_readings_stored_total").await;
        if stored >= READINGS as f64 {
            Ok(())
        } else {
            Err(format!("{stored}"))
        }
    })
    .await;
    report.add(
        "forward",
        "stored_while_away_per_s",
        READINGS as f64 / began.elapsed().as_secs_f64(),
        "1/s",
        None,
    );
    let used = cpu_seconds(gateway.pid());
    store.run().await;
    let first = Instant::now();
    until("the target to have it all", || async {
        let sent = gateway.metric("linli_forwarder_sent_total").await;
        if sent >= READINGS as f64 {
            Ok(())
        } else {
            Err(format!("{sent} of {READINGS}"))
        }
    })
    .await;
    // The pause before the attempt that found the target there again is part of it.
    let rate = READINGS as f64 / first.elapsed().as_secs_f64();
    report.add(
        "forward",
        "caught_up_readings_per_s",
        rate,
        "1/s",
        Some((limit, "one client that only posts")),
    );
    let cpu = (cpu_seconds(gateway.pid()) - used) * 1e6 / READINGS as f64;
    report.add("forward", "cpu_us_per_reading", cpu, "us", None);
    report.add(
        "forward",
        "resident_mb_after",
        resident_mb(gateway.pid()),
        "MB",
        None,
    );
}
