//! Sensor drivers over embedded-hal 1.0, and the one trait it lacks.
//!
//! Responsible for: registers, byte frames and plausibility of the parts the nodes carry. A failure is an
//! error with a reason, never a number that looks like a measurement. Not responsible for: what a value means
//! or how many failures make a sensor lost; see `linli-node`. Where a maintained driver exists a board may use
//! that instead.
#![cfg_attr(not(test), no_std)]

mod contact;
mod error;
mod hmc5883;
mod lm75;
mod lsm303agr;
mod probe;
mod tilt;
mod ultrasonic;

pub use contact::ContactProbe;
pub use error::SensorError;
pub use hmc5883::Hmc5883;
pub use lm75::Lm75;
pub use lsm303agr::Lsm303agr;
pub use probe::{AdcChannel, LeakProbe, ProbeReading};
pub use tilt::TiltSwitch;
pub use ultrasonic::Ultrasonic;
