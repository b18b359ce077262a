//! One sick node on the bus, and what the others notice of it: nothing.

use std::time::Duration;

use linli_node_sim::{Fault, Transport};
use linli_registers::meaning::{fault, state};
use linli_registers::{MAP_VERSION, address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::prelude::*;

use crate::{BAY, BIN, Bus, PATIENCE, PROBE};

/// Asks a unit for its map version on a Modbus TCP stream.
async fn ask_tcp(stream: &mut TcpStream, transaction: u8, unit: u8) {
    stream
        .write_all(&[0, transaction, 0, 0, 0, 6, unit, 4, 0, 0, 0, 1])
        .await
        .expect("the bus is up");
}

async fn hear<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    timeout(PATIENCE, stream.read_exact(&mut bytes))
        .await
        .expect("an answer in time")
        .expect("the bus is up");
    bytes
}

/// The answer to [`ask_tcp`].
fn version(transaction: u8, unit: u8) -> [u8; 11] {
    let [high, low] = MAP_VERSION.to_be_bytes();
    [0, transaction, 0, 0, 0, 5, unit, 4, 2, high, low]
}

#[tokio::test]
async fn a_silent_node_does_not_block_the_others_on_its_connection() {
    let bus = Bus::start(Transport::Tcp).await;
    bus.street.set_fault(PROBE, Fault::Silent);
    let mut stream = TcpStream::connect(bus.address).await.expect("the street listens");
    ask_tcp(&mut stream, 1, PROBE).await;
    ask_tcp(&mut stream, 2, BAY).await;
    assert_eq!(
        hear::<11>(&mut stream).await,
        version(2, BAY),
        "the first answer is the other node's"
    );
    bus.street.set_fault(PROBE, Fault::None);
    ask_tcp(&mut stream, 3, PROBE).await;
    assert_eq!(hear::<11>(&mut stream).await, version(3, PROBE));
    bus.stop().await;
}

#[tokio::test]
async fn a_late_answer_comes_after_that_of_the_node_asked_next() {
    let bus = Bus::start(Transport::Tcp).await;
    bus.street
        .set_fault(PROBE, Fault::Late(Duration::from_millis(300)));
    let mut stream = TcpStream::connect(bus.address).await.expect("the street listens");
    ask_tcp(&mut stream, 1, PROBE).await;
    ask_tcp(&mut stream, 2, BAY).await;
    assert_eq!(hear::<11>(&mut stream).await, version(2, BAY));
    assert_eq!(
        hear::<11>(&mut stream).await,
        version(1, PROBE),
        "late, and still correct"
    );
    bus.stop().await;
}

#[tokio::test]
async fn a_busy_node_says_so() {
    for transport in [Transport::Tcp, Transport::RtuOverTcp] {
        let bus = Bus::start(transport).await;
        let mut client = bus.client().await;
        bus.street.set_fault(BIN, Fault::Exception(6));
        assert_eq!(
            client.input(BIN, 0, 1).await,
            Err(ExceptionCode::ServerDeviceBusy)
        );
        bus.street.set_fault(BIN, Fault::None);
        assert_eq!(client.input(BIN, 0, 1).await, Ok(vec![MAP_VERSION]));
        bus.stop().await;
    }
}

#[tokio::test]
async fn a_damaged_answer_is_never_a_reading() {
    for transport in [Transport::Tcp, Transport::RtuOverTcp] {
        let bus = Bus::start(transport).await;
        for damage in [Fault::BadCrc, Fault::Truncated] {
            bus.street.set_fault(PROBE, damage);
            let mut client = bus.client().await;
            client.0.set_slave(Slave(PROBE));
            let call = client.0.read_input_registers(0, 1);
            // Refused by the client, or waited for in vain: either will do.
            if let Ok(Ok(answer)) = timeout(Duration::from_millis(500), call).await {
                panic!("{transport:?} {damage:?} was read as {answer:?}");
            }
            assert_eq!(bus.client().await.input(BAY, 0, 1).await, Ok(vec![MAP_VERSION]));
        }
        bus.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_lost_its_sensor_answers_and_does_not_know() {
    let bus = Bus::start(Transport::RtuOverTcp).await;
    let mut client = bus.client().await;
    client.until(PROBE, address::LEAK_STATE, state::OFF).await;
    bus.street.set_fault(PROBE, Fault::SensorLost);
    client.until(PROBE, address::LEAK_STATE, state::UNKNOWN).await;
    client
        .until(
            PROBE,
            address::FAULTS,
            fault::PROBE_LOST | fault::TEMPERATURE_LOST,
        )
        .await;
    bus.street.set_fault(PROBE, Fault::None);
    client.until(PROBE, address::LEAK_STATE, state::OFF).await;
    bus.stop().await;
}

#[tokio::test]
async fn what_is_not_modbus_is_disconnected_and_so_is_one_client_too_many() {
    let bus = Bus::start(Transport::Tcp).await;
    let mut browser = TcpStream::connect(bus.address).await.expect("the street listens");
    browser.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    assert_disconnected(&mut browser).await;

    let mut clients = vec![];
    for _ in 0..32 {
        let mut client = bus.client().await;
        // Answered, so that it is known to have been accepted.
        assert!(client.input(BAY, 0, 1).await.is_ok());
        clients.push(client);
    }
    let mut surplus = TcpStream::connect(bus.address).await.expect("the system accepts");
    assert_disconnected(&mut surplus).await;
    assert!(
        clients[0].input(BAY, 0, 1).await.is_ok(),
        "those who were first stay"
    );
    bus.stop().await;
}

async fn assert_disconnected(stream: &mut TcpStream) {
    let mut byte = [0];
    // A reset and an orderly end say the same here.
    let read = timeout(PATIENCE, stream.read(&mut byte))
        .await
        .expect("the street hangs up");
    assert!(matches!(read, Ok(0) | Err(_)));
}
