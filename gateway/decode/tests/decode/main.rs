//! The integration tests of the decoder, one binary with a module for each story.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cases;
mod catalogue;
mod fixtures;
mod guess;
mod guide;
mod harness;
mod hostile;
mod line;
mod replies;
