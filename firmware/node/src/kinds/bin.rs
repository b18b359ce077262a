//! A waste bin: how near the waste is to the lid, and whether the bin leans.
//!
//! Not responsible for: the fill level in percent; the gateway knows the bin's geometry.

use linli_registers::meaning::fault;

use crate::channel::{Channel, Median, Outcome};
use crate::{Gate, Samples, Settings};

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

    pub(super) fn step(&mut self, now_ms: u32, samples: &Samples, settings: &Settings) -> u16 {
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
