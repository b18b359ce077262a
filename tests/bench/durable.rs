//! `durable_ingest`: flat out through mosquitto, QoS 1 both ways, every reading durable before its acknowledgement.

use crate::load::{Load, cpu_seconds, estate, resident_mb};
use crate::null::Null;
use crate::report::{Goal, Report, median};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::wait::until;
use std::cell::Cell;
use std::time::{Duration, Instant};

const MESSAGES: usize = 60_000;
const REPEATS: usize = 3;
const WINDOW: u16 = 1000;
/// Values of one message, each a reading.
const VALUES: f64 = 4.0;

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let broker = Mosquitto::with("max_queued_messages 0\nmax_inflight_messages 1000\n").await;
    let mut null = Vec::new();
    for _ in 0..REPEATS {
        let subscriber = Null::start(broker.port, WINDOW, MESSAGES).await;
        Load::flood(MESSAGES).publish(broker.port).await;
        null.push(subscriber.rate().await);
    }
    let site = Site {
        estate: estate(),
        broker: Some(broker.port),
        window: WINDOW,
        ..Site::default()
    };
    let gateway = Gateway::start(&site).await;
    let (mut rates, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let (rate, used) = flood(&gateway, broker.port, MESSAGES).await;
        rates.push(rate);
        cpu.push(used);
    }
    let limit = median(null);
    report.add("durable_ingest", "null_messages_per_s", limit, "1/s", None);
    report
        .add(
            "durable_ingest",
            "messages_per_s",
            median(rates),
            "1/s",
            Some((limit, "null subscriber, manual acks")),
        )
        .goal(Goal::RatioAtLeast(0.85));
    report.add("durable_ingest", "cpu_us_per_message", median(cpu), "us", None);
    report
        .add(
            "durable_ingest",
            "resident_mb_after",
            resident_mb(gateway.pid()),
            "MB",
            None,
        )
        .goal(Goal::AtMost(80.0));
    let rejected = gateway.metric("linli_messages_rejected_total").await;
    assert!(
        rejected == 0.0,
        "{rejected} messages were refused; the figure would be worthless"
    );
}

/// One flood: messages per second from the first stored reading to the last, and CPU microseconds per message.
pub(crate) async fn flood(gateway: &Gateway, port: u16, count: usize) -> (f64, f64) {
    let before = gateway.metric("linli_readings_stored_total").await;
    let used = cpu_seconds(gateway.pid());
    #[allow(clippy::cast_precision_loss, reason = "a count")]
    let messages = count as f64;
    let publisher = tokio::spawn(Load::flood(count).publish(port));
    let first = Cell::new(None);
    let last = Cell::new(Instant::now());
    until("every message to be durable", || async {
        let now = Instant::now();
        let stored = gateway.metric("linli_readings_stored_total").await - before;
        if stored > 0.0 && first.get().is_none() {
            first.set(Some((now, stored)));
        }
        last.set(now);
        if stored >= messages * VALUES {
            Ok(())
        } else {
            Err(format!("{stored} of {} readings", messages * VALUES))
        }
    })
    .await;
    publisher.await.expect("the publisher");
    let (started, already) = first.get().expect("a first reading");
    let elapsed = (last.get() - started).max(Duration::from_millis(1)).as_secs_f64();
    (
        (messages - already / VALUES) / elapsed,
        (cpu_seconds(gateway.pid()) - used) / messages * 1e6,
    )
}
