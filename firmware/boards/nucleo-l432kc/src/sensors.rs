//! The sensors of each kind of node, one sample at a time.
//!
//! Not responsible for: what a sample means.

use core::cell::RefCell;

use embassy_stm32::adc::{Adc, SampleTime, VrefInt};
use embassy_stm32::gpio::Input;
use embassy_stm32::i2c::{I2c, Master};
use embassy_stm32::mode::Blocking;
use embassy_stm32::peripherals::{ADC1, PA0};
use embassy_stm32::usart::BufferedUart;
use embassy_stm32::{Peri, adc};
use embedded_hal_bus::i2c::RefCellDevice;
use embedded_hal_nb::serial::Read;
use linli_drivers::{
    AdcChannel, ContactProbe, LeakProbe, Lm75, Lsm303agr, ProbeReading, SensorError, TiltSwitch, Ultrasonic,
};
use linli_node::{Missing, Probe, Sample, Samples};
use linli_registers::Kind;

/// The bus of the sensors.
pub(crate) type SensorBus = RefCell<I2c<'static, Blocking, Master>>;
type Device<'a> = RefCellDevice<'a, I2c<'static, Blocking, Master>>;

pub(crate) struct Sensors<'a> {
    pub(crate) kind: Kind,
    pub(crate) magnetometer: Lsm303agr<Device<'a>>,
    pub(crate) thermometer: Lm75<Device<'a>>,
    pub(crate) tilt: TiltSwitch<Input<'static>>,
    pub(crate) contact: ContactProbe<Input<'static>>,
    pub(crate) converter: Converter,
    pub(crate) port: BufferedUart<'a>,
    pub(crate) echo: Ultrasonic,
    /// What the ultrasonic sensor said last since the last sample.
    pub(crate) heard: Sample<u16>,
}

impl<'a> Sensors<'a> {
    pub(crate) fn magnetometer(bus: &'a SensorBus) -> Lsm303agr<Device<'a>> {
        Lsm303agr::new(RefCellDevice::new(bus))
    }

    pub(crate) fn thermometer(bus: &'a SensorBus) -> Lm75<Device<'a>> {
        Lm75::new(RefCellDevice::new(bus), Lm75::<Device<'a>>::DEFAULT_ADDRESS)
    }

    /// Takes what the ultrasonic sensor has sent.
    pub(crate) fn listen(&mut self) {
        // A damaged byte is dropped here; the checksum of its frame tells.
        while let Ok(byte) = self.port.read() {
            if let Some(measured) = self.echo.push(byte) {
                self.heard = sample(measured);
            }
        }
    }

    /// `probe_is_contact`: what the settings say is fitted.
    pub(crate) fn sample(&mut self, probe_is_contact: bool) -> Samples {
        let common = Samples {
            temperature_centi: sample(self.thermometer.read_centi()),
            supply_mv: self.converter.supply_mv(),
            ..Samples::NONE
        };
        let heard = core::mem::replace(&mut self.heard, Err(Missing::Absent));
        match self.kind {
            Kind::Parking => Samples {
                // A measurement that is still under way is one that was missed.
                field_mg: sample(self.magnetometer.read_mg()).and_then(|field| field.ok_or(Missing::Absent)),
                distance_mm: heard,
                ..common
            },
            Kind::Bin => Samples {
                distance_mm: heard,
                tilted: sample(self.tilt.is_tilted()),
                ..common
            },
            Kind::Leak if probe_is_contact => Samples {
                probe: sample(self.contact.is_wet()).map(Probe::Contact),
                ..common
            },
            Kind::Leak => Samples {
                probe: sample(LeakProbe::new(&mut self.converter).read()).map(|reading| match reading {
                    ProbeReading::Signal(signal) => Probe::Signal(signal),
                    ProbeReading::Open => Probe::Open,
                }),
                ..common
            },
        }
    }
}

fn sample<T>(measured: Result<T, SensorError>) -> Sample<T> {
    measured.map_err(|error| match error {
        SensorError::OutOfRange => Missing::OutOfRange,
        _ => Missing::Absent,
    })
}

/// The converter: the probe, and the chip's own supply.
pub(crate) struct Converter {
    adc: Adc<'static, ADC1>,
    reference: VrefInt,
    probe: Peri<'static, PA0>,
}

impl Converter {
    pub(crate) fn new(converter: Peri<'static, ADC1>, probe: Peri<'static, PA0>) -> Converter {
        let adc = Adc::new(converter);
        let reference = adc.enable_vrefint();
        Converter { adc, reference, probe }
    }

    /// The supply in millivolts, from the reference that was measured at 3 V in the factory.
    fn supply_mv(&mut self) -> u16 {
        let calibrated = u32::from(self.reference.calibrated_value());
        let measured = u32::from(self.adc.blocking_read(&mut self.reference, SampleTime::CYCLES640_5));
        let supply_mv = (adc::VREF_CALIB_MV * calibrated).checked_div(measured);
        supply_mv.and_then(|mv| u16::try_from(mv).ok()).unwrap_or(0)
    }
}

impl AdcChannel for &mut Converter {
    type Error = core::convert::Infallible;

    fn sample(&mut self) -> Result<u16, Self::Error> {
        Ok(self.adc.blocking_read(&mut self.probe, SampleTime::CYCLES247_5))
    }
}
