//! A whole node: registers, slave, line, store and update behind one door. A board feeds it bytes, samples and
//! milliseconds, sends what it returns, and sets its UART to [`Station::line`] whenever that moves.
//!
//! Not responsible for: hardware, and the pins and clocks of a board.

use embedded_storage::nor_flash::NorFlash;
use linli_modbus_slave::{Audience, BROADCAST, Counters, Pdu, pdu, rtu};
use linli_registers::Kind;
use linli_registers::meaning::fault;
use linli_update::{Area, Firmware, Receiver};

use crate::kinds::distance;
use crate::line::Change;
use crate::window::Registers;
use crate::{AnyKind, Baseline, Identity, Kept, Line, Node, ResetCause, Samples, Settings, Store, Watch};

/// A failed save is tried again after so long. Flash that fails once often works again, or never.
const RETRY_MS: u32 = 60_000;
/// The followed field is kept once it has moved so far: two steps of the weather, not each of them.
const KEEP_DRIFT_MG: u16 = 10;
/// And not more often than this: 6 hours, so that a page of 10,000 cycles outlives the housing.
const KEEP_DRIFT_MS: u32 = 6 * 3_600 * 1_000;

/// What a board knows when it starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// What the node watches.
    pub kind: Kind,
    /// What the firmware says it is.
    pub identity: Identity,
    /// Why it starts.
    pub cause: ResetCause,
    /// The rescue jumper is set.
    pub rescue: bool,
    /// After so long without a byte a frame is over. 3.5 characters are 4 ms at 9600 baud.
    pub silence_ms: u32,
    /// Where the two banks of settings lie in the flash.
    pub settings_at: u32,
    /// The firmware that runs, and the key of those that may follow.
    pub firmware: Firmware,
    /// Where new firmware is received; `None` when the board has no room for it.
    pub update: Option<Area>,
}

/// A node with its flash.
#[derive(Debug)]
pub struct Station<F, W = AnyKind> {
    /// Apart from the rest: a frame is answered where it was received, without a copy.
    receiver: rtu::Receiver,
    works: Works<F, W>,
    silence_ms: u32,
    /// When the last byte came.
    heard_ms: u32,
}

/// All but the ear.
#[derive(Debug)]
struct Works<F, W> {
    flash: F,
    node: Node<W>,
    counters: Counters,
    line: Change,
    store: Store,
    kept: Kept,
    /// When the record was written, or writing it failed, last.
    saved_ms: Option<u32>,
    update: Receiver,
}

impl<F: NorFlash, W: Watch> Station<F, W> {
    /// Starts with what the flash holds; with factory settings when it holds nothing good.
    pub fn start(flash: F, start: &Start) -> Station<F, W> {
        Station {
            receiver: rtu::Receiver::new(),
            works: Works::start(flash, start),
            silence_ms: start.silence_ms,
            heard_ms: 0,
        }
    }

    /// What it knows and decides.
    pub const fn node(&self) -> &Node<W> {
        &self.works.node
    }

    /// Address, speed and parity in use.
    pub const fn line(&self) -> Line {
        self.works.line.in_use()
    }

    /// True when a new firmware waits for a restart. The board marks it for its boot loader and resets.
    pub const fn wants_restart(&self) -> bool {
        self.works.update.is_activating()
    }

    /// Version of the firmware under way, `0xMMmm`.
    pub fn update_version(&self) -> u16 {
        self.works.update.status().version
    }

    /// The board could not mark the new firmware: nothing was changed, and the update says so.
    pub fn restart_failed(&mut self) {
        self.works.update.storage_failed();
    }

    /// The flash, back.
    pub fn release(self) -> F {
        self.works.flash
    }

    /// The flash, for the board's boot loader.
    pub fn flash(&mut self) -> &mut F {
        &mut self.works.flash
    }

    /// True once a request for this node was carried out: a fresh firmware has proved that it can be reached.
    pub const fn has_been_asked(&self) -> bool {
        self.works.counters.requests > 0
    }

    /// One sample of every sensor.
    pub fn sample(&mut self, now_ms: u32, samples: &Samples) {
        self.works.node.step(now_ms, samples);
    }

    /// One byte came. `Some`: send these bytes, all of them, then call [`Station::sent`].
    pub fn byte<'a>(&mut self, now_ms: u32, byte: u8, out: &'a mut [u8; rtu::MAX_FRAME]) -> Option<&'a [u8]> {
        self.heard_ms = now_ms;
        let frame = self.receiver.push(byte)?;
        let (unit, function) = (frame.unit, frame.pdu.first().copied().unwrap_or(0));
        let is_foreign = unit != BROADCAST && unit != self.works.line.in_use().unit;
        let answer = self.works.respond(now_ms, frame, out);
        if is_foreign {
            self.receiver.expect_answer(unit, function);
        }
        answer
    }

    /// The line may have been silent long enough to end a frame. `Some`: as for [`Station::byte`].
    pub fn idle<'a>(&mut self, now_ms: u32, out: &'a mut [u8; rtu::MAX_FRAME]) -> Option<&'a [u8]> {
        if !self.receiver.is_pending() || now_ms.wrapping_sub(self.heard_ms) < self.silence_ms {
            return None;
        }
        match self.receiver.silence()? {
            Ok(frame) => self.works.respond(now_ms, frame, out),
            Err(noise) => {
                self.works.hear_noise(noise);
                None
            }
        }
    }

    /// The answer has left the transmitter: a new line takes effect now.
    pub fn sent(&mut self, now_ms: u32) {
        self.works.line = self.works.line.sent(now_ms);
    }

    /// What takes longer than an answer may: a trial that is over, keeping settings, a slice of an update's check.
    pub fn work(&mut self, now_ms: u32) {
        self.works.end_trial(now_ms);
        self.works.keep(now_ms);
        self.works.update.work(&mut self.works.flash);
    }

    /// A request that came some other way than over this node's own receiver, as on a simulated bus: its answer,
    /// after which [`Station::sent`] is due.
    pub fn ask(&mut self, now_ms: u32, request: &[u8], audience: Audience) -> Option<Pdu> {
        self.works.ask(now_ms, request, audience)
    }

    /// Noise on a simulated bus.
    pub fn hear_noise(&mut self, noise: rtu::Noise) {
        self.works.hear_noise(noise);
    }
}

impl<F: NorFlash, W: Watch> Works<F, W> {
    fn start(mut flash: F, start: &Start) -> Works<F, W> {
        let opened = Store::open(&mut flash, start.settings_at, start.kind);
        let mut update = Receiver::new(start.firmware, start.update.clone());
        update.resume(&mut flash);
        let kept = opened.kept.unwrap_or(Kept {
            settings: Settings::factory(start.kind),
            baseline: None,
        });
        let mut node: Node<W> = Node::new(kept.settings, start.cause).with_identity(start.identity);
        if let Some(baseline) = kept.baseline {
            node = node.with_baseline(baseline);
        }
        // A blank flash is a node from the factory, not one that lost something.
        let settings_lost = opened.kept.is_none() && !opened.is_blank;
        node.set_storage_fault(fault::SETTINGS_LOST, settings_lost);
        let line = if start.rescue {
            Change::Rescue
        } else {
            Change::Settled {
                line: kept.settings.line(),
            }
        };
        Works {
            flash,
            node,
            counters: Counters::new(),
            line,
            store: opened.store,
            kept,
            saved_ms: None,
            update,
        }
    }

    fn ask(&mut self, now_ms: u32, request: &[u8], audience: Audience) -> Option<Pdu> {
        self.counters.messages = self.counters.messages.wrapping_add(1);
        let mut registers = Registers {
            node: &mut self.node,
            update: &mut self.update,
            flash: &mut self.flash,
        };
        let answer = pdu::answer(request, audience, &mut registers, &mut self.counters);
        self.node.note_bus(self.counters);
        let wanted = self.node.settings().line();
        self.line = self.line.asked(wanted, audience == Audience::Own);
        if answer.is_none() {
            self.line = self.line.sent(now_ms);
        }
        answer
    }

    // Never inlined: its temporaries would stay on the stack of the board's loop.
    #[inline(never)]
    fn respond<'a>(
        &mut self,
        now_ms: u32,
        frame: rtu::Frame<'_>,
        out: &'a mut [u8; rtu::MAX_FRAME],
    ) -> Option<&'a [u8]> {
        let own = self.line.in_use().unit;
        let audience = match frame.unit {
            BROADCAST => Audience::Everyone,
            unit if unit == own => Audience::Own,
            _ => {
                self.counters.messages = self.counters.messages.wrapping_add(1);
                self.node.note_bus(self.counters);
                return None;
            }
        };
        let answer = self.ask(now_ms, frame.pdu, audience)?;
        Some(rtu::frame(own, &answer, out))
    }

    fn hear_noise(&mut self, noise: rtu::Noise) {
        self.counters.hear_noise(noise);
        self.node.note_bus(self.counters);
    }

    /// A new line that nobody used: the settings go back with it. The old line was good before, so it is now.
    fn end_trial(&mut self, now_ms: u32) {
        let Some(back) = self.line.expired(now_ms) else {
            return;
        };
        self.line = Change::Settled { line: back };
        if let Some(settings) = self.node.settings().with_line(back) {
            self.node.set_settings(settings);
        }
    }

    /// Keeps settings and field when they differ from what is kept; never on a line that is still on trial.
    // Never inlined: its temporaries would stay on the stack of the board's loop.
    #[inline(never)]
    fn keep(&mut self, now_ms: u32) {
        let settings = *self.node.settings();
        let proven = self.line.proven(settings.line());
        let due = Kept {
            settings: settings.with_line(proven).unwrap_or(settings),
            baseline: self.node.baseline(),
        };
        let since_saved = self.saved_ms.map(|saved_ms| now_ms.wrapping_sub(saved_ms));
        let failed = self.node.faults() & fault::STORE_FAILED != 0;
        if failed && since_saved.is_some_and(|passed| passed < RETRY_MS) {
            return;
        }
        if !failed && !is_worth_keeping(&due, &self.kept, since_saved) {
            return;
        }
        let saved = self.store.save(&mut self.flash, &due);
        self.saved_ms = Some(now_ms);
        self.node.set_storage_fault(fault::STORE_FAILED, saved.is_err());
        if saved.is_ok() {
            self.kept = due;
            self.node.set_storage_fault(fault::SETTINGS_LOST, false);
        }
    }
}

fn is_worth_keeping(due: &Kept, kept: &Kept, since_saved: Option<u32>) -> bool {
    let learned = |kept: &Kept| kept.baseline.as_ref().map(Baseline::as_learned);
    if due.settings != kept.settings || learned(due) != learned(kept) {
        return true;
    }
    match (&due.baseline, &kept.baseline) {
        (Some(due), Some(kept)) => {
            distance(due.field(), kept.field()) >= KEEP_DRIFT_MG
                && since_saved.is_none_or(|passed| passed >= KEEP_DRIFT_MS)
        }
        _ => false,
    }
}
