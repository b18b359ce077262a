//! Firmware updates over a bus, to simulated nodes: beside the polling, through silence, and given up where they must be.

use super::modbus::{Bus, config, slave, words};
use super::pipeline::{Pipeline, within};
use linli::config::{ModbusBus, ModbusTransport};
use linli::field::modbus::errand::NotTaken;
use linli::field::modbus::update::Reason;
use linli::field::modbus::update::job::{Package, UpdateJob, UpdateState};
use linli::ops::firmware::{Facts, board, sign, version};
use linli_domain::time::Timestamp;
use linli_node_sim::{Fault, Kind, NodeConfig, SharedStreet, Street, Transport, serve};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const LEAK: u8 = 1;
const BIN: u8 = 2;
const MODULE: u8 = 3;
/// How long a slow node takes to answer, so that what the update takes is not lost in what the machine takes.
const NODE_TAKES: Duration = Duration::from_millis(40);

async fn street() -> (SharedStreet, ModbusTransport) {
    let nodes = [(LEAK, Kind::Leak), (BIN, Kind::Bin)].map(|(unit, kind)| NodeConfig { unit, kind });
    let street = Street::new(nodes).unwrap().with_module(MODULE).unwrap();
    let street = SharedStreet::new(street);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(
        listener,
        Transport::RtuOverTcp,
        street.clone(),
        std::future::pending::<()>(),
    ));
    (street, ModbusTransport::RtuOverTcp(address))
}

/// Firmware of so many blocks, signed with the test key.
fn package(wanted: &str, blocks: usize) -> Package {
    let key = include_bytes!("../../../../firmware/update/test-signing-key.pem");
    let facts = Facts {
        kind: Kind::Leak,
        version: version(wanted).unwrap(),
        board: board("node-sim").unwrap(),
    };
    let image: Vec<u8> = (0..(blocks - 1) * 128).map(|at| (at * 11) as u8).collect();
    Package::parse(&sign(&image, &facts, key, true).unwrap().bytes).unwrap()
}

fn bus(pipeline: &Pipeline, line: ModbusTransport) -> Bus {
    let slaves = [LEAK, BIN, MODULE].map(|unit| slave(unit, &[0], 4));
    let writable = ModbusBus {
        writes: true,
        ..config(line)
    };
    Bus::of(pipeline, writable, slaves.into(), None)
}

fn begin(bus: &Bus, unit: u8, package: Package) -> Result<Arc<UpdateJob>, NotTaken> {
    bus.buses.update(
        (&"garage".parse().unwrap(), unit),
        &format!("unit-{unit}").parse().unwrap(),
        package,
        "zhang".to_owned(),
        Timestamp::from_millis(0),
    )
}

async fn over(job: &UpdateJob) -> UpdateState {
    within("the update to be over", job.over.cancelled()).await;
    job.progress().state
}

/// Waits until the node has so many blocks; how many it has then.
async fn received(job: &UpdateJob, blocks: u16) -> u16 {
    within("blocks to be received", async {
        while job.progress().done < blocks && job.progress().state.is_under_way() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    job.progress().done
}

/// Waits until so many more questions on the bus came to this.
async fn asked(pipeline: &Pipeline, outcome: &str, times: u64) {
    let asked = pipeline
        .metrics
        .modbus_requests
        .with_label_values(&["garage", outcome]);
    let before = asked.get();
    within("questions to end so", async {
        while asked.get() < before + times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_update_leaves_half_of_the_bus_to_the_polling_of_the_others() {
    let (street, line) = street().await;
    street.set_fault(LEAK, Fault::Late(NODE_TAKES));
    let mut pipeline = Pipeline::start();
    let slaves = [LEAK, BIN].map(|unit| slave(unit, &[0], 4));
    // Everybody answers: nothing is waited for in vain, however busy the machine is.
    let patient = ModbusBus {
        writes: true,
        timeout: Duration::from_secs(10),
        ..config(line)
    };
    let bus = Bus::of(&pipeline, patient, slaves.into(), None);
    let began = Instant::now();
    let job = begin(&bus, LEAK, package("1.2", 60)).unwrap();
    assert_eq!(
        begin(&bus, BIN, package("1.2", 4)).unwrap_err(),
        NotTaken::UpdateUnderWay
    );
    let mut polls = 0_u32;
    while job.progress().state.is_under_way() {
        let frame = pipeline.answer().await;
        if frame.device.as_str() == "unit-2" {
            assert!(words(&frame).is_some(), "{frame:?}");
            polls += 1;
        }
    }
    let took = began.elapsed();
    assert_eq!(job.progress().state, UpdateState::Updated);
    // A poll each quarter of a second, and a busy machine.
    assert!(
        f64::from(polls) >= took.as_secs_f64() * 2.0,
        "{polls} polls in {took:?}"
    );
    // Each of its questions took that long, and as long a rest followed.
    let least = NODE_TAKES * 60 * 2;
    assert!(took >= least, "{took:?} is less than {least:?}");
    bus.stopped().await;
}

#[tokio::test]
async fn what_was_cancelled_goes_on_where_it_was() {
    let (street, line) = street().await;
    street.set_fault(LEAK, Fault::Late(Duration::from_millis(10)));
    let pipeline = Pipeline::start();
    let bus = bus(&pipeline, line);
    let first = begin(&bus, LEAK, package("1.2", 60)).unwrap();
    let had = received(&first, 20).await;
    first.cancel.cancel();
    assert_eq!(over(&first).await, UpdateState::Cancelled);
    let second = begin(&bus, LEAK, package("1.2", 60)).unwrap();
    let has = received(&second, 1).await;
    assert!(has >= had, "{has} after {had}");
    assert_eq!(over(&second).await, UpdateState::Updated);
    // Other firmware takes its place, from its beginning.
    let third = begin(&bus, LEAK, package("1.3", 40)).unwrap();
    received(&third, 10).await;
    third.cancel.cancel();
    over(&third).await;
    let fourth = begin(&bus, LEAK, package("1.4", 30)).unwrap();
    assert_eq!(over(&fourth).await, UpdateState::Updated);
    bus.stopped().await;
}

#[tokio::test]
async fn a_node_that_falls_silent_is_waited_for_and_one_that_stays_so_is_given_up() {
    let (street, line) = street().await;
    street.set_fault(LEAK, Fault::Late(Duration::from_millis(10)));
    let pipeline = Pipeline::start();
    let bus = bus(&pipeline, line);
    let job = begin(&bus, LEAK, package("1.2", 60)).unwrap();
    let had = received(&job, 10).await;
    street.set_fault(LEAK, Fault::Silent);
    asked(&pipeline, "timeout", 3).await;
    assert!(job.progress().state.is_under_way() && job.progress().done <= had + 2);
    // Damaged answers are as good as none: what was written is asked for.
    street.set_fault(LEAK, Fault::BadCrc);
    asked(&pipeline, "frame", 2).await;
    street.set_fault(LEAK, Fault::None);
    assert_eq!(over(&job).await, UpdateState::Updated);

    street.set_fault(LEAK, Fault::Late(Duration::from_millis(10)));
    let job = begin(&bus, LEAK, package("1.3", 400)).unwrap();
    received(&job, 2).await;
    street.set_fault(LEAK, Fault::Silent);
    assert_eq!(over(&job).await, UpdateState::Failed(Reason::Silent));
    bus.stopped().await;
}

#[tokio::test]
async fn what_is_no_node_or_another_one_is_told_so_before_a_block_is_sent() {
    let (_street, line) = street().await;
    let pipeline = Pipeline::start();
    let bus = bus(&pipeline, line);
    for (unit, reason) in [
        (MODULE, Reason::NotANode),
        (BIN, Reason::WrongKind),
        (9, Reason::Gone),
    ] {
        let job = begin(&bus, unit, package("1.2", 4)).unwrap();
        assert_eq!(over(&job).await, UpdateState::Failed(reason));
        assert_eq!(job.progress().done, 0);
    }
    bus.stopped().await;
}
