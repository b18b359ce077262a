//! `embedded_broker`: devices publishing at the embedded broker, every message committed before its PUBACK, beside the
//! same publishers at mosquitto alone; and what a well-behaved device notices of a flood beside it.

use crate::load::{cpu_seconds, estate, loadgen, result};
use crate::report::{Report, median};
use e2e::gateway::{Gateway, Site};
use e2e::mosquitto::Mosquitto;
use e2e::process::free_port;
use e2e::wait::listening;
use serde_json::Value;

const SECONDS: &str = "5";
/// Limits out of the way: the flat-out runs measure the broker, not its brakes.
const UNLIMITED: &str = "[broker.limits]\nmax_clients_per_user = 200\nmessages_per_s = 100000\nbytes_per_s = 1073741824\n\
                         connects_per_s = 1000\n";

/// Publishers of QoS 1 with a window of 20; `rate` 0 is flat out.
fn publishers(port: u16, prefix: &str, conns: usize, rate: u32) -> tokio::process::Child {
    let (addr, conns, rate) = (format!("127.0.0.1:{port}"), conns.to_string(), rate.to_string());
    loadgen(&[
        "pub",
        "--addr",
        &addr,
        "--client-prefix",
        prefix,
        "--user",
        "field",
        "--pass",
        "field",
        "--conns",
        &conns,
        "--rate",
        &rate,
        "--secs",
        SECONDS,
    ])
}

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or(0.0)
}

async fn gateway(port: u16, limits: &str) -> Gateway {
    let gateway = Gateway::start(&Site {
        estate: estate().replace("mqtt = \"main\"", "mqtt = \"embedded\""),
        embedded: Some(port),
        broker_extra: limits.into(),
        ..Site::default()
    })
    .await;
    listening(port).await;
    gateway
}

/// Acknowledged messages per second of a run, and the gateway's CPU per message in microseconds.
async fn flat_out(conns: usize) -> (f64, f64) {
    let port = free_port();
    let gateway = gateway(port, UNLIMITED).await;
    let before = cpu_seconds(gateway.pid());
    let run = result(publishers(port, "field", conns, 0)).await;
    let cpu = cpu_seconds(gateway.pid()) - before;
    let (acked, seconds) = (number(&run, "/acked"), number(&run, "/secs"));
    assert!(
        acked > 0.0 && number(&run, "/lost_conns") == 0.0,
        "{run}\n{}",
        gateway.log()
    );
    (acked / seconds, cpu * 1e6 / acked)
}

async fn mosquitto(conns: usize) -> f64 {
    let broker = Mosquitto::start().await;
    let run = result(publishers(broker.port, "field", conns, 0)).await;
    number(&run, "/acked") / number(&run, "/secs")
}

/// Median time from PUBLISH to PUBACK in milliseconds of ten devices at 100 messages a second; with a flood beside
/// them when `flooded`.
async fn well_behaved(flooded: bool) -> f64 {
    let port = free_port();
    // The usual limits; only the flood meets them.
    let gateway = gateway(port, "").await;
    let flood = flooded.then(|| publishers(port, "field-flood", 2, 0));
    let run = result(publishers(port, "field-good", 10, 100)).await;
    drop(flood);
    assert_eq!(number(&run, "/unacked"), 0.0, "{run}\n{}", gateway.log());
    number(&run, "/puback_us/p50") / 1e3
}

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    for (conns, figure) in [
        (50, "messages_per_s_50_connections"),
        (1, "messages_per_s_1_connection"),
    ] {
        let (mut peer, mut rates, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..report.pick(1, 3) {
            peer.push(mosquitto(conns).await);
            let (rate, each) = flat_out(conns).await;
            rates.push(rate);
            cpu.push(each);
        }
        let peer = (median(peer), "mosquitto alone, nothing durable");
        report.add("embedded_broker", figure, median(rates), "1/s", Some(peer));
        if conns > 1 {
            report.add("embedded_broker", "cpu_per_message", median(cpu), "us", None);
        }
    }
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..report.pick(1, 3) {
        alone.push(well_behaved(false).await);
        beside.push(well_behaved(true).await);
    }
    let alone = (median(alone), "the same without a flood");
    report.add(
        "embedded_broker",
        "puback_ms_beside_a_flood",
        median(beside),
        "ms",
        Some(alone),
    );
}
