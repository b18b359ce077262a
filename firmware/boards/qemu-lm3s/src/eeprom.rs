//! A 24C512 as flash: where this board keeps settings and receives new firmware.
//!
//! An EEPROM needs no erase; one is carried out as a write of 0xFF, so that everything above behaves as it does on the
//! flash of a real board. Not responsible for: what lies where; see `node`.

use embedded_hal::i2c::I2c;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

use crate::clock::now_ms;
use crate::i2c::Bus;

const ADDRESS: u8 = 0x50;
const CAPACITY: u32 = 65_536;
/// What the part writes at once. A write must not cross the boundary of such a page.
const PAGE_BYTES: usize = 128;
/// The part does not answer while it writes, 5 ms at most.
const WRITE_MS: u32 = 10;

pub(crate) struct Eeprom {
    bus: Bus,
}

/// The part does not answer, or an address is beyond its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Eeprom {
    pub(crate) fn new(bus: Bus) -> Eeprom {
        Eeprom { bus }
    }

    /// Part of one page.
    fn write_page(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failed> {
        let [.., a1, a0] = offset.to_be_bytes();
        let mut message = [0; 2 + PAGE_BYTES];
        for (slot, byte) in message.iter_mut().zip([a1, a0].iter().chain(bytes)) {
            *slot = *byte;
        }
        let message = message.get(..2 + bytes.len()).ok_or(Failed)?;
        let began_ms = now_ms();
        loop {
            match self.bus.write(ADDRESS, message) {
                Ok(()) => return Ok(()),
                // It is still busy with the page before.
                Err(_) if now_ms().wrapping_sub(began_ms) < WRITE_MS => {}
                Err(_) => return Err(Failed),
            }
        }
    }

    /// Calls `page` with the part of `from..to` that lies in each page.
    fn pages(
        from: u32,
        to: u32,
        mut page: impl FnMut(u32, usize) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        if from > to || to > CAPACITY {
            return Err(Failed);
        }
        let mut at = from;
        while at < to {
            let end = (at | (PAGE_BYTES as u32 - 1)).saturating_add(1).min(to);
            page(at, (end - at) as usize)?;
            at = end;
        }
        Ok(())
    }
}

impl ErrorType for Eeprom {
    type Error = Failed;
}

impl ReadNorFlash for Eeprom {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        let [.., a1, a0] = offset.to_be_bytes();
        let began_ms = now_ms();
        loop {
            match self.bus.write_read(ADDRESS, &[a1, a0], bytes) {
                Ok(()) => return Ok(()),
                Err(_) if now_ms().wrapping_sub(began_ms) < WRITE_MS => {}
                Err(_) => return Err(Failed),
            }
        }
    }

    fn capacity(&self) -> usize {
        CAPACITY as usize
    }
}

impl NorFlash for Eeprom {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = 1_024;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        Eeprom::pages(from, to, |at, count| {
            let blank = [0xFF; PAGE_BYTES];
            self.write_page(at, blank.get(..count).ok_or(Failed)?)
        })
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failed> {
        let mut rest = bytes;
        Eeprom::pages(offset, offset.saturating_add(bytes.len() as u32), |at, count| {
            let (now, later) = rest.split_at_checked(count).ok_or(Failed)?;
            rest = later;
            self.write_page(at, now)
        })
    }
}
