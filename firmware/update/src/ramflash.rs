//! A NOR flash in memory that behaves as badly as a real one: bytes are only ever cleared by a write, a write to
//! what is not erased is an error, and the power may be cut after any byte.
//!
//! For tests of this crate and, by path, of `linli-node`.

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

/// `PAGE` bytes are erased at a time, `UNIT` bytes written.
#[derive(Clone, Debug)]
pub(crate) struct RamFlash<const PAGE: usize, const UNIT: usize> {
    pub(crate) bytes: Vec<u8>,
    /// So many bytes may still be written or erased before the power is cut.
    pub(crate) power: Option<usize>,
    /// Every write and erase fails, as of a worn flash.
    pub(crate) worn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const PAGE: usize, const UNIT: usize> RamFlash<PAGE, UNIT> {
    /// As it leaves the factory.
    pub(crate) fn new(length: usize) -> Self {
        Self {
            bytes: vec![0xFF; length],
            power: None,
            worn: false,
        }
    }

    /// The power is cut once so many bytes were changed.
    pub(crate) fn cut_after(&mut self, bytes: usize) {
        self.power = Some(bytes);
    }

    /// Power is back.
    pub(crate) fn restart(mut self) -> Self {
        self.power = None;
        self
    }

    fn change(&mut self, at: usize, byte: u8) -> Result<(), Failed> {
        match &mut self.power {
            Some(0) => return Err(Failed),
            Some(left) => *left -= 1,
            None => {}
        }
        self.bytes[at] = byte;
        Ok(())
    }
}

impl<const PAGE: usize, const UNIT: usize> ErrorType for RamFlash<PAGE, UNIT> {
    type Error = Failed;
}

impl<const PAGE: usize, const UNIT: usize> ReadNorFlash for RamFlash<PAGE, UNIT> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        let from = offset as usize;
        bytes.copy_from_slice(self.bytes.get(from..from + bytes.len()).ok_or(Failed)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const PAGE: usize, const UNIT: usize> NorFlash for RamFlash<PAGE, UNIT> {
    const WRITE_SIZE: usize = UNIT;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        let (from, to) = (from as usize, to as usize);
        assert!(
            from.is_multiple_of(PAGE) && to.is_multiple_of(PAGE),
            "not whole pages: {from}..{to}"
        );
        if self.worn || to > self.bytes.len() {
            return Err(Failed);
        }
        (from..to).try_for_each(|at| self.change(at, 0xFF))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failed> {
        let from = offset as usize;
        assert!(
            from.is_multiple_of(UNIT) && bytes.len().is_multiple_of(UNIT),
            "not whole units"
        );
        if self.worn {
            return Err(Failed);
        }
        for (at, byte) in (from..).zip(bytes) {
            assert_eq!(self.bytes[at], 0xFF, "written without an erase at {at}");
            self.change(at, *byte)?;
        }
        Ok(())
    }
}
