//! The sensors of each kind of node, one sample at a time.
//!
//! Not responsible for: what a sample means.

use linli_drivers::{ContactProbe, Hmc5883, Lm75, SensorError, TiltSwitch, Ultrasonic};
use linli_node::{Missing, Probe, Sample, Samples};
use linli_registers::Kind;

use crate::i2c::Bus;
use crate::pin::Input;
use crate::uart::SensorPort;

pub(crate) struct Sensors {
    kind: Kind,
    magnetometer: Hmc5883<Bus>,
    thermometer: Lm75<Bus>,
    tilt: TiltSwitch<Input>,
    contact: ContactProbe<Input>,
    port: SensorPort,
    echo: Ultrasonic,
    /// What the ultrasonic sensor said last since the last sample.
    heard: Sample<u16>,
}

impl Sensors {
    pub(crate) fn new(kind: Kind) -> Sensors {
        Sensors {
            kind,
            magnetometer: Hmc5883::new(Bus::new()),
            thermometer: Lm75::new(Bus::new(), Lm75::<Bus>::DEFAULT_ADDRESS),
            tilt: TiltSwitch::new(Input::port_e(1)),
            contact: ContactProbe::new(Input::port_e(2)),
            port: SensorPort::new(),
            echo: Ultrasonic::new(Ultrasonic::A02YYUW_MM),
            heard: Err(Missing::Absent),
        }
    }

    /// Takes what the ultrasonic sensor has sent; often, since its FIFO is short.
    pub(crate) fn listen(&mut self) {
        while let Some(byte) = self.port.get() {
            if let Some(measured) = self.echo.push(byte) {
                self.heard = sample(measured);
            }
        }
    }

    pub(crate) fn sample(&mut self) -> Samples {
        let common = Samples {
            temperature_centi: sample(self.thermometer.read_centi()),
            supply_mv: 3_300,
            ..Samples::NONE
        };
        let heard = core::mem::replace(&mut self.heard, Err(Missing::Absent));
        match self.kind {
            Kind::Parking => Samples {
                field_mg: sample(self.magnetometer.read_mg()),
                distance_mm: heard,
                ..common
            },
            Kind::Bin => Samples {
                distance_mm: heard,
                tilted: sample(self.tilt.is_tilted()),
                ..common
            },
            // This board has no converter for a rope: its probe is a contact, whatever the settings say.
            Kind::Leak => Samples {
                probe: sample(self.contact.is_wet()).map(Probe::Contact),
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
