//! A waste bin: how near the waste is to the lid, and whether the bin leans.
//!
//! Not responsible for: the fill level in percent; the gateway knows the bin's geometry.

use linli_registers::meaning::fault;
use linli_registers::{Kind, NO_VALUE, address as at};

use super::{Watch, distance_fault};
use crate::channel::{Channel, Median, Outcome};
use crate::clock::Uptime;
use crate::{Gate, Samples, Settings, State};

/// What the distance sensors of the catalogue can see.
const FARTHEST_MM: u16 = 6_000;
/// A distance sensor reports five to ten times a second; samples are taken more often.
const ECHOES_MISSED: u8 = 20;

/// The memory of a bin node.
#[derive(Clone, Copy, Debug)]
pub struct Bin {
    full: Gate,
    tilt: Gate,
    distance_mm: Option<u16>,
    echo: Channel<u16>,
    median: Median,
    contact: Channel<bool>,
}

impl Watch for Bin {
    fn new(_: Kind) -> Bin {
        Bin {
            full: Gate::NEW,
            tilt: Gate::NEW,
            distance_mm: None,
            echo: Channel::tolerating(ECHOES_MISSED),
            median: Median::EMPTY,
            contact: Channel::new(),
        }
    }

    fn step(&mut self, now_ms: u32, _: Uptime, samples: &Samples, settings: &Settings) -> u16 {
        self.step_distance(now_ms, samples, settings) | self.step_tilt(now_ms, samples, settings)
    }

    fn state(&self) -> State {
        self.full.state()
    }

    fn input(&self, address: u16, heat: State) -> Option<u16> {
        Some(match address {
            at::BIN_DISTANCE_MM => self.distance_mm.unwrap_or(NO_VALUE),
            at::BIN_TILT => self.tilt.state().raw(),
            at::BIN_FIRE => heat.raw(),
            _ => return None,
        })
    }

    fn tilt(&self) -> State {
        self.tilt.state()
    }
}

impl Bin {
    fn step_distance(&mut self, now_ms: u32, samples: &Samples, settings: &Settings) -> u16 {
        let visible = settings.blind_mm()..=FARTHEST_MM;
        match self
            .echo
            .sample(samples.distance_mm, |distance_mm| visible.contains(&distance_mm))
        {
            Outcome::Measured(distance_mm) => {
                let distance_mm = self.median.add(distance_mm);
                self.distance_mm = Some(distance_mm);
                self.full
                    .measured(now_ms, -i32::from(distance_mm), settings.nearness());
                0
            }
            Outcome::Missed => 0,
            Outcome::Lost(missing) => {
                self.median.forget();
                self.distance_mm = None;
                self.full.lost();
                distance_fault(missing)
            }
        }
    }

    fn step_tilt(&mut self, now_ms: u32, samples: &Samples, settings: &Settings) -> u16 {
        match self.contact.sample(samples.tilted, |_| true) {
            Outcome::Measured(tilted) => {
                self.tilt.measured(now_ms, i32::from(tilted), settings.contact());
                0
            }
            Outcome::Missed => 0,
            Outcome::Lost(_) => {
                self.tilt.lost();
                fault::TILT_LOST
            }
        }
    }
}
