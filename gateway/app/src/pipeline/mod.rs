//! The pipeline: one thread that decodes, steps, commits, and only then acknowledges.
//!
//! Everybody else talks to it through the [`Door`]. It does not touch the network.

pub mod door;
mod thread;
mod core;
mod intake;
mod news;
mod commit;
mod pay;
mod batch;
mod understand;
mod understood;
mod once;
mod pace;
mod project;
mod requests;
mod recover;
mod retry;
mod sealing;
mod complain;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth_tests;

pub use core::Core;
pub use door::*;
pub use once::fnv;
pub use pace::Pace;
pub use pay::Progress;
pub use recover::{RecoverError, Recovered, recover, replay};
pub use requests::ESTATE;
pub use thread::Loop;
pub use understand::Understanding;
