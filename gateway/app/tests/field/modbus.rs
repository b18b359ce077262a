//! The Modbus master against simulated nodes and against a serial converter with bad manners.

use super::converter::{Converter, Slave as Manner};
use super::pipeline::{Pipeline, within};
use linli::config::{ModbusBus, ModbusTransport};
use linli::field::modbus::{self, Devices, Slave};
use linli::field::{ModbusFrame, Registers};
use linli_decode::RegisterRequest;
use linli_domain::reading::Reason;
use linli_node_sim::{Fault, Kind, NodeConfig, SharedStreet, Street, Transport, serve};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const TIMEOUT: Duration = Duration::from_millis(200);
const PERIOD: Duration = Duration::from_millis(250);

fn slave(unit: u8, starts: &[u16], count: u16) -> Slave {
    Slave {
        profile: None,
        device: format!("unit-{unit}").parse().unwrap(),
        unit,
        requests: starts
            .iter()
            .map(|start| RegisterRequest {
                function: 4,
                start: *start,
                count,
            })
            .collect(),
    }
}

struct Bus {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Bus {
    fn start(pipeline: &Pipeline, transport: ModbusTransport, slaves: Vec<Slave>) -> Self {
        let bus = ModbusBus {
            bus: "garage".parse().unwrap(),
            transport,
            timeout: TIMEOUT,
            period: PERIOD,
            pause: Duration::ZERO,
        };
        let stop = CancellationToken::new();
        let (door, clock, metrics) = (
            pipeline.door.clone(),
            pipeline.clock.clone(),
            pipeline.metrics.clone(),
        );
        let task = tokio::spawn(modbus::run(
            bus,
            Devices::fixed(slaves),
            door,
            clock,
            metrics,
            stop.clone(),
        ));
        Self { stop, task }
    }

    async fn stopped(self) {
        self.stop.cancel();
        within("the bus to end", self.task).await.unwrap();
    }
}

fn words(frame: &ModbusFrame) -> Option<&[u16]> {
    match &frame.answer {
        Ok(Registers::Words(words)) => Some(words),
        _ => None,
    }
}

async fn street(transport: Transport) -> (SharedStreet, SocketAddr) {
    let nodes = [1, 2].map(|unit| NodeConfig {
        unit,
        kind: Kind::Leak,
    });
    let street = SharedStreet::new(Street::new(nodes).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        transport,
        street.clone(),
        std::future::pending::<()>(),
    ));
    (street, addr)
}

#[tokio::test]
async fn registers_arrive_over_tcp_and_over_a_converter() {
    for (transport, line) in [
        (
            Transport::Tcp,
            ModbusTransport::Tcp as fn(String) -> ModbusTransport,
        ),
        (Transport::RtuOverTcp, ModbusTransport::RtuOverTcp),
    ] {
        let (street, addr) = street(transport).await;
        let mut pipeline = Pipeline::start();
        let bus = Bus::start(
            &pipeline,
            line(addr.to_string()),
            vec![slave(1, &[0], 4), slave(2, &[0], 4)],
        );
        let dry = pipeline.answer().await;
        assert_eq!(dry.device, "unit-1".parse().unwrap());
        assert_eq!(
            words(&dry).map(<[u16]>::len),
            Some(4),
            "{transport:?}: {:?}",
            dry.answer
        );
        assert!(words(&pipeline.answer().await).is_some());
        pipeline.state("gateway.bus_ok", true).await;

        // A node that leaves the line is missing for a reason, and its neighbour is not.
        street.set_fault(2, Fault::Silent);
        let silent = within("the silent node", async {
            loop {
                let frame = pipeline.answer().await;
                if frame.answer.is_err() {
                    return frame;
                }
            }
        })
        .await;
        assert_eq!(
            (silent.device, silent.answer),
            ("unit-2".parse().unwrap(), Err(Reason::CommTimeout))
        );
        assert!(words(&pipeline.answer().await).is_some());
        bus.stopped().await;
    }
}

#[tokio::test]
async fn a_silent_slave_costs_the_others_one_timeout_a_cycle_and_then_a_probe_now_and_then() {
    let converter = Converter::start(&[(1, Manner::Prompt), (2, Manner::Silent), (3, Manner::Prompt)]).await;
    let mut pipeline = Pipeline::start();
    let slaves = vec![slave(1, &[10], 2), slave(2, &[20, 30, 40], 2), slave(3, &[50], 2)];
    let bus = Bus::start(
        &pipeline,
        ModbusTransport::RtuOverTcp(converter.addr.to_string()),
        slaves,
    );
    let began = Instant::now();
    let (mut healthy, mut missing, mut longest, mut last) = (0, 0, Duration::ZERO, Instant::now());
    while began.elapsed() < Duration::from_secs(5) {
        let frame = pipeline.answer().await;
        if frame.device == "unit-2".parse().unwrap() {
            assert_eq!(frame.answer, Err(Reason::CommTimeout));
            missing += 1;
            continue;
        }
        assert!(frame.answer.is_ok(), "{frame:?}");
        if frame.device == "unit-3".parse().unwrap() {
            healthy += 1;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    }
    bus.stopped().await;
    let asked = converter.asked.lock().unwrap()[&2];
    // Twenty cycles in five seconds; three of them held one timeout each.
    assert!(healthy >= 15, "{healthy} polls of a healthy slave");
    assert!(
        longest < PERIOD * 2 + TIMEOUT * 2,
        "{longest:?} between two polls"
    );
    assert!((3..=4).contains(&asked), "{asked} requests to a dead slave");
    assert_eq!(
        missing,
        asked * 3,
        "every point of a silent slave is told missing"
    );
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_another_register() {
    // Later than the timeout, later than the next question, and later than the next cycle.
    for late in [250, 600] {
        let manner = Manner::Late(4, Duration::from_millis(late));
        let converter = Converter::start(&[(1, manner), (2, Manner::Prompt)]).await;
        let mut pipeline = Pipeline::start();
        let starts = [100, 200, 300];
        let slaves = vec![slave(1, &starts, 2), slave(2, &[400], 2)];
        let bus = Bus::start(
            &pipeline,
            ModbusTransport::RtuOverTcp(converter.addr.to_string()),
            slaves,
        );
        let began = Instant::now();
        let (mut right, mut missing) = (0, 0);
        while began.elapsed() < Duration::from_secs(8) {
            let frame = pipeline.answer().await;
            let start = if frame.device == "unit-1".parse().unwrap() {
                starts[frame.request]
            } else {
                400
            };
            match words(&frame) {
                Some(words) => {
                    assert_eq!(words, [start, start + 1], "late by {late} ms: {frame:?}");
                    right += 1;
                }
                None => missing += 1,
            }
        }
        bus.stopped().await;
        assert!(
            right > 20 && missing > 0,
            "{right} right, {missing} missing at {late} ms"
        );
    }
}

#[tokio::test]
async fn exceptions_say_what_they_mean_and_stop_nobody() {
    let manners = [
        (1, Manner::Exception(2)),
        (2, Manner::Exception(4)),
        (3, Manner::Exception(6)),
        (4, Manner::Exception(11)),
    ];
    let converter = Converter::start(&manners).await;
    let mut pipeline = Pipeline::start();
    let slaves = (1..=4).map(|unit| slave(unit, &[0], 2)).collect();
    let bus = Bus::start(
        &pipeline,
        ModbusTransport::RtuOverTcp(converter.addr.to_string()),
        slaves,
    );
    for expected in [
        Reason::IllegalAddress,
        Reason::DeviceFailure,
        Reason::DeviceFailure,
        Reason::CommTimeout,
    ] {
        assert_eq!(pipeline.answer().await.answer, Err(expected));
    }
    let asked = converter.asked.lock().unwrap().clone();
    assert_eq!(
        (asked[&1], asked[&3]),
        (1, 2),
        "busy is asked once more, a wrong address is not"
    );
    bus.stopped().await;
}

#[tokio::test]
async fn a_bus_that_is_down_is_told_once_and_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let mut pipeline = Pipeline::start();
    let bus = Bus::start(
        &pipeline,
        ModbusTransport::Tcp(addr.to_string()),
        vec![slave(1, &[0], 4)],
    );
    assert_eq!(pipeline.answer().await.answer, Err(Reason::CommTimeout));
    pipeline.state("gateway.bus_ok", false).await;
    let street = SharedStreet::new(
        Street::new([NodeConfig {
            unit: 1,
            kind: Kind::Bin,
        }])
        .unwrap(),
    );
    let listener = TcpListener::bind(addr).await.unwrap();
    tokio::spawn(serve(
        listener,
        Transport::Tcp,
        street,
        std::future::pending::<()>(),
    ));
    assert!(words(&pipeline.answer().await).is_some());
    pipeline.state("gateway.bus_ok", true).await;
    bus.stopped().await;
}
