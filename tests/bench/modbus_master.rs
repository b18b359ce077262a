//! The gateway's Modbus master by itself, in a process of its own, with nobody behind its door but a counter.
//!
//! Register n of device d must hold 256 d + n: a value that says otherwise is on the wrong point.

use crate::load::cpu_seconds;
use linli::clock::SystemClock;
use linli::config::{LineSpeed, ModbusBus, ModbusTransport};
use linli::field::modbus::errand::Buses;
use linli::field::modbus::{self, Devices, Port, Slave, Surroundings};
use linli::field::{Frame, ModbusFrame};
use linli::metrics::Metrics;
use linli::pipeline::{Arrival, Inbox, open};
use linli::profiles::Profiles;
use linli_decode::{Profile, RegisterData};
use linli_domain::time::Monotonic;
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// How the bench program is told to be the master.
pub(crate) const COMMAND: &str = "modbus-master";
/// Between two looks at what was polled.
const LOOK: Duration = Duration::from_millis(10);

/// What to poll.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    /// One bus for each address; with `line` the one address is a line with all devices.
    pub(crate) addresses: Vec<String>,
    /// Devices of a line at 9600 baud; 0: Modbus TCP, one device for each address.
    pub(crate) line: usize,
    /// First addresses of the blocks that are read of each device.
    pub(crate) starts: Vec<u16>,
    /// Registers of a block.
    pub(crate) registers: u16,
    pub(crate) period_ms: u64,
    pub(crate) timeout_ms: u64,
    /// Not counted at the beginning.
    pub(crate) warm_up_ms: u64,
    pub(crate) counted_ms: u64,
    /// Devices from the first that are well; the others are not in `polls` and the gaps.
    pub(crate) healthy: usize,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Polled {
    /// Right answers of healthy devices.
    pub(crate) polls: u64,
    /// Values that belong elsewhere, of whomever.
    pub(crate) wrong: u64,
    /// Times between two right answers of one block of a healthy device.
    pub(crate) gap_p50_ms: f64,
    pub(crate) gap_p99_ms: f64,
    pub(crate) cores: f64,
}

/// Runs the master on `task` in a process of its own.
pub(crate) async fn run(task: &Task) -> Polled {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .arg(COMMAND)
        .arg(serde_json::to_string(task).expect("a task"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .expect("run the master");
    serde_json::from_slice(&output.stdout).expect("what the master counted")
}

/// Is the master: polls as told, prints what it counted.
pub(crate) async fn serve() {
    let task: Task = serde_json::from_str(&std::env::args().nth(2).unwrap_or_default()).expect("a task");
    let (door, inbox) = open(Vec::new());
    let surroundings = Surroundings {
        door,
        clock: Arc::new(SystemClock::new()),
        metrics: Metrics::new().expect("metrics"),
        shutdown: CancellationToken::new(),
    };
    let profile = Arc::new(profile(&task));
    let profiles = Profiles::open(None).expect("the built-in profiles");
    for (index, address) in task.addresses.iter().enumerate() {
        let devices = if task.line > 0 {
            0..task.line
        } else {
            index..index + 1
        };
        let slaves: Vec<Slave> = devices
            .map(|device| Slave {
                device: format!("d{device}").parse().expect("an id"),
                unit: if task.line > 0 { device as u8 + 1 } else { 1 },
                profile: Arc::clone(&profile),
            })
            .collect();
        let bus = bus(&task, index, address);
        let mut buses = Buses::default();
        let port = Port {
            dialled: None,
            errands: buses.add(bus.bus.clone(), false),
            profiles: Arc::clone(&profiles),
        };
        let surroundings = surroundings.clone();
        tokio::spawn(async move {
            modbus::run(bus, Devices::fixed(slaves), port, surroundings).await;
            drop(buses);
        });
    }
    let mut counter = Counter::new(&task);
    counter.see_for(&inbox, task.warm_up_ms).await;
    counter.begin();
    let (began, used) = (Instant::now(), cpu_seconds(std::process::id()));
    counter.see_for(&inbox, task.counted_ms).await;
    let cores = (cpu_seconds(std::process::id()) - used) / began.elapsed().as_secs_f64();
    let polled = counter.polled(cores);
    println!("{}", serde_json::to_string(&polled).expect("counts"));
}

fn bus(task: &Task, index: usize, address: &str) -> ModbusBus {
    let transport = match task.line {
        0 => ModbusTransport::Tcp(address.to_owned()),
        _ => ModbusTransport::RtuOverTcp(address.to_owned()),
    };
    let mut bus = ModbusBus::new(format!("bus-{index}").parse().expect("a name"), transport);
    bus.timeout = Duration::from_millis(task.timeout_ms);
    bus.max_lateness = ModbusBus::usual_lateness(bus.timeout);
    bus.period = Duration::from_millis(task.period_ms);
    if task.line > 0 {
        bus.speed = Some(LineSpeed {
            baud: 9_600,
            bits_per_character: 10,
        });
    } else {
        bus.pause = Duration::ZERO;
    }
    bus
}

fn profile(task: &Task) -> Profile {
    let addresses = task
        .starts
        .iter()
        .flat_map(|start| *start..*start + task.registers);
    let registers: Vec<String> = addresses
        .map(|address| {
            format!("{{ function = 3, address = {address}, type = \"u16\", measure = \"pulse.count\", instance = \"R{address}\" }}")
        })
        .collect();
    let text = format!(
        "id = \"bench.device\"\ntitle = \"B\"\nversion = 1\n[modbus]\nregisters = [{}]",
        registers.join(", ")
    );
    Profile::parse(&text, "bench").expect("a profile")
}

/// Counts what comes through the door.
struct Counter {
    healthy: usize,
    blocks: Vec<u16>,
    /// By device and block: when it was last answered.
    last: Vec<Option<Monotonic>>,
    gaps_ms: Vec<f64>,
    polls: u64,
    wrong: u64,
    counts: bool,
}

impl Counter {
    fn new(task: &Task) -> Self {
        let devices = task.addresses.len().max(task.line);
        Self {
            healthy: task.healthy,
            blocks: task.starts.clone(),
            last: vec![None; devices * task.starts.len()],
            gaps_ms: Vec::new(),
            polls: 0,
            wrong: 0,
            counts: false,
        }
    }

    fn begin(&mut self) {
        self.counts = true;
    }

    /// Looks into the inbox now and then: being woken for each frame would be most of the figure.
    async fn see_for(&mut self, inbox: &Inbox, span_ms: u64) {
        let end = Instant::now() + Duration::from_millis(span_ms);
        while Instant::now() < end {
            tokio::time::sleep(LOOK).await;
            while let Ok(arrival) = inbox.arrivals.try_recv() {
                let Arrival::Frames(frames, _space) = arrival else {
                    continue;
                };
                for frame in frames {
                    if let Frame::Modbus(frame) = frame {
                        self.see(&frame);
                    }
                }
            }
        }
    }

    fn see(&mut self, frame: &ModbusFrame) {
        let device: usize = frame.device.as_str()[1..].parse().expect("a number");
        let Ok(RegisterData::Words(words)) = &frame.answer else {
            return;
        };
        let start = frame.read.request.start;
        let right = (start..)
            .zip(words)
            .all(|(address, word)| usize::from(*word) == device * 256 + usize::from(address));
        self.wrong += u64::from(!right);
        let Some(block) = self.blocks.iter().position(|block| *block == start) else {
            return;
        };
        if device >= self.healthy || !right {
            return;
        }
        let now = frame.received.monotonic;
        let last = self.last[device * self.blocks.len() + block].replace(now);
        if self.counts {
            self.polls += 1;
            self.gaps_ms
                .extend(last.map(|last| now.since(last).as_secs_f64() * 1000.0));
        }
    }

    fn polled(&mut self, cores: f64) -> Polled {
        self.gaps_ms.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (self.gaps_ms.len() as f64 * share) as usize;
            self.gaps_ms
                .get(index.min(self.gaps_ms.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0.0)
        };
        Polled {
            polls: self.polls,
            wrong: self.wrong,
            gap_p50_ms: at(0.5),
            gap_p99_ms: at(0.99),
            cores,
        }
    }
}
