//! How bytes are laid out: variable-length numbers, a checksum, the log of a commit, a chunk of samples.
//!
//! Encoders never fail; decoders name what does not hold and never panic, whatever the bytes are.

pub(crate) mod bytes;
pub(crate) mod chunk;
pub(crate) mod columns;
pub(crate) mod crc;
mod decimals;
pub(crate) mod log;
pub(crate) mod seen;
pub(crate) mod stretches;
pub(crate) mod walk;

#[cfg(test)]
mod tests;
