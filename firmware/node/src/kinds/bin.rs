//! A waste bin: how near the waste is to the lid, and whether the bin leans.
//!
//! Not responsible for: the fill level in percent; the gateway knows the bin's geometry.

use linli_registers::meaning::fault;

use super::distance_fault;
use crate::channel::{Channel, Median, Outcome};
use crate::{Gate, Samples, Settings};

/// What the distance sensors of the catalogue can see.
const FARTHEST_MM: u16 = 6_000;
/// A distance sensor reports five to ten times a second; samples are taken more often.
const ECHOES_MISSED: u8 = 20;

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
    pub(crate) const fn new() -> Bin {
        Bin {
            full: Gate::NEW,
            tilt: Gate::NEW,
            distance_mm: None,
            echo: Channel::tolerating(ECHOES_MISSED),
            median: Median::EMPTY,
            contact: Channel::new(),
        }
    }

    pub(super) fn step(&mut self, now_ms: u32, samples: &Samples, settings: &Settings) -> u16 {
        self.step_distance(now_ms, samples, settings) | self.step_tilt(now_ms, samples, settings)
    }

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
