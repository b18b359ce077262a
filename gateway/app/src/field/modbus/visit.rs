//! One slave's turn: its questions, what is repeated, what is given up, and the frames that tell it.
//!
//! Whose turn it is, and what is remembered between turns, is not decided here.

use super::outcome::{Failure, Next};
use super::slave::Turn;
use super::{Bus, Slave, Tally};
use crate::field::{Frame, ModbusFrame, Registers};
use linli_decode::RegisterRequest;
use linli_domain::reading::Reason;
use tokio::time::sleep;

impl Bus {
    /// Asks one slave what its turn allows. `false`: the line broke.
    pub(super) async fn visit(
        &mut self,
        slave: &Slave,
        turn: Turn,
        tally: &mut Tally,
        frames: &mut Vec<Frame>,
    ) -> bool {
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

    pub(super) fn frame(
        &self,
        slave: &Slave,
        request: usize,
        answer: Result<Registers, Reason>,
        frames: &mut Vec<Frame>,
    ) {
        frames.push(Frame::Modbus(ModbusFrame {
            device: slave.device.clone(),
            profile: slave.profile.clone(),
            request,
            answer,
            received: self.clock.now(),
        }));
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
