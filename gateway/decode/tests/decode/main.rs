//! The integration tests of the decoder, one binary with a module for each story.

mod catalogue;
mod fixtures;
mod hostile;
