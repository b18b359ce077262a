//! All registers of a node: its own, and those of the field update.
//!
//! Not responsible for: what an update does with a block; see `linli-update`.

use embedded_storage::nor_flash::NorFlash;
use linli_modbus_slave::{Bank, Bits, Exception, Words};
use linli_registers::{BLOCK_BYTES, UPDATE_HOLDING, UPDATE_INPUT, address as at};
use linli_update::{Denied, Receiver};

use crate::{Node, Watch};

const DATA_WORDS: usize = BLOCK_BYTES / 2;

pub(crate) struct Registers<'a, F, W> {
    pub(crate) node: &'a mut Node<W>,
    pub(crate) update: &'a mut Receiver,
    pub(crate) flash: &'a mut F,
}

impl<F: NorFlash, W: Watch> Bank for Registers<'_, F, W> {
    fn input(&self, address: u16) -> Result<u16, Exception> {
        if !UPDATE_INPUT.contains(&address) {
            return self.node.input(address);
        }
        let status = self.update.status();
        Ok(match address {
            at::UPDATE_STATE => status.state,
            at::UPDATE_REFUSAL => status.refusal,
            at::UPDATE_NEXT_BLOCK => status.next_block,
            at::UPDATE_BLOCKS => status.blocks,
            _ => status.version,
        })
    }

    fn holding(&self, address: u16) -> Result<u16, Exception> {
        if UPDATE_HOLDING.contains(&address) {
            return Ok(0);
        }
        self.node.holding(address)
    }

    /// Writes of the update come in two forms: one command, or one block with its number, whole.
    fn write_holding(&mut self, start: u16, values: Words<'_>) -> Result<(), Exception> {
        if !UPDATE_HOLDING.contains(&start) {
            return self.node.write_holding(start, values);
        }
        let mut words = values.iter();
        let done = match (start, values.len()) {
            (at::UPDATE_CONTROL, 1) => {
                let command = words.next().ok_or(Exception::IllegalValue)?;
                self.update.command(command, self.flash)
            }
            (at::UPDATE_BLOCK, length) if length == 1 + DATA_WORDS => {
                let number = words.next().ok_or(Exception::IllegalValue)?;
                let mut block = [0; BLOCK_BYTES];
                for (pair, word) in block.as_chunks_mut().0.iter_mut().zip(words) {
                    *pair = word.to_be_bytes();
                }
                self.update.block(number, &block, self.flash)
            }
            _ => return Err(Exception::IllegalAddress),
        };
        done.map_err(|denied| match denied {
            Denied::Refused => Exception::IllegalValue,
            Denied::Busy => Exception::Busy,
            Denied::Storage => Exception::DeviceFailure,
            Denied::Unsupported => Exception::IllegalAddress,
        })
    }

    fn discrete(&self, address: u16) -> Result<bool, Exception> {
        self.node.discrete(address)
    }

    fn coil(&self, address: u16) -> Result<bool, Exception> {
        self.node.coil(address)
    }

    fn write_coils(&mut self, start: u16, values: Bits<'_>) -> Result<(), Exception> {
        self.node.write_coils(start, values)
    }

    fn identity(&self, object: u8) -> Option<&str> {
        self.node.identity(object)
    }
}
