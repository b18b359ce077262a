//! The board as the loop of the node sees it.
//!
//! Not responsible for: anything a node decides; see `linli-node`.

use core::cell::RefCell;

use embassy_stm32::bind_interrupts;
use embassy_stm32::flash::Flash;
use embassy_stm32::gpio::{Input, Pull};
use embassy_stm32::i2c::{self, I2c};
use embassy_stm32::pac;
use embassy_stm32::peripherals::{IWDG, LPUART1, USART1};
use embassy_stm32::rcc::Sysclk;
use embassy_stm32::usart::{self, BufferedInterruptHandler, BufferedUart, Parity as UartParity};
use embassy_stm32::wdg::IndependentWatchdog;
use embedded_hal_nb::serial::Read;
use embedded_io::Write;
use linli_drivers::{ContactProbe, TiltSwitch, Ultrasonic};
use linli_node::{Hardware, Identity, Line, Missing, Parity, ResetCause, Rounds, Samples, Start, Station};
use linli_registers::Kind;
use linli_update::{Area, Firmware};

use crate::clock::{self, now_ms};
use crate::flash::{self, ChipFlash};
use crate::sensors::{Converter, SensorBus, Sensors};

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

struct Board<'a> {
    rs485: BufferedUart<'a>,
    sensors: Sensors<'a>,
    watchdog: IndependentWatchdog<'static, IWDG>,
    /// What the settings say is fitted; looked up before every round.
    probe_is_contact: bool,
}

impl Hardware for Board<'_> {
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

    fn sample(&mut self) -> Samples {
        self.sensors.sample(self.probe_is_contact)
    }

    fn feed_watchdog(&mut self) {
        self.watchdog.pet();
    }
}

/// Runs a node of this kind, for good.
pub fn run(kind: Kind) -> ! {
    let mut config = embassy_stm32::Config::default();
    config.rcc.hsi = true;
    config.rcc.sys = Sysclk::HSI;
    let p = embassy_stm32::init(config);
    // SAFETY: called once, from the entry point; nothing else uses the core's timer.
    let core = unsafe { cortex_m::Peripherals::steal() };
    clock::start(core.SYST);

    let rescue = Input::new(p.PA8, Pull::Up).is_low();
    let mut station = start(kind, rescue, Flash::new_blocking(p.FLASH));
    let bus: SensorBus = RefCell::new(I2c::new_blocking(p.I2C1, p.PB6, p.PB7, i2c::Config::default()));
    let (mut sending, mut receiving, mut sensing) = ([0; 64], [0; 256], [0; 32]);
    let rs485 = BufferedUart::new_with_de(
        p.USART1,
        p.PA10,
        p.PA9,
        p.PA12,
        Interrupts,
        &mut sending,
        &mut receiving,
        configuration(station.line()),
    );
    let mut slow = usart::Config::default();
    slow.baudrate = 9_600;
    // Nothing is sent to the sensor; the pin belongs to the debugger's serial port, which listens to silence.
    let mut silent = [0; 1];
    let port = BufferedUart::new(
        p.LPUART1,
        p.PA3,
        p.PA2,
        &mut silent,
        &mut sensing,
        Interrupts,
        slow,
    );
    let (Ok(rs485), Ok(port)) = (rs485, port) else {
        // Both configurations are constants the chip can do.
        cortex_m::peripheral::SCB::sys_reset()
    };
    let sensors = Sensors {
        kind,
        magnetometer: Sensors::magnetometer(&bus),
        thermometer: Sensors::thermometer(&bus),
        tilt: TiltSwitch::new(Input::new(p.PB0, Pull::Up)),
        contact: ContactProbe::new(Input::new(p.PB1, Pull::Up)),
        converter: Converter::new(p.ADC1, p.PA0),
        port,
        echo: Ultrasonic::new(Ultrasonic::A02YYUW_MM),
        heard: Err(Missing::Absent),
    };
    let mut watchdog = IndependentWatchdog::new(p.IWDG, WATCHDOG_US);
    watchdog.unleash();
    let mut board = Board {
        rs485,
        sensors,
        watchdog,
        probe_is_contact: false,
    };
    let mut rounds = Rounds::new(&station, &board);
    let mut is_proved = false;
    loop {
        board.probe_is_contact = station.node().settings().probe_is_contact();
        rounds.turn(&mut station, &mut board);
        // A firmware on trial has proved itself once somebody could ask it something.
        if !is_proved && station.has_been_asked() {
            is_proved = flash::mark_booted(station.flash());
        }
        if station.wants_restart() {
            if flash::mark_updated(station.flash()) {
                cortex_m::peripheral::SCB::sys_reset();
            }
            station.restart_failed();
        }
        cortex_m::asm::wfi();
    }
}

/// Apart from the loop, so that what only the start needs does not stay on the stack.
#[inline(never)]
fn start(kind: Kind, rescue: bool, flash: ChipFlash) -> Station<ChipFlash> {
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
