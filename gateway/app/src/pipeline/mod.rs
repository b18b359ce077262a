//! The pipeline: one thread that decodes, steps, commits, and only then acknowledges.
//!
//! Everybody else talks to it through the [`Door`]. It does not touch the network.

pub mod door;

pub use door::*;
