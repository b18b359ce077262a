//! The closed loop over wires: a foreign Modbus server (pymodbus) over TCP, and over a pty for RTU.

use crate::estate::estate;
use e2e::gateway::{Gateway, Site};
use e2e::modbus::Pymodbus;
use serde_json::json;

/// The I/O module of the stories watches the pipe zone with its first input.
fn module() -> String {
    r#"
[[devices]]
id = "di-b3"
profile = "waveshare.modbus-rtu-io-8ch"
name = { zh = "开关量模块", en = "Input module" }
address = { bus = "bus-1", unit = 1 }
points = [{ measure = "leak.wet", instance = "DI1", asset = "b3-pipe" }]
"#
    .to_owned()
}

async fn the_whole_way(server: &Pymodbus, bus: String) {
    let site = Site {
        estate: estate("main", &module()),
        modbus: bus,
        ..Site::default()
    };
    let mut gateway = Gateway::start(&site).await;
    gateway.point_is("di-b3/leak.wet/DI1", json!(false)).await;
    server.set_input(0, true).await;
    let order = gateway.order_in("b3-pipe", "dispatched").await;
    let id = order["id"].as_str().unwrap();
    gateway.order(id, "accept", json!({})).await;
    gateway.order(id, "start", json!({})).await;
    gateway.order(id, "complete", json!({ "note": "sealed" })).await;
    gateway.order_in("b3-pipe", "pending_verification").await;
    server.set_input(0, false).await;
    gateway.order_in("b3-pipe", "closed").await;
    assert_eq!(
        gateway.list("/api/v1/orders").await.unwrap().len(),
        1,
        "the other inputs raised nothing"
    );
    assert_eq!(gateway.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wet_input_of_a_foreign_server_over_tcp_becomes_a_closed_order() {
    let server = Pymodbus::tcp().await;
    let bus = format!(
        "[[modbus]]\nname = \"bus-1\"\ntcp = \"127.0.0.1:{}\"\nperiod = \"200ms\"\n",
        server.port
    );
    the_whole_way(&server, bus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_over_a_serial_line() {
    let server = Pymodbus::serial().await;
    let path = server.serial.clone().unwrap();
    let bus = format!(
        "[[modbus]]\nname = \"bus-1\"\nserial = {{ path = \"{}\", baud = 9600, parity = \"none\", stop_bits = 1 }}\n\
         period = \"200ms\"\ntimeout = \"1s\"\n",
        path.display()
    );
    the_whole_way(&server, bus).await;
}
