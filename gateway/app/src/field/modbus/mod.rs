//! The Modbus master: one task per bus, one question on the bus at a time, read functions only.
//!
//! Responsible for: asking every slave its profile's requests once per period, telling each outcome as a frame,
//! reopening the line, and keeping a sick slave from hurting the others: it costs them one timeout per cycle, and
//! after three of those one probe now and then. It does not know what registers mean.
//!
//! Requests are not pipelined: real slaves and serial servers drop or mix them.

mod devices;

mod visit;

mod line;

mod breaker;

mod outcome;
mod slave;

use super::Frame;
use super::backoff::{self, Backoff};
use super::facts::{About, Facts};
use crate::clock::SharedClock;
use crate::config::ModbusBus;
use crate::metrics::Metrics;
use crate::pipeline::Door;
pub use devices::{Devices, Slave, devices};
use line::Line;
use linli_domain::id::DeviceId;
use linli_domain::reading::Reason;
use slave::Memory;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// Dead slaves probed in one cycle of a bus. The others wait for the next cycle.
const PROBES_PER_CYCLE: u32 = 1;

/// A shorter period than this is a mistake, and a period of zero a panic of the timer.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// Runs a bus. An edit of the estate holds from the next cycle on; what is known of a slave that stays is kept. Ends
/// after `shutdown`, between two slaves.
pub async fn run(
    bus: ModbusBus,
    devices: Devices,
    door: Door,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    let name: Arc<str> = bus.bus.to_string().into();
    let bus = Bus {
        facts: Facts::new(Arc::clone(&name), Arc::clone(&clock)),
        line: Line::new(&bus),
        memories: HashMap::new(),
        reopen: Backoff::of_a_link(),
        told_ok: None,
        name,
        config: bus,
        devices,
        door,
        clock,
        metrics,
        shutdown,
    };
    bus.run().await;
}

struct Bus {
    name: Arc<str>,
    config: ModbusBus,
    devices: Devices,
    line: Line,
    /// By device and unit; as many as there are slaves.
    memories: HashMap<(DeviceId, u8), Memory>,
    reopen: Backoff,
    told_ok: Option<bool>,
    facts: Facts,
    door: Door,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

/// How a cycle went.
#[derive(Default)]
struct Tally {
    asked: u32,
    heard: u32,
}

impl Bus {
    async fn run(mut self) {
        let mut ticks = interval(self.config.period.max(SHORTEST_PERIOD));
        // A cycle that takes too long is followed by the next tick in step; the ones missed are counted, not made up.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let began = Instant::now();
            let slaves = self.devices.now();
            self.memories
                .retain(|key, _| slaves.iter().any(|s| s.device == key.0 && s.unit == key.1));
            if slaves.is_empty() {
                continue;
            }
            // Nothing of the cycle may be cancelled but between two questions: see `line`.
            if !self.cycle(&slaves).await {
                let delay = self.reopen.next(backoff::jitter());
                tokio::select! {
                    () = sleep(delay) => {}
                    () = shutdown.cancelled() => return,
                }
            } else if began.elapsed() > self.config.period {
                let missed = began.elapsed().as_nanos() / self.config.period.as_nanos().max(1);
                self.metrics
                    .modbus_overruns
                    .with_label_values(&[&*self.name])
                    .inc_by(u64::try_from(missed).unwrap_or(1));
            }
        }
    }

    /// Asks everybody once. `false`: the line could not be used.
    async fn cycle(&mut self, slaves: &[Slave]) -> bool {
        if let Err(error) = self.line.ready().await {
            tracing::warn!(bus = %self.name, %error, "cannot open the bus");
            self.bus_is_down(slaves).await;
            return false;
        }
        let mut tally = Tally::default();
        let mut probes = PROBES_PER_CYCLE;
        for slave in slaves {
            if self.shutdown.is_cancelled() {
                return true;
            }
            let key = (slave.device.clone(), slave.unit);
            let memory = self.memories.entry(key).or_insert_with(Memory::new);
            let turn = memory.turn(self.clock.now().monotonic, &mut probes);
            let mut frames = Vec::with_capacity(slave.reads().len());
            let usable = self.visit(slave, turn, &mut tally, &mut frames).await;
            self.push(frames).await;
            if !usable {
                self.bus_is_down(slaves).await;
                return false;
            }
        }
        if tally.heard > 0 {
            self.reopen.reset();
        }
        if tally.asked > 0 {
            self.tell_ok(tally.heard > 0).await;
        }
        true
    }

    async fn bus_is_down(&mut self, slaves: &[Slave]) {
        let mut frames = Vec::new();
        // Said once per fall, not once per try: the points stay missing until somebody answers.
        if self.told_ok != Some(false) {
            for slave in slaves {
                for read in slave.reads() {
                    self.frame(slave, read, Err(Reason::CommTimeout), &mut frames);
                }
            }
        }
        self.push(frames).await;
        self.tell_ok(false).await;
    }

    async fn tell_ok(&mut self, ok: bool) {
        self.metrics
            .connector_up
            .with_label_values(&[&*self.name, "modbus"])
            .set(i64::from(ok));
        if self.told_ok != Some(ok) {
            self.told_ok = Some(ok);
            self.push(self.facts.state(About::BusOk, ok)).await;
        }
    }

    /// Waits while the inbox is full; polling waits with it.
    async fn push(&mut self, frames: Vec<Frame>) {
        if frames.is_empty() {
            return;
        }
        let count = frames.len() as u64;
        self.metrics
            .messages_received
            .with_label_values(&[&*self.name, "modbus"])
            .inc_by(count);
        if self.door.push(frames).await.is_err() {
            tracing::debug!(bus = %self.name, "the pipeline has ended");
        }
    }
}
