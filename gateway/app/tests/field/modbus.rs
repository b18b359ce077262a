//! The Modbus master against simulated nodes and against a serial converter with bad manners.

use super::converter::{Converter, Slave as Manner};
use super::mosquitto::free_port;
use super::pipeline::{Pipeline, within};
use linli::config::{ModbusBus, ModbusTransport};
use linli::field::ModbusFrame;
use linli::field::modbus::dtu::Dialled;
use linli::field::modbus::errand::Buses;
use linli::field::modbus::{self, Devices, Port, Slave, Surroundings};
use linli_decode::{Profile, RegisterData};
use linli_domain::reading::Reason;
use linli_node_sim::{Fault, Kind, NodeConfig, SharedStreet, Street, Transport, serve};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TIMEOUT: Duration = Duration::from_millis(200);
pub(crate) const PERIOD: Duration = Duration::from_millis(250);
/// How late the converters here get at most.
const LATENESS: Duration = Duration::from_millis(900);

/// A device of which `count` input registers are asked at each of `starts`.
pub(crate) fn slave(unit: u8, starts: &[u16], count: u16) -> Slave {
    let registers = starts.iter().flat_map(|start| *start..*start + count).map(|address| {
        format!("{{ function = 4, address = {address}, type = \"u16\", measure = \"pulse.count\", instance = \"R{address}\" }}")
    });
    let registers = registers.collect::<Vec<_>>().join(", ");
    let text =
        format!("id = \"test.device\"\ntitle = \"T\"\nversion = 1\n[modbus]\nregisters = [{registers}]");
    Slave {
        device: format!("unit-{unit}").parse().unwrap(),
        unit,
        profile: Arc::new(Profile::parse(&text, "test").unwrap()),
    }
}

pub(crate) struct Bus {
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Where errands are given to it.
    pub(crate) buses: Buses,
}

impl Bus {
    pub(crate) fn start(pipeline: &Pipeline, transport: ModbusTransport, slaves: Vec<Slave>) -> Self {
        Self::of(pipeline, config(transport), slaves, None)
    }

    pub(crate) fn of(
        pipeline: &Pipeline,
        bus: ModbusBus,
        slaves: Vec<Slave>,
        dialled: Option<Arc<Dialled>>,
    ) -> Self {
        let stop = CancellationToken::new();
        let surroundings = Surroundings {
            door: pipeline.door.clone(),
            clock: pipeline.clock.clone(),
            metrics: pipeline.metrics.clone(),
            shutdown: stop.clone(),
        };
        let mut buses = Buses::default();
        let port = Port {
            dialled,
            errands: buses.add(bus.bus.clone(), bus.writes),
            profiles: linli::profiles::Profiles::open(None).unwrap(),
        };
        let task = tokio::spawn(modbus::run(bus, Devices::fixed(slaves), port, surroundings));
        Self { stop, task, buses }
    }

    pub(crate) async fn stopped(self) {
        self.stop.cancel();
        within("the bus to end", self.task).await.unwrap();
    }
}

pub(crate) fn config(transport: ModbusTransport) -> ModbusBus {
    ModbusBus {
        timeout: TIMEOUT,
        period: PERIOD,
        pause: Duration::from_millis(1),
        max_lateness: LATENESS,
        frame_gap: Duration::from_millis(30),
        ..ModbusBus::new("garage".parse().unwrap(), transport)
    }
}

/// How many frames of `kind` were kept from everybody.
pub(crate) fn quarantined(pipeline: &Pipeline, kind: &str) -> u64 {
    pipeline
        .metrics
        .modbus_quarantined
        .with_label_values(&["garage", kind])
        .get()
}

pub(crate) fn words(frame: &ModbusFrame) -> Option<&[u16]> {
    match &frame.answer {
        Ok(RegisterData::Words(words)) => Some(words),
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

/// What came of each device in a while: values that are right, values of another register, values told missing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) right: u32,
    pub(crate) wrong: u32,
    pub(crate) missing: u32,
    pub(crate) longest_ms: u128,
    /// How often the machine slept through a good part of [`TIMEOUT`]: a prompt answer may have been missed then.
    pub(crate) stalls: u32,
}

/// Time in which this machine did something: what it slept through is not what a bus took.
#[derive(Debug)]
struct Awake {
    counted: Duration,
    stalls: u32,
    last: Instant,
}

impl Awake {
    const STEP: Duration = Duration::from_millis(10);

    fn new() -> Self {
        Self {
            counted: Duration::ZERO,
            stalls: 0,
            last: Instant::now(),
        }
    }

    /// Lets a step pass. A longer one counts as two: the machine was busy with others.
    async fn step(&mut self) {
        tokio::time::sleep(Self::STEP).await;
        let took = self.last.elapsed();
        self.counted += took.min(Self::STEP * 2);
        self.stalls += u32::from(took > TIMEOUT / 2);
        self.last = Instant::now();
    }
}

/// Watches a bus whose registers hold their own addresses.
pub(crate) async fn watch(pipeline: &mut Pipeline, span: Duration) -> HashMap<u8, Seen> {
    let mut awake = Awake::new();
    let mut seen: HashMap<u8, (Seen, Option<Duration>)> = HashMap::new();
    while awake.counted < span {
        let frame = tokio::select! {
            biased;
            frame = pipeline.answer() => frame,
            () = awake.step() => continue,
        };
        let unit = frame.device.as_str().trim_start_matches("unit-").parse().unwrap();
        let (seen, last) = seen.entry(unit).or_default();
        let request = frame.read.request;
        let expected: Vec<u16> = (request.start..request.start + request.count).collect();
        match words(&frame) {
            Some(words) if *words == *expected => {
                seen.right += 1;
                let since = last.map_or(Duration::ZERO, |last| awake.counted - last);
                seen.longest_ms = seen.longest_ms.max(since.as_millis());
                *last = Some(awake.counted);
            }
            Some(_) => seen.wrong += 1,
            None => seen.missing += 1,
        }
    }
    let stalls = awake.stalls;
    seen.into_iter()
        .map(|(unit, (seen, _))| (unit, Seen { stalls, ..seen }))
        .collect()
}

#[tokio::test]
async fn a_silent_slave_costs_the_others_a_question_now_and_then() {
    let converter = Converter::start(&[(1, Manner::Prompt), (2, Manner::Silent), (3, Manner::Prompt)]).await;
    let mut pipeline = Pipeline::start();
    let slaves = vec![slave(1, &[10], 2), slave(2, &[20, 30, 40], 2), slave(3, &[50], 2)];
    let bus = Bus::start(
        &pipeline,
        ModbusTransport::RtuOverTcp(converter.addr.to_string()),
        slaves,
    );
    let seen = watch(&mut pipeline, Duration::from_secs(6)).await;
    bus.stopped().await;
    let asked = converter.asked.lock().unwrap()[&2];
    for unit in [1, 3] {
        assert!(seen[&unit].right >= 20, "{seen:?}");
        assert!(seen[&unit].longest_ms < 700, "{seen:?}");
    }
    assert!((2..=4).contains(&asked), "{asked} requests to a dead slave");
    // Every point of a silent slave is told missing, not only the one that was asked for.
    assert!(seen[&2].missing >= 3 && seen[&2].missing % 3 == 0, "{seen:?}");
    assert!(seen.values().all(|seen| seen.wrong == 0), "{seen:?}");
    let open = pipeline
        .metrics
        .modbus_slaves
        .with_label_values(&["garage", "open"])
        .get();
    let healthy = pipeline
        .metrics
        .modbus_slaves
        .with_label_values(&["garage", "healthy"])
        .get();
    assert_eq!((healthy, open.max(1)), (2, 1));
}

#[tokio::test]
async fn many_dead_slaves_share_a_tenth_of_the_bus() {
    let mut manners = vec![(1, Manner::Prompt)];
    manners.extend((2..=9).map(|unit| (unit, Manner::Silent)));
    let converter = Converter::start(&manners).await;
    let mut pipeline = Pipeline::start();
    let slaves = (1..=9).map(|unit| slave(unit, &[10], 2)).collect();
    let bus = Bus::start(
        &pipeline,
        ModbusTransport::RtuOverTcp(converter.addr.to_string()),
        slaves,
    );
    // Each dead slave is found out once; from then on they share.
    watch(&mut pipeline, Duration::from_secs(3)).await;
    let before: u32 = converter
        .asked
        .lock()
        .unwrap()
        .iter()
        .filter(|(unit, _)| **unit > 1)
        .map(|(_, n)| n)
        .sum();
    let seen = watch(&mut pipeline, Duration::from_secs(8)).await;
    let after: u32 = converter
        .asked
        .lock()
        .unwrap()
        .iter()
        .filter(|(unit, _)| **unit > 1)
        .map(|(_, n)| n)
        .sum();
    bus.stopped().await;
    assert!(
        after - before <= 5,
        "{} questions to the dead in 8 s",
        after - before
    );
    assert!(seen[&1].right >= 28, "{seen:?}");
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_another_register() {
    // Later than the timeout, and later than the next question could be.
    for late in [250, 600] {
        let manner = Manner::Late(4, Duration::from_millis(late));
        let converter = Converter::start(&[(1, manner), (2, Manner::Prompt)]).await;
        let mut pipeline = Pipeline::start();
        let slaves = vec![slave(1, &[100, 200, 300], 2), slave(2, &[400], 2)];
        let bus = Bus::start(
            &pipeline,
            ModbusTransport::RtuOverTcp(converter.addr.to_string()),
            slaves,
        );
        let seen = watch(&mut pipeline, Duration::from_secs(8)).await;
        bus.stopped().await;
        assert!(
            seen.values().all(|seen| seen.wrong == 0),
            "late by {late} ms: {seen:?}"
        );
        assert!(
            seen[&1].right > 10 && seen[&2].right > 20,
            "late by {late} ms: {seen:?}"
        );
        assert!(quarantined(&pipeline, "late") > 0, "late by {late} ms");
    }
}

#[tokio::test]
async fn what_comes_beside_an_answer_is_kept_from_everybody_and_counted() {
    for (manner, kind, least) in [
        (Manner::Damaged(4), "broken", 15),
        (Manner::Cut(4), "truncated", 15),
        (Manner::Twice, "duplicate", 15),
        (Manner::Noisy, "foreign", 15),
    ] {
        let converter = Converter::start(&[(1, manner), (2, Manner::Prompt)]).await;
        let mut pipeline = Pipeline::start();
        let slaves = vec![slave(1, &[100, 200], 2), slave(2, &[400], 2)];
        let bus = Bus::start(
            &pipeline,
            ModbusTransport::RtuOverTcp(converter.addr.to_string()),
            slaves,
        );
        let seen = watch(&mut pipeline, Duration::from_secs(6)).await;
        bus.stopped().await;
        assert!(seen.values().all(|seen| seen.wrong == 0), "{kind}: {seen:?}");
        assert!(seen[&2].right >= least, "{kind}: {seen:?}");
        assert!(seen[&1].right >= 4, "{kind}: {seen:?}");
        assert!(quarantined(&pipeline, kind) > 0, "{kind}");
    }
}

#[tokio::test]
async fn a_register_that_does_not_exist_takes_nobody_with_it() {
    let converter = Converter::start(&[(1, Manner::Hole(105))]).await;
    let mut pipeline = Pipeline::start();
    let bus = Bus::start(
        &pipeline,
        ModbusTransport::RtuOverTcp(converter.addr.to_string()),
        vec![slave(1, &[100], 8)],
    );
    let mut answered: BTreeSet<u16> = BTreeSet::new();
    let refused = within("the hole", async {
        loop {
            let frame = pipeline.answer().await;
            let request = frame.read.request;
            match frame.answer {
                Ok(_) => answered.extend(request.start..request.start + request.count),
                Err(reason) => return (reason, request.start, request.count),
            }
        }
    })
    .await;
    assert_eq!(refused, (Reason::IllegalAddress, 105, 1));
    assert_eq!(
        answered,
        [100, 101, 102, 103, 104, 106, 107].into(),
        "in the first round"
    );
    // From now on two requests go around it, and it stays told.
    let asked = converter.asked.lock().unwrap()[&1];
    let mut told = 0;
    for _ in 0..9 {
        let frame = pipeline.answer().await;
        let request = frame.read.request;
        match frame.answer {
            Ok(_) => assert!(
                [(100, 5), (106, 2)].contains(&(request.start, request.count)),
                "{request:?}"
            ),
            Err(reason) => {
                assert_eq!((reason, request.start), (Reason::IllegalAddress, 105));
                told += 1;
            }
        }
    }
    bus.stopped().await;
    assert!((2..=4).contains(&told), "{told}");
    assert!(converter.asked.lock().unwrap()[&1] - asked <= 8);
}

#[tokio::test]
async fn exceptions_say_what_they_mean_and_stop_nobody() {
    let manners = [
        (1, Manner::Exception(1)),
        (2, Manner::Exception(4)),
        (3, Manner::Exception(6)),
        (4, Manner::Exception(11)),
        (5, Manner::Prompt),
    ];
    let converter = Converter::start(&manners).await;
    let mut pipeline = Pipeline::start();
    let slaves = (1..=5).map(|unit| slave(unit, &[0], 2)).collect();
    let bus = Bus::start(
        &pipeline,
        ModbusTransport::RtuOverTcp(converter.addr.to_string()),
        slaves,
    );
    let mut told: HashMap<u8, (Reason, u32)> = HashMap::new();
    within("everybody to be told", async {
        while told.len() < 4 {
            let frame = pipeline.answer().await;
            let unit: u8 = frame.device.as_str().trim_start_matches("unit-").parse().unwrap();
            if let Err(reason) = frame.answer {
                let asked = converter.asked.lock().unwrap()[&unit];
                told.entry(unit).or_insert((reason, asked));
            }
        }
    })
    .await;
    bus.stopped().await;
    assert_eq!(
        told[&1],
        (Reason::IllegalAddress, 1),
        "no second question in a round"
    );
    assert_eq!(told[&2], (Reason::DeviceFailure, 1));
    // Busy is asked once more, and its last value stands for two rounds.
    assert_eq!(told[&3], (Reason::DeviceFailure, 6));
    // A gateway says that nobody is there: as good as silence, and tried twice.
    assert_eq!(told[&4].0, Reason::CommTimeout);
    assert!(told[&4].1 >= 2, "{told:?}");
}

#[tokio::test]
async fn a_bus_that_is_down_is_told_once_and_found_again() {
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
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
