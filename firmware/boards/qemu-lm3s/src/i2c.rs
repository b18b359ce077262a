//! The I2C master.
//!
//! QEMU's model of the controller has no repeated start: every operation ends with a stop. Parts that are read
//! through a register pointer, as all of this board's are, keep the pointer over it. That is against the contract of
//! embedded-hal and the reason why this module belongs to the emulated board alone.

use embedded_hal::i2c::{Error, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};

use crate::chip::Register;

const BASE: usize = 0x4002_0000;
const ADDRESS: Register = Register::new(BASE, 0x00);
const CONTROL: Register = Register::new(BASE, 0x04);
const DATA: Register = Register::new(BASE, 0x08);
const PERIOD: Register = Register::new(BASE, 0x0C);
const CONFIGURATION: Register = Register::new(BASE, 0x20);

const RUN: u32 = 1;
const START: u32 = 1 << 1;
const STOP: u32 = 1 << 2;
const ACKNOWLEDGE: u32 = 1 << 3;
const BUSY: u32 = 1;
const ERROR: u32 = 1 << 1;
/// A byte takes a few hundred turns of the loop; a bus that is held down must not hold the node.
const MOST_TURNS: u32 = 100_000;

/// A handle of the one bus. There may be several: they are used one after the other by one loop.
pub(crate) struct Bus;

/// What went wrong; the controller does not tell where.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BusError {
    /// Nobody answered.
    NoAcknowledge,
    /// The bus is held down.
    Stuck,
}

impl Error for BusError {
    fn kind(&self) -> ErrorKind {
        match self {
            BusError::NoAcknowledge => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown),
            BusError::Stuck => ErrorKind::Bus,
        }
    }
}

impl ErrorType for Bus {
    type Error = BusError;
}

impl Bus {
    pub(crate) fn new() -> Bus {
        CONFIGURATION.write(1 << 4);
        // 100 kHz: 12.5 MHz / (20 × (1 + 6)) is 89 kHz.
        PERIOD.write(6);
        Bus
    }

    fn run(&mut self, command: u32) -> Result<(), BusError> {
        CONTROL.write(RUN | command);
        let mut turns = 0;
        loop {
            let status = CONTROL.read();
            if status & BUSY == 0 {
                if status & ERROR == 0 {
                    return Ok(());
                }
                CONTROL.write(STOP);
                return Err(BusError::NoAcknowledge);
            }
            turns += 1;
            if turns > MOST_TURNS {
                return Err(BusError::Stuck);
            }
        }
    }

    fn write_all(&mut self, address: u8, bytes: &[u8]) -> Result<(), BusError> {
        ADDRESS.write(u32::from(address) << 1);
        let last = bytes.len().saturating_sub(1);
        for (i, byte) in bytes.iter().enumerate() {
            DATA.write(u32::from(*byte));
            let start = if i == 0 { START } else { 0 };
            let stop = if i == last { STOP } else { 0 };
            self.run(start | stop)?;
        }
        Ok(())
    }

    fn read_all(&mut self, address: u8, bytes: &mut [u8]) -> Result<(), BusError> {
        ADDRESS.write(u32::from(address) << 1 | 1);
        let last = bytes.len().saturating_sub(1);
        for (i, byte) in bytes.iter_mut().enumerate() {
            let start = if i == 0 { START } else { 0 };
            let end = if i == last { STOP } else { ACKNOWLEDGE };
            self.run(start | end)?;
            *byte = DATA.read() as u8;
        }
        Ok(())
    }
}

impl I2c for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        for operation in operations {
            match operation {
                Operation::Write(bytes) => self.write_all(address, bytes)?,
                Operation::Read(bytes) => self.read_all(address, bytes)?,
            }
        }
        Ok(())
    }
}
