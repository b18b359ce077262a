//! How a bus does its errands: writes at once, a scan in its own half of the time.
//!
//! What is asked for, and what a scan finds out, is decided elsewhere; this sends it and tells what came.

use super::Bus;
use super::errand::{Errand, ScanJob, ScanState, WriteOrder, WriteOutcome, Written};
use super::line::{Question, registers};
use super::outcome::Failure;
use super::scan::{Ask, Came, Scan};
use linli_decode::modbus::wire::{Fault, Identification};
use linli_domain::time::Monotonic;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;
use tokio_modbus::Response;

/// A line that cannot be opened ends a scan after so many tries.
const MAX_BROKEN: u8 = 3;

/// A scan of this bus under way.
pub(super) struct Scanning {
    job: Arc<ScanJob>,
    scan: Scan,
    /// The other half of the time: nothing is asked before.
    not_before: Monotonic,
    broken: u8,
}

impl Bus {
    /// Takes what was asked for. Writes are done at once.
    pub(super) async fn take_errands(&mut self) {
        while let Ok(errand) = self.errands.try_recv() {
            self.take_errand(errand).await;
        }
    }

    /// Takes one errand.
    pub(super) async fn take_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Scan(job) => {
                tracing::info!(bus = %self.told.name, by = %job.asked_by, units = job.units.len(), "a scan begins");
                self.scanning = Some(Scanning {
                    scan: Scan::new(job.units.clone(), self.profiles.catalogue().iter().cloned()),
                    job,
                    not_before: Monotonic(0),
                    broken: 0,
                });
            }
            Errand::Write(order) => self.write(order).await,
            Errand::Update(job) => self.take_update(job),
        }
    }

    /// When the scan may go on; `None` without one.
    pub(super) fn scan_due(&self) -> Option<Monotonic> {
        self.scanning.as_ref().map(|scanning| scanning.not_before)
    }

    /// One question of the scan.
    pub(super) async fn scan_on(&mut self) {
        let Some(mut scanning) = self.scanning.take() else {
            return;
        };
        if scanning.job.cancel.is_cancelled() || self.shutdown.is_cancelled() {
            return scanning.end(ScanState::Cancelled);
        }
        let Some((unit, ask)) = scanning.scan.next() else {
            tracing::info!(bus = %self.told.name, found = scanning.job.progress().found.len(), "the scan is over");
            return scanning.end(ScanState::Finished);
        };
        let question = match ask {
            Ask::Read(request) => Question::Read(request),
            Ask::Identify => Question::Identify,
        };
        if let Some(until) = self.line.blocked_until(unit, &question) {
            scanning.not_before = until;
            self.scanning = Some(scanning);
            return;
        }
        let (result, cost) = self.beside(unit, &question).await;
        if let Err(Failure::Closed(error)) = &result {
            scanning.broken += 1;
            tracing::debug!(bus = %self.told.name, %error, "the scan cannot use the line");
            if scanning.broken >= MAX_BROKEN {
                return scanning.end(ScanState::Failed);
            }
            scanning.not_before = self.now().plus(Duration::from_secs(1));
            self.scanning = Some(scanning);
            return;
        }
        scanning.broken = 0;
        let found = scanning.scan.told(came(result, ask));
        let done = scanning.scan.done();
        scanning.job.update(|progress| {
            progress.found.extend(found);
            progress.done = done;
        });
        // As long as it took, the bus is free for its polling.
        let rest = if self.slaves.is_empty() {
            Duration::ZERO
        } else {
            cost
        };
        scanning.not_before = self.now().plus(rest);
        self.scanning = Some(scanning);
    }

    /// Asks one thing beside the polling, and keeps the books of the bus; what came, and what it cost.
    pub(super) async fn beside(
        &mut self,
        unit: u8,
        question: &Question,
    ) -> (Result<Response, Failure>, Duration) {
        let began = Instant::now();
        let result = self
            .line
            .ask(unit, question, Duration::ZERO, self.config.max_lateness)
            .await;
        self.told
            .asked(result.as_ref().map_or_else(Failure::label, |_| "ok"));
        self.told.quarantined(&self.line.take_quarantine());
        (result, self.spent(began))
    }

    /// Writes, and reads back whatever the device said.
    async fn write(&mut self, order: WriteOrder) {
        let WriteOrder {
            device,
            unit,
            profile,
            request,
            sent,
            reply,
        } = order;
        // Whoever asked has been told that it was not sent.
        if reply.is_closed() {
            return;
        }
        let not_sent = |why| Written {
            outcome: WriteOutcome::NotSent(why),
            read_back: None,
        };
        let Some(permit) = self.permit else {
            drop(reply.send(not_sent("the bus is only read")));
            return;
        };
        let there = |slave: &&super::Slave| {
            slave.device == device && slave.unit == unit && Arc::ptr_eq(&slave.profile, &profile)
        };
        let Some(slave) = self.slaves.iter().find(there).cloned() else {
            drop(reply.send(not_sent("the device does not hang on the bus any more")));
            return;
        };
        let manners = slave
            .profile
            .modbus()
            .map(|map| map.manners())
            .unwrap_or_default();
        let lateness = manners.max_lateness.unwrap_or(self.config.max_lateness);
        let question = Question::Write(request.clone(), permit);
        if self.line.blocked_until(unit, &question).is_some() {
            drop(reply.send(not_sent(
                "the answer to an earlier write may still come; try again in a moment",
            )));
            return;
        }
        let began = Instant::now();
        sent.store(true, Ordering::SeqCst);
        if reply.is_closed() {
            return;
        }
        let result = self.line.ask(unit, &question, manners.pause, lateness).await;
        self.told
            .asked(result.as_ref().map_or_else(Failure::label, |_| "ok"));
        let outcome = match result {
            Ok(_) => WriteOutcome::Accepted,
            Err(Failure::Fault(Fault::Exception(code))) => WriteOutcome::Refused(code),
            Err(Failure::Closed(_)) => WriteOutcome::NotSent("the line cannot be opened"),
            Err(Failure::Unanswerable) => WriteOutcome::NotSent("it is not a write"),
            Err(Failure::Fault(_) | Failure::Line(_)) => WriteOutcome::Unknown,
        };
        let back = Question::Read(request.read_back);
        let read_back = match outcome {
            WriteOutcome::NotSent(_) => None,
            _ if self.line.blocked_until(unit, &back).is_some() => None,
            _ => {
                let result = self.line.ask(unit, &back, manners.pause, lateness).await;
                self.told
                    .asked(result.as_ref().map_or_else(Failure::label, |_| "ok"));
                result
                    .and_then(|response| registers(response, &request.read_back))
                    .ok()
            }
        };
        self.told.quarantined(&self.line.take_quarantine());
        self.spent(began);
        tracing::info!(bus = %self.told.name, unit, %device, ?outcome, "a register was written");
        // Its points show the new value at once.
        if let Some(index) = self.slaves.iter().position(|other| other.is(&slave)) {
            self.schedule.hurry(index, self.clock.now().monotonic);
        }
        drop(reply.send(Written { outcome, read_back }));
    }
}

impl Scanning {
    fn end(self, state: ScanState) {
        self.job.update(|progress| progress.state = state);
    }
}

fn came(result: Result<Response, Failure>, ask: Ask) -> Came {
    match (result, ask) {
        (Ok(Response::ReadDeviceIdentification(said)), Ask::Identify) => {
            let objects = said
                .device_id_objects
                .iter()
                .map(|object| (object.id, &object.value[..]));
            Came::Objects(Identification::new(objects))
        }
        (Ok(response), Ask::Read(request)) => {
            registers(response, &request).map_or(Came::Nothing, Came::Registers)
        }
        (Err(Failure::Fault(fault @ Fault::Exception(code))), _) if !fault.is_silence() => {
            Came::Exception(code)
        }
        _ => Came::Nothing,
    }
}
