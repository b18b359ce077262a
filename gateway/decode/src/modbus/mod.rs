//! Modbus: what a device holds and where, what to ask for it, and what the answers mean.
//!
//! Addresses are 0-based, as on the wire. [`RegisterMap`] is what a profile says; [`Plan`] batches it into requests;
//! [`Learned`] is what one device taught about itself; [`wire`] knows frames. Sending, timing and breakers are the
//! caller's.

pub mod budget;
pub mod case;
pub(crate) mod case_fault;
mod case_map;
mod decode;
mod image;
mod learn;
mod map;
mod plan;
mod read;
mod read_address;
mod read_blocks;
mod read_helper;
mod read_register;
pub mod wire;
mod words;
mod write;

pub use learn::{Learned, Search};
pub use map::{Manners, RegisterMap};
pub use plan::{Plan, Read};
pub(crate) use read::read;
pub use write::{NotWritable, Writable, WriteRequest};

/// Most words and most bits one request may ask for (MODBUS Application Protocol V1.1b3, 6.1 to 6.4).
pub(crate) const MAX_WORDS: u16 = 125;
pub(crate) const MAX_BITS: u16 = 2000;

/// One read request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegisterRequest {
    /// 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers.
    pub function: u8,
    /// First address, from 0.
    pub start: u16,
    /// How many bits (functions 1 and 2) or words (3 and 4).
    pub count: u16,
}

impl RegisterRequest {
    /// Whether it asks for bits and not for words.
    pub fn is_bits(&self) -> bool {
        self.function <= 2
    }

    /// The address behind the last one.
    pub(crate) fn end(&self) -> u32 {
        u32::from(self.start) + u32::from(self.count)
    }
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterData {
    /// The answer to functions 3 and 4.
    Words(Vec<u16>),
    /// The answer to functions 1 and 2.
    Bits(Vec<bool>),
}

impl RegisterData {
    /// The registers in `frame`, a whole answer to `request`. `None`: an exception, or not as long as was asked for.
    pub fn of_frame(framing: wire::Framing, frame: &[u8], request: &RegisterRequest) -> Option<Self> {
        let body = match framing {
            wire::Framing::Tcp => frame.get(7..)?,
            wire::Framing::Rtu => frame.get(1..frame.len().checked_sub(2)?)?,
        };
        let [function, count, data @ ..] = body else {
            return None;
        };
        if *function != request.function || usize::from(*count) != data.len() {
            return None;
        }
        let wanted = usize::from(request.count);
        if request.is_bits() {
            let bits = (0..wanted).map(|n| data.get(n / 8).map(|byte| byte >> (n % 8) & 1 == 1));
            (data.len() == wanted.div_ceil(8)).then(|| bits.collect::<Option<_>>().map(Self::Bits))?
        } else {
            let (words, rest) = data.as_chunks::<2>();
            (words.len() == wanted && rest.is_empty())
                .then(|| Self::Words(words.iter().map(|word| u16::from_be_bytes(*word)).collect()))
        }
    }
}

#[cfg(test)]
mod learn_tests;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod write_tests;
