//! The sensor node on the LM3S6965 evaluation board, as QEMU emulates it: what a node does on a microcontroller is
//! run in the tests, by the same libraries that run on a real board.
//!
//! What hangs where: RS-485 on UART0, an ultrasonic sensor on UART1, magnetometer (HMC5883L), thermometer (TMP105)
//! and an EEPROM (24C512) for settings and new firmware on I2C0; on port E the rescue jumper (0), the tilt switch
//! (1), the dry contact of a leak probe (2) and the direction pin of the RS-485 driver (3). Not responsible for:
//! swapping firmware. The flash of the emulated chip cannot be written; a received image is checked and goes no further.
#![no_std]

mod chip;
mod clock;
mod eeprom;
mod i2c;
mod node;
mod pin;
mod ring;
mod sensors;
mod uart;

pub use node::{bin, leak, parking};

/// A panic has nowhere to go on a node: the watchdog, which is not fed here, restarts it.
///
/// An image without the feature `verify` links only when no panic path is left: whatever could reach this function
/// would make the linker look for a symbol that does not exist.
#[cfg(target_os = "none")]
#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(not(any(feature = "verify", debug_assertions)))]
    {
        unsafe extern "C" {
            fn a_panic_path_is_left_in_this_image() -> !;
        }
        // SAFETY: never linked; see above.
        unsafe { a_panic_path_is_left_in_this_image() }
    }
    #[cfg(any(feature = "verify", debug_assertions))]
    loop {
        cortex_m::asm::nop();
    }
}
