//! What a sensor node decides, with no hardware in it: time and samples in, register image out.
//!
//! Responsible for: debounce and hysteresis, faults, the three-valued states built on them, latched alarms
//! and their acknowledgement, counters, the settings that steer all this and how they outlive a power cut, and
//! [`Station`], the whole of a node that a board feeds with bytes, samples and milliseconds. Not responsible for:
//! reading sensors (`linli-drivers`), the wire (`linli-modbus-slave`), new firmware (`linli-update`), or what the
//! numbers mean to an estate (the gateway). A node that lost its sensor says "unknown"; it never says "free" or "dry" instead.
#![cfg_attr(not(test), no_std)]

mod alarms;
mod bank;
mod channel;
mod clock;
mod gate;
mod kinds;
mod line;
mod node;
mod rounds;
mod samples;
mod settings;
mod station;
mod store;
mod supervisor;
mod window;

pub use clock::Uptime;
pub use gate::{Gate, State};
pub use kinds::{AnyKind, Baseline, Bin, Leak, Parking, Watch};
pub use line::{Line, Parity};
pub use node::{Identity, Node, ResetCause, SAMPLE_PERIOD_MS};
pub use rounds::{Hardware, Rounds};
pub use samples::{Field, Missing, Probe, Sample, Samples};
pub use settings::Settings;
pub use station::{Start, Station};
pub use store::{Kept, Opened, Store, StoreError};
pub use supervisor::{Supervisor, Task};
