//! The pipeline: one thread that decodes, steps, commits, and only then acknowledges.
//!
//! Everybody else talks to it through the [`Door`]. It does not touch the network.

pub mod answer;
pub mod door;
pub mod view;

pub use answer::{answer_bytes, answer_reply};
pub use door::*;
pub use view::{EstateView, SharedEstate};
