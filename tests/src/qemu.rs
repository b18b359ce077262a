//! The node's firmware on an emulated microcontroller, and the world around it.
//!
//! Nothing in the firmware knows that it is tested: the magnetometer and the thermometer are QEMU's models of the
//! parts, told over QMP what they feel; pins are driven over the qtest socket; the ultrasonic sensor is this harness
//! at the other end of a UART. Needs `qemu-system-arm` and the images of `make firmware`.

mod machine;
mod master;
mod monitor;

use crate::process::{free_port, repository};
use crate::wait::until;
use machine::Machine;
pub use master::Master;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a node is built of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// `parking`, `bin` or `leak`.
    pub kind: &'static str,
    /// Whether the magnetometer is fitted.
    pub magnetometer: bool,
    /// Whether the thermometer is fitted.
    pub thermometer: bool,
}

impl Build {
    /// With every sensor.
    pub fn whole(kind: &'static str) -> Self {
        Self {
            kind,
            magnetometer: true,
            thermometer: true,
        }
    }
}

/// Where the node's RS-485 goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// A serial line: a pseudo terminal.
    Pty,
    /// A serial converter: RTU frames over TCP.
    Tcp,
}

/// Pins of port E.
#[derive(Debug, Clone, Copy)]
pub enum Pin {
    /// Low while the bin stands.
    Tilt = 1,
    /// Low while water closes the contact.
    Contact = 2,
}

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    machine: Machine,
    build: Build,
    wire: Wire,
    port: u16,
    rescue: bool,
    /// What the ultrasonic sensor sees, millimetres; 0 when it is unplugged.
    distance_mm: Arc<AtomicU16>,
    _sensor: DropGuard,
    folder: tempfile::TempDir,
}

impl Node {
    /// Builds a node with a blank EEPROM and switches it on.
    pub async fn start(build: Build, wire: Wire) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(eeprom(folder.path()), vec![0xFF; 65_536]).expect("an EEPROM");
        let distance_mm = Arc::new(AtomicU16::new(0));
        let port = free_port();
        let machine = Machine::start(folder.path(), build, wire, port, false).await;
        let sensor = ultrasonic(folder.path(), Arc::clone(&distance_mm));
        Self {
            machine,
            build,
            wire,
            port,
            rescue: false,
            distance_mm,
            _sensor: sensor,
            folder,
        }
    }

    /// Switches it off and, built otherwise, on again. What its EEPROM holds stays.
    pub async fn rebuild(&mut self, build: Build) {
        self.build = build;
        self.restart().await;
    }

    /// Sets or takes away the rescue jumper; the node looks at it when it starts.
    pub fn set_rescue(&mut self, set: bool) {
        self.rescue = set;
    }

    /// A power cut.
    pub async fn restart(&mut self) {
        self.machine.stop().await;
        self.machine =
            Machine::start(self.folder.path(), self.build, self.wire, self.port, self.rescue).await;
    }

    /// Its `[[modbus]]` section.
    pub fn bus(&self, name: &str) -> String {
        let line = match self.wire {
            Wire::Tcp => format!("rtu_over_tcp = \"127.0.0.1:{}\"", self.port),
            Wire::Pty => format!(
                "serial = {{ path = \"{}\", baud = 19200, parity = \"none\", stop_bits = 1 }}",
                self.machine.pty().display()
            ),
        };
        // A shared host lets an emulator stand still for a second or two.
        format!("[[modbus]]\nname = \"{name}\"\n{line}\nperiod = \"200ms\"\ntimeout = \"3s\"\n")
    }

    /// The TCP port of its serial converter.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A master of our own at its RTU-over-TCP port, for what an installer does. One at a time, and no gateway beside it.
    pub async fn master(&self) -> Master {
        Master::connect(self.port).await
    }

    /// The magnetic field, milligauss.
    pub async fn field_mg(&self, [x, y, z]: [i32; 3]) {
        // The model counts in hundredths of a milligauss.
        for (axis, mg) in [("mag-x", x), ("mag-y", y), ("mag-z", z)] {
            self.machine.set("mag", axis, mg * 100).await;
        }
    }

    /// The temperature, degrees Celsius.
    pub async fn temperature(&self, celsius: i32) {
        self.machine.set("temp", "temperature", celsius * 1_000).await;
    }

    /// The level of a pin.
    pub async fn pin(&self, pin: Pin, high: bool) {
        self.machine.pin(pin as u8, high).await;
    }

    /// What the ultrasonic sensor sees; `None` unplugs it.
    pub fn distance_mm(&self, distance_mm: Option<u16>) {
        self.distance_mm.store(distance_mm.unwrap_or(0), Ordering::SeqCst);
    }

    /// The deepest its stack has been, bytes. Emulated memory starts as zeros; the stack grows down from its end.
    pub async fn deepest_stack(&self) -> usize {
        const START: u32 = 0x2000_0000;
        const BYTES: u32 = 65_536;
        let file = self.folder.path().join("memory");
        self.machine.save_memory(START, BYTES, &file).await;
        let memory = std::fs::read(&file).expect("saved");
        // Below lie the statics, which take far less than the first half.
        let untouched = memory[memory.len() / 2..]
            .iter()
            .take_while(|byte| **byte == 0)
            .count();
        memory.len() / 2 - untouched
    }

    /// What the emulator wrote.
    pub fn log(&self) -> String {
        self.machine.log()
    }
}

fn eeprom(folder: &Path) -> PathBuf {
    folder.join("eeprom")
}

fn sensor_socket(folder: &Path) -> PathBuf {
    folder.join("sensor")
}

/// The image of a kind.
///
/// # Panics
/// When it was not built.
fn image(kind: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let path = target.join(format!("firmware/images/qemu-{kind}"));
    assert!(
        path.is_file(),
        "{} is not built: run `make firmware`",
        path.display()
    );
    path
}

/// An A02YYUW: a frame every 100 ms, `FF hh ll sum`, in pieces as a UART delivers them.
fn ultrasonic(folder: &Path, distance_mm: Arc<AtomicU16>) -> DropGuard {
    let (socket, stop) = (sensor_socket(folder), CancellationToken::new());
    let stopped = stop.clone();
    tokio::spawn(async move {
        let mut frames = tokio::time::interval(std::time::Duration::from_millis(100));
        let mut line = None;
        while stopped.run_until_cancelled(frames.tick()).await.is_some() {
            if line.is_none() {
                line = UnixStream::connect(&socket).await.ok();
            }
            let distance_mm = distance_mm.load(Ordering::SeqCst);
            let (Some(stream), true) = (&mut line, distance_mm > 0) else {
                continue;
            };
            let [high, low] = distance_mm.to_be_bytes();
            let frame = [0xFF, high, low, 0xFF_u8.wrapping_add(high).wrapping_add(low)];
            // The node was switched off: look for it again.
            if stream.write_all(&frame).await.is_err() {
                line = None;
            }
        }
    });
    stop.drop_guard()
}

/// Waits for a file to appear.
async fn appears(path: &Path, log: impl Fn() -> String) {
    until(&format!("{} to appear", path.display()), || {
        let found = path.exists();
        let log = log();
        async move { if found { Ok(()) } else { Err(log) } }
    })
    .await;
}
