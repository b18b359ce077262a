//! What is around a node: water, a car, waste, heat; and the samples its sensors would take of it.
//!
//! Not responsible for: what the node makes of the samples.

use linli_node::{Field, Probe, Samples};
use linli_registers::Kind;

/// The field of the empty bay, milligauss; what the installer taught the node.
pub(crate) const EMPTY_BAY: Field = [210, -45, 430];
/// How much a car changes it.
pub(crate) const CAR_MG: u16 = 300;

const DRY: u16 = 110;
const WET: u16 = 2_600;
const SUPPLY_MV: u16 = 3_300;

/// The truth a node tries to find out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) wet: bool,
    pub(crate) distance_mm: u16,
    pub(crate) tilted: bool,
    pub(crate) temperature_centi: i16,
    /// Change of the magnetic field by whatever stands in the bay, milligauss.
    pub(crate) field_mg: u16,
    noise: Noise,
}

impl World {
    /// A quiet day: dry, empty, upright, mild.
    pub(crate) fn quiet(unit: u8) -> World {
        World {
            wet: false,
            distance_mm: 1_000,
            tilted: false,
            temperature_centi: 2_000,
            field_mg: 0,
            noise: Noise(u32::from(unit)),
        }
    }

    /// One sample of the sensors this kind carries. They tremble a little, as real ones do; which way is
    /// the same in every run.
    pub(crate) fn sample(&mut self, kind: Kind) -> Samples {
        let common = Samples {
            temperature_centi: Ok(self.temperature_centi),
            supply_mv: SUPPLY_MV,
            ..Samples::default()
        };
        match kind {
            Kind::Parking => {
                let [x, y, z] = EMPTY_BAY;
                let field = [
                    x + i32::from(self.field_mg) + self.noise.tremble(),
                    y + self.noise.tremble(),
                    z + self.noise.tremble(),
                ];
                Samples {
                    field_mg: Ok(field),
                    ..common
                }
            }
            Kind::Bin => Samples {
                distance_mm: Ok(self.distance_mm),
                tilted: Ok(self.tilted),
                ..common
            },
            Kind::Leak => {
                let level = if self.wet { WET } else { DRY };
                let signal = level.saturating_add_signed(self.noise.tremble() as i16);
                Samples {
                    probe: Ok(Probe::Signal(signal)),
                    ..common
                }
            }
        }
    }

    /// What remains when every sensor is unplugged.
    pub(crate) fn blind() -> Samples {
        Samples {
            supply_mv: SUPPLY_MV,
            ..Samples::default()
        }
    }
}

/// A small generator (a linear congruence): repeatable, and good enough to tremble.
#[derive(Clone, Copy, Debug)]
struct Noise(u32);

impl Noise {
    /// -2 to 2.
    fn tremble(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as i32 % 5 - 2
    }
}
