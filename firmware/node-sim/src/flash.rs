//! The flash of a simulated node: memory that keeps the rules of a NOR flash.
//!
//! Not responsible for: power cuts; the tests of `linli-node` and `linli-update` have a flash for that.

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

/// As the boards have it.
pub(crate) const PAGE_BYTES: u32 = 2_048;

#[derive(Clone, Debug)]
pub(crate) struct MemoryFlash {
    bytes: Vec<u8>,
}

/// An address beyond the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutOfBounds;

impl NorFlashError for OutOfBounds {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::OutOfBounds
    }
}

impl MemoryFlash {
    /// Erased.
    pub(crate) fn new(length: u32) -> MemoryFlash {
        MemoryFlash {
            bytes: vec![0xFF; length as usize],
        }
    }

    fn at(&mut self, offset: u32, length: usize) -> Result<&mut [u8], OutOfBounds> {
        let start = offset as usize;
        self.bytes.get_mut(start..start + length).ok_or(OutOfBounds)
    }
}

impl ErrorType for MemoryFlash {
    type Error = OutOfBounds;
}

impl ReadNorFlash for MemoryFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), OutOfBounds> {
        bytes.copy_from_slice(self.at(offset, bytes.len())?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for MemoryFlash {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = PAGE_BYTES as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), OutOfBounds> {
        self.at(from, to.saturating_sub(from) as usize)?.fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), OutOfBounds> {
        // A write clears bits, it never sets them.
        for (slot, byte) in self.at(offset, bytes.len())?.iter_mut().zip(bytes) {
            *slot &= byte;
        }
        Ok(())
    }
}
