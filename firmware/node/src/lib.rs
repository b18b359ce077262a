//! What a sensor node decides, with no hardware in it: time and samples in, register image out.
//!
//! Responsible for: debounce and hysteresis, faults, the three-valued states built on them, latched alarms
//! and their acknowledgement, counters, and the settings that steer all this. Not responsible for: reading
//! sensors (`linli-drivers`), the wire (`linli-modbus-slave`), or what the numbers mean to an estate (the
//! gateway). A node that lost its sensor says "unknown"; it never says "free" or "dry" instead.
#![cfg_attr(not(test), no_std)]

mod alarms;
mod bank;
mod channel;
mod clock;
mod gate;
mod kinds;
mod node;
mod samples;
mod settings;

pub use gate::{Gate, State};
pub use node::{Identity, Node, ResetCause, SAMPLE_PERIOD_MS};
pub use samples::{Field, Probe, Samples};
pub use settings::Settings;
