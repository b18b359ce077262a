//! What a gateway reads from a healthy street, on every transport.

use linli_node_sim::{Transport, serve_serial};
use linli_registers::meaning::{alarm, state};
use linli_registers::{INPUT_BLOCK, Kind, MAP_VERSION, address};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_modbus::prelude::*;
use tokio_serial::{SerialPort, SerialStream};

use crate::{BAY, BIN, Bus, Client, PATIENCE, PROBE, street};

#[tokio::test]
async fn a_day_on_the_street_over_modbus_tcp() {
    a_day_on_the_street(Transport::Tcp).await;
}

#[tokio::test]
async fn a_day_on_the_street_through_a_serial_converter() {
    a_day_on_the_street(Transport::RtuOverTcp).await;
}

async fn a_day_on_the_street(transport: Transport) {
    let bus = Bus::start(transport).await;
    let mut client = bus.client().await;
    for (unit, kind) in [(BAY, Kind::Parking), (BIN, Kind::Bin), (PROBE, Kind::Leak)] {
        assert_eq!(
            client.input(unit, address::MAP_VERSION, 2).await,
            Ok(vec![MAP_VERSION, kind as u16])
        );
        client.until(unit, address::LEAK_STATE, state::OFF).await;
    }

    assert!(bus.street.set_leak(PROBE, true));
    client.until(PROBE, address::LEAK_STATE, state::ON).await;
    assert!(bus.street.park(BAY, true));
    client.until(BAY, address::PARKING_STATE, state::ON).await;
    client.until(BAY, address::PARKING_VEHICLE_COUNT + 1, 1).await;
    assert!(bus.street.set_distance_mm(BIN, 150) && bus.street.set_temperature(BIN, 71.5));
    client.until(BIN, address::BIN_DISTANCE_MM, 150).await;
    client.until(BIN, address::BIN_STATE, state::ON).await;
    client.until(BIN, address::BIN_FIRE, state::ON).await;
    assert_eq!(
        client.input(BIN, address::BIN_TEMPERATURE, 1).await,
        Ok(vec![7_150])
    );

    assert!(bus.street.set_leak(PROBE, false));
    client.until(PROBE, address::LEAK_STATE, state::OFF).await;
    let latched = alarm::LEAK | alarm::RESTARTED;
    client.until(PROBE, address::ALARMS_LATCHED, latched).await;
    assert_eq!(client.write(PROBE, address::ACKNOWLEDGE, latched).await, Ok(()));
    client.until(PROBE, address::ALARMS_LATCHED, 0).await;
    bus.stop().await;
}

#[tokio::test]
async fn the_whole_node_is_one_request_and_beyond_it_is_nothing() {
    let bus = Bus::start(Transport::Tcp).await;
    let mut client = bus.client().await;
    let image = client
        .input(PROBE, INPUT_BLOCK.start, INPUT_BLOCK.end)
        .await
        .expect("holes read 0");
    assert_eq!(image.len(), usize::from(INPUT_BLOCK.end));
    let beyond = client.input(PROBE, INPUT_BLOCK.start, INPUT_BLOCK.end + 1).await;
    assert_eq!(beyond, Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(
        client.write(PROBE, address::DEBOUNCE_MS, 5).await,
        Err(ExceptionCode::IllegalDataValue)
    );
    let absent = client.input(99, 0, 1).await;
    assert_eq!(
        absent,
        Err(ExceptionCode::GatewayTargetDevice),
        "the converter says that nobody is there"
    );
    bus.stop().await;
}

#[tokio::test]
async fn a_node_tells_a_technician_what_it_is() {
    let bus = Bus::start(Transport::Tcp).await;
    let mut client = bus.client().await;
    client.0.set_slave(Slave(BIN));
    let answer = timeout(PATIENCE, client.0.read_device_identification(ReadCode::Basic, 0)).await;
    let answer = answer.expect("in time").expect("intact").expect("supported");
    let texts: Vec<_> = answer
        .device_id_objects
        .iter()
        .filter_map(|object| object.value_as_str())
        .collect();
    assert_eq!(texts, ["Linli", "linli-node-bin", env!("CARGO_PKG_VERSION")]);
    bus.stop().await;
}

#[tokio::test]
async fn a_street_on_a_serial_line() {
    let (adapter, line) = SerialStream::pair().expect("a pseudo terminal");
    let path = line.name().expect("which has a name");
    let street = street();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve_serial(path, 9_600, street.clone(), stopped));
    let mut client = Client(rtu::attach_slave(adapter, Slave(PROBE)));
    client.until(PROBE, address::LEAK_STATE, state::OFF).await;
    street.set_leak(PROBE, true);
    client.until(PROBE, address::LEAK_STATE, state::ON).await;
    client.until(BAY, address::PARKING_STATE, state::OFF).await;
    drop(stop);
    let ended = timeout(PATIENCE, server)
        .await
        .expect("the server ends when told")
        .expect("without a panic");
    assert!(ended.is_ok());
    drop(line);
}

#[tokio::test]
async fn a_line_that_is_not_there_is_an_error_at_once() {
    let error = serve_serial("/dev/no-such-line", 9_600, street(), std::future::pending::<()>()).await;
    assert_eq!(
        error.err().map(|error| error.to_string()),
        Some("failed to open the serial line /dev/no-such-line".into())
    );
}
