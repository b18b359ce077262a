//! The sensors of each kind of node, one sample at a time.
//!
//! Not responsible for: what a sample means.

use linli_drivers::{ContactProbe, Hmc5883, Lm75, SensorError, TiltSwitch, Ultrasonic};
use linli_node::{Missing, Probe, Sample, Samples};

use crate::i2c::Bus;
use crate::pin::Input;
use crate::uart::SensorPort;

/// What is fitted to one kind of node.
pub(crate) trait Sensors {
    /// Takes what sensors send by themselves; often, since the FIFO is short.
    fn listen(&mut self) {}
    /// One sample of each.
    fn sample(&mut self) -> Samples;
}

/// A magnetometer, and an ultrasonic sensor where one is fitted.
pub(crate) struct ParkingSensors {
    thermometer: Lm75<Bus>,
    magnetometer: Hmc5883<Bus>,
    echo: Echo,
}

impl ParkingSensors {
    pub(crate) fn new() -> ParkingSensors {
        ParkingSensors {
            thermometer: thermometer(),
            magnetometer: Hmc5883::new(Bus::new()),
            echo: Echo::new(),
        }
    }
}

impl Sensors for ParkingSensors {
    fn listen(&mut self) {
        self.echo.listen();
    }

    fn sample(&mut self) -> Samples {
        Samples {
            field_mg: sample(self.magnetometer.read_mg()),
            distance_mm: self.echo.take(),
            temperature_centi: sample(self.thermometer.read_centi()),
            ..Samples::NONE
        }
    }
}

/// An ultrasonic sensor and a tilt switch.
pub(crate) struct BinSensors {
    thermometer: Lm75<Bus>,
    tilt: TiltSwitch<Input>,
    echo: Echo,
}

impl BinSensors {
    pub(crate) fn new() -> BinSensors {
        BinSensors {
            thermometer: thermometer(),
            tilt: TiltSwitch::new(Input::port_e(1)),
            echo: Echo::new(),
        }
    }
}

impl Sensors for BinSensors {
    fn listen(&mut self) {
        self.echo.listen();
    }

    fn sample(&mut self) -> Samples {
        Samples {
            distance_mm: self.echo.take(),
            tilted: sample(self.tilt.is_tilted()),
            temperature_centi: sample(self.thermometer.read_centi()),
            ..Samples::NONE
        }
    }
}

/// A spot probe with a contact. The emulated converter only makes noise up, so that there is no rope, whatever the
/// settings say.
pub(crate) struct LeakSensors {
    thermometer: Lm75<Bus>,
    contact: ContactProbe<Input>,
}

impl LeakSensors {
    pub(crate) fn new() -> LeakSensors {
        LeakSensors {
            thermometer: thermometer(),
            contact: ContactProbe::new(Input::port_e(2)),
        }
    }
}

impl Sensors for LeakSensors {
    fn sample(&mut self) -> Samples {
        Samples {
            probe: sample(self.contact.is_wet()).map(Probe::Contact),
            temperature_centi: sample(self.thermometer.read_centi()),
            ..Samples::NONE
        }
    }
}

/// The ultrasonic sensor on UART1.
struct Echo {
    port: SensorPort,
    parser: Ultrasonic,
    /// What it said last since the last sample.
    heard: Sample<u16>,
}

impl Echo {
    fn new() -> Echo {
        Echo {
            port: SensorPort::new(),
            parser: Ultrasonic::new(Ultrasonic::A02YYUW_MM),
            heard: Err(Missing::Absent),
        }
    }

    fn listen(&mut self) {
        while let Some(byte) = self.port.get() {
            if let Some(measured) = self.parser.push(byte) {
                self.heard = sample(measured);
            }
        }
    }

    fn take(&mut self) -> Sample<u16> {
        core::mem::replace(&mut self.heard, Err(Missing::Absent))
    }
}

fn thermometer() -> Lm75<Bus> {
    Lm75::new(Bus::new(), Lm75::<Bus>::DEFAULT_ADDRESS)
}

fn sample<T>(measured: Result<T, SensorError>) -> Sample<T> {
    measured.map_err(|error| match error {
        SensorError::OutOfRange => Missing::OutOfRange,
        _ => Missing::Absent,
    })
}
