//! The simulated estate of `linli demo`: real payloads over real sockets, through the production paths.
//!
//! The simulation holds no handle to the gateway but what anybody has: the broker's port, the Modbus ports it
//! serves itself, and an API token. It is not linked into decisions.

mod demo;
mod narrator;
pub mod payload;
mod radio;
mod script;
mod staff;
mod street;
mod world;

pub use demo::{DemoOptions, Summary, demo};
pub use narrator::Narrator;
