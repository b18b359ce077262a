//! Milliseconds since start, wrapping.
//!
//! Not responsible for: calendar time; a node has none.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;

use crate::chip::CORE_HZ;

static MILLISECONDS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    // One writer, and it is never interrupted by itself.
    MILLISECONDS.store(now_ms().wrapping_add(1), Ordering::Relaxed);
}

pub(crate) fn start(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CORE_HZ / 1_000 - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

pub(crate) fn now_ms() -> u32 {
    MILLISECONDS.load(Ordering::Relaxed)
}
