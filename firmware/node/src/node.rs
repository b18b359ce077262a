//! The node: one step per sample, and the state a poller reads.
//!
//! Not responsible for: addresses; `bank` maps this state to registers.

use linli_modbus_slave::Counters;
use linli_registers::Kind;
use linli_registers::meaning::{alarm, fault};

use crate::alarms::Latch;
use crate::channel::{Channel, Outcome};
use crate::clock::Uptime;
use crate::kinds::{AnyKind, Baseline, Watch};
use crate::samples::{Missing, Sample};
use crate::{Gate, Samples, Settings, State};

/// What the thermometers of the catalogue can measure, hundredths of a degree Celsius.
const POSSIBLE_CENTI: core::ops::RangeInclusive<i16> = -5_500..=12_800;

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
        version: version(env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR")),
        revision: env!("CARGO_PKG_VERSION"),
    };
}

/// `0xMMmm` from decimal digits.
const fn version(major: &str, minor: &str) -> u16 {
    const fn number(digits: &str) -> u16 {
        let digits = digits.as_bytes();
        let mut value = 0;
        let mut i = 0;
        while i < digits.len() {
            value = value * 10 + (digits[i] - b'0') as u16;
            i += 1;
        }
        value
    }
    number(major) << 8 | number(minor)
}

/// A sensor node without its hardware.
#[derive(Clone, Copy, Debug)]
pub struct Node<W = AnyKind> {
    pub(crate) identity: Identity,
    pub(crate) cause: ResetCause,
    pub(crate) settings: Settings,
    pub(crate) watch: W,
    pub(crate) heat: Gate,
    pub(crate) temperature: Channel<i16>,
    pub(crate) supply_mv: u16,
    /// Faults of the sensors, as of the last step, and those of the storage.
    pub(crate) faults: u16,
    pub(crate) storage_faults: u16,
    pub(crate) alarms: Latch,
    pub(crate) events: u16,
    pub(crate) uptime: Uptime,
    /// Uptime at the last change of the kind's own state.
    pub(crate) changed_s: u32,
    pub(crate) bus: Counters,
}

impl<W: Watch> Node<W> {
    /// A node of the kind the settings are for. Nothing is known until it has been stepped.
    pub fn new(settings: Settings, cause: ResetCause) -> Node<W> {
        Node {
            identity: Identity::THIS,
            cause,
            settings,
            watch: W::new(settings.kind()),
            heat: Gate::NEW,
            temperature: Channel::new(),
            supply_mv: 0,
            faults: 0,
            storage_faults: 0,
            alarms: Latch::after_restart(),
            events: 0,
            uptime: Uptime::default(),
            changed_s: 0,
            bus: Counters::new(),
        }
    }

    /// The field of the empty bay, as learned earlier and kept. Other kinds ignore it.
    pub fn with_baseline(mut self, baseline: Baseline) -> Node<W> {
        self.watch.set_baseline(baseline);
        self
    }

    /// What the firmware says it is, where that is not this crate's version.
    pub fn with_identity(mut self, identity: Identity) -> Node<W> {
        self.identity = identity;
        self
    }

    /// The learned field of the empty bay.
    pub fn baseline(&self) -> Option<Baseline> {
        self.watch.baseline()
    }

    /// What it watches.
    pub const fn kind(&self) -> Kind {
        self.settings.kind()
    }

    /// Its settings. The address in use may still be another; see `line`.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// `SETTINGS_LOST` and `STORE_FAILED` come and go with the storage, not with samples.
    pub(crate) fn set_storage_fault(&mut self, bit: u16, present: bool) {
        if present {
            self.storage_faults |= bit;
        } else {
            self.storage_faults &= !bit;
        }
    }

    /// The state it exists for: occupied, full, wet.
    pub fn state(&self) -> State {
        self.watch.state()
    }

    /// Live [`fault`] bits.
    pub const fn faults(&self) -> u16 {
        self.faults | self.storage_faults
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
    // Never inlined: its temporaries would stay on the stack of the board's loop.
    #[inline(never)]
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

    fn step_temperature(&mut self, now_ms: u32, sample: Sample<i16>) -> u16 {
        let is_possible = |centi| POSSIBLE_CENTI.contains(&centi);
        match self.temperature.sample(sample, is_possible) {
            Outcome::Measured(centi) => {
                self.heat.measured(now_ms, i32::from(centi), self.settings.heat());
                0
            }
            Outcome::Missed => 0,
            Outcome::Lost(missing) => {
                self.heat.lost();
                match missing {
                    Missing::Absent => fault::TEMPERATURE_LOST,
                    Missing::OutOfRange => fault::TEMPERATURE_OUT_OF_RANGE,
                }
            }
        }
    }

    /// Every state whose change is an event; the kind's own first.
    fn states(&self) -> [State; 3] {
        [self.state(), self.watch.tilt(), self.heat.state()]
    }

    fn alarm_states(&self) -> [(u16, State); 3] {
        [
            (alarm::LEAK, self.watch.wet()),
            (alarm::TILT, self.watch.tilt()),
            (alarm::OVER_TEMPERATURE, self.heat.state()),
        ]
    }
}
