//! Pins of port E.
//!
//! Not responsible for: other ports; their pins belong to UART and I2C.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, InputPin};

use crate::chip::Register;

const PORT_A: usize = 0x4000_4000;
const PORT_B: usize = 0x4000_5000;
const PORT_D: usize = 0x4000_7000;
const PORT_E: usize = 0x4002_4000;

const DIRECTION: usize = 0x400;
const FUNCTION: usize = 0x420;
const PULL_UP: usize = 0x510;
const DIGITAL: usize = 0x51C;

/// Gives the pins of UART0 (A0, A1), UART1 (D2, D3) and I2C0 (B2, B3) to them. QEMU does not care; the chip does.
pub(crate) fn assign() {
    for (port, pins) in [(PORT_A, 0b11), (PORT_D, 0b1100), (PORT_B, 0b1100)] {
        Register::new(port, FUNCTION).set(pins);
        Register::new(port, DIGITAL).set(pins);
    }
}

/// The data register through a mask: only this pin is read or written.
const fn data(pin: u8) -> Register {
    Register::new(PORT_E, 4 << pin)
}

/// An input with its pull-up: high when nothing is connected.
pub(crate) struct Input {
    pin: u8,
}

impl Input {
    pub(crate) fn port_e(pin: u8) -> Input {
        Register::new(PORT_E, PULL_UP).set(1 << pin);
        Register::new(PORT_E, DIGITAL).set(1 << pin);
        Input { pin }
    }
}

impl ErrorType for Input {
    type Error = Infallible;
}

impl InputPin for Input {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(data(self.pin).read() != 0)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(data(self.pin).read() == 0)
    }
}

/// An output, low at first.
pub(crate) struct Output {
    pin: u8,
}

impl Output {
    pub(crate) fn port_e(pin: u8) -> Output {
        Register::new(PORT_E, DIRECTION).set(1 << pin);
        Register::new(PORT_E, DIGITAL).set(1 << pin);
        Output { pin }
    }

    pub(crate) fn set(&mut self, high: bool) {
        data(self.pin).write(if high { 0xFF } else { 0 });
    }
}
