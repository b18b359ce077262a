//! What each kind of node makes of its samples: states, faults and counts of its own.
//!
//! Not responsible for: the thermometer, alarms and events that all kinds share; see `node`.

mod baseline;
mod bin;
mod leak;
mod parking;

pub use baseline::Baseline;
pub(crate) use baseline::distance;
pub use bin::Bin;
pub use leak::Leak;
pub use parking::Parking;

use linli_registers::Kind;
use linli_registers::meaning::fault;

use crate::clock::Uptime;
use crate::samples::Missing;
use crate::{Samples, Settings, State};

/// What a kind of node makes of its samples, and its own registers. A board names the one kind it is built for, and
/// carries no code of the others.
pub trait Watch: Copy + core::fmt::Debug {
    /// Nothing is known yet. `kind` matters to [`AnyKind`] alone.
    fn new(kind: Kind) -> Self;

    /// Takes one sample; the [`fault`] bits the kind sees.
    fn step(&mut self, now_ms: u32, uptime: Uptime, samples: &Samples, settings: &Settings) -> u16;

    /// The state the kind exists for.
    fn state(&self) -> State;

    /// An input register that only this kind has; `None` when it has none there. `heat` is what the thermometer that all
    /// kinds share says.
    fn input(&self, address: u16, heat: State) -> Option<u16>;

    /// Whether it leans, for kinds that can.
    fn tilt(&self) -> State {
        State::Unknown
    }

    /// Whether it is wet, for kinds that can be.
    fn wet(&self) -> State {
        State::Unknown
    }

    /// The field of the empty bay, for kinds that learn one.
    fn baseline(&self) -> Option<Baseline> {
        None
    }

    /// The field of the empty bay, as kept over a restart.
    fn set_baseline(&mut self, _: Baseline) {}

    /// Whether the field is being learned; `None` for kinds that learn nothing.
    fn is_learning(&self) -> Option<bool> {
        None
    }

    /// Starts to learn the field, or gives up.
    fn learn(&mut self, _: bool) {}
}

/// A node of whichever kind its settings are for, for programs that run many.
#[derive(Clone, Copy, Debug)]
pub enum AnyKind {
    /// A bay.
    Parking(Parking),
    /// A bin.
    Bin(Bin),
    /// A probe.
    Leak(Leak),
}

/// The same method of whichever kind it is.
macro_rules! whichever {
    ($self:expr, $kind:ident => $call:expr) => {
        match $self {
            AnyKind::Parking($kind) => $call,
            AnyKind::Bin($kind) => $call,
            AnyKind::Leak($kind) => $call,
        }
    };
}

impl Watch for AnyKind {
    fn new(kind: Kind) -> AnyKind {
        match kind {
            Kind::Parking => AnyKind::Parking(Watch::new(kind)),
            Kind::Bin => AnyKind::Bin(Watch::new(kind)),
            Kind::Leak => AnyKind::Leak(Watch::new(kind)),
        }
    }

    fn step(&mut self, now_ms: u32, uptime: Uptime, samples: &Samples, settings: &Settings) -> u16 {
        whichever!(self, kind => kind.step(now_ms, uptime, samples, settings))
    }

    fn state(&self) -> State {
        whichever!(self, kind => kind.state())
    }

    fn input(&self, address: u16, heat: State) -> Option<u16> {
        whichever!(self, kind => kind.input(address, heat))
    }

    fn tilt(&self) -> State {
        whichever!(self, kind => kind.tilt())
    }

    fn wet(&self) -> State {
        whichever!(self, kind => kind.wet())
    }

    fn baseline(&self) -> Option<Baseline> {
        whichever!(self, kind => kind.baseline())
    }

    fn set_baseline(&mut self, baseline: Baseline) {
        whichever!(self, kind => kind.set_baseline(baseline));
    }

    fn is_learning(&self) -> Option<bool> {
        whichever!(self, kind => kind.is_learning())
    }

    fn learn(&mut self, on: bool) {
        whichever!(self, kind => kind.learn(on));
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
