//! A master of a foreign make asks everything a node should know: the emulated board on its serial converter, and the
//! same node in `node-sim` over Modbus TCP.

use super::UNIT;
use e2e::modbus::ask_a_node;
use e2e::process::{Running, free_port, workspace_program};
use e2e::qemu::{Build, Node, Wire};
use serde_json::{Value, json};
use tokio::process::Command;

fn is_right(said: &Value, unit: u8) {
    let expected = json!({
        "common": [0x0101, 1, 1],
        "past the end": "exception 2",
        "settings": [unit, 1, 300, 0, 6000, 5500, 150, 90, 0, 0],
        "learn": [true],
        "do not": "done",
        "debounce": [450],
        "too short a debounce": "exception 3",
        "both limits": "done",
        "crossed limits": "exception 3",
        "settings after": [unit, 1, 450, 0, 6000, 5500, 200, 120, 0, 0],
        "who": { "0": "Linli", "1": "linli-node-parking", "2": env!("CARGO_PKG_VERSION") },
        "echo": "abcd",
        "crc errors": 0,
        "mask write": "exception 1",
    });
    for (question, answer) in expected.as_object().unwrap() {
        assert_eq!(&said[question], answer, "{question}: {said:#}");
    }
    // Bits come in whole bytes.
    assert_eq!(said["learning"][0], json!(false));
    assert_eq!(said["states"].as_array().map(Vec::len), Some(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulated_board_behind_a_serial_converter() {
    let node = Node::start(Build::whole("parking"), Wire::Tcp).await;
    is_right(&ask_a_node(node.port(), "rtu", UNIT).await, UNIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_street_over_modbus_tcp() {
    let port = free_port();
    let mut command = Command::new(workspace_program("node-sim"));
    command.arg("--tcp").arg(format!("127.0.0.1:{port}"));
    let _street = Running::start("node-sim", &mut command);
    is_right(&ask_a_node(port, "socket", 1).await, 1);
}
