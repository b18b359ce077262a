//! DTUs that dial in: told apart by what they register with, replaced when they come again, strangers refused.

use super::converter::registers;
use super::modbus::{Bus, config, slave, watch, words};
use super::pipeline::{Pipeline, within};
use linli::config::{Dtu, ModbusBus, ModbusTransport};
use linli::field::modbus::dtu::Ports;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The bus of a DTU that registers with `registration`.
fn bus(name: &str, registration: &str) -> ModbusBus {
    let dtu = Dtu {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        registration: registration.as_bytes().into(),
        id_bytes: None,
        heartbeat: Some(Box::from(&b"ping"[..])),
    };
    ModbusBus {
        bus: name.parse().unwrap(),
        // Every line here answers: nothing is waited for in vain, however busy the machine is.
        timeout: Duration::from_secs(10),
        ..config(ModbusTransport::Dtu(dtu))
    }
}

/// Two buses on one port, running.
async fn estate(pipeline: &Pipeline) -> (SocketAddr, [Bus; 2], CancellationToken) {
    let buses = [bus("east", "linli-east"), bus("west", "linli-west")];
    let ports = Ports::bind(&buses).await.unwrap();
    let address = ports.addresses()[0];
    let running = [(1, &buses[0]), (2, &buses[1])].map(|(unit, bus)| {
        Bus::of(
            pipeline,
            bus.clone(),
            vec![slave(unit, &[unit as u16 * 100], 2)],
            ports.of(bus),
        )
    });
    let stop = CancellationToken::new();
    tokio::spawn(ports.serve(pipeline.metrics.clone(), stop.clone()));
    (address, running, stop)
}

/// A DTU: dials, registers and answers for its line, with a heartbeat before every answer.
struct Device {
    stream: TcpStream,
}

impl Device {
    async fn dial(address: SocketAddr, registration: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(registration.as_bytes()).await.unwrap();
        Self { stream }
    }

    /// Answers until the other side hangs up.
    async fn serve(mut self) {
        let mut request = [0; 8];
        while self.stream.read_exact(&mut request).await.is_ok() {
            let frame = registers(request);
            let (first, rest) = frame.split_at(3);
            for part in [&b"ping"[..], first, b"ping", rest] {
                if self.stream.write_all(part).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

#[tokio::test]
async fn two_dtus_on_one_port_are_told_apart_and_heartbeats_are_taken_out() {
    let mut pipeline = Pipeline::start();
    let (address, buses, stop) = estate(&pipeline).await;
    tokio::spawn(Device::dial(address, "linli-west").await.serve());
    tokio::spawn(Device::dial(address, "pinglinli-east\r\n").await.serve());
    let mut east = None;
    let mut west = None;
    within("both lines", async {
        while east.is_none() || west.is_none() {
            let frame = pipeline.answer().await;
            let Some(words) = words(&frame) else { continue };
            assert_eq!(words, [frame.read.request.start, frame.read.request.start + 1]);
            match frame.device.as_str() {
                "unit-1" => east = Some(words[0]),
                _ => west = Some(words[0]),
            }
        }
    })
    .await;
    assert_eq!((east, west), (Some(100), Some(200)));
    let seen = watch(&mut pipeline, Duration::from_secs(2)).await;
    assert!(
        seen.values()
            .all(|seen| seen.wrong == 0 && seen.missing == 0 && seen.right > 3),
        "{seen:?}"
    );
    stop.cancel();
    for bus in buses {
        bus.stopped().await;
    }
}

#[tokio::test]
async fn a_dtu_that_dials_again_replaces_its_old_line() {
    let mut pipeline = Pipeline::start();
    let (address, buses, stop) = estate(&pipeline).await;
    let first = Device::dial(address, "linli-east").await;
    tokio::spawn(first.serve());
    within("the first line", async {
        while words(&pipeline.answer().await).is_none() {}
    })
    .await;
    // The mobile network forgot the first connection; nobody told the gateway.
    let mut second = Device::dial(address, "linli-east").await;
    let mut request = [0; 8];
    within(
        "a question on the new line",
        second.stream.read_exact(&mut request),
    )
    .await
    .unwrap();
    assert_eq!(request[0], 1);
    tokio::spawn(second.serve());
    within("the new line", async {
        loop {
            let frame = pipeline.answer().await;
            if frame.device.as_str() == "unit-1" && words(&frame).is_some() {
                return;
            }
        }
    })
    .await;
    stop.cancel();
    for bus in buses {
        bus.stopped().await;
    }
}

#[tokio::test]
async fn strangers_are_refused_and_counted() {
    let pipeline = Pipeline::start();
    let (address, buses, stop) = estate(&pipeline).await;
    let refused = |reason: &'static str| {
        let metrics = pipeline.metrics.clone();
        move || metrics.modbus_dtu_refused.with_label_values(&[reason]).get()
    };
    // Somebody else's DTU, and a search engine.
    for greeting in ["other-0001", "GET / HTTP/1.1\r\n"] {
        let mut stranger = Device::dial(address, greeting).await;
        let mut end = [0; 1];
        let closed = within("to be refused", stranger.stream.read(&mut end)).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "{greeting}");
    }
    assert_eq!(refused("unknown")(), 2);
    // Whoever says nothing takes a place; there are sixteen.
    let mut quiet = Vec::new();
    for _ in 0..17 {
        quiet.push(TcpStream::connect(address).await.unwrap());
    }
    within("the seventeenth to be refused", async {
        while refused("too_many")() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stop.cancel();
    for bus in buses {
        bus.stopped().await;
    }
    drop(quiet);
}
