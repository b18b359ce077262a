//! The registers of the chip: the one place that touches memory-mapped addresses.
//!
//! Not responsible for: what a register means to a peripheral; `uart`, `i2c`, `pin` and `clock` know theirs.

/// A 32-bit register of the LM3S6965.
#[derive(Clone, Copy)]
pub(crate) struct Register(usize);

impl Register {
    /// The register at `offset` of the peripheral at `base`, both from the data sheet of the LM3S6965.
    pub(crate) const fn new(base: usize, offset: usize) -> Register {
        Register(base + offset)
    }

    pub(crate) fn read(self) -> u32 {
        // SAFETY: every address comes from the data sheet, is aligned, and reading it has no effect on memory.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    pub(crate) fn write(self, value: u32) {
        // SAFETY: as for `read`; no peripheral used here has access to the program's memory.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }

    pub(crate) fn set(self, bits: u32) {
        self.write(self.read() | bits);
    }
}

const SYSTEM: usize = 0x400F_E000;
const RESET_CAUSE: Register = Register::new(SYSTEM, 0x05C);
const RUN_GATE_0: Register = Register::new(SYSTEM, 0x100);
const RUN_GATE_1: Register = Register::new(SYSTEM, 0x104);
const RUN_GATE_2: Register = Register::new(SYSTEM, 0x108);

/// The reset clock: 12.5 MHz in QEMU, 12 MHz nominal on the chip.
pub(crate) const CORE_HZ: u32 = 12_500_000;

/// Clocks of everything this board uses: watchdog; UART0, UART1, I2C0; ports A, B, D and E.
pub(crate) fn enable_clocks() {
    RUN_GATE_0.set(1 << 3);
    RUN_GATE_1.set(0b11 | 1 << 12);
    RUN_GATE_2.set(0b1_1011);
}

/// Why the chip started. The register is cleared, so that the next start tells its own cause.
pub(crate) fn reset_cause() -> linli_node::ResetCause {
    use linli_node::ResetCause;
    let cause = RESET_CAUSE.read();
    RESET_CAUSE.write(0);
    match cause {
        bits if bits & 1 << 3 != 0 => ResetCause::Watchdog,
        bits if bits & 1 << 4 != 0 => ResetCause::Software,
        bits if bits & 1 << 2 != 0 => ResetCause::BrownOut,
        _ => ResetCause::PowerOn,
    }
}

/// The watchdog: resets the chip after two periods without being fed.
pub(crate) struct Watchdog;

const WATCHDOG: usize = 0x4000_0000;
const LOAD: Register = Register::new(WATCHDOG, 0x000);
const CONTROL: Register = Register::new(WATCHDOG, 0x008);
const CLEAR: Register = Register::new(WATCHDOG, 0x00C);

impl Watchdog {
    /// Starts it; it cannot be stopped. A period is four seconds: checking a signature takes two.
    pub(crate) fn start() -> Watchdog {
        LOAD.write(4 * CORE_HZ);
        CONTROL.write(0b11);
        Watchdog
    }

    pub(crate) fn feed(&mut self) {
        CLEAR.write(1);
    }
}
