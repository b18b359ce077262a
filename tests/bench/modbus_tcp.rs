//! `modbus_tcp`: the Modbus master alone, against simulated TCP devices of the independent load generator.

use crate::load::{loadgen, result};
use crate::modbus_master::{Polled, Task, run as master};
use crate::report::{Goal, Report, median};
use std::sync::atomic::{AtomicU16, Ordering};

const SCENARIO: &str = "modbus_tcp";
const DEVICES: usize = 200;
const REGISTERS: u16 = 20;
/// Sick ones of the second run: silent, answering exceptions, answering after the timeout.
const SILENT: usize = 20;
const EXCEPTIONS: usize = 10;
const LATE: usize = 10;

/// Simulated devices on ports in a row.
struct Devices {
    _running: tokio::process::Child,
    base: u16,
    count: usize,
}

impl Devices {
    async fn start(count: usize, sick: &[(&str, usize)]) -> Self {
        // Ports in a row, below those the system hands out.
        static NEXT: AtomicU16 = AtomicU16::new(20_500);
        let base = NEXT.fetch_add(count as u16, Ordering::Relaxed);
        let mut arguments: Vec<String> = [
            "modbus-sim",
            "--address",
            "true",
            "--late-ms",
            "300",
            "--secs",
            "600",
        ]
        .map(str::to_owned)
        .into();
        for (name, value) in [("--ports", usize::from(base)), ("--n", count)]
            .iter()
            .chain(sick)
        {
            arguments.extend([(*name).to_owned(), value.to_string()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let running = loadgen(&arguments);
        e2e::wait::until("the simulated devices to listen", || async move {
            let last = ("127.0.0.1", base + count as u16 - 1);
            tokio::net::TcpStream::connect(last)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await;
        Self {
            _running: running,
            base,
            count,
        }
    }

    fn addresses(&self) -> Vec<String> {
        (0..self.count)
            .map(|n| format!("127.0.0.1:{}", usize::from(self.base) + n))
            .collect()
    }
}

fn task(devices: &Devices, period_ms: u64, counted_ms: u64, healthy: usize) -> Task {
    Task {
        addresses: devices.addresses(),
        line: 0,
        starts: vec![0],
        registers: REGISTERS,
        period_ms,
        timeout_ms: 200,
        warm_up_ms: if period_ms == 0 { 500 } else { 3_000 },
        counted_ms,
        healthy,
    }
}

/// The raw poller: requests a second and CPU of one.
async fn raw(devices: &Devices) -> (f64, f64) {
    let (address, registers) = (devices.addresses()[0].clone(), REGISTERS.to_string());
    let said = result(loadgen(&[
        "modbus-poll",
        "--addr",
        &address,
        "--regs",
        &registers,
        "--secs",
        "1",
    ]))
    .await;
    let rate = said["req_per_s"]
        .as_f64()
        .unwrap_or_else(|| panic!("loadgen modbus-poll gave no rate: {said}"));
    (rate, said["cpu_cores"].as_f64().unwrap_or(0.0) / rate)
}

fn all_right(polled: &Polled) {
    assert_eq!(polled.wrong, 0, "a value is on the wrong point: {polled:?}");
    assert!(polled.polls > 0, "nothing was polled: {polled:?}");
}

/// Runs the scenario.
pub(crate) async fn run(report: &mut Report) {
    let one = Devices::start(1, &[]).await;
    let (mut limits, mut rates, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    // Short ones in turn: what else the machine does then meets both alike.
    for _ in 0..report.pick(3, 9) {
        let (rate, cost) = raw(&one).await;
        limits.push(rate);
        costs.push(cost);
        let polled = master(&task(&one, 0, 1_000, 1)).await;
        all_right(&polled);
        rates.push(polled.polls as f64);
    }
    let limit = (median(limits), "raw poller, one connection");
    report
        .add(
            SCENARIO,
            "requests_per_s_flat_out",
            median(rates),
            "1/s",
            Some(limit),
        )
        .goal(Goal::RatioAtLeast(0.8));

    let well = Devices::start(DEVICES, &[]).await;
    let counted_ms = report.pick(8_000, 20_000);
    let polled = master(&task(&well, 1_000, counted_ms, DEVICES)).await;
    all_right(&polled);
    drop(well);
    report
        .add(
            SCENARIO,
            "millicores_200_devices",
            polled.cores * 1e3,
            "millicores",
            Some((50.0, "goal")),
        )
        .goal(Goal::AtMost(50.0));
    let per_request = polled.cores / (polled.polls as f64 / (counted_ms as f64 / 1000.0)) * 1e6;
    let raw_cost = (median(costs) * 1e6, "raw poller, flat out");
    report.add(SCENARIO, "cpu_us_per_request", per_request, "us", Some(raw_cost));
    let (alone_polls, alone_p99) = (polled.polls as f64 / DEVICES as f64, polled.gap_p99_ms);

    let healthy = DEVICES - SILENT - EXCEPTIONS - LATE;
    let sick = [
        ("--silent", SILENT),
        ("--exception", EXCEPTIONS),
        ("--late", LATE),
    ];
    let mixed = Devices::start(DEVICES, &sick).await;
    let polled = master(&task(&mixed, 1_000, counted_ms, healthy)).await;
    all_right(&polled);
    let polls = polled.polls as f64 / healthy as f64;
    let alone = (alone_polls, "the same without sick devices");
    report.add(SCENARIO, "polls_of_a_healthy_device", polls, "polls", Some(alone));
    report.add(
        SCENARIO,
        "gap_p99_beside_sick_devices",
        polled.gap_p99_ms,
        "ms",
        Some((alone_p99, "without them")),
    );
    report.add(
        SCENARIO,
        "values_on_the_wrong_point",
        polled.wrong as f64,
        "values",
        None,
    );
}
