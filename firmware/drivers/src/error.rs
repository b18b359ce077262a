//! Why a sensor has no value.
//!
//! Not responsible for: errors of one vendor's bus; they are mapped to embedded-hal's kinds.

use embedded_hal::{digital, i2c};

/// The reason a measurement failed, the same for every bus implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SensorError {
    /// The I2C bus failed, or nobody acknowledged.
    Bus(i2c::ErrorKind),
    /// A pin could not be read.
    Pin(digital::ErrorKind),
    /// The converter failed.
    Converter,
    /// Another part answers at this address.
    WrongPart,
    /// The part says that the value is beyond what it can measure.
    OutOfRange,
    /// The bytes cannot have come from a working part.
    Implausible,
}

impl SensorError {
    pub(crate) fn bus(error: impl i2c::Error) -> SensorError {
        SensorError::Bus(error.kind())
    }
}
