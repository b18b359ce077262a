//! What the sampling loop of a board hands over.
//!
//! Not responsible for: retries. A sensor that did not answer is `None`, once per sample.

/// A magnetic field vector in milligauss: x, y, z.
pub type Field = [i32; 3];

/// What the leak probe's input says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Converter counts, 0 to 4095; more is wetter.
    Signal(u16),
    /// The end-of-line resistor cannot be seen: the cable is cut.
    Open,
}

/// One sample of every sensor. A board leaves out what its kind does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Magnetometer (parking).
    pub field_mg: Option<Field>,
    /// Distance sensor (bin), millimetres.
    pub distance_mm: Option<u16>,
    /// Tilt switch (bin): true when it leans.
    pub tilted: Option<bool>,
    /// Thermometer (all), hundredths of a degree Celsius.
    pub temperature_centi: Option<i16>,
    /// Leak probe (leak).
    pub probe: Option<Probe>,
    /// Supply of the processor, millivolts; 0 when it is not measured.
    pub supply_mv: u16,
}
