//! What a request is answered from.
//!
//! Not responsible for: the wire. A bank sees addresses and values that were already taken apart.

use crate::{Bits, Words};

/// Why a request is refused; the number goes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exception {
    /// This node does not know the function code.
    IllegalFunction = 1,
    /// Some address of the request does not exist here.
    IllegalAddress = 2,
    /// A value or a count is outside its range, or the request has the wrong length.
    IllegalValue = 3,
    /// The node could not carry it out.
    DeviceFailure = 4,
    /// The node works on something longer; ask again.
    Busy = 6,
}

/// The registers of one node.
///
/// Writes come as whole requests. An implementation checks the whole request first and changes nothing
/// when it refuses: after an error every register holds what it held before.
pub trait Bank {
    /// Reads an input register.
    fn input(&self, address: u16) -> Result<u16, Exception>;
    /// Reads a holding register.
    fn holding(&self, address: u16) -> Result<u16, Exception>;
    /// Writes consecutive holding registers from `start`, all or none.
    fn write_holding(&mut self, start: u16, values: Words<'_>) -> Result<(), Exception>;
    /// Reads a discrete input.
    fn discrete(&self, address: u16) -> Result<bool, Exception>;
    /// Reads a coil.
    fn coil(&self, address: u16) -> Result<bool, Exception>;
    /// Writes consecutive coils from `start`, all or none.
    fn write_coils(&mut self, start: u16, values: Bits<'_>) -> Result<(), Exception>;
    /// A device identification object (43/14): 0 vendor, 1 product code, 2 revision, 4 product name.
    fn identity(&self, object: u8) -> Option<&str>;
}
