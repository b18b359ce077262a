//! The sensor node on an STM32 Nucleo-L432KC with an RS-485 transceiver.
//!
//! | pin | header | what |
//! |---|---|---|
//! | PA9, PA10, PA12 | D1, D0, D2 | RS-485: DI, RO, DE and /RE together |
//! | PB6, PB7 | D5, D4 | I2C: LSM303AGR (parking), TMP102 or LM75 |
//! | PA3 | A2 | TX of an A02YYUW (bin; parking with a distance sensor) |
//! | PB0 | D3 | tilt switch to ground (bin) |
//! | PB1 | D6 | dry contact of a spot probe to ground (leak) |
//! | PA0 | A0 | rope or spot probe with an end-of-line resistor (leak) |
//! | PA8 | D9 | rescue jumper to ground |
//!
//! Not responsible for: anything a node decides; see `linli-node`. This program was linked and never run: nobody has
//! tried it on the board yet.
#![no_std]

mod clock;
mod flash;
mod node;
mod sensors;

pub use node::{bin, leak, parking};

use embassy_stm32::pac;

/// A panic has nowhere to go on a node but the next start. The libraries of the chip keep assertions; ours have none
/// that can be reached, as the image of the emulated board shows.
#[cfg(target_os = "none")]
#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

/// A word of flash that was being written when the power went may read with two wrong bits, which the chip reports here.
/// Every record and every image is checked by whoever reads it, so that it is enough to take the report.
#[cortex_m_rt::exception]
unsafe fn NonMaskableInt() {
    pac::FLASH.eccr().modify(|w| w.set_eccd(true));
}
