//! A parking bay: how far the magnetic field is from that of the empty bay.
//!
//! Not responsible for: keeping the learned field over a restart; the board does.

use linli_registers::meaning::fault;

use super::Onsets;
use crate::channel::{Channel, Outcome};
use crate::clock::Uptime;
use crate::{Field, Gate, Samples, Settings};

/// How long a magnetometer may repeat the very same value. A live one has noise.
const STUCK_AFTER_S: u32 = 300;

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
            arrivals: Onsets::NONE,
        }
    }

    pub(crate) const fn arrivals(&self) -> u32 {
        self.arrivals.count
    }

    pub(super) fn step(
        &mut self,
        now_ms: u32,
        uptime: Uptime,
        samples: &Samples,
        settings: &Settings,
    ) -> u16 {
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
