//! The pipeline: one thread that decodes, steps, commits, and only then acknowledges.
//!
//! Everybody else talks to it through the [`Door`]. It does not touch the network.

mod batch;
mod complain;
mod core;
pub mod door;
mod once;
mod pace;
mod project;
mod recover;
mod requests;
#[cfg(test)]
mod tests;
mod thread;
mod understand;

pub use core::Core;
pub use door::*;
pub use once::fnv;
pub use pace::Pace;
pub use recover::{RecoverError, Recovered, recover, replay};
pub use requests::ESTATE;
pub use thread::{Loop, Progress};
pub use understand::Understanding;
