//! The loop of the node: bytes, samples, work, watchdog.
//!
//! Not responsible for: anything a node decides; see `linli-node`.

use core::ops::Range;

use cortex_m::peripheral::NVIC;
use embedded_hal::digital::InputPin;
use linli_modbus_slave::rtu::MAX_FRAME;
use linli_node::{Identity, SAMPLE_PERIOD_MS, Start, Station, Supervisor, Task};
use linli_registers::Kind;
use linli_update::{Area, Firmware, TEST_PUBLIC_KEY};
use lm3s6965::{Interrupt, interrupt};

use crate::chip::{self, Watchdog};
use crate::clock::{self, now_ms};
use crate::eeprom::Eeprom;
use crate::i2c::Bus;
use crate::pin::{self, Input};
use crate::sensors::Sensors;
use crate::uart::{self, RECEIVED, Rs485};

/// In the EEPROM: two pages of settings, one for the journal of an update, and its image.
const SETTINGS: u32 = 0;
const JOURNAL: u32 = 2_048;
const SLOT: Range<u32> = 4_096..65_536;

/// Bytes of a frame come as far apart as a busy host lets the emulator run.
const SILENCE_MS: u32 = 50;

#[interrupt]
fn UART0() {
    uart::receive();
}

/// Runs a node of this kind, for good.
pub fn run(kind: Kind) -> ! {
    chip::enable_clocks();
    pin::assign();
    // SAFETY: called once, from the entry point, before anything else uses the core's peripherals.
    let core = unsafe { cortex_m::Peripherals::steal() };
    clock::start(core.SYST);
    let mut station = start(kind);
    let mut line = station.line();
    let mut rs485 = Rs485::new(line);
    // SAFETY: the handler touches the receive ring and the UART's receiver only.
    unsafe { NVIC::unmask(Interrupt::UART0) };
    let mut sensors = Sensors::new(kind);
    let mut supervisor = Supervisor::new();
    let mut watchdog = Watchdog::start();
    let mut out = [0; MAX_FRAME];
    let mut sampled_ms = now_ms();
    loop {
        while let Some(byte) = RECEIVED.pop() {
            if let Some(answer) = station.byte(now_ms(), byte, &mut out) {
                rs485.send(answer);
                station.sent(now_ms());
                // One answer per turn: what was written is kept before the next request is heard.
                break;
            }
        }
        if let Some(answer) = station.idle(now_ms(), &mut out) {
            rs485.send(answer);
            station.sent(now_ms());
        }
        supervisor.report(Task::Bus);

        sensors.listen();
        if now_ms().wrapping_sub(sampled_ms) >= SAMPLE_PERIOD_MS {
            sampled_ms = now_ms();
            station.sample(sampled_ms, &sensors.sample());
            supervisor.report(Task::Sampling);
        }

        station.work(now_ms());
        supervisor.report(Task::Storage);
        if station.wants_restart() {
            // No boot loader here: the emulated flash cannot be written.
            station.restart_failed();
        }
        if station.line() != line {
            line = station.line();
            rs485.set_line(line);
        }
        if supervisor.is_everybody_alive() {
            watchdog.feed();
        }
        cortex_m::asm::wfi();
    }
}

/// Apart from the loop, so that what only the start needs does not stay on the stack.
#[inline(never)]
fn start(kind: Kind) -> Station<Eeprom> {
    let start = Start {
        kind,
        identity: Identity::THIS,
        cause: chip::reset_cause(),
        rescue: matches!(Input::port_e(0).is_low(), Ok(true)),
        silence_ms: SILENCE_MS,
        settings_at: SETTINGS,
        firmware: Firmware {
            kind: kind as u8,
            version: Identity::THIS.version,
            board: *b"lm3s6965",
            key: TEST_PUBLIC_KEY,
        },
        update: Some(Area {
            journal: JOURNAL,
            slot: SLOT,
        }),
    };
    Station::start(Eeprom::new(Bus::new()), &start)
}
