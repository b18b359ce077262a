//! The boot loader: embassy-boot swaps new firmware in, and swaps the old one back when the new one did not say that it
//! can be reached before it restarted. A power cut in the middle of a swap is continued at the next start.
//!
//! Not responsible for: whether firmware is to be trusted; the program checks signatures before it asks for a swap.
#![no_std]
#![no_main]

use core::cell::RefCell;

use cortex_m_rt::{entry, exception};
use embassy_boot_stm32::{BootLoader, BootLoaderConfig};
use embassy_stm32::flash::{BANK1_REGION, Flash};
use embassy_stm32::pac;
use embassy_sync::blocking_mutex::Mutex;

#[entry]
fn main() -> ! {
    let peripherals = embassy_stm32::init(Default::default());
    let flash = Flash::new_blocking(peripherals.FLASH)
        .into_blocking_regions()
        .bank1_region;
    let flash = Mutex::new(RefCell::new(flash));
    let config = BootLoaderConfig::from_linkerfile_blocking(&flash, &flash, &flash);
    let active = config.active.offset();
    match BootLoader::try_prepare::<_, _, _, 2048>(config) {
        // SAFETY: the active partition starts with a vector table, as `memory.x` of the program lays it out.
        Ok(loader) => unsafe { loader.load(BANK1_REGION.base() + active) },
        // The flash failed in the middle of a swap: the next start goes on with it.
        Err(_) => cortex_m::peripheral::SCB::sys_reset(),
    }
}

/// A word of flash that was being written when the power went may read with two wrong bits, which the chip reports here.
/// Whoever reads it checks it; see the same handler of the program.
#[exception]
unsafe fn NonMaskableInt() {
    pac::FLASH.eccr().modify(|w| w.set_eccd(true));
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
