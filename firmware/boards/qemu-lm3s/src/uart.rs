//! The UARTs (PL011): RS-485 with its direction pin, and the receiver of a sensor.
//!
//! Not responsible for: frames.

use linli_node::{Line, Parity};

use crate::chip::{CORE_HZ, Register};
use crate::pin::Output;
use crate::ring::Ring;

/// What came in on RS-485.
pub(crate) static RECEIVED: Ring = Ring::new();

const RX_EMPTY: u32 = 1 << 4;
const TX_FULL: u32 = 1 << 5;
const BUSY: u32 = 1 << 3;

#[derive(Clone, Copy)]
pub(crate) struct Uart {
    base: usize,
}

const UART0: Uart = Uart { base: 0x4000_C000 };
const UART1: Uart = Uart { base: 0x4000_D000 };

impl Uart {
    const fn register(self, offset: usize) -> Register {
        Register::new(self.base, offset)
    }

    fn set_up(self, baud: u32, parity: Parity) {
        self.register(0x30).write(0);
        // Sixty-fourths of the clock divided by sixteen times the speed.
        let divisor = (CORE_HZ * 4 + baud / 2) / baud.max(1);
        self.register(0x24).write(divisor >> 6);
        self.register(0x28).write(divisor & 63);
        let parity = match parity {
            Parity::None => 0,
            Parity::Even => 0b110,
            Parity::Odd => 0b010,
        };
        // Eight bits, FIFO on.
        self.register(0x2C).write(0x70 | parity);
        // Interrupts at the trigger level of the FIFO and when bytes wait below it.
        self.register(0x38).write(0x50);
        self.register(0x30).write(0x301);
    }

    fn get(self) -> Option<u8> {
        (self.register(0x18).read() & RX_EMPTY == 0).then(|| self.register(0x00).read() as u8)
    }
}

/// The bus.
pub(crate) struct Rs485 {
    direction: Output,
}

impl Rs485 {
    pub(crate) fn new(line: Line) -> Rs485 {
        let mut rs485 = Rs485 {
            direction: Output::port_e(3),
        };
        rs485.set_line(line);
        rs485
    }

    pub(crate) fn set_line(&mut self, line: Line) {
        UART0.set_up(line.baud(), line.parity());
    }

    /// Sends all of it. The driver is released once the last stop bit has left, not when the FIFO took the byte.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.direction.set(true);
        for byte in bytes {
            while UART0.register(0x18).read() & TX_FULL != 0 {}
            UART0.register(0x00).write(u32::from(*byte));
        }
        while UART0.register(0x18).read() & BUSY != 0 {}
        self.direction.set(false);
    }
}

/// The interrupt of UART0.
pub(crate) fn receive() {
    // Acknowledged before the FIFO is emptied: a byte that comes in between raises it again.
    UART0.register(0x44).write(0x7FF);
    while let Some(byte) = UART0.get() {
        RECEIVED.push(byte);
    }
}

/// The sensor on UART1, 9600 8N1. Its FIFO holds sixteen bytes, four frames; the loop comes by every millisecond.
pub(crate) struct SensorPort;

impl SensorPort {
    pub(crate) fn new() -> SensorPort {
        UART1.set_up(9_600, Parity::None);
        SensorPort
    }

    pub(crate) fn get(&mut self) -> Option<u8> {
        UART1.get()
    }
}
