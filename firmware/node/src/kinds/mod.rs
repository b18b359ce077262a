//! What each kind of node makes of its samples: states, faults and counts of its own.
//!
//! Not responsible for: the thermometer, alarms and events that all kinds share; see `node`.

mod baseline;
mod bin;
mod leak;
mod parking;

pub use baseline::Baseline;
pub(crate) use baseline::{Learning, distance};
pub(crate) use bin::Bin;
pub(crate) use leak::Leak;
pub(crate) use parking::Parking;

use linli_registers::meaning::fault;

use crate::clock::Uptime;
use crate::samples::Missing;
use crate::{Samples, Settings, State};

/// The kind's own memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watch {
    Parking(Parking),
    Bin(Bin),
    Leak(Leak),
}

impl Watch {
    /// Takes one sample; the [`fault`](linli_registers::meaning::fault) bits the kind sees.
    pub(crate) fn step(
        &mut self,
        now_ms: u32,
        uptime: Uptime,
        samples: &Samples,
        settings: &Settings,
    ) -> u16 {
        match self {
            Watch::Parking(parking) => parking.step(now_ms, uptime, samples, settings),
            Watch::Bin(bin) => bin.step(now_ms, samples, settings),
            Watch::Leak(leak) => leak.step(now_ms, uptime, samples, settings),
        }
    }

    /// The state the kind exists for.
    pub(crate) fn state(&self) -> State {
        match self {
            Watch::Parking(parking) => parking.state(),
            Watch::Bin(bin) => bin.full.state(),
            Watch::Leak(leak) => leak.wet.state(),
        }
    }
}

fn distance_fault(missing: Missing) -> u16 {
    match missing {
        Missing::Absent => fault::DISTANCE_LOST,
        Missing::OutOfRange => fault::DISTANCE_OUT_OF_RANGE,
    }
}

/// Counts onsets. A condition that was on before its sensor was lost, and is on after, is the same one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Onsets {
    count: u32,
    last_known: State,
}

impl Onsets {
    const NONE: Onsets = Onsets {
        count: 0,
        last_known: State::Unknown,
    };

    fn follow(&mut self, state: State) {
        if state == State::On && self.last_known != State::On {
            self.count = self.count.wrapping_add(1);
        }
        if state != State::Unknown {
            self.last_known = state;
        }
    }
}
