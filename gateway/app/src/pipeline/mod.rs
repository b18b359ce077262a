//! The pipeline: one thread that decodes, steps, commits, and only then acknowledges.
//!
//! Everybody else talks to it through the [`Door`]. It does not touch the network.

pub mod door;
mod thread;
mod core;
mod intake;
mod commit;
mod pay;
mod batch;
mod understand;
mod unknown;
mod onboarding;
mod tap;
mod telling;
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
mod onboarding_tests;

pub use core::Core;
pub use door::*;
pub use onboarding::{Decided, Decision, NewDevice, Replayed, Undecided};
pub use once::fnv;
pub use pace::Pace;
pub use pay::Progress;
pub use recover::{RecoverError, Recovered, recover, replay};
pub use requests::ESTATE;
pub use tap::{Fate, HEAD_BYTES, Said, SaidValue, Tap, Tapped, Watcher};
pub use thread::Loop;
pub use understand::{APPLICATION_HEX, APPLICATION_PORT, Refused, Understanding};
pub use unknown::UnknownDevices;
