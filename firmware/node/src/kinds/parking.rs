//! A parking bay: how far the magnetic field is from that of the empty bay, and, where a distance sensor is
//! fitted, how near something is.
//!
//! The bay is occupied when either sensor says so, free when a sensor says so and none contradicts, and unknown
//! when none can tell. Not responsible for: keeping the learned field over a restart; see `store`.

use linli_registers::meaning::fault;
use linli_registers::{Kind, NO_VALUE, address as at};

use super::baseline::{Baseline, Learning, distance};
use super::{Onsets, Watch};
use crate::channel::{Channel, Median, Outcome};
use crate::clock::Uptime;
use crate::samples::Missing;
use crate::{Field, Gate, Samples, Settings, State};

/// How long a magnetometer may repeat the very same value. A live one has noise.
const STUCK_AFTER_S: u32 = 300;
/// No magnetometer of ours measures more along one axis, and the earth's field is 650 mG at most.
const STRONGEST_MG: i32 = 20_000;
/// What the distance sensors of the catalogue can see.
const FARTHEST_MM: u16 = 6_000;
/// A distance sensor reports five to ten times a second; samples are taken more often.
const ECHOES_MISSED: u8 = 20;

/// The memory of a parking node.
#[derive(Clone, Copy, Debug)]
pub struct Parking {
    baseline: Option<Baseline>,
    learning: Option<Learning>,
    change_mg: Option<u16>,
    distance_mm: Option<u16>,
    magnet: Gate,
    near: Gate,
    field: Channel<Field>,
    echo: Channel<u16>,
    median: Median,
    /// The last vector, and the uptime at which it first appeared.
    unmoved: Option<(Field, u32)>,
    arrivals: Onsets,
}

impl Watch for Parking {
    fn new(_: Kind) -> Parking {
        Parking {
            baseline: None,
            learning: None,
            change_mg: None,
            distance_mm: None,
            magnet: Gate::NEW,
            near: Gate::NEW,
            field: Channel::new(),
            echo: Channel::tolerating(ECHOES_MISSED),
            median: Median::EMPTY,
            unmoved: None,
            arrivals: Onsets::NONE,
        }
    }

    fn state(&self) -> State {
        match (self.magnet.state(), self.near.state()) {
            (State::On, _) | (_, State::On) => State::On,
            (State::Off, _) | (_, State::Off) => State::Off,
            (State::Unknown, State::Unknown) => State::Unknown,
        }
    }

    fn step(&mut self, now_ms: u32, uptime: Uptime, samples: &Samples, settings: &Settings) -> u16 {
        let faults = self.step_field(now_ms, uptime, samples, settings)
            | self.step_distance(now_ms, samples, settings);
        self.arrivals.follow(self.state());
        faults
    }

    fn input(&self, address: u16, _: State) -> Option<u16> {
        const ARRIVALS_LOW: u16 = at::PARKING_VEHICLE_COUNT + 1;
        Some(match address {
            at::PARKING_VEHICLE_COUNT => (self.arrivals.count >> 16) as u16,
            ARRIVALS_LOW => self.arrivals.count as u16,
            at::PARKING_FIELD_CHANGE_MG => self.change_mg.unwrap_or(NO_VALUE),
            at::PARKING_DISTANCE_MM => self.distance_mm.unwrap_or(NO_VALUE),
            at::PARKING_DRIFT_MG => self.baseline.as_ref().map_or(NO_VALUE, Baseline::drift_mg),
            _ => return None,
        })
    }

    fn baseline(&self) -> Option<Baseline> {
        self.baseline
    }

    fn set_baseline(&mut self, baseline: Baseline) {
        self.baseline = Some(baseline);
    }

    fn is_learning(&self) -> Option<bool> {
        Some(self.learning.is_some())
    }

    fn learn(&mut self, on: bool) {
        self.learning = on.then(Learning::default);
    }
}

impl Parking {
    fn step_field(&mut self, now_ms: u32, uptime: Uptime, samples: &Samples, settings: &Settings) -> u16 {
        let is_possible = |field: Field| field.iter().all(|axis| axis.abs() <= STRONGEST_MG);
        let field = match self.field.sample(samples.field_mg, is_possible) {
            Outcome::Measured(field) => field,
            Outcome::Missed => return self.baseline_faults(),
            Outcome::Lost(missing) => {
                self.blind();
                self.unmoved = None;
                let lost = match missing {
                    Missing::Absent => fault::FIELD_LOST,
                    Missing::OutOfRange => fault::FIELD_OUT_OF_RANGE,
                };
                return lost | self.baseline_faults();
            }
        };
        if self.is_stuck(field, uptime) {
            self.blind();
            return fault::FIELD_STUCK | self.baseline_faults();
        }
        if let Some(learning) = &mut self.learning
            && let Some(learned) = learning.add(field)
        {
            self.baseline = Some(Baseline::learned(learned));
            self.learning = None;
        }
        let Some(baseline) = &mut self.baseline else {
            self.blind();
            return fault::BASELINE_MISSING;
        };
        let limits = settings.field();
        let change_mg = distance(field, baseline.field());
        self.change_mg = Some(change_mg);
        self.magnet.measured(now_ms, i32::from(change_mg), limits);
        // A bay is empty beyond doubt when the field is well inside the lower threshold.
        let is_quiet = self.magnet.state() == State::Off && i32::from(change_mg) * 2 <= limits.off;
        baseline.follow(field, is_quiet, uptime);
        self.baseline_faults()
    }

    fn step_distance(&mut self, now_ms: u32, samples: &Samples, settings: &Settings) -> u16 {
        let Some(limits) = settings.over() else {
            self.near.lost();
            self.distance_mm = None;
            return 0;
        };
        match self
            .echo
            .sample(samples.distance_mm, |distance_mm| distance_mm <= FARTHEST_MM)
        {
            Outcome::Measured(distance_mm) => {
                let distance_mm = self.median.add(distance_mm);
                self.distance_mm = Some(distance_mm);
                self.near.measured(now_ms, -i32::from(distance_mm), limits);
                0
            }
            Outcome::Missed => 0,
            Outcome::Lost(missing) => {
                self.median.forget();
                self.distance_mm = None;
                self.near.lost();
                super::distance_fault(missing)
            }
        }
    }

    fn blind(&mut self) {
        self.magnet.lost();
        self.change_mg = None;
    }

    fn baseline_faults(&self) -> u16 {
        match &self.baseline {
            None => fault::BASELINE_MISSING,
            Some(baseline) if baseline.is_at_its_limit() => fault::BASELINE_DRIFTED,
            Some(_) => 0,
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
