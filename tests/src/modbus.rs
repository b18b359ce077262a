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
        let (line, ours, theirs, folder) = pty_pair().await;
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
        let mut command = python("pymodbus_server.py");
        command.args(arguments).arg("--control").arg(control.to_string());
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

/// A line of pymodbus slaves with manners of their own: register n of unit u holds 1000 u + n.
#[derive(Debug)]
pub struct Slaves {
    _server: Running,
    _line: Option<Running>,
    /// TCP port, for Modbus TCP and for RTU over TCP.
    pub port: u16,
    /// The gateway's end of the serial line.
    pub serial: Option<PathBuf>,
    _folder: Option<tempfile::TempDir>,
}

/// How a line of slaves is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Modbus TCP.
    Tcp,
    /// RTU frames over TCP.
    RtuOverTcp,
    /// A serial line (a pty pair).
    Serial,
}

impl Slaves {
    /// Slaves as `tests/peers/pymodbus_line.py` describes them, such as `3:hole:10`.
    pub async fn start(reach: Reach, units: &[&str]) -> Self {
        let mut command = python("pymodbus_line.py");
        for unit in units {
            command.arg("--unit").arg(unit);
        }
        let port = free_port();
        let (mut line, mut serial, mut folder) = (None, None, None);
        match reach {
            Reach::Tcp => command.arg("--tcp").arg(port.to_string()),
            Reach::RtuOverTcp => command.arg("--rtu-tcp").arg(port.to_string()),
            Reach::Serial => {
                let (socat, ours, theirs, kept) = pty_pair().await;
                (line, serial, folder) = (Some(socat), Some(ours), Some(kept));
                command.arg("--serial").arg(theirs)
            }
        };
        let server = Running::start("pymodbus", &mut command);
        if reach != Reach::Serial {
            until("pymodbus to listen", || async move {
                let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
                connected.map(drop).map_err(|error| error.to_string())
            })
            .await;
        }
        Self {
            _server: server,
            _line: line,
            port,
            serial,
            _folder: folder,
        }
    }

    /// The configuration of a bus with these slaves.
    pub fn bus(&self, name: &str, reach: Reach) -> String {
        let transport = match (reach, &self.serial) {
            (Reach::Tcp, _) => format!("tcp = \"127.0.0.1:{}\"", self.port),
            (Reach::Serial, Some(path)) => {
                format!("serial = {{ path = \"{}\", baud = 9600 }}", path.display())
            }
            _ => format!("rtu_over_tcp = \"127.0.0.1:{}\"", self.port),
        };
        format!("[[modbus]]\nname = \"{name}\"\n{transport}\n")
    }

    /// A DTU in front of these slaves (RTU over TCP): dials `gateway`, registers, sends a heartbeat before every answer.
    /// Until it is dropped.
    pub fn dial(&self, gateway: u16, registration: &str, heartbeat: &str) -> Dtu {
        let (registration, heartbeat) = (registration.to_owned(), heartbeat.to_owned());
        let slaves = self.port;
        Dtu(tokio::spawn(async move {
            loop {
                if let Err(error) = carry(gateway, slaves, &registration, &heartbeat).await {
                    eprintln!("dtu: {error}");
                }
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }))
    }
}

/// A DTU that dials in; dropped, its mobile network is gone.
#[derive(Debug)]
pub struct Dtu(tokio::task::JoinHandle<()>);

impl Drop for Dtu {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn carry(gateway: u16, slaves: u16, registration: &str, heartbeat: &str) -> std::io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut gateway = tokio::net::TcpStream::connect(("127.0.0.1", gateway)).await?;
    let mut line = tokio::net::TcpStream::connect(("127.0.0.1", slaves)).await?;
    gateway.set_nodelay(true)?;
    gateway.write_all(registration.as_bytes()).await?;
    let (mut asked, mut said) = ([0; 512], [0; 512]);
    loop {
        tokio::select! {
            count = gateway.read(&mut asked) => match count? {
                0 => return Ok(()),
                count => line.write_all(&asked[..count]).await?,
            },
            count = line.read(&mut said) => match count? {
                0 => return Ok(()),
                count => {
                    gateway.write_all(heartbeat.as_bytes()).await?;
                    gateway.write_all(&said[..count]).await?;
                }
            },
        }
    }
}

/// A pair of connected ptys from socat: ours, theirs, and the folder they lie in.
async fn pty_pair() -> (Running, PathBuf, PathBuf, tempfile::TempDir) {
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
    (line, ours, theirs, folder)
}

/// One of the Python peers, with the libraries `tests/peers.sh` has installed.
/// What a node at this port says to a pymodbus master; see `tests/peers/pymodbus_master.py`. `framer` is `socket` for
/// Modbus TCP, `rtu` for a serial converter.
pub async fn ask_a_node(port: u16, framer: &str, unit: u8) -> serde_json::Value {
    until("a foreign master to be answered", || async move {
        let mut command = python("pymodbus_master.py");
        command.args([
            "--port",
            &port.to_string(),
            "--framer",
            framer,
            "--unit",
            &unit.to_string(),
        ]);
        let output = command.output().await.map_err(|e| e.to_string())?;
        serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
    })
    .await
}

fn python(script: &str) -> Command {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", target.join("peers-python"))
        .arg(repository().join("tests/peers").join(script));
    command
}
