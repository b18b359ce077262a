//! HMC5883L and the parts that copy its registers, the magnetometer half of the LSM303DLHC among them.
//!
//! Not responsible for: calibration; a node only compares a field with an earlier one.

use embedded_hal::i2c::I2c;

use crate::SensorError;

const ADDRESS: u8 = 0x1E;

/// Registers by name.
#[derive(Clone, Copy)]
#[repr(u8)]
enum At {
    ConfigA = 0x00,
    ConfigB = 0x01,
    Mode = 0x02,
    Data = 0x03,
    Identity = 0x0A,
}

/// 15 measurements per second; range ±1.3 gauss; continuous.
const CONFIGURATION: [(At, u8); 3] = [(At::ConfigA, 0x10), (At::ConfigB, 0x20), (At::Mode, 0x00)];

/// What an axis reads when its field is outside the range.
const OVERFLOW: i16 = -4096;

/// Counts per gauss at ±1.3 gauss; the z axis differs.
const COUNTS_XY: i32 = 1_100;
const COUNTS_Z: i32 = 980;

/// A magnetometer on an I2C bus it owns; share a bus with `embedded-hal-bus`.
#[derive(Debug)]
pub struct Hmc5883<I> {
    i2c: I,
    /// False until it was identified and configured, and again after any failure: a part that lost its
    /// supply comes back unconfigured and would otherwise repeat an old value for ever.
    ready: bool,
}

impl<I: I2c> Hmc5883<I> {
    /// Does not touch the bus yet.
    pub const fn new(i2c: I) -> Self {
        Self { i2c, ready: false }
    }

    /// The bus, back.
    pub fn release(self) -> I {
        self.i2c
    }

    /// The field in milligauss: x, y, z. Identifies and configures the part first when that is due.
    pub fn read_mg(&mut self) -> Result<[i32; 3], SensorError> {
        if !core::mem::take(&mut self.ready) {
            self.configure()?;
        }
        let mut data = [0; 6];
        self.i2c
            .write_read(ADDRESS, &[At::Data as u8], &mut data)
            .map_err(SensorError::bus)?;
        self.ready = true;
        let [x1, x0, z1, z0, y1, y0] = data;
        let axes = [[x1, x0], [y1, y0], [z1, z0]].map(i16::from_be_bytes);
        if axes.contains(&OVERFLOW) {
            return Err(SensorError::OutOfRange);
        }
        let [x, y, z] = axes.map(i32::from);
        Ok([x * 1000 / COUNTS_XY, y * 1000 / COUNTS_XY, z * 1000 / COUNTS_Z])
    }

    fn configure(&mut self) -> Result<(), SensorError> {
        let mut identity = [0; 3];
        self.i2c
            .write_read(ADDRESS, &[At::Identity as u8], &mut identity)
            .map_err(SensorError::bus)?;
        if &identity != b"H43" {
            return Err(SensorError::WrongPart);
        }
        for (at, value) in CONFIGURATION {
            self.i2c
                .write(ADDRESS, &[at as u8, value])
                .map_err(SensorError::bus)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction as Bus};

    const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

    fn identified() -> Vec<Bus> {
        vec![
            Bus::write_read(ADDRESS, vec![0x0A], b"H43".to_vec()),
            Bus::write(ADDRESS, vec![0x00, 0x10]),
            Bus::write(ADDRESS, vec![0x01, 0x20]),
            Bus::write(ADDRESS, vec![0x02, 0x00]),
        ]
    }

    /// The part sends x, z, y.
    fn measured(x: i16, z: i16, y: i16) -> Bus {
        let bytes = [x, z, y].into_iter().flat_map(i16::to_be_bytes).collect();
        Bus::write_read(ADDRESS, vec![0x03], bytes)
    }

    #[test]
    fn it_is_identified_once_and_reads_milligauss_in_the_order_of_the_axes() {
        let script = [
            identified(),
            vec![measured(1_100, -980, 550), measured(0, 0, -11)],
        ]
        .concat();
        let mut bus = Mock::new(&script);
        let mut sensor = Hmc5883::new(bus.clone());
        assert_eq!(sensor.read_mg(), Ok([1_000, 500, -1_000]));
        assert_eq!(sensor.read_mg(), Ok([0, -10, 0]));
        bus.done();
    }

    #[test]
    fn another_part_at_its_address_is_refused() {
        let mut bus = Mock::new(&[Bus::write_read(ADDRESS, vec![0x0A], vec![0, 0, 0])]);
        assert_eq!(Hmc5883::new(bus.clone()).read_mg(), Err(SensorError::WrongPart));
        bus.done();
    }

    #[test]
    fn after_a_failure_it_is_configured_again() {
        let unplugged = Bus::write_read(ADDRESS, vec![0x03], vec![0; 6]).with_error(NACK);
        let still_gone = Bus::write_read(ADDRESS, vec![0x0A], vec![0; 3]).with_error(NACK);
        let script = [
            identified(),
            vec![measured(11, 0, 0), unplugged, still_gone],
            identified(),
            vec![measured(22, 0, 0)],
        ]
        .concat();
        let mut bus = Mock::new(&script);
        let mut sensor = Hmc5883::new(bus.clone());
        assert_eq!(sensor.read_mg(), Ok([10, 0, 0]));
        assert_eq!(sensor.read_mg(), Err(SensorError::Bus(NACK)));
        assert_eq!(sensor.read_mg(), Err(SensorError::Bus(NACK)));
        assert_eq!(sensor.read_mg(), Ok([20, 0, 0]));
        bus.done();
    }

    #[test]
    fn a_bus_that_fails_in_the_middle_of_the_configuration_leaves_no_half_configured_part() {
        let mut half = identified();
        half[2] = Bus::write(ADDRESS, vec![0x01, 0x20]).with_error(ErrorKind::ArbitrationLoss);
        half.truncate(3);
        let mut bus = Mock::new(&[half, identified(), vec![measured(0, 0, 0)]].concat());
        let mut sensor = Hmc5883::new(bus.clone());
        assert_eq!(
            sensor.read_mg(),
            Err(SensorError::Bus(ErrorKind::ArbitrationLoss))
        );
        assert_eq!(sensor.read_mg(), Ok([0, 0, 0]));
        bus.done();
    }

    #[test]
    fn a_field_beyond_its_range_is_no_number() {
        let mut bus = Mock::new(&[identified(), vec![measured(OVERFLOW, 0, 0)]].concat());
        assert_eq!(Hmc5883::new(bus.clone()).read_mg(), Err(SensorError::OutOfRange));
        bus.done();
    }
}
