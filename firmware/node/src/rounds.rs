//! The loop of a board, one round at a time: bytes, samples, work, watchdog. The same on every board, and on the host.
//!
//! Not responsible for: sleeping between rounds, and restarting into new firmware; the board does both.

use embedded_storage::nor_flash::NorFlash;
use linli_modbus_slave::rtu::MAX_FRAME;

use crate::{Line, SAMPLE_PERIOD_MS, Samples, Settings, Station, Supervisor, Task, Watch};

/// What a board is made of, as the loop sees it.
pub trait Hardware {
    /// Milliseconds since start, wrapping.
    fn now_ms(&self) -> u32;
    /// The next byte that came on RS-485.
    fn receive(&mut self) -> Option<u8>;
    /// Sends all of it, and returns once the last stop bit has left and the driver is released.
    fn send(&mut self, bytes: &[u8]);
    /// Sets the UART to this speed and parity.
    fn set_line(&mut self, line: Line);
    /// Takes what sensors send by themselves; called every round.
    fn listen(&mut self);
    /// One sample of every sensor that the settings say is fitted; called every [`SAMPLE_PERIOD_MS`].
    fn sample(&mut self, settings: &Settings) -> Samples;
    /// Every task has shown that it lives.
    fn feed_watchdog(&mut self);
}

/// What the loop remembers.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    line: Line,
    sampled_ms: u32,
    supervisor: Supervisor,
}

impl Rounds {
    /// Before the first round; the board has set its UART to [`Station::line`].
    pub fn new<F: NorFlash, W: Watch>(station: &Station<F, W>, hardware: &impl Hardware) -> Rounds {
        Rounds {
            line: station.line(),
            sampled_ms: hardware.now_ms(),
            supervisor: Supervisor::new(),
        }
    }

    /// One round. Call it at least every millisecond or two: what a UART can hold is short.
    pub fn turn<F: NorFlash, W: Watch>(&mut self, station: &mut Station<F, W>, hardware: &mut impl Hardware) {
        self.answer(station, hardware);
        self.supervisor.report(Task::Bus);

        hardware.listen();
        let now_ms = hardware.now_ms();
        if now_ms.wrapping_sub(self.sampled_ms) >= SAMPLE_PERIOD_MS {
            self.sampled_ms = now_ms;
            let samples = hardware.sample(station.node().settings());
            station.sample(now_ms, &samples);
            self.supervisor.report(Task::Sampling);
        }

        station.work(hardware.now_ms());
        self.supervisor.report(Task::Storage);
        if station.line() != self.line {
            self.line = station.line();
            hardware.set_line(self.line);
        }
        if self.supervisor.is_everybody_alive() {
            hardware.feed_watchdog();
        }
    }

    /// One answer per round: what was written is kept before the next request is heard.
    fn answer<F: NorFlash, W: Watch>(&mut self, station: &mut Station<F, W>, hardware: &mut impl Hardware) {
        let mut out = [0; MAX_FRAME];
        while let Some(byte) = hardware.receive() {
            if let Some(answer) = station.byte(hardware.now_ms(), byte, &mut out) {
                hardware.send(answer);
                station.sent(hardware.now_ms());
                return;
            }
        }
        if let Some(answer) = station.idle(hardware.now_ms(), &mut out) {
            hardware.send(answer);
            station.sent(hardware.now_ms());
        }
    }
}
