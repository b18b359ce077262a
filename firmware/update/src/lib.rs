//! New firmware for a sensor node: the signed package a gateway sends, and the receiver in the node.
//!
//! Responsible for: the format ([`package`]), and a transfer in blocks that goes on after a power cut, ends in a
//! checksum and an Ed25519 signature over kind, board, version and image, and refuses what is not newer than what
//! runs ([`Receiver`]). Not responsible for: swapping the firmware; a board's boot loader does, and goes back when
//! the new one does not prove itself.
#![cfg_attr(not(test), no_std)]

mod crc;
pub mod package;
#[cfg(feature = "receiver")]
mod receiver;
#[cfg(feature = "receiver")]
mod signature;

#[cfg(all(test, feature = "verify"))]
mod ramflash;
#[cfg(all(test, feature = "verify"))]
mod tests;

pub use crc::crc32;
pub use package::{BOARD_BYTES, HEADER_BYTES, Header, PACKAGE_BYTES, SIGNATURE_BYTES, TEST_PUBLIC_KEY};
#[cfg(feature = "receiver")]
pub use receiver::{Area, Denied, Firmware, Receiver, Status};
