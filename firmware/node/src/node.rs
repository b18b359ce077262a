//! The node: one step per sample, and the state a poller reads.
//!
//! Not responsible for: addresses; `bank` maps this state to registers.

use linli_modbus_slave::Counters;
use linli_registers::Kind;
use linli_registers::meaning::{alarm, fault};

use crate::alarms::Latch;
use crate::channel::{Channel, Outcome};
use crate::clock::Uptime;
use crate::kinds::{Bin, Leak, Parking, Watch};
use crate::{Field, Gate, Samples, Settings, State};

/// How often a board takes a sample, in milliseconds.
pub const SAMPLE_PERIOD_MS: u32 = 50;

/// Why the node started; the number is what its register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ResetCause {
    /// Power came.
    PowerOn = 1,
    /// The program hung.
    Watchdog = 2,
    /// The program asked for it.
    Software = 3,
    /// The supply sagged.
    BrownOut = 4,
}

/// What the firmware says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Major and minor version, `0xMMmm`.
    pub version: u16,
    /// The same, and more, in words.
    pub revision: &'static str,
}

impl Identity {
    /// This crate's version.
    pub const THIS: Identity = Identity {
        version: 0x0001,
        revision: env!("CARGO_PKG_VERSION"),
    };
}

/// A sensor node without its hardware.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub(crate) identity: Identity,
    pub(crate) cause: ResetCause,
    pub(crate) settings: Settings,
    pub(crate) watch: Watch,
    pub(crate) heat: Gate,
    pub(crate) temperature: Channel<i16>,
    pub(crate) supply_mv: u16,
    pub(crate) faults: u16,
    pub(crate) alarms: Latch,
    pub(crate) events: u16,
    pub(crate) uptime: Uptime,
    /// Uptime at the last change of the kind's own state.
    pub(crate) changed_s: u32,
    pub(crate) bus: Counters,
}

impl Node {
    /// A node of the kind the settings are for. Nothing is known until it has been stepped.
    pub fn new(settings: Settings, cause: ResetCause) -> Node {
        let watch = match settings.kind() {
            Kind::Parking => Watch::Parking(Parking::new(None)),
            Kind::Bin => Watch::Bin(Bin::new()),
            Kind::Leak => Watch::Leak(Leak::new()),
        };
        Node {
            identity: Identity::THIS,
            cause,
            settings,
            watch,
            heat: Gate::NEW,
            temperature: Channel::new(),
            supply_mv: 0,
            faults: 0,
            alarms: Latch::after_restart(),
            events: 0,
            uptime: Uptime::default(),
            changed_s: 0,
            bus: Counters::new(),
        }
    }

    /// The field of the empty bay, as learned earlier and kept by the board. Other kinds ignore it.
    pub fn with_baseline(mut self, baseline: Field) -> Node {
        if let Watch::Parking(parking) = &mut self.watch {
            parking.baseline = Some(baseline);
        }
        self
    }

    /// The learned field of the empty bay, for the board to keep.
    pub fn baseline(&self) -> Option<Field> {
        match &self.watch {
            Watch::Parking(parking) => parking.baseline,
            Watch::Bin(_) | Watch::Leak(_) => None,
        }
    }

    /// What it watches.
    pub const fn kind(&self) -> Kind {
        self.settings.kind()
    }

    /// Its settings, for the board to keep. The address in use is the one it was started with.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The state it exists for: occupied, full, wet.
    pub fn state(&self) -> State {
        self.watch.state()
    }

    /// Live [`fault`] bits.
    pub const fn faults(&self) -> u16 {
        self.faults
    }

    /// Latched [`alarm`] bits.
    pub const fn alarms(&self) -> u16 {
        self.alarms.bits()
    }

    /// The slave's counters, so that a poller can read them.
    pub fn note_bus(&mut self, counters: Counters) {
        self.bus = counters;
    }

    /// One sample was taken. `now_ms` is any millisecond counter that wraps at 2^32.
    pub fn step(&mut self, now_ms: u32, samples: &Samples) {
        self.uptime.advance(now_ms);
        self.supply_mv = samples.supply_mv;

        let before = self.states();
        let mut faults = self.watch.step(now_ms, self.uptime, samples, &self.settings);
        faults |= self.step_temperature(now_ms, samples.temperature_centi);
        self.faults = faults;

        let after = self.states();
        let changes = before
            .iter()
            .zip(after)
            .filter(|(before, after)| *before != after)
            .count();
        self.events = self.events.wrapping_add(changes as u16);
        if before[0] != after[0] {
            self.changed_s = self.uptime.seconds();
        }
        for (bit, state) in self.alarm_states() {
            self.alarms.follow(bit, state);
        }
    }

    /// Clears latched alarms whose condition is known to be over.
    pub(crate) fn acknowledge(&mut self, mask: u16) {
        let standing = self
            .alarm_states()
            .into_iter()
            .filter(|(_, state)| *state != State::Off)
            .fold(0, |bits, (bit, _)| bits | bit);
        self.alarms.acknowledge(mask, standing);
    }

    fn step_temperature(&mut self, now_ms: u32, sample: Option<i16>) -> u16 {
        match self.temperature.sample(sample) {
            Outcome::Measured(centi) => {
                self.heat.measured(now_ms, i32::from(centi), self.settings.heat());
                0
            }
            Outcome::Missed => 0,
            Outcome::Lost => {
                self.heat.lost();
                fault::TEMPERATURE_LOST
            }
        }
    }

    pub(crate) fn tilt(&self) -> State {
        match &self.watch {
            Watch::Bin(bin) => bin.tilt.state(),
            Watch::Parking(_) | Watch::Leak(_) => State::Unknown,
        }
    }

    /// Every state whose change is an event; the kind's own first.
    fn states(&self) -> [State; 3] {
        [self.state(), self.tilt(), self.heat.state()]
    }

    fn alarm_states(&self) -> [(u16, State); 3] {
        let leak = match &self.watch {
            Watch::Leak(leak) => leak.wet.state(),
            Watch::Parking(_) | Watch::Bin(_) => State::Unknown,
        };
        [
            (alarm::LEAK, leak),
            (alarm::TILT, self.tilt()),
            (alarm::OVER_TEMPERATURE, self.heat.state()),
        ]
    }
}
