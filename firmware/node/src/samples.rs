//! What the sampling loop of a board hands over.
//!
//! Not responsible for: retries. A sensor that did not answer is [`Missing::Absent`], once per sample.

/// A magnetic field vector in milligauss: x, y, z.
pub type Field = [i32; 3];

/// Why a sensor has no value this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It does not answer, or what it says is damaged.
    Absent,
    /// It answers, and says that it cannot measure this.
    OutOfRange,
}

/// One measurement, or why there is none.
pub type Sample<T> = Result<T, Missing>;

/// What the leak probe's input says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Converter counts of a rope or spot, 0 to 4095; more is wetter.
    Signal(u16),
    /// The end-of-line resistor cannot be seen: the cable is cut.
    Open,
    /// A dry contact: true when it is closed by water.
    Contact(bool),
}

/// One sample of every sensor. A board leaves out what its kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Magnetometer (parking).
    pub field_mg: Sample<Field>,
    /// Distance sensor (bin; parking, where one is fitted), millimetres.
    pub distance_mm: Sample<u16>,
    /// Tilt switch (bin): true when it leans.
    pub tilted: Sample<bool>,
    /// Thermometer (all), hundredths of a degree Celsius.
    pub temperature_centi: Sample<i16>,
    /// Leak probe (leak).
    pub probe: Sample<Probe>,
    /// Supply of the processor, millivolts; 0 when it is not measured.
    pub supply_mv: u16,
}

impl Samples {
    /// No sensor answered.
    pub const NONE: Samples = Samples {
        field_mg: Err(Missing::Absent),
        distance_mm: Err(Missing::Absent),
        tilted: Err(Missing::Absent),
        temperature_centi: Err(Missing::Absent),
        probe: Err(Missing::Absent),
        supply_mv: 0,
    };
}

impl Default for Samples {
    fn default() -> Self {
        Samples::NONE
    }
}
