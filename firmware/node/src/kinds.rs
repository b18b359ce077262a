//! What each kind of node makes of its samples.
//!
//! Each returns whether one of its states changed, and which faults it sees. Not responsible for: the
//! thermometer, alarms and counters that all kinds share; see `node`.

use linli_registers::meaning::fault;

use crate::channel::{Channel, Median, Outcome};
use crate::clock::Uptime;
use crate::{Field, Gate, Probe, Samples, Settings, State};

/// How long a magnetometer may repeat the very same value. A live one has noise.
const STUCK_AFTER_S: u32 = 300;
/// The longest duration its register can say; one more means "no value".
const LONGEST_S: u16 = u16::MAX - 1;

/// The kind's own memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watch {
    Parking(Parking),
    Bin(Bin),
    Leak(Leak),
}

impl Watch {
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
            Watch::Parking(parking) => parking.gate.state(),
            Watch::Bin(bin) => bin.full.state(),
            Watch::Leak(leak) => leak.wet.state(),
        }
    }
}

/// Counts onsets. A condition that was on before its sensor was lost, and is on after, is the same one.
#[derive(Clone, Copy, Debug, Default)]
struct Onsets {
    count: u32,
    last_known: State,
}

impl Onsets {
    fn follow(&mut self, state: State) {
        if state == State::On && self.last_known != State::On {
            self.count = self.count.wrapping_add(1);
        }
        if state != State::Unknown {
            self.last_known = state;
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Parking {
    pub(crate) gate: Gate,
    pub(crate) baseline: Option<Field>,
    pub(crate) learning: bool,
    pub(crate) change_mg: Option<u16>,
    field: Channel<Field>,
    /// The last vector, and the uptime at which it first appeared.
    unmoved: Option<(Field, u32)>,
    arrivals: Onsets,
}

impl Parking {
    pub(crate) const fn new(baseline: Option<Field>) -> Parking {
        Parking {
            gate: Gate::NEW,
            baseline,
            learning: false,
            change_mg: None,
            field: Channel::new(),
            unmoved: None,
            arrivals: Onsets {
                count: 0,
                last_known: State::Unknown,
            },
        }
    }

    pub(crate) const fn arrivals(&self) -> u32 {
        self.arrivals.count
    }

    fn step(&mut self, now_ms: u32, uptime: Uptime, samples: &Samples, settings: &Settings) -> u16 {
        let field = match self.field.sample(samples.field_mg) {
            Outcome::Measured(field) => field,
            Outcome::Missed => return self.baseline_fault(),
            Outcome::Lost => {
                self.blind();
                self.unmoved = None;
                return fault::FIELD_LOST | self.baseline_fault();
            }
        };
        if self.is_stuck(field, uptime) {
            self.blind();
            return fault::FIELD_STUCK | self.baseline_fault();
        }
        if core::mem::take(&mut self.learning) {
            self.baseline = Some(field);
        }
        let Some(baseline) = self.baseline else {
            self.blind();
            return fault::BASELINE_MISSING;
        };
        let change_mg = distance(field, baseline);
        self.change_mg = Some(change_mg);
        self.gate.measured(now_ms, i32::from(change_mg), settings.field());
        self.arrivals.follow(self.gate.state());
        0
    }

    fn blind(&mut self) {
        self.gate.lost();
        self.change_mg = None;
    }

    fn baseline_fault(&self) -> u16 {
        if self.baseline.is_none() {
            fault::BASELINE_MISSING
        } else {
            0
        }
    }

    fn is_stuck(&mut self, field: Field, uptime: Uptime) -> bool {
        match self.unmoved {
            Some((last, since_s)) if last == field => uptime.seconds().wrapping_sub(since_s) >= STUCK_AFTER_S,
            _ => {
                self.unmoved = Some((field, uptime.seconds()));
                false
            }
        }
    }
}

/// The length of the difference of two vectors, saturating.
fn distance(a: Field, b: Field) -> u16 {
    let squares: i64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| {
            // A sensor delivers 12 to 16 bits; the clamp keeps any caller's numbers inside i64.
            let difference = (i64::from(*a) - i64::from(b)).clamp(-1_000_000, 1_000_000);
            difference * difference
        })
        .sum();
    u16::try_from(squares.isqrt())
        .unwrap_or(u16::MAX - 1)
        .min(u16::MAX - 1)
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bin {
    pub(crate) full: Gate,
    pub(crate) tilt: Gate,
    pub(crate) distance_mm: Option<u16>,
    echo: Channel<u16>,
    median: Median,
    contact: Channel<bool>,
}

impl Bin {
    pub(crate) fn new() -> Bin {
        Bin {
            full: Gate::NEW,
            tilt: Gate::NEW,
            distance_mm: None,
            echo: Channel::new(),
            median: Median::default(),
            contact: Channel::new(),
        }
    }

    fn step(&mut self, now_ms: u32, samples: &Samples, settings: &Settings) -> u16 {
        let mut faults = 0;
        match self.echo.sample(samples.distance_mm) {
            Outcome::Measured(distance_mm) => {
                let distance_mm = self.median.add(distance_mm);
                self.distance_mm = Some(distance_mm.min(u16::MAX - 1));
                self.full
                    .measured(now_ms, -i32::from(distance_mm), settings.nearness());
            }
            Outcome::Missed => {}
            Outcome::Lost => {
                self.median.forget();
                self.distance_mm = None;
                self.full.lost();
                faults |= fault::DISTANCE_LOST;
            }
        }
        match self.contact.sample(samples.tilted) {
            Outcome::Measured(tilted) => {
                self.tilt.measured(now_ms, i32::from(tilted), settings.contact());
            }
            Outcome::Missed => {}
            Outcome::Lost => {
                self.tilt.lost();
                faults |= fault::TILT_LOST;
            }
        }
        faults
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Leak {
    pub(crate) wet: Gate,
    pub(crate) cable: State,
    pub(crate) signal: Option<u16>,
    pub(crate) last_duration_s: Option<u16>,
    probe: Channel<Probe>,
    leaks: Onsets,
    /// Uptime at which the probe became wet.
    wet_since_s: Option<u32>,
}

impl Leak {
    pub(crate) const fn new() -> Leak {
        Leak {
            wet: Gate::NEW,
            cable: State::Unknown,
            signal: None,
            last_duration_s: None,
            probe: Channel::new(),
            leaks: Onsets {
                count: 0,
                last_known: State::Unknown,
            },
            wet_since_s: None,
        }
    }

    pub(crate) const fn leaks(&self) -> u16 {
        self.leaks.count as u16
    }

    fn step(&mut self, now_ms: u32, uptime: Uptime, samples: &Samples, settings: &Settings) -> u16 {
        match self.probe.sample(samples.probe) {
            Outcome::Measured(Probe::Signal(signal)) => {
                self.cable = State::Off;
                self.signal = Some(signal.min(u16::MAX - 1));
                self.wet.measured(now_ms, i32::from(signal), settings.wetness());
                self.leaks.follow(self.wet.state());
                self.time(uptime);
                0
            }
            Outcome::Measured(Probe::Open) => {
                self.blind();
                self.cable = State::On;
                fault::PROBE_OPEN
            }
            Outcome::Missed if self.cable == State::On => fault::PROBE_OPEN,
            Outcome::Missed => 0,
            Outcome::Lost => {
                self.blind();
                self.cable = State::Unknown;
                fault::PROBE_LOST
            }
        }
    }

    fn blind(&mut self) {
        self.wet.lost();
        self.signal = None;
    }

    /// A leak lasts from "wet" to the next "dry", also over a time in which nothing was known.
    fn time(&mut self, uptime: Uptime) {
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
