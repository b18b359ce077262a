//! The sensors of each kind of node, one sample at a time.
//!
//! Not responsible for: what a sample means.

use embassy_stm32::Peri;
use embassy_stm32::adc::{self, Adc, SampleTime, VrefInt};
use embassy_stm32::gpio::Input;
use embassy_stm32::i2c::{I2c, Master};
use embassy_stm32::mode::Blocking;
use embassy_stm32::peripherals::{ADC1, PA0};
use embassy_stm32::usart::BufferedUart;
use embedded_hal_bus::i2c::RefCellDevice;
use embedded_hal_nb::serial::Read;
use linli_drivers::{
    AdcChannel, ContactProbe, LeakProbe, Lm75, Lsm303agr, ProbeReading, SensorError, TiltSwitch, Ultrasonic,
};
use linli_node::{Missing, Probe, Sample, Samples, Settings};

/// The bus of the sensors, where one sensor owns it.
pub(crate) type Bus = I2c<'static, Blocking, Master>;
/// The bus of the sensors, where two share it.
pub(crate) type Shared<'a> = RefCellDevice<'a, Bus>;

/// What is fitted to one kind of node.
pub(crate) trait Sensors {
    /// Takes what sensors send by themselves.
    fn listen(&mut self) {}
    /// One sample of each that the settings say is fitted.
    fn sample(&mut self, settings: &Settings) -> Samples;
}

/// A magnetometer, and an ultrasonic sensor where one is fitted.
pub(crate) struct ParkingSensors<'a> {
    pub(crate) thermometer: Lm75<Shared<'a>>,
    pub(crate) magnetometer: Lsm303agr<Shared<'a>>,
    pub(crate) echo: Echo<'a>,
}

impl Sensors for ParkingSensors<'_> {
    fn listen(&mut self) {
        self.echo.listen();
    }

    fn sample(&mut self, _: &Settings) -> Samples {
        // A measurement that is still under way is one that was missed.
        let field_mg = sample(self.magnetometer.read_mg()).and_then(|field| field.ok_or(Missing::Absent));
        Samples {
            field_mg,
            distance_mm: self.echo.take(),
            temperature_centi: sample(self.thermometer.read_centi()),
            ..Samples::NONE
        }
    }
}

/// An ultrasonic sensor and a tilt switch.
pub(crate) struct BinSensors<'a> {
    pub(crate) thermometer: Lm75<Bus>,
    pub(crate) tilt: TiltSwitch<Input<'static>>,
    pub(crate) echo: Echo<'a>,
}

impl Sensors for BinSensors<'_> {
    fn listen(&mut self) {
        self.echo.listen();
    }

    fn sample(&mut self, _: &Settings) -> Samples {
        Samples {
            distance_mm: self.echo.take(),
            tilted: sample(self.tilt.is_tilted()),
            temperature_centi: sample(self.thermometer.read_centi()),
            ..Samples::NONE
        }
    }
}

/// A rope or spot with an end-of-line resistor, or a spot with a dry contact.
pub(crate) struct LeakSensors {
    pub(crate) thermometer: Lm75<Bus>,
    pub(crate) contact: ContactProbe<Input<'static>>,
    pub(crate) rope: Peri<'static, PA0>,
    pub(crate) supply: Supply,
}

impl Sensors for LeakSensors {
    fn sample(&mut self, settings: &Settings) -> Samples {
        let probe = if settings.probe_is_contact() {
            sample(self.contact.is_wet()).map(Probe::Contact)
        } else {
            let input = Rope {
                adc: &mut self.supply.adc,
                pin: &mut self.rope,
            };
            sample(LeakProbe::new(input).read()).map(|reading| match reading {
                ProbeReading::Signal(signal) => Probe::Signal(signal),
                ProbeReading::Open => Probe::Open,
            })
        };
        Samples {
            probe,
            temperature_centi: sample(self.thermometer.read_centi()),
            supply_mv: self.supply.read_mv(),
            ..Samples::NONE
        }
    }
}

fn sample<T>(measured: Result<T, SensorError>) -> Sample<T> {
    measured.map_err(|error| match error {
        SensorError::OutOfRange => Missing::OutOfRange,
        _ => Missing::Absent,
    })
}

/// The ultrasonic sensor.
pub(crate) struct Echo<'a> {
    port: BufferedUart<'a>,
    parser: Ultrasonic,
    /// What it said last since the last sample.
    heard: Sample<u16>,
}

impl<'a> Echo<'a> {
    pub(crate) fn new(port: BufferedUart<'a>) -> Echo<'a> {
        Echo {
            port,
            parser: Ultrasonic::new(Ultrasonic::A02YYUW_MM),
            heard: Err(Missing::Absent),
        }
    }

    fn listen(&mut self) {
        // A damaged byte is dropped here; the checksum of its frame tells.
        while let Ok(byte) = self.port.read() {
            if let Some(measured) = self.parser.push(byte) {
                self.heard = sample(measured);
            }
        }
    }

    fn take(&mut self) -> Sample<u16> {
        core::mem::replace(&mut self.heard, Err(Missing::Absent))
    }
}

/// The chip's own supply, from the reference that was measured at 3 V in the factory. Only the node that has a use for the
/// converter measures it.
pub(crate) struct Supply {
    adc: Adc<'static, ADC1>,
    reference: VrefInt,
}

impl Supply {
    pub(crate) fn new(converter: Peri<'static, ADC1>) -> Supply {
        let adc = Adc::new(converter);
        let reference = adc.enable_vrefint();
        Supply { adc, reference }
    }

    fn read_mv(&mut self) -> u16 {
        let calibrated = u32::from(self.reference.calibrated_value());
        let measured = u32::from(
            self.adc
                .blocking_read(&mut self.reference, SampleTime::CYCLES640_5),
        );
        let supply_mv = (adc::VREF_CALIB_MV * calibrated).checked_div(measured);
        supply_mv.and_then(|mv| u16::try_from(mv).ok()).unwrap_or(0)
    }
}

/// The input of the rope. It is measured against the supply, as the rope's divider is, so that the supply cancels out.
struct Rope<'a> {
    adc: &'a mut Adc<'static, ADC1>,
    pin: &'a mut Peri<'static, PA0>,
}

impl AdcChannel for Rope<'_> {
    type Error = core::convert::Infallible;

    fn sample(&mut self) -> Result<u16, Self::Error> {
        Ok(self.adc.blocking_read(self.pin, SampleTime::CYCLES247_5))
    }
}
