//! LM75 and its relatives (LM75A/B, TMP102, TMP105, TMP75) in their power-on configuration.
//!
//! Not responsible for: the alert pin and the part's own thresholds; the node compares.

use embedded_hal::i2c::I2c;

use crate::SensorError;

/// The temperature register.
const TEMPERATURE: u8 = 0x00;
/// What the family can measure, hundredths of a degree Celsius.
const RANGE_CENTI: core::ops::RangeInclusive<i32> = -5_500..=12_800;

/// A thermometer on an I2C bus it owns; share a bus with `embedded-hal-bus`.
#[derive(Debug)]
pub struct Lm75<I> {
    i2c: I,
    address: u8,
}

impl<I: I2c> Lm75<I> {
    /// The address with A0 to A2 low.
    pub const DEFAULT_ADDRESS: u8 = 0x48;

    /// Does not touch the bus yet.
    pub const fn new(i2c: I, address: u8) -> Self {
        Self { i2c, address }
    }

    /// The bus, back.
    pub fn release(self) -> I {
        self.i2c
    }

    /// The temperature in hundredths of a degree Celsius.
    pub fn read_centi(&mut self) -> Result<i16, SensorError> {
        let mut data = [0; 2];
        self.i2c
            .write_read(self.address, &[TEMPERATURE], &mut data)
            .map_err(SensorError::bus)?;
        // Every part of the family sends zeros in the low four bits; a line stuck high does not.
        if data[1] & 0x0F != 0 {
            return Err(SensorError::Implausible);
        }
        let centi = i32::from(i16::from_be_bytes(data)) * 100 / 256;
        if !RANGE_CENTI.contains(&centi) {
            return Err(SensorError::Implausible);
        }
        i16::try_from(centi).map_err(|_| SensorError::Implausible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction as Bus};

    fn read(high: u8, low: u8) -> Result<i16, SensorError> {
        let mut bus = Mock::new(&[Bus::write_read(0x48, vec![0], vec![high, low])]);
        let value = Lm75::new(bus.clone(), 0x48).read_centi();
        bus.done();
        value
    }

    #[test]
    fn warm_and_cold_are_read_in_hundredths() {
        assert_eq!(read(0x1B, 0x80), Ok(2_750));
        assert_eq!(read(0x00, 0x10), Ok(6), "a sixteenth of a degree");
        assert_eq!(read(0xE7, 0x00), Ok(-2_500));
        assert_eq!(read(0xFF, 0x80), Ok(-50));
    }

    #[test]
    fn a_line_stuck_high_is_not_just_below_zero() {
        assert_eq!(read(0xFF, 0xFF), Err(SensorError::Implausible));
    }

    #[test]
    fn a_temperature_no_part_can_measure_is_refused() {
        assert_eq!(read(0x80, 0x00), Err(SensorError::Implausible));
    }

    #[test]
    fn a_dead_bus_is_an_error_and_the_next_read_works_again() {
        let mut bus = Mock::new(&[
            Bus::write_read(0x48, vec![0], vec![0, 0]).with_error(ErrorKind::Bus),
            Bus::write_read(0x48, vec![0], vec![0x14, 0x00]),
        ]);
        let mut sensor = Lm75::new(bus.clone(), 0x48);
        assert_eq!(sensor.read_centi(), Err(SensorError::Bus(ErrorKind::Bus)));
        assert_eq!(sensor.read_centi(), Ok(2_000));
        bus.done();
    }
}
