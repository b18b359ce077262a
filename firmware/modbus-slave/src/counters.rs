//! The diagnostic counters of a serial node (function 8). All wrap.
//!
//! Not responsible for: counting what never reached the receiver, such as framing errors of a UART.

use crate::rtu::Noise;

/// What a node saw of the bus since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Good frames heard, for whomever.
    pub messages: u16,
    /// Requests for this node, broadcasts among them.
    pub requests: u16,
    /// Stretches between silences that held no good frame.
    pub crc_errors: u16,
    /// Requests this node refused.
    pub exceptions: u16,
    /// Frames longer than Modbus allows.
    pub overruns: u16,
}

impl Counters {
    /// All zero.
    pub const fn new() -> Counters {
        Counters {
            messages: 0,
            requests: 0,
            crc_errors: 0,
            exceptions: 0,
            overruns: 0,
        }
    }

    /// A stretch of the line was no frame.
    pub fn hear_noise(&mut self, noise: Noise) {
        let counter = match noise {
            Noise::BadChecksum => &mut self.crc_errors,
            Noise::Overrun => &mut self.overruns,
        };
        *counter = counter.wrapping_add(1);
    }

    /// The counter a diagnostic sub-function reads.
    pub(crate) fn diagnostic(&self, sub_function: u16) -> Option<u16> {
        match sub_function {
            0x0B => Some(self.messages),
            0x0C => Some(self.crc_errors),
            0x0D => Some(self.exceptions),
            0x0E => Some(self.requests),
            0x12 => Some(self.overruns),
            _ => None,
        }
    }
}
