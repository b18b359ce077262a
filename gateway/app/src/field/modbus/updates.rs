//! How a bus updates the firmware of a node: in its own half of the time, as a scan is done.
//!
//! What is said to the node is decided in `update`; this sends it and tells what came.

use super::Bus;
use super::line::{Question, registers};
use super::outcome::Failure;
use super::update::job::{UpdateJob, UpdateState};
use super::update::{Ask, Came, Next, Reason, Update};
use linli_decode::RegisterData;
use linli_decode::modbus::wire::Fault;
use linli_domain::time::Monotonic;
use std::sync::Arc;
use std::time::Duration;

/// A line that cannot be opened ends an update after so many tries.
const MAX_BROKEN: u8 = 10;

/// An update of a node of this bus under way.
pub(super) struct Updating {
    job: Arc<UpdateJob>,
    update: Update,
    /// The other half of the time: nothing is asked before.
    not_before: Monotonic,
    broken: u8,
}

impl Bus {
    /// Begins an update.
    pub(super) fn take_update(&mut self, job: Arc<UpdateJob>) {
        tracing::info!(bus = %self.told.name, device = %job.device, by = %job.asked_by, blocks = job.package.blocks(), "a firmware update begins");
        self.updating = Some(Updating {
            update: Update::new(job.package.clone()),
            job,
            not_before: Monotonic(0),
            broken: 0,
        });
    }

    /// When the update may go on; `None` without one.
    pub(super) fn update_due(&self) -> Option<Monotonic> {
        self.updating.as_ref().map(|updating| updating.not_before)
    }

    /// One step of the update.
    pub(super) async fn update_on(&mut self) {
        let Some(mut updating) = self.updating.take() else {
            return;
        };
        let job = Arc::clone(&updating.job);
        if job.cancel.is_cancelled() || self.shutdown.is_cancelled() {
            return updating.end(UpdateState::Cancelled);
        }
        let Some(permit) = self.permit else {
            return updating.end(UpdateState::Failed(Reason::ReadOnly));
        };
        let is_there = |slave: &super::Slave| slave.device == job.device && slave.unit == job.unit;
        if !self.slaves.iter().any(is_there) {
            return updating.end(UpdateState::Failed(Reason::Gone));
        }
        let ask = match updating.update.next() {
            Next::Ask(ask) => ask,
            Next::Wait(wait) => {
                updating.not_before = self.now().plus(wait);
                self.updating = Some(updating);
                return;
            }
            Next::Over => {
                let (state, _) = updating.update.progress();
                tracing::info!(bus = %self.told.name, device = %job.device, ?state, "the firmware update is over");
                // Its points are asked at once: the node has restarted.
                if let Some(index) = self.slaves.iter().position(is_there) {
                    self.schedule.hurry(index, self.now());
                }
                return updating.end(state);
            }
        };
        let question = match &ask {
            Ask::Read(request) => Question::Read(*request),
            Ask::Write(request) => Question::Write(request.clone(), permit),
        };
        if let Some(until) = self.line.blocked_until(job.unit, &question) {
            updating.not_before = until;
            self.updating = Some(updating);
            return;
        }
        let (result, cost) = self.beside(job.unit, &question).await;
        if let Err(Failure::Closed(error)) = &result {
            updating.broken += 1;
            tracing::debug!(bus = %self.told.name, %error, "the update cannot use the line");
            if updating.broken >= MAX_BROKEN {
                return updating.end(UpdateState::Failed(Reason::Line));
            }
            updating.not_before = self.now().plus(Duration::from_secs(1));
            self.updating = Some(updating);
            return;
        }
        updating.broken = 0;
        updating.update.told(&came(result, &ask));
        let (state, done) = updating.update.progress();
        if state.is_under_way() {
            job.is_now(state, done);
        }
        // As long as it took, the bus is free for its polling; there is at least this node to be polled.
        updating.not_before = self.now().plus(cost);
        self.updating = Some(updating);
    }
}

impl Updating {
    fn end(self, state: UpdateState) {
        let (_, done) = self.update.progress();
        self.job.is_now(state, done);
    }
}

fn came(result: Result<tokio_modbus::Response, Failure>, ask: &Ask) -> Came {
    match (result, ask) {
        (Ok(response), Ask::Read(request)) => match registers(response, request) {
            Ok(RegisterData::Words(words)) => Came::Words(words),
            _ => Came::Nothing,
        },
        (Ok(_), Ask::Write(_)) => Came::Written,
        (Err(Failure::Fault(fault @ Fault::Exception(code))), _) if !fault.is_silence() => {
            Came::Exception(code)
        }
        _ => Came::Nothing,
    }
}
