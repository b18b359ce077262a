//! The Modbus master: one task per bus, one question on the bus at a time, read functions only.
//!
//! Responsible for: asking every slave its profile's requests once per period, telling each outcome as a frame,
//! reopening the line, and keeping a sick slave from hurting the others: it costs them one timeout per cycle, and
//! after three of those one probe now and then. It does not know what registers mean.
//!
//! Requests are not pipelined: real slaves and serial servers drop or mix them.

mod devices;

mod line;

mod breaker;

mod outcome;
mod slave;

use super::backoff::{self, Backoff};
use super::facts::{About, Facts};
use super::{Frame, ModbusFrame, Registers};
use crate::clock::SharedClock;
use crate::config::ModbusBus;
use crate::metrics::Metrics;
use crate::pipeline::Door;
pub use devices::{Devices, Slave, devices};
use line::Line;
use linli_decode::RegisterRequest;
use linli_domain::id::DeviceId;
use linli_domain::reading::Reason;
use outcome::{Failure, Next};
use slave::{Memory, Turn};
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
            let mut frames = Vec::with_capacity(slave.requests.len());
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

    /// Asks one slave what its turn allows. `false`: the line broke.
    async fn visit(&mut self, slave: &Slave, turn: Turn, tally: &mut Tally, frames: &mut Vec<Frame>) -> bool {
        let (first, count) = match turn {
            Turn::Skip => return true,
            // A changed profile may have fewer questions than the one that timed out.
            Turn::Only(question) => (question.min(slave.requests.len().saturating_sub(1)), 1),
            Turn::All | Turn::AllAfresh => (0, usize::MAX),
        };
        if self.line.is_rtu() && matches!(turn, Turn::Only(_) | Turn::AllAfresh) {
            self.line.distrust();
        }
        for (index, request) in slave.requests.iter().enumerate().skip(first).take(count) {
            tally.asked += 1;
            let (answer, next) = self.ask(slave, index, request).await;
            tally.heard += u32::from(!matches!(next, Next::LeaveSlave | Next::LeaveBus));
            let reason = answer.as_ref().err().copied();
            self.frame(slave, index, answer, frames);
            match (next, reason) {
                (Next::LeaveBus, _) => return false,
                (Next::LeaveSlave, Some(reason)) => {
                    // What was not asked for is missing for the same reason; silence is never normal.
                    for (rest, _) in slave
                        .requests
                        .iter()
                        .enumerate()
                        .filter(|(n, _)| unasked(turn, index, *n))
                    {
                        self.frame(slave, rest, Err(reason), frames);
                    }
                    return true;
                }
                _ => {}
            }
            if !self.config.pause.is_zero() {
                sleep(self.config.pause).await;
            }
        }
        true
    }

    /// One question, repeated once where that may help.
    async fn ask(
        &mut self,
        slave: &Slave,
        index: usize,
        request: &RegisterRequest,
    ) -> (Result<Registers, Reason>, Next) {
        let mut first = true;
        loop {
            let result = self.line.ask(slave.unit, request).await;
            let label = result.as_ref().map_or_else(Failure::label, |_| "ok");
            self.metrics
                .modbus_requests
                .with_label_values(&[&*self.name, label])
                .inc();
            let failure = match result {
                Ok(registers) => {
                    self.heard(slave);
                    return (Ok(registers), Next::GoOn);
                }
                Err(failure) => failure,
            };
            if failure.slave_spoke() {
                self.heard(slave);
            }
            let next = failure.next(first);
            if next == Next::Again {
                first = false;
                continue;
            }
            if next == Next::LeaveSlave {
                self.silent(slave, index, &failure);
            }
            tracing::debug!(bus = %self.name, unit = slave.unit, device = %slave.device, %failure, "no registers");
            return (Err(failure.reason()), next);
        }
    }

    fn heard(&mut self, slave: &Slave) {
        let now = self.clock.now().monotonic;
        if let Some(memory) = self.memories.get_mut(&(slave.device.clone(), slave.unit)) {
            memory.answered(now, self.config.timeout, self.line.is_rtu());
        }
    }

    fn silent(&mut self, slave: &Slave, index: usize, failure: &Failure) {
        let now = self.clock.now().monotonic;
        let rtu = self.line.is_rtu();
        let given_up = self
            .memories
            .get_mut(&(slave.device.clone(), slave.unit))
            .is_some_and(|memory| memory.silent(index, now, self.config.timeout, rtu));
        if given_up {
            tracing::warn!(
                bus = %self.name, unit = slave.unit, device = %slave.device, %failure,
                "the slave is silent; it is only probed from now on"
            );
        }
    }

    fn frame(
        &self,
        slave: &Slave,
        request: usize,
        answer: Result<Registers, Reason>,
        frames: &mut Vec<Frame>,
    ) {
        frames.push(Frame::Modbus(ModbusFrame {
            device: slave.device.clone(),
            request,
            answer,
            received: self.clock.now(),
        }));
    }

    async fn bus_is_down(&mut self, slaves: &[Slave]) {
        let mut frames = Vec::new();
        // Said once per fall, not once per try: the points stay missing until somebody answers.
        if self.told_ok != Some(false) {
            for slave in slaves {
                for request in 0..slave.requests.len() {
                    self.frame(slave, request, Err(Reason::CommTimeout), &mut frames);
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

/// Whether question `other` was left out because `failed` was not answered.
fn unasked(turn: Turn, failed: usize, other: usize) -> bool {
    match turn {
        Turn::Only(_) => other != failed,
        Turn::All | Turn::AllAfresh => other > failed,
        Turn::Skip => false,
    }
}
