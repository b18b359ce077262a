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
pub mod ages;
mod batch;
mod understand;
mod understood;
mod known;
mod refused;
mod unknown;
mod decision;
mod onboarding;
mod replay;
mod watched;
mod tap;
mod recorder;
mod telling;
mod once;
mod pace;
mod project;
mod requests;
mod recover;
mod retry;
pub mod room;
#[cfg(test)]
mod room_tests;
mod gone;
mod unheard;
mod sealing;
mod silence;
mod complain;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth_tests;
#[cfg(test)]
mod onboarding_tests;

pub use core::Core;
pub use decision::{Decided, Decision, NewDevice, Replayed, Undecided};
pub use door::*;
pub use once::fnv;
pub use pace::Pace;
pub use pay::Progress;
pub use recorder::{Fetched, Recorded, Recording};
pub use recover::{Known, RecoverError, Recovered, known, learn, recover, remember, replay};
pub use refused::{APPLICATION_HEX, APPLICATION_PORT, Refused};
pub use requests::ESTATE;
pub use tap::{Tap, Tapped, Watcher};
pub use thread::Loop;
pub use understand::Understanding;
pub use unknown::UnknownDevices;
pub use watched::{Fate, HEAD_BYTES, Watched, WatchedValue};
