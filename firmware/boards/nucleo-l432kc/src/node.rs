//! The board as the loop of the node sees it.
//!
//! Not responsible for: anything a node decides; see `linli-node`.

use core::cell::RefCell;

use cortex_m::peripheral::SCB;
use embassy_stm32::flash::Flash;
use embassy_stm32::gpio::{Input, Pull};
use embassy_stm32::i2c::{self, I2c};
use embassy_stm32::peripherals::{FLASH, IWDG, LPUART1, PA8, PA9, PA10, PA12, USART1};
use embassy_stm32::rcc::Sysclk;
use embassy_stm32::usart::{self, BufferedInterruptHandler, BufferedUart, ConfigError, Parity as UartParity};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{Peri, bind_interrupts, pac};
use embedded_hal_bus::i2c::RefCellDevice;
use embedded_hal_nb::serial::Read;
use embedded_io::Write;
use linli_drivers::{ContactProbe, Lm75, Lsm303agr, TiltSwitch};
use linli_node::{
    Bin, Hardware, Identity, Leak, Line, Parity, Parking, ResetCause, Rounds, Samples, Settings, Start,
    Station, Watch,
};
use linli_registers::Kind;
use linli_update::{Area, Firmware};

use crate::clock::{self, now_ms};
use crate::flash::{self, ChipFlash};
use crate::sensors::{BinSensors, Bus, Echo, LeakSensors, ParkingSensors, Sensors, Supply};

/// TMP102 and LM75 with their address pins low.
const THERMOMETER: u8 = Lm75::<Bus>::DEFAULT_ADDRESS;
/// The name in the header of a package; only firmware for this board is taken.
const BOARD: [u8; 8] = *b"l432kc\0\0";
/// Who may sign the next firmware: the key named when this one was built; see `build.rs`.
const KEY: [u8; 32] = *include_bytes!(concat!(env!("OUT_DIR"), "/update.key"));
/// 3.5 characters at 9600 baud, rounded up to what a millisecond clock can tell.
const SILENCE_MS: u32 = 5;
/// Longer than a check of a signature takes.
const WATCHDOG_US: u32 = 8_000_000;

bind_interrupts!(struct Interrupts {
    USART1 => BufferedInterruptHandler<USART1>;
    LPUART1 => BufferedInterruptHandler<LPUART1>;
});

struct Board<'a, S> {
    rs485: BufferedUart<'a>,
    sensors: S,
    watchdog: IndependentWatchdog<'static, IWDG>,
}

impl<S: Sensors> Hardware for Board<'_, S> {
    fn now_ms(&self) -> u32 {
        now_ms()
    }

    fn receive(&mut self) -> Option<u8> {
        // A byte with a framing or parity error is dropped; the checksum of its frame tells.
        self.rs485.read().ok()
    }

    fn send(&mut self, bytes: &[u8]) {
        // The UART holds the direction pin until the last stop bit has left.
        let _ = self.rs485.write_all(bytes);
        let _ = self.rs485.flush();
    }

    fn set_line(&mut self, line: Line) {
        // Every line of the register table is one the UART can be set to.
        let _ = self.rs485.set_config(&configuration(line));
    }

    fn listen(&mut self) {
        self.sensors.listen();
    }

    fn sample(&mut self, settings: &Settings) -> Samples {
        self.sensors.sample(settings)
    }

    fn feed_watchdog(&mut self) {
        self.watchdog.pet();
    }
}

/// The pins and peripherals every kind uses.
struct Base {
    uart: Peri<'static, USART1>,
    receive: Peri<'static, PA10>,
    send: Peri<'static, PA9>,
    direction: Peri<'static, PA12>,
    rescue: Peri<'static, PA8>,
    flash: Peri<'static, FLASH>,
    watchdog: Peri<'static, IWDG>,
}

macro_rules! base {
    ($p:ident) => {
        Base {
            uart: $p.USART1,
            receive: $p.PA10,
            send: $p.PA9,
            direction: $p.PA12,
            rescue: $p.PA8,
            flash: $p.FLASH,
            watchdog: $p.IWDG,
        }
    };
}

macro_rules! echo {
    ($p:ident, $receiving:ident, $sending:ident) => {{
        let mut slow = usart::Config::default();
        slow.baudrate = 9_600;
        // Nothing is sent to the sensor; that pin belongs to the debugger's serial port, which listens to silence.
        Echo::new(expect(BufferedUart::new(
            $p.LPUART1,
            $p.PA3,
            $p.PA2,
            &mut $sending,
            &mut $receiving,
            Interrupts,
            slow,
        )))
    }};
}

/// Runs a parking node, for good.
pub fn parking() -> ! {
    let p = chip();
    let bus = RefCell::new(I2c::new_blocking(p.I2C1, p.PB6, p.PB7, i2c::Config::default()));
    let (mut receiving, mut sending) = ([0; 32], [0; 1]);
    let sensors = ParkingSensors {
        thermometer: Lm75::new(RefCellDevice::new(&bus), THERMOMETER),
        magnetometer: Lsm303agr::new(RefCellDevice::new(&bus)),
        echo: echo!(p, receiving, sending),
    };
    run::<Parking>(Kind::Parking, base!(p), sensors)
}

/// Runs a bin node, for good.
pub fn bin() -> ! {
    let p = chip();
    let bus = I2c::new_blocking(p.I2C1, p.PB6, p.PB7, i2c::Config::default());
    let (mut receiving, mut sending) = ([0; 32], [0; 1]);
    let sensors = BinSensors {
        thermometer: Lm75::new(bus, THERMOMETER),
        tilt: TiltSwitch::new(Input::new(p.PB0, Pull::Up)),
        echo: echo!(p, receiving, sending),
    };
    run::<Bin>(Kind::Bin, base!(p), sensors)
}

/// Runs a leak node, for good.
pub fn leak() -> ! {
    let p = chip();
    let bus = I2c::new_blocking(p.I2C1, p.PB6, p.PB7, i2c::Config::default());
    let sensors = LeakSensors {
        thermometer: Lm75::new(bus, THERMOMETER),
        contact: ContactProbe::new(Input::new(p.PB1, Pull::Up)),
        rope: p.PA0,
        supply: Supply::new(p.ADC1),
    };
    run::<Leak>(Kind::Leak, base!(p), sensors)
}

fn chip() -> embassy_stm32::Peripherals {
    let mut config = embassy_stm32::Config::default();
    config.rcc.hsi = true;
    config.rcc.sys = Sysclk::HSI;
    let peripherals = embassy_stm32::init(config);
    // SAFETY: called once, from the entry point; nothing else uses the core's timer.
    let core = unsafe { cortex_m::Peripherals::steal() };
    clock::start(core.SYST);
    peripherals
}

fn run<W: Watch>(kind: Kind, base: Base, sensors: impl Sensors) -> ! {
    let rescue = Input::new(base.rescue, Pull::Up).is_low();
    let mut station = start::<W>(kind, rescue, Flash::new_blocking(base.flash));
    let (mut sending, mut receiving) = ([0; 64], [0; 256]);
    let rs485 = expect(BufferedUart::new_with_de(
        base.uart,
        base.receive,
        base.send,
        base.direction,
        Interrupts,
        &mut sending,
        &mut receiving,
        configuration(station.line()),
    ));
    let mut watchdog = IndependentWatchdog::new(base.watchdog, WATCHDOG_US);
    watchdog.unleash();
    let mut board = Board {
        rs485,
        sensors,
        watchdog,
    };
    let mut rounds = Rounds::new(&station, &board);
    let mut is_proved = false;
    loop {
        rounds.turn(&mut station, &mut board);
        // A firmware on trial has proved itself once somebody could ask it something.
        if !is_proved && station.has_been_asked() {
            is_proved = flash::mark_booted(station.flash());
        }
        if station.wants_restart() {
            if flash::mark_updated(station.flash()) {
                SCB::sys_reset();
            }
            station.restart_failed();
        }
        cortex_m::asm::wfi();
    }
}

/// A UART whose configuration is one the chip can do. Were it not, the next start would not help either, but the
/// watchdog's record of it would tell.
fn expect<T>(uart: Result<T, ConfigError>) -> T {
    match uart {
        Ok(uart) => uart,
        Err(_) => SCB::sys_reset(),
    }
}

/// Apart from the loop, so that what only the start needs does not stay on the stack.
#[inline(never)]
fn start<W: Watch>(kind: Kind, rescue: bool, flash: ChipFlash) -> Station<ChipFlash, W> {
    let start = Start {
        kind,
        identity: Identity::THIS,
        cause: reset_cause(),
        rescue,
        silence_ms: SILENCE_MS,
        settings_at: flash::SETTINGS,
        firmware: Firmware {
            kind: kind as u8,
            version: Identity::THIS.version,
            board: BOARD,
            key: KEY,
        },
        update: Some(Area {
            journal: flash::JOURNAL,
            slot: flash::SLOT,
        }),
    };
    Station::start(flash, &start)
}

/// Why the chip started. The flags are cleared, so that the next start tells its own cause.
fn reset_cause() -> ResetCause {
    let flags = pac::RCC.csr().read();
    pac::RCC.csr().modify(|w| w.set_rmvf(true));
    if flags.iwdgrstf() {
        ResetCause::Watchdog
    } else if flags.sftrstf() {
        ResetCause::Software
    } else {
        // The brown-out flag is set at every power-up too: on this chip the two cannot be told apart.
        ResetCause::PowerOn
    }
}

fn configuration(line: Line) -> usart::Config {
    let mut config = usart::Config::default();
    config.baudrate = line.baud();
    config.parity = match line.parity() {
        Parity::None => UartParity::ParityNone,
        Parity::Even => UartParity::ParityEven,
        Parity::Odd => UartParity::ParityOdd,
    };
    config
}
