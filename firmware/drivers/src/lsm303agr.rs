//! LSM303AGR magnetometers, by the crate `lsm303agr`, one measurement at a time.
//!
//! Responsible for: starting the next measurement when one was read, milligauss, and setting the part up again after a
//! failure. Not responsible for: its accelerometer, and calibration; a node only compares a field with an earlier one.

use embedded_hal::i2c::{I2c, SevenBitAddress};
use lsm303agr::interface::I2cInterface;
use lsm303agr::mode::MagOneShot;
use lsm303agr::{Error, Lsm303agr as Part};

use crate::SensorError;

/// Nanotesla in a milligauss.
const NT_PER_MG: i32 = 100;

/// A magnetometer on an I2C bus it owns; share a bus with `embedded-hal-bus`.
#[derive(Debug)]
pub struct Lsm303agr<I> {
    part: Part<I2cInterface<I>, MagOneShot>,
    configured: bool,
}

impl<I: I2c<SevenBitAddress>> Lsm303agr<I> {
    /// Does not touch the bus yet.
    pub fn new(i2c: I) -> Self {
        Self {
            part: Part::new_with_i2c(i2c),
            configured: false,
        }
    }

    /// The bus, back.
    pub fn release(self) -> I {
        self.part.destroy()
    }

    /// The field in milligauss: x, y, z. `Ok(None)`: the measurement is under way; ask again in ten milliseconds.
    pub fn read_mg(&mut self) -> Result<Option<[i32; 3]>, SensorError> {
        let read = self.try_read();
        if read.is_err() {
            self.configured = false;
        }
        read
    }

    fn try_read(&mut self) -> Result<Option<[i32; 3]>, SensorError> {
        if !self.configured {
            let id = self.part.magnetometer_id().map_err(bus::<I>)?;
            if !id.is_correct() {
                return Err(SensorError::WrongPart);
            }
            self.part.init().map_err(bus::<I>)?;
            self.configured = true;
        }
        let field = match self.part.magnetic_field() {
            Ok(field) => field,
            Err(nb::Error::WouldBlock) => return Ok(None),
            Err(nb::Error::Other(error)) => return Err(bus::<I>(error)),
        };
        // Asked again at once it has nothing new, and so starts the next measurement.
        if let Err(nb::Error::Other(error)) = self.part.magnetic_field() {
            return Err(bus::<I>(error));
        }
        let (x, y, z) = field.xyz_nt();
        Ok(Some([x / NT_PER_MG, y / NT_PER_MG, z / NT_PER_MG]))
    }
}

fn bus<I: I2c<SevenBitAddress>>(error: Error<I::Error>) -> SensorError {
    match error {
        Error::Comm(error) => SensorError::bus(error),
        Error::InvalidInputData => SensorError::Implausible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction as Bus};

    /// The two halves of the part.
    const MAGNETOMETER: u8 = 0x1E;
    const ACCELEROMETER: u8 = 0x19;
    const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

    fn identified() -> Bus {
        Bus::write_read(MAGNETOMETER, vec![0x4F], vec![0x40])
    }

    /// Block data update, so that no vector is half old and half new; the part's own thermometer.
    fn configured() -> Vec<Bus> {
        vec![
            Bus::write(ACCELEROMETER, vec![0x23, 0x80]),
            Bus::write(ACCELEROMETER, vec![0x1F, 0xC0]),
            Bus::write(MAGNETOMETER, vec![0x62, 0x10]),
        ]
    }

    /// Nothing new, and no measurement under way: one is started.
    fn started() -> Vec<Bus> {
        vec![
            Bus::write_read(MAGNETOMETER, vec![0x67], vec![0x00]),
            Bus::write_read(MAGNETOMETER, vec![0x60], vec![0x03]),
            Bus::write(MAGNETOMETER, vec![0x60, 0x01]),
        ]
    }

    /// Nothing new yet.
    fn under_way() -> Vec<Bus> {
        vec![
            Bus::write_read(MAGNETOMETER, vec![0x67], vec![0x00]),
            Bus::write_read(MAGNETOMETER, vec![0x60], vec![0x01]),
        ]
    }

    /// A vector in steps of 150 nT, little-endian; bit 7 of the address reads on through the registers.
    fn measured(x: i16, y: i16, z: i16) -> Vec<Bus> {
        let bytes = [x, y, z].into_iter().flat_map(i16::to_le_bytes).collect();
        vec![
            Bus::write_read(MAGNETOMETER, vec![0x67], vec![0x08]),
            Bus::write_read(MAGNETOMETER, vec![0x68 | 0x80], bytes),
        ]
    }

    fn set_up() -> Vec<Bus> {
        [vec![identified()], configured(), started()].concat()
    }

    #[test]
    fn it_is_set_up_once_and_every_reading_starts_the_next_measurement() {
        let script = [
            set_up(),
            under_way(),
            measured(200, -100, 4),
            started(),
            measured(0, 2, 0),
            started(),
        ]
        .concat();
        let mut bus = Mock::new(&script);
        let mut sensor = Lsm303agr::new(bus.clone());
        assert_eq!(sensor.read_mg(), Ok(None), "the first measurement is started");
        assert_eq!(sensor.read_mg(), Ok(None), "and takes a while");
        assert_eq!(sensor.read_mg(), Ok(Some([300, -150, 6])));
        assert_eq!(sensor.read_mg(), Ok(Some([0, 3, 0])));
        bus.done();
    }

    #[test]
    fn another_part_at_its_address_is_refused() {
        let mut bus = Mock::new(&[Bus::write_read(MAGNETOMETER, vec![0x4F], vec![0x3D])]);
        assert_eq!(Lsm303agr::new(bus.clone()).read_mg(), Err(SensorError::WrongPart));
        bus.done();
    }

    #[test]
    fn after_a_failure_it_is_set_up_again() {
        let unplugged = Bus::write_read(MAGNETOMETER, vec![0x67], vec![0]).with_error(NACK);
        let gone = Bus::write_read(MAGNETOMETER, vec![0x4F], vec![0]).with_error(NACK);
        let script = [
            set_up(),
            vec![unplugged, gone],
            set_up(),
            measured(2, 0, 0),
            started(),
        ]
        .concat();
        let mut bus = Mock::new(&script);
        let mut sensor = Lsm303agr::new(bus.clone());
        assert_eq!(sensor.read_mg(), Ok(None));
        assert_eq!(sensor.read_mg(), Err(SensorError::Bus(NACK)));
        assert_eq!(sensor.read_mg(), Err(SensorError::Bus(NACK)));
        assert_eq!(sensor.read_mg(), Ok(None));
        assert_eq!(sensor.read_mg(), Ok(Some([3, 0, 0])));
        bus.done();
    }

    #[test]
    fn a_bus_that_fails_while_the_part_is_set_up_leaves_no_half_configured_part() {
        let mut half = [vec![identified()], configured()].concat();
        half[2] = Bus::write(ACCELEROMETER, vec![0x1F, 0xC0]).with_error(ErrorKind::ArbitrationLoss);
        half.truncate(3);
        let mut bus = Mock::new(&[half, set_up()].concat());
        let mut sensor = Lsm303agr::new(bus.clone());
        assert_eq!(
            sensor.read_mg(),
            Err(SensorError::Bus(ErrorKind::ArbitrationLoss))
        );
        assert_eq!(sensor.read_mg(), Ok(None));
        bus.done();
    }
}
