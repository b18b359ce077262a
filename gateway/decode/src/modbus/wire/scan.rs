//! Finding frames in what a line sent, and judging each: the answer, or why not.
//!
//! On RTU frames are taken strictly from left to right: a sound frame is one, whatever its bytes hold; what cannot begin
//! one is skipped byte by byte. How questions come and go is not decided here.

use super::fault::Fault;
use super::matcher::{Heard, Matcher};
use super::pdu::Judged;
use super::quarantine::Kind;
use super::{Framing, Length, rtu, tcp};
use linli_domain::time::Monotonic;

impl Matcher {
    pub(super) fn scan(&mut self, now: Monotonic) -> Heard {
        match self.framing {
            Framing::Tcp => self.scan_tcp(now),
            Framing::Rtu => self.scan_rtu(now),
        }
    }

    fn scan_tcp(&mut self, now: Monotonic) -> Heard {
        let mut result = Heard::Nothing;
        loop {
            let frame = match tcp::open(&self.pending) {
                Ok(Some(frame)) => frame,
                Ok(None) => return result,
                Err(tcp::OutOfStep) => {
                    self.count_noise();
                    self.is_odd = true;
                    return Heard::OutOfStep;
                }
            };
            let length = frame.length;
            let again = self
                .last
                .is_some_and(|last| last.transaction == frame.transaction);
            let kind = match &self.waiting {
                Some(waiting) if waiting.ghost.transaction == frame.transaction => {
                    let is_answer = waiting.ghost.shape.judge(frame.pdu) != Judged::Other;
                    if now > waiting.open_until {
                        Some(Kind::Late)
                    } else if is_answer && waiting.ghost.unit == frame.unit {
                        None
                    } else {
                        Some(Kind::Mismatch)
                    }
                }
                _ if again => Some(Kind::Duplicate),
                _ => Some(Kind::Late),
            };
            match kind {
                None => result = self.accept(length, now),
                Some(kind) => {
                    self.keep_back(kind);
                    self.pending.drain(..length);
                    // Our own number on something else: no better answer will follow.
                    if kind == Kind::Mismatch {
                        self.give_up(now);
                        result = Heard::Failed(Fault::Frame(kind));
                    }
                }
            }
        }
    }

    fn scan_rtu(&mut self, now: Monotonic) -> Heard {
        let mut result = Heard::Nothing;
        loop {
            if let Some(length) = self.meaningless() {
                self.pending.drain(..length);
                continue;
            }
            let length = match rtu::reply_frame_len(&self.pending) {
                Length::More => return result,
                Length::Is(length) if length > self.pending.len() => return result,
                Length::Is(length) => length,
                Length::Unknown => {
                    self.skip_byte();
                    continue;
                }
            };
            let kind = match self.pending.get(..length).and_then(rtu::open) {
                Some((unit, pdu)) => self.judge(unit, pdu, now),
                None if self.holds_a_beginning() => Some(Kind::Broken),
                None => {
                    self.skip_byte();
                    continue;
                }
            };
            match kind {
                None => result = self.accept(length, now),
                Some(kind) => {
                    self.keep_back(kind);
                    self.pending.drain(..length);
                    if kind == Kind::Broken {
                        self.give_up(now);
                        result = Heard::Failed(Fault::Frame(kind));
                    }
                    if kind == Kind::Duplicate {
                        self.mark_repeater(now);
                    }
                }
            }
        }
    }

    /// Why a sound RTU frame is not the answer; `None`: it is.
    fn judge(&self, unit: u8, pdu: &[u8], now: Monotonic) -> Option<Kind> {
        let waiting = self.waiting.as_ref().filter(|waiting| waiting.ghost.unit == unit);
        let judged = waiting.map_or(Judged::Other, |waiting| waiting.ghost.shape.judge(pdu));
        let repeats =
            |last: super::ghosts::Ghost| last.unit == unit && last.shape.judge(pdu) != Judged::Other;
        // "No" has one form for all questions of a function: it may be meant for a ghost.
        if self.ghosts.may_answer(unit, pdu, now) {
            Some(Kind::Late)
        } else if judged != Judged::Other {
            waiting
                .is_some_and(|waiting| now > waiting.open_until)
                .then_some(Kind::Late)
        } else if self.last.is_some_and(repeats) {
            Some(Kind::Duplicate)
        } else if waiting.is_some() {
            Some(Kind::Mismatch)
        } else {
            Some(Kind::Foreign)
        }
    }

    /// The first `length` pending bytes are the answer.
    fn accept(&mut self, length: usize, now: Monotonic) -> Heard {
        self.answer.clear();
        self.answer.extend(self.pending.drain(..length));
        self.last = self.waiting.take().map(|waiting| waiting.ghost);
        if let Some(last) = self.last.filter(|last| self.is_repeater(last.unit)) {
            // Full: the next question is held back, whatever it is.
            self.ghosts.add(last, now);
        }
        Heard::Answer
    }

    /// Length of a heartbeat or of our own request at the front of what is pending.
    fn meaningless(&mut self) -> Option<usize> {
        if self.pending.is_empty() || self.holds_a_beginning() {
            return self.echo();
        }
        let heartbeat = self.heartbeats.iter().find(|text| self.pending.starts_with(text));
        heartbeat.map(|text| text.len()).or_else(|| self.echo())
    }

    /// A write is confirmed by its own bytes, which are therefore never an echo.
    fn echo(&mut self) -> Option<usize> {
        let waiting = self.waiting.as_ref()?;
        if waiting.ghost.shape.is_write() || !self.pending.starts_with(&waiting.frame) {
            return None;
        }
        let length = waiting.frame.len();
        self.quarantine.add(Kind::Echo);
        Some(length)
    }

    /// Whether `bytes` is nothing but heartbeats. The last bytes of an answer may look like one.
    pub(super) fn is_heartbeat(&self, bytes: &[u8]) -> bool {
        let is_run_of = |text: &[u8]| {
            bytes.len().is_multiple_of(text.len()) && bytes.chunks(text.len()).all(|part| part == text)
        };
        if self.framing == Framing::Tcp
            || bytes.is_empty()
            || !self.heartbeats.iter().any(|text| is_run_of(text))
        {
            return false;
        }
        let together = [&self.pending, bytes].concat();
        let completes = matches!(rtu::reply_frame_len(&together), Length::Is(length) if together.get(..length).and_then(rtu::open).is_some());
        !(self.holds_a_beginning() && completes)
    }

    /// Whether what is pending may become the right answer.
    pub(super) fn holds_a_beginning(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| {
            self.pending
                .split_first()
                .is_some_and(|(unit, pdu)| *unit == waiting.ghost.unit && waiting.ghost.shape.begins(pdu))
        })
    }

    pub(super) fn skip_byte(&mut self) {
        if !self.pending.is_empty() {
            self.pending.remove(0);
            self.count_noise();
        }
    }

    /// A run of noise counts once for each time the line fell silent.
    pub(super) fn count_noise(&mut self) {
        if !std::mem::replace(&mut self.in_noise, true) {
            self.keep_back(Kind::Noise);
        }
    }

    pub(super) fn keep_back(&mut self, kind: Kind) {
        self.quarantine.add(kind);
        self.is_odd |= self.framing == Framing::Rtu;
        if let Some(waiting) = &mut self.waiting {
            waiting.odd.get_or_insert(kind);
        }
    }

    /// Whether `unit` was heard to answer one question twice; from then on each of its answers leaves a ghost.
    pub fn is_repeater(&self, unit: u8) -> bool {
        self.repeaters[usize::from(unit / 64)] & (1 << (unit % 64)) != 0
    }

    /// The unit answered its last question twice; it may do so again, and later.
    fn mark_repeater(&mut self, now: Monotonic) {
        if let Some(last) = self.last {
            self.repeaters[usize::from(last.unit / 64)] |= 1 << (last.unit % 64);
            self.ghosts.add(last, now);
        }
    }
}
