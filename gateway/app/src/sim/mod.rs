//! Simulated estates: `linli demo` over real sockets, `linli simulate` in virtual time, judged.
//!
//! The demo's simulation holds no handle to the gateway but what anybody has: the broker's port, the Modbus ports it
//! serves itself, and an API token. It is not linked into decisions.

mod demo;
mod narrator;
mod judge;
mod radio;
mod script;
mod simulate;
#[cfg(test)]
mod simulate_tests;
mod staff;
mod street;
mod world;
mod written;

pub use demo::{DemoOptions, Summary, demo};
pub use judge::{Finding, Tally, Verdict, What, Wrong};
pub use narrator::Narrator;
pub use simulate::{SimulateError, Simulated, Simulation, simulate, simulate_in, subscriptions};
pub use written::write_files;
