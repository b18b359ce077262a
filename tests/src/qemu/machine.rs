//! One emulated board: QEMU's command line, its two control sockets and its end.

use super::monitor::{Qmp, Qtest};
use super::{Build, Pin, Wire, appears, eeprom, image, sensor_socket};
use crate::process::Running;
use crate::wait::until;
use std::path::{Path, PathBuf};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::Mutex;

/// Pin of port E that is low when the rescue jumper is set.
const RESCUE: u8 = 0;

#[derive(Debug)]
pub(super) struct Machine {
    qemu: Running,
    qmp: Mutex<Qmp>,
    qtest: Mutex<Qtest>,
    /// Object path of the GPIO block of port E.
    port_e: String,
    pty: Option<PathBuf>,
}

impl Machine {
    pub(super) async fn start(folder: &Path, build: Build, wire: Wire, port: u16, rescue: bool) -> Self {
        let (qmp, qtest, sensor) = (folder.join("qmp"), folder.join("qtest"), sensor_socket(folder));
        for socket in [&qmp, &qtest, &sensor] {
            let _ = std::fs::remove_file(socket);
        }
        let unix = |path: &Path| format!("unix:{},server=on,wait=off", path.display());
        let mut command = Command::new("qemu-system-arm");
        command
            .args(["-machine", "lm3s6965evb", "-cpu", "cortex-m4"])
            .args(["-display", "none", "-monitor", "none"])
            // Stopped, until everything is connected: a pin is read at the first instruction.
            .args(["-S", "-kernel"])
            .arg(image(build.kind))
            .arg("-serial")
            .arg(match wire {
                Wire::Pty => "pty".to_owned(),
                // Without nodelay a byte per packet costs 48 ms an answer.
                Wire::Tcp => format!("tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on"),
            })
            .arg("-serial")
            .arg(unix(&sensor))
            .arg("-qmp")
            .arg(unix(&qmp))
            .arg("-qtest")
            .arg(unix(&qtest))
            .args(["-qtest-log", "/dev/null"])
            .arg("-drive")
            .arg(format!(
                "if=none,id=eeprom,format=raw,file={}",
                eeprom(folder).display()
            ))
            .args([
                "-device",
                "at24c-eeprom,bus=i2c,address=0x50,rom-size=65536,drive=eeprom",
            ]);
        if build.magnetometer {
            command.args(["-device", "lsm303dlhc_mag,id=mag,bus=i2c,address=0x1e"]);
        }
        if build.thermometer {
            command.args(["-device", "tmp105,id=temp,bus=i2c,address=0x48"]);
        }
        let qemu = Running::start("qemu-system-arm", &mut command);
        appears(&qmp, || qemu.log()).await;
        appears(&qtest, || qemu.log()).await;
        let mut qmp = Qmp::connect(&qmp).await;
        let port_e = qmp.gpio_port(4).await;
        let qtest = Qtest::connect(&qtest).await;
        let pty = match wire {
            Wire::Pty => Some(pty(&qemu).await),
            Wire::Tcp => None,
        };
        let machine = Self {
            qemu,
            qmp: Mutex::new(qmp),
            qtest: Mutex::new(qtest),
            port_e,
            pty,
        };
        machine.as_built(rescue).await;
        machine.qmp.lock().await.go().await;
        machine
    }

    /// A bin that stands and a dry contact.
    async fn as_built(&self, rescue: bool) {
        self.pin(RESCUE, !rescue).await;
        self.pin(Pin::Tilt as u8, false).await;
        self.pin(Pin::Contact as u8, true).await;
    }

    pub(super) fn pty(&self) -> &Path {
        self.pty.as_deref().expect("the node was wired to a pty")
    }

    pub(super) async fn set(&self, part: &str, property: &str, value: i32) {
        self.qmp.lock().await.set(part, property, value).await;
    }

    pub(super) async fn pin(&self, pin: u8, high: bool) {
        self.qtest.lock().await.pin(&self.port_e, pin, high).await;
    }

    pub(super) async fn save_memory(&self, start: u32, bytes: u32, file: &Path) {
        self.qmp.lock().await.save_memory(start, bytes, file).await;
    }

    pub(super) fn log(&self) -> String {
        self.qemu.log()
    }

    pub(super) async fn stop(&mut self) {
        self.qemu.kill().await;
    }
}

/// QEMU prints where it has put a pseudo terminal.
async fn pty(qemu: &Running) -> PathBuf {
    until("QEMU to name its pty", || {
        let log = qemu.log();
        async move {
            let path = log.split_whitespace().find(|word| word.starts_with("/dev/pts/"));
            path.map(PathBuf::from).ok_or(log)
        }
    })
    .await
}

/// A port that QEMU listens on.
pub(super) async fn connect(port: u16) -> TcpStream {
    until("the node's converter to listen", || async move {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(stream)
    })
    .await
}
