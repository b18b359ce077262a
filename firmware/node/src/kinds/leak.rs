//! A leak probe: wet or dry, and whether its cable is whole.
//!
//! Not responsible for: where along a rope the water is; the probe cannot tell.

use linli_registers::meaning::fault;
use linli_registers::{Kind, NO_VALUE, address as at};

use super::{Onsets, Watch};
use crate::channel::{Channel, Outcome};
use crate::clock::Uptime;
use crate::samples::Missing;
use crate::{Gate, Probe, Samples, Settings, State};

/// The longest duration its register can say; one more means "no value".
const LONGEST_S: u16 = u16::MAX - 1;
/// The most a 12-bit converter can say.
const FULL_SCALE: u16 = 4_095;

/// The memory of a leak node.
#[derive(Clone, Copy, Debug)]
pub struct Leak {
    wet: Gate,
    cable: State,
    signal: Option<u16>,
    last_duration_s: Option<u16>,
    probe: Channel<Probe>,
    leaks: Onsets,
    /// Uptime at which the probe became wet.
    wet_since_s: Option<u32>,
}

impl Watch for Leak {
    fn new(_: Kind) -> Leak {
        Leak {
            wet: Gate::NEW,
            cable: State::Unknown,
            signal: None,
            last_duration_s: None,
            probe: Channel::new(),
            leaks: Onsets::NONE,
            wet_since_s: None,
        }
    }

    fn step(&mut self, now_ms: u32, uptime: Uptime, samples: &Samples, settings: &Settings) -> u16 {
        let is_possible = |probe| !matches!(probe, Probe::Signal(signal) if signal > FULL_SCALE);
        match self.probe.sample(samples.probe, is_possible) {
            Outcome::Measured(Probe::Signal(signal)) => {
                self.cable = State::Off;
                self.signal = Some(signal);
                self.wet.measured(now_ms, i32::from(signal), settings.wetness());
                self.count(uptime);
                0
            }
            Outcome::Measured(Probe::Contact(closed)) => {
                // A contact without a resistor looks the same dry and cut.
                self.cable = State::Unknown;
                self.signal = None;
                self.wet.measured(now_ms, i32::from(closed), settings.contact());
                self.count(uptime);
                0
            }
            Outcome::Measured(Probe::Open) => {
                self.blind();
                self.cable = State::On;
                fault::PROBE_OPEN
            }
            Outcome::Missed if self.cable == State::On => fault::PROBE_OPEN,
            Outcome::Missed => 0,
            Outcome::Lost(missing) => {
                self.blind();
                self.cable = State::Unknown;
                match missing {
                    Missing::Absent => fault::PROBE_LOST,
                    Missing::OutOfRange => fault::PROBE_OUT_OF_RANGE,
                }
            }
        }
    }

    fn state(&self) -> State {
        self.wet.state()
    }

    fn input(&self, address: u16, _: State) -> Option<u16> {
        Some(match address {
            at::LEAK_SIGNAL => self.signal.unwrap_or(NO_VALUE),
            at::LEAK_CABLE => self.cable.raw(),
            at::LEAK_COUNT => self.leaks.count as u16,
            at::LEAK_LAST_DURATION_S => self.last_duration_s.unwrap_or(NO_VALUE),
            _ => return None,
        })
    }

    fn wet(&self) -> State {
        self.wet.state()
    }
}

impl Leak {
    fn blind(&mut self) {
        self.wet.lost();
        self.signal = None;
    }

    /// Counts leaks and times them: a leak lasts from "wet" to the next "dry", also over a time in which nothing
    /// was known.
    fn count(&mut self, uptime: Uptime) {
        self.leaks.follow(self.wet.state());
        match self.wet.state() {
            State::On => {
                self.wet_since_s.get_or_insert(uptime.seconds());
            }
            State::Off => {
                if let Some(since_s) = self.wet_since_s.take() {
                    self.last_duration_s = Some(uptime.since(since_s, LONGEST_S));
                }
            }
            State::Unknown => {}
        }
    }
}
