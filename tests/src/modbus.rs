//! Foreign Modbus peers: a pymodbus server over TCP, and over a pty pair from socat.

use crate::process::{Running, free_port, repository};
use crate::wait::until;
use std::path::PathBuf;
use tokio::process::Command;

/// A pymodbus server whose discrete inputs can be set while it runs.
#[derive(Debug)]
pub struct Pymodbus {
    _server: Running,
    _line: Option<Running>,
    /// Where to tell it what its inputs are: one line of `address value`.
    control: u16,
    /// TCP port of the server, for Modbus TCP.
    pub port: u16,
    /// The gateway's end of the serial line, for RTU.
    pub serial: Option<PathBuf>,
    _folder: tempfile::TempDir,
}

impl Pymodbus {
    /// A Modbus TCP server.
    pub async fn tcp() -> Self {
        let port = free_port();
        Self::start(
            &["--tcp".into(), port.to_string()],
            port,
            None,
            None,
            tempfile::tempdir().expect("a folder"),
        )
        .await
    }

    /// An RTU server on one end of a pty pair; the other end is for the gateway.
    pub async fn serial() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, theirs) = (folder.path().join("gateway"), folder.path().join("slave"));
        let pty = |path: &PathBuf| format!("pty,raw,echo=0,link={}", path.display());
        let line = Running::start("socat", Command::new("socat").arg(pty(&ours)).arg(pty(&theirs)));
        let (a, b) = (ours.clone(), theirs.clone());
        until("socat to make the line", || {
            let ready = a.exists() && b.exists();
            async move {
                if ready {
                    Ok(())
                } else {
                    Err("no pty yet".to_owned())
                }
            }
        })
        .await;
        let arguments = ["--serial".to_owned(), theirs.display().to_string()];
        Self::start(&arguments, 0, Some(line), Some(ours), folder).await
    }

    async fn start(
        arguments: &[String],
        port: u16,
        line: Option<Running>,
        serial: Option<PathBuf>,
        folder: tempfile::TempDir,
    ) -> Self {
        let control = free_port();
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", target.join("peers-python"))
            .arg(repository().join("tests/peers/pymodbus_server.py"))
            .args(arguments)
            .arg("--control")
            .arg(control.to_string());
        let server = Running::start("pymodbus", &mut command);
        let modbus = Self {
            _server: server,
            _line: line,
            control,
            port,
            serial,
            _folder: folder,
        };
        modbus.set_input(0, false).await;
        modbus
    }

    /// Sets one discrete input; returns once the server has it.
    pub async fn set_input(&self, address: u16, on: bool) {
        let control = self.control;
        until("pymodbus to take the input", || async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", control))
                .await
                .map_err(|e| e.to_string())?;
            let line = format!("{address} {}\n", u8::from(on));
            stream
                .write_all(line.as_bytes())
                .await
                .map_err(|e| e.to_string())?;
            let mut answer = [0; 2];
            stream.read_exact(&mut answer).await.map_err(|e| e.to_string())?;
            if &answer == b"ok" {
                Ok(())
            } else {
                Err("no ok".to_owned())
            }
        })
        .await;
    }
}
