//! The answering side of Modbus as pure functions: bytes in, frame out. `no_std`, no allocation, no I/O.
//!
//! Three layers that do not know each other's business:
//!
//! * [`pdu`]: what a request asks and what the answer is, the same on every line ([`pdu::answer`]).
//! * [`rtu`]: where a frame begins and ends on a serial line, and its checksum ([`Slave`] is the whole
//!   serial node: receiver, address, counters).
//! * [`mbap`]: the header Modbus TCP puts in front instead.
//!
//! What the registers hold is the business of the [`Bank`] behind. Function codes: 1 to 6, 8, 15, 16,
//! 43/14. Not responsible for: timing. The caller says when the line was silent.
#![cfg_attr(not(test), no_std)]

mod bank;
pub mod bits;
mod counters;
mod identify;
pub mod mbap;
pub mod pdu;
pub mod rtu;
mod slave;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testbank;

pub use bank::{Bank, Exception};
pub use bits::{Bits, Words};
pub use counters::Counters;
pub use pdu::{Audience, Pdu};
pub use slave::{BROADCAST, Slave};
