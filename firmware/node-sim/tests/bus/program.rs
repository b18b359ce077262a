//! The program itself: it says where it listens, follows its script, and ends when told.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use linli_registers::address;
use linli_registers::meaning::state;
use tokio::net::TcpStream;
use tokio_modbus::prelude::*;

use crate::{Client, PROBE};

/// Ends the program also when its test fails.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn node_sim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_node-sim"));
    command.args(arguments);
    command
}

#[tokio::test]
async fn it_prints_where_it_listens_and_follows_its_script() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("street.toml");
    let text = "[[nodes]]\nunit = 3\nkind = \"leak\"\n[[script]]\nat = \"500ms\"\nunit = 3\nleak = true\n";
    std::fs::write(&config, text).expect("writable");
    let config = config.to_str().expect("a plain path");
    let mut command = node_sim(&[
        "--tcp",
        "127.0.0.1:0",
        "--rtu-tcp",
        "127.0.0.1:0",
        "--config",
        config,
    ]);
    let mut program = Program(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let lines = BufReader::new(program.0.stdout.take().expect("piped")).lines();
    let lines: Vec<serde_json::Value> = lines
        .take(2)
        .map(|line| serde_json::from_str(&line.expect("text")).expect("one JSON value per line"))
        .collect();
    let names: Vec<_> = lines
        .iter()
        .map(|line| line["transport"].as_str().expect("named"))
        .collect();
    assert_eq!(names, ["tcp", "rtu-tcp"]);

    let address = |line: &serde_json::Value| -> SocketAddr {
        line["address"]
            .as_str()
            .expect("text")
            .parse()
            .expect("an address")
    };
    let tcp_stream = TcpStream::connect(address(&lines[0])).await.expect("it listens");
    let mut client = Client(tcp::attach_slave(tcp_stream, Slave(PROBE)));
    client.until(PROBE, address::LEAK_STATE, state::ON).await;
    let rtu_stream = TcpStream::connect(address(&lines[1])).await.expect("it listens");
    let mut client = Client(rtu::attach_slave(rtu_stream, Slave(PROBE)));
    client.until(PROBE, address::LEAK_STATE, state::ON).await;

    let told = Command::new("kill")
        .arg(program.0.id().to_string())
        .status()
        .expect("a shell tool");
    assert!(told.success());
    assert_eq!(
        program.0.wait().expect("it ends").code(),
        Some(0),
        "told to stop, it stops in order"
    );
}

#[test]
fn wrong_use_and_wrong_files_are_told_apart() {
    let silent = |command: &mut Command| command.stderr(Stdio::null()).status().expect("it starts").code();
    assert_eq!(silent(&mut node_sim(&[])), Some(2), "nothing to serve");
    assert_eq!(
        silent(&mut node_sim(&[
            "--tcp",
            "127.0.0.1:0",
            "--config",
            "/no/such/file"
        ])),
        Some(1)
    );
    assert_eq!(silent(&mut node_sim(&["--serial", "/dev/no-such-line"])), Some(1));
}
