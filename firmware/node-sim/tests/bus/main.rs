//! Stories of a street on its bus, told by a real Modbus client.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod faults;
mod program;
mod readings;

use std::net::SocketAddr;
use std::time::Duration;

use linli_node_sim::{Kind, NodeConfig, SharedStreet, Street, Transport, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_modbus::client::Context;
use tokio_modbus::prelude::*;

/// Longer than any answer takes on a busy machine; never waited for when things work.
const PATIENCE: Duration = Duration::from_secs(20);

const BAY: u8 = 1;
const BIN: u8 = 2;
const PROBE: u8 = 3;

/// A street with a bay, a bin and a probe, served on a free port.
struct Bus {
    street: SharedStreet,
    address: SocketAddr,
    transport: Transport,
    /// Dropped to stop the server.
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Bus {
    async fn start(transport: Transport) -> Bus {
        let street = street();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, transport, street.clone(), stopped));
        Bus {
            street,
            address,
            transport,
            stop,
            server,
        }
    }

    async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address)
            .await
            .expect("the street listens");
        stream.set_nodelay(true).expect("a TCP option");
        Client(match self.transport {
            Transport::Tcp => tcp::attach_slave(stream, Slave(PROBE)),
            Transport::RtuOverTcp => rtu::attach_slave(stream, Slave(PROBE)),
        })
    }

    async fn stop(self) {
        drop(self.stop);
        timeout(PATIENCE, self.server)
            .await
            .expect("the server ends when told")
            .expect("without a panic");
    }
}

fn street() -> SharedStreet {
    let kinds = [(BAY, Kind::Parking), (BIN, Kind::Bin), (PROBE, Kind::Leak)];
    let nodes = kinds.map(|(unit, kind)| NodeConfig { unit, kind });
    SharedStreet::new(Street::new(nodes).expect("three nodes make a street"))
}

/// A Modbus client in the words of the tests.
struct Client(Context);

impl Client {
    async fn input(&mut self, unit: u8, address: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        self.0.set_slave(Slave(unit));
        let answer = timeout(PATIENCE, self.0.read_input_registers(address, count)).await;
        answer.expect("an answer in time").expect("an intact answer")
    }

    async fn write(&mut self, unit: u8, address: u16, value: u16) -> Result<(), ExceptionCode> {
        self.0.set_slave(Slave(unit));
        let answer = timeout(PATIENCE, self.0.write_single_register(address, value)).await;
        answer.expect("an answer in time").expect("an intact answer")
    }

    /// Polls a register until it holds `wanted`.
    async fn until(&mut self, unit: u8, address: u16, wanted: u16) {
        let mut last = None;
        let polling = async {
            while last != Some(wanted) {
                last = self
                    .input(unit, address, 1)
                    .await
                    .expect("readable")
                    .first()
                    .copied();
            }
        };
        let outcome = timeout(PATIENCE, polling).await;
        assert!(
            outcome.is_ok(),
            "unit {unit} register {address:#06x}: {last:?} instead of {wanted}"
        );
    }
}
