//! What lies where in the flash of the chip, and the boot loader's share of it.
//!
//! Not responsible for: the boot loader itself; see `../nucleo-l432kc-boot`. The map is that of `memory.x`, in offsets
//! from the start of the flash.

use core::ops::Range;

use embassy_boot_stm32::{AlignedBuffer, BlockingFirmwareState};
use embassy_stm32::flash::{Blocking, Error, Flash, WRITE_SIZE};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

const BOOT_STATE: Range<u32> = 0x4000..0x5000;
pub(crate) const SETTINGS: u32 = 0x5000;
pub(crate) const JOURNAL: u32 = 0x6000;
/// A page less than the partition: the swap needs that one.
pub(crate) const SLOT: Range<u32> = 0x14000..0x20000;

pub(crate) type ChipFlash = Flash<'static, Blocking>;

/// The boot loader swaps the received firmware in at the next start.
pub(crate) fn mark_updated(flash: &mut ChipFlash) -> bool {
    let mut aligned = AlignedBuffer([0; WRITE_SIZE]);
    BlockingFirmwareState::new(Partition { flash }, aligned.as_mut())
        .mark_updated()
        .is_ok()
}

/// This firmware stays: without this the boot loader swaps the one before back at the next start.
pub(crate) fn mark_booted(flash: &mut ChipFlash) -> bool {
    let mut aligned = AlignedBuffer([0; WRITE_SIZE]);
    BlockingFirmwareState::new(Partition { flash }, aligned.as_mut())
        .mark_booted()
        .is_ok()
}

/// The pages of the boot loader's state.
struct Partition<'a> {
    flash: &'a mut ChipFlash,
}

impl ErrorType for Partition<'_> {
    type Error = Error;
}

impl ReadNorFlash for Partition<'_> {
    const READ_SIZE: usize = ChipFlash::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.flash.read(BOOT_STATE.start + offset, bytes)
    }

    fn capacity(&self) -> usize {
        (BOOT_STATE.end - BOOT_STATE.start) as usize
    }
}

impl NorFlash for Partition<'_> {
    const WRITE_SIZE: usize = <ChipFlash as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <ChipFlash as NorFlash>::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        self.flash.erase(BOOT_STATE.start + from, BOOT_STATE.start + to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        self.flash.write(BOOT_STATE.start + offset, bytes)
    }
}
