//! What is asked of a bus beside its polling: scans, and writes.

use super::converter::{Converter, Slave as Manner};
use super::modbus::{Bus, config, slave, watch};
use super::mosquitto::free_port;
use super::pipeline::{Pipeline, within};
use linli::config::{ModbusBus, ModbusTransport};
use linli::field::modbus::Slave;
use linli::field::modbus::errand::{NotTaken, ScanJob, ScanState, WriteOrder, WriteOutcome, Written};
use linli_decode::{Profile, RegisterData};
use linli_domain::time::Timestamp;
use linli_node_sim::{Kind, NodeConfig, SharedStreet, Street, Transport, serve};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

fn scan(bus: &Bus, units: std::ops::RangeInclusive<u8>) -> Arc<ScanJob> {
    let name = "garage".parse().unwrap();
    bus.buses
        .scan(
            &name,
            units.collect(),
            "zhang".to_owned(),
            Timestamp::from_millis(0),
        )
        .unwrap()
}

async fn ended(job: &ScanJob) -> ScanState {
    within("the scan to end", async {
        loop {
            match job.progress().state {
                ScanState::Running => tokio::time::sleep(Duration::from_millis(20)).await,
                state => return state,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_scan_of_a_new_line_finds_its_nodes_and_what_they_are() {
    for transport in [Transport::Tcp, Transport::RtuOverTcp] {
        let nodes = [(2, Kind::Leak), (4, Kind::Parking), (5, Kind::Bin)]
            .map(|(unit, kind)| NodeConfig { unit, kind });
        let street = SharedStreet::new(Street::new(nodes).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve(listener, transport, street, std::future::pending::<()>()));
        let line = match transport {
            Transport::Tcp => ModbusTransport::Tcp(address),
            Transport::RtuOverTcp => ModbusTransport::RtuOverTcp(address),
        };
        let pipeline = Pipeline::start();
        let bus = Bus::start(&pipeline, line, Vec::new());
        let job = scan(&bus, 1..=6);
        let other = bus.buses.scan(
            &"garage".parse().unwrap(),
            vec![1],
            String::new(),
            Timestamp::from_millis(0),
        );
        assert_eq!(other.unwrap_err(), NotTaken::ScanUnderWay);
        assert_eq!(ended(&job).await, ScanState::Finished);
        let progress = job.progress();
        assert_eq!(progress.done, 6);
        let found: Vec<(u8, Option<&str>)> = progress
            .found
            .iter()
            .map(|found| {
                (
                    found.unit,
                    found.guesses.first().map(|guess| guess.profile.as_str()),
                )
            })
            .collect();
        let expected = [
            (2, Some("linli.node-leak")),
            (4, Some("linli.node-parking")),
            (5, Some("linli.node-bin")),
        ];
        assert_eq!(found, expected, "{transport:?}");
        for found in &progress.found {
            let said = found
                .identification
                .as_ref()
                .expect("the nodes say what they are");
            assert!(said.object(0).is_some(), "{said:?}");
        }
        bus.stopped().await;
    }
}

#[tokio::test]
async fn a_scan_leaves_half_of_the_bus_to_its_polling_and_can_be_ended() {
    let converter = Converter::start(&[(1, Manner::Prompt)]).await;
    let mut pipeline = Pipeline::start();
    let line = ModbusTransport::RtuOverTcp(converter.addr.to_string());
    let bus = Bus::start(&pipeline, line, vec![slave(1, &[100], 2)]);
    let job = scan(&bus, 10..=200);
    let began = Instant::now();
    let seen = watch(&mut pipeline, Duration::from_secs(5)).await;
    // Two silent questions a place, each a timeout and as much rest: about one place in a second.
    let done = job.progress().done;
    assert!((2..=7).contains(&done), "{done} places in {:?}", began.elapsed());
    assert!(seen[&1].right >= 12 && seen[&1].longest_ms < 800, "{seen:?}");
    assert!(
        seen[&1].wrong == 0 && seen[&1].missing <= seen[&1].stalls,
        "{seen:?}"
    );
    job.cancel.cancel();
    assert_eq!(ended(&job).await, ScanState::Cancelled);
    bus.stopped().await;
}

#[tokio::test]
async fn a_line_that_cannot_be_opened_fails_the_scan() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let pipeline = Pipeline::start();
    let bus = Bus::start(&pipeline, ModbusTransport::Tcp(nobody), Vec::new());
    assert_eq!(ended(&scan(&bus, 1..=3)).await, ScanState::Failed);
    bus.stopped().await;
}

/// A device with a valve that may be written.
fn valve() -> Slave {
    let text = "id = \"test.valve\"\ntitle = \"V\"\nversion = 1\n[modbus]\nregisters = [{ function = 3, address = 7, \
        type = \"u16\", measure = \"@valve\", write = { name = \"valve\", range = [0, 1] } }, { function = 3, address = 8, \
        type = \"u16\", measure = \"pulse.count\" }]";
    Slave {
        device: "unit-1".parse().unwrap(),
        unit: 1,
        profile: Arc::new(Profile::parse(text, "test").unwrap()),
    }
}

async fn open_the_valve(bus: &Bus, slave: &Slave) -> Result<Written, NotTaken> {
    let (reply, answer) = oneshot::channel();
    let order = WriteOrder {
        device: slave.device.clone(),
        unit: slave.unit,
        profile: Arc::clone(&slave.profile),
        request: slave.profile.modbus().unwrap().write("valve", 1.0).unwrap(),
        sent: Arc::default(),
        reply,
    };
    bus.buses.write(&"garage".parse().unwrap(), order)?;
    Ok(within("the write", answer).await.unwrap())
}

fn writable(converter: &Converter) -> ModbusBus {
    ModbusBus {
        writes: true,
        ..config(ModbusTransport::RtuOverTcp(converter.addr.to_string()))
    }
}

#[tokio::test]
async fn what_comes_of_a_write_is_told_as_it_is() {
    for (manner, outcome, read_back) in [
        // Its registers hold their own addresses, whatever is written to them.
        (
            Manner::Prompt,
            WriteOutcome::Accepted,
            Some(RegisterData::Words(vec![7])),
        ),
        (Manner::Exception(3), WriteOutcome::Refused(3), None),
        (Manner::Silent, WriteOutcome::Unknown, None),
    ] {
        let converter = Converter::start(&[(1, manner)]).await;
        let pipeline = Pipeline::start();
        let slave = valve();
        let bus = Bus::of(&pipeline, writable(&converter), vec![slave.clone()], None);
        let written = open_the_valve(&bus, &slave).await.unwrap();
        bus.stopped().await;
        assert_eq!(written, Written { outcome, read_back });
        let sent = converter.writes.lock().unwrap().clone();
        assert_eq!(sent, [vec![1, 6, 0, 7, 0, 1]], "once, whatever came of it");
    }
}

#[tokio::test]
async fn nothing_is_written_that_is_not_allowed_or_not_there() {
    let converter = Converter::start(&[(1, Manner::Prompt)]).await;
    let pipeline = Pipeline::start();
    let slave = valve();
    let read_only = ModbusBus {
        writes: false,
        ..writable(&converter)
    };
    let bus = Bus::of(&pipeline, read_only, vec![slave.clone()], None);
    assert_eq!(open_the_valve(&bus, &slave).await, Err(NotTaken::ReadOnly));
    bus.stopped().await;
    // The device was taken off the bus while somebody pressed the button.
    let bus = Bus::of(&pipeline, writable(&converter), Vec::new(), None);
    let written = open_the_valve(&bus, &slave).await.unwrap();
    assert!(matches!(written.outcome, WriteOutcome::NotSent(_)), "{written:?}");
    bus.stopped().await;
    assert!(converter.writes.lock().unwrap().is_empty());
}
