//! One simulated node: the real node logic, the world around it, and its fault.
//!
//! Not responsible for: frames; see `session`.

use std::time::Duration;

use linli_modbus_slave::{Audience, Counters, Pdu, pdu, rtu};
use linli_node::{Node, ResetCause, Samples, Settings, State};
use linli_registers::Kind;

use crate::Fault;
use crate::world::{EMPTY_BAY, World};

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    /// Send this.
    Answer {
        pdu: Box<Pdu>,
        damage: Damage,
        delay: Duration,
    },
    /// Say nothing.
    Quiet,
    /// There is no such node.
    Absent,
}

/// What happens to an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    Whole,
    BadChecksum,
    Truncated,
}

pub(crate) struct SimNode {
    node: Node,
    counters: Counters,
    pub(crate) world: World,
    pub(crate) fault: Fault,
}

impl SimNode {
    /// A node with these settings on a quiet day, installed: its empty bay is learned.
    pub(crate) fn new(settings: Settings) -> SimNode {
        SimNode {
            node: Node::new(settings, ResetCause::PowerOn).with_baseline(EMPTY_BAY),
            counters: Counters::new(),
            world: World::quiet(settings.unit()),
            fault: Fault::None,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.node.kind()
    }

    pub(crate) fn state(&self) -> State {
        self.node.state()
    }

    /// Takes a sample. The counter wraps as a board's does.
    pub(crate) fn step(&mut self, now: Duration) {
        let samples: Samples = match self.fault {
            Fault::SensorLost => World::blind(),
            _ => self.world.sample(self.node.kind()),
        };
        self.node.step(now.as_millis() as u32, &samples);
    }

    pub(crate) fn hear_noise(&mut self, noise: rtu::Noise) {
        let counter = match noise {
            rtu::Noise::BadChecksum => &mut self.counters.crc_errors,
            rtu::Noise::Overrun => &mut self.counters.overruns,
        };
        *counter = counter.wrapping_add(1);
        self.node.note_bus(self.counters);
    }

    pub(crate) fn ask(&mut self, request: &[u8], audience: Audience) -> Reaction {
        let refuse = |code| match request.first() {
            Some(&function) if function < 0x80 => Some(Pdu::refusal(function, code)),
            _ => None,
        };
        let pdu = match self.fault {
            Fault::Silent => None,
            Fault::Exception(code) => refuse(code).filter(|_| audience == Audience::Own),
            _ => {
                self.counters.messages = self.counters.messages.wrapping_add(1);
                let answer = pdu::answer(request, audience, &mut self.node, &mut self.counters);
                self.node.note_bus(self.counters);
                answer
            }
        };
        let Some(pdu) = pdu else { return Reaction::Quiet };
        let damage = match self.fault {
            Fault::BadCrc => Damage::BadChecksum,
            Fault::Truncated => Damage::Truncated,
            _ => Damage::Whole,
        };
        let delay = match self.fault {
            Fault::Late(delay) => delay,
            _ => Duration::ZERO,
        };
        Reaction::Answer {
            pdu: Box::new(pdu),
            damage,
            delay,
        }
    }
}
