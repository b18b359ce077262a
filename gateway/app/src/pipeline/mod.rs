//! The pipeline: one thread that decodes, steps, commits, and only then acknowledges.
//!
//! Everybody else talks to it through the [`Door`]. It does not touch the network.

pub mod door;
mod thread;
mod core;
mod batch;
mod pace;
mod understand;
mod once;
mod project;
mod requests;
mod recover;
mod complain;

pub use core::Core;
pub use door::*;
pub use once::fnv;
pub use pace::Pace;
pub use recover::{RecoverError, Recovered, recover, replay};
pub use requests::ESTATE;
pub use thread::{Loop, Progress};
pub use understand::Understanding;
