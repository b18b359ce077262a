//! The board as the loop of the node sees it.
//!
//! Not responsible for: anything a node decides; see `linli-node`.

use core::ops::Range;

use cortex_m::peripheral::NVIC;
use embedded_hal::digital::InputPin;
use linli_node::{
    Bin, Hardware, Identity, Leak, Line, Parking, Rounds, Samples, Settings, Start, Station, Watch,
};
use linli_registers::Kind;
use linli_update::{Area, Firmware, TEST_PUBLIC_KEY};
use lm3s6965::{Interrupt, interrupt};

use crate::chip::{self, Watchdog};
use crate::clock;
use crate::eeprom::Eeprom;
use crate::i2c::Bus;
use crate::pin::{self, Input};
use crate::sensors::{BinSensors, LeakSensors, ParkingSensors, Sensors};
use crate::uart::{self, RECEIVED, Rs485};

/// In the EEPROM: two pages of settings, one for the journal of an update, and its image.
const SETTINGS: u32 = 0;
const JOURNAL: u32 = 2_048;
const SLOT: Range<u32> = 4_096..65_536;

/// Bytes of a frame come as far apart as a busy host lets the emulator run.
const SILENCE_MS: u32 = 50;

struct Board<S> {
    rs485: Rs485,
    sensors: S,
    watchdog: Watchdog,
}

impl<S: Sensors> Hardware for Board<S> {
    fn now_ms(&self) -> u32 {
        clock::now_ms()
    }

    fn receive(&mut self) -> Option<u8> {
        RECEIVED.pop()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.rs485.send(bytes);
    }

    fn set_line(&mut self, line: Line) {
        self.rs485.set_line(line);
    }

    fn listen(&mut self) {
        self.sensors.listen();
    }

    fn sample(&mut self, _: &Settings) -> Samples {
        self.sensors.sample()
    }

    fn feed_watchdog(&mut self) {
        self.watchdog.feed();
    }
}

#[interrupt]
fn UART0() {
    uart::receive();
}

/// Runs a parking node, for good.
pub fn parking() -> ! {
    run::<Parking, _>(Kind::Parking, ParkingSensors::new)
}

/// Runs a bin node, for good.
pub fn bin() -> ! {
    run::<Bin, _>(Kind::Bin, BinSensors::new)
}

/// Runs a leak node, for good.
pub fn leak() -> ! {
    run::<Leak, _>(Kind::Leak, LeakSensors::new)
}

fn run<W: Watch, S: Sensors>(kind: Kind, sensors: fn() -> S) -> ! {
    chip::enable_clocks();
    pin::assign();
    // SAFETY: called once, from the entry point, before anything else uses the core's peripherals.
    let core = unsafe { cortex_m::Peripherals::steal() };
    clock::start(core.SYST);
    let mut station = start::<W>(kind);
    let mut board = Board {
        rs485: Rs485::new(station.line()),
        sensors: sensors(),
        watchdog: Watchdog::start(),
    };
    // SAFETY: the handler touches the receive ring and the UART's receiver only.
    unsafe { NVIC::unmask(Interrupt::UART0) };
    let mut rounds = Rounds::new(&station, &board);
    loop {
        rounds.turn(&mut station, &mut board);
        if station.wants_restart() {
            // No boot loader here: the emulated flash cannot be written.
            station.restart_failed();
        }
        cortex_m::asm::wfi();
    }
}

/// Apart from the loop, so that what only the start needs does not stay on the stack.
#[inline(never)]
fn start<W: Watch>(kind: Kind) -> Station<Eeprom, W> {
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
