//! A pretended line and its master, for proving that no reply lands on the wrong point: replies late by up to the
//! stated lateness, twice, cut short, damaged, of other units, and noise. Every register's value says whose it is.
//!
//! Deterministic by seed; no time passes. Two separate senders leave the line silent between their frames; two that
//! speak at once damage each other, which is what `Mischief::Damaged` stands for.

use linli_decode::RegisterRequest;
use linli_decode::modbus::wire::{
    Fault, Forbidden, Framing, Heard, Matcher, Question, Shape, checksum, rtu_frame, tcp_frame,
};
use linli_domain::time::Monotonic;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How long the master waits, how late a device may be, and after how long a line counts as silent.
const WINDOW_MS: u64 = 100;
const LATENESS_MS: u64 = 900;
const SILENCE_MS: u64 = 5;
const UNITS: u64 = 4;

/// What came of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Questions asked.
    pub(crate) asked: u64,
    /// Replies and other frames that reached the master.
    pub(crate) frames: u64,
    /// Questions answered with registers.
    pub(crate) answered: u64,
    /// Questions refused because an earlier answer could be taken for theirs.
    pub(crate) held_back: u64,
    /// Frames kept back by the matcher.
    pub(crate) quarantined: u64,
    /// Values that belong to another point. Must be 0.
    pub(crate) wrong: u64,
}

/// A frame on its way to the master.
type Coming = Reverse<(u64, u64, Vec<u8>)>;

/// The line.
pub(crate) struct Line {
    framing: Framing,
    random: Random,
    now_ms: u64,
    matcher: Matcher,
    coming: BinaryHeap<Coming>,
    sent: u64,
    heard_at_ms: u64,
    pub(crate) outcome: Outcome,
}

impl Line {
    pub(crate) fn new(framing: Framing, seed: u64) -> Self {
        Self {
            framing,
            random: Random(seed | 1),
            now_ms: 10_000,
            matcher: Matcher::new(framing),
            coming: BinaryHeap::new(),
            sent: 0,
            heard_at_ms: 0,
            outcome: Outcome::default(),
        }
    }

    /// Asks one question and waits as a master does.
    pub(crate) fn turn(&mut self) {
        let unit = (1 + self.random.below(UNITS)) as u8;
        let request = RegisterRequest {
            function: 3 + self.random.below(2) as u8,
            start: self.random.below(3) as u16 * 10,
            count: 1 + self.random.below(3) as u16,
        };
        let shape = Shape::of_read(&request).expect("a read");
        if self.matcher.may_ask(unit, shape, self.now()).is_err() {
            self.outcome.held_back += 1;
            // The master turns to somebody else, or waits for its next cycle.
            let pause = self.random.below(40);
            self.wait(pause);
            return;
        }
        let transaction = self.outcome.asked as u16;
        let frame = match self.framing {
            Framing::Tcp => tcp_frame(transaction, unit, &request),
            Framing::Rtu => rtu_frame(unit, &request),
        };
        let question = Question {
            frame: &frame,
            window: Duration::from_millis(WINDOW_MS),
            lateness: Duration::from_millis(LATENESS_MS),
        };
        let now = self.now();
        match self.matcher.asked(question, now) {
            Ok(()) => {}
            Err(Forbidden::Transaction) => return self.reconnect(),
            Err(other) => panic!("{other}"),
        }
        self.outcome.asked += 1;
        self.reply(unit, &request, transaction);
        match self.listen() {
            Some(frame) => self.check(unit, &request, &frame),
            None => drop(self.matcher.give_up(self.now())),
        }
        self.settle();
    }

    /// What the slave and its surroundings send because of a question.
    fn reply(&mut self, unit: u8, request: &RegisterRequest, transaction: u16) {
        let whole = self.frame(transaction, unit, &registers(unit, request));
        let prompt = 1 + self.random.below(WINDOW_MS - 20);
        let late = 1 + self.random.below(LATENESS_MS);
        match self.random.below(20) {
            0..=9 => self.send(prompt, whole),
            // Silent.
            10 => {}
            11 | 12 => self.send(late, whole),
            // Cut short.
            13 => {
                let cut = self.random.below(whole.len() as u64) as usize;
                let delay = if self.random.below(2) == 0 { prompt } else { late };
                match self.framing {
                    Framing::Rtu => self.send(delay, whole[..cut].to_vec()),
                    // A device that means less than it should; the stream itself cannot lose bytes.
                    Framing::Tcp => {
                        let pdu = registers(unit, request);
                        let short = &pdu[..1 + cut % pdu.len()];
                        let frame = self.frame(transaction, unit, short);
                        self.send(delay, frame);
                    }
                }
            }
            // Damaged by up to three bits, which the checksum always shows; Modbus TCP has none and loses nothing.
            14 if self.framing == Framing::Rtu => {
                let mut damaged = whole;
                for _ in 0..=self.random.below(3) {
                    let bit = self.random.below(damaged.len() as u64 * 8) as usize;
                    damaged[bit / 8] ^= 1 << (bit % 8);
                }
                self.send(prompt, damaged);
            }
            // Twice: at once, until the master knows that this one repeats itself; then whenever it likes.
            15 => {
                let again = match self.framing {
                    Framing::Tcp => self.random.below(LATENESS_MS),
                    Framing::Rtu if self.matcher.is_repeater(unit) => self.random.below(LATENESS_MS - prompt),
                    Framing::Rtu => self.random.below(SILENCE_MS),
                };
                self.send(prompt, whole.clone());
                self.send(prompt + again, whole);
            }
            // Another unit, or another master's slave, speaks first. What one of ours says unasked nobody can tell from
            // an answer once it is asked, so ours do so only while nothing that is still coming can end this wait early.
            16 => {
                let ours = if self.coming.is_empty() { 0 } else { UNITS };
                let other = (1 + ours + self.random.below(UNITS + 3 - ours)) as u8;
                if other != unit {
                    let frame = self.frame(transaction ^ 0x5555, other, &registers(other, request));
                    let sooner = self.random.below(prompt);
                    self.send(sooner, frame);
                }
                self.send(prompt, whole);
            }
            // "No", in time or late.
            17 => {
                let delay = if self.random.below(2) == 0 { prompt } else { late };
                let frame = self.frame(transaction, unit, &refusal(request));
                self.send(delay, frame);
            }
            // Noise on the line before the answer.
            18 if self.framing == Framing::Rtu => {
                let noise: Vec<u8> = (0..=self.random.below(12))
                    .map(|_| self.random.below(256) as u8)
                    .collect();
                let sooner = self.random.below(prompt);
                self.send(sooner, noise);
                self.send(prompt, whole);
            }
            _ => self.send(prompt, whole),
        }
    }

    /// Frames up to the end of the window. The answer's frame, when there is one.
    fn listen(&mut self) -> Option<Vec<u8>> {
        let end = self.now_ms + WINDOW_MS;
        while let Some(frame) = self.next(end) {
            // A frame comes in one piece or in two.
            let cut = (self.random.below(2) * self.random.below(frame.len().max(1) as u64)) as usize;
            let (first, rest) = frame.split_at(cut);
            let (first, rest) = (
                self.matcher.hear(first, self.now()),
                self.matcher.hear(rest, self.now()),
            );
            match (first, rest) {
                (Heard::OutOfStep, _) | (_, Heard::OutOfStep) => panic!("the stream was in step"),
                (Heard::Answer, _) | (_, Heard::Answer) => return Some(self.matcher.answer().to_vec()),
                (Heard::Failed(_), _) | (_, Heard::Failed(_)) => return None,
                _ => {}
            }
            if let Some(found) = self.silence_before_the_next() {
                return found;
            }
        }
        self.now_ms = end;
        None
    }

    /// `Some`: the silence behind a frame decided the question.
    fn silence_before_the_next(&mut self) -> Option<Option<Vec<u8>>> {
        let next = self.coming.peek().map(|Reverse((at, ..))| *at);
        if next.is_some_and(|at| at < self.heard_at_ms + SILENCE_MS) {
            return None;
        }
        match self.matcher.silence(self.now()) {
            Heard::Answer => Some(Some(self.matcher.answer().to_vec())),
            Heard::Failed(Fault::Frame(_)) => Some(None),
            _ => None,
        }
    }

    fn check(&mut self, unit: u8, request: &RegisterRequest, frame: &[u8]) {
        let pdu = match self.framing {
            Framing::Tcp => &frame[7..],
            Framing::Rtu => &frame[1..frame.len() - 2],
        };
        if pdu == refusal(request) {
            return;
        }
        if pdu == registers(unit, request) {
            self.outcome.answered += 1;
        } else {
            self.outcome.wrong += 1;
        }
    }

    /// Before the next question: leftovers are read, and after anything odd the line has to fall silent.
    fn settle(&mut self) {
        let mut quiet_until = self.now_ms + SILENCE_MS;
        while let Some(frame) = self.next(quiet_until) {
            self.matcher.hear(&frame, self.now());
            quiet_until = self.now_ms + SILENCE_MS;
        }
        self.now_ms = quiet_until;
        self.matcher.silence(self.now());
        if self.matcher.is_odd() {
            match self.framing {
                Framing::Rtu => self.matcher.settled(),
                Framing::Tcp => self.reconnect(),
            }
        }
        let kept = self.matcher.take_quarantine();
        self.outcome.quarantined += kept.iter().map(|(_, count)| u64::from(count)).sum::<u64>();
    }

    /// On Modbus TCP what was on its way is lost with the old connection.
    fn reconnect(&mut self) {
        let now = self.now();
        self.matcher.reconnected(now);
        if self.framing == Framing::Tcp {
            self.coming.clear();
        } else {
            self.matcher.settled();
        }
    }

    fn wait(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(frame) = self.next(end) {
            self.matcher.hear(&frame, self.now());
        }
        self.now_ms = end;
        self.settle();
    }

    fn next(&mut self, until_ms: u64) -> Option<Vec<u8>> {
        if !matches!(self.coming.peek(), Some(Reverse((at, ..))) if *at <= until_ms) {
            return None;
        }
        let Reverse((at, _, frame)) = self.coming.pop()?;
        // Two senders leave the line silent between their frames, or the later one waits.
        self.now_ms = self.now_ms.max(at);
        self.heard_at_ms = self.now_ms;
        self.outcome.frames += 1;
        Some(frame)
    }

    /// Half-duplex: a frame that would meet another one on the line comes behind it. Copies follow at once.
    fn send(&mut self, delay_ms: u64, frame: Vec<u8>) {
        self.sent += 1;
        let mut at = self.now_ms + delay_ms;
        if self.framing == Framing::Rtu {
            let meets = |at: u64, other: &Coming| other.0.0.abs_diff(at) < SILENCE_MS && other.0.2 != frame;
            while self.coming.iter().any(|other| meets(at, other)) {
                at += 1;
            }
        }
        self.coming.push(Reverse((at, self.sent, frame)));
    }

    fn frame(&self, transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
        match self.framing {
            Framing::Tcp => {
                let mut frame = transaction.to_be_bytes().to_vec();
                frame.extend([0, 0, 0, pdu.len() as u8 + 1, unit]);
                frame.extend(pdu);
                frame
            }
            Framing::Rtu => {
                let mut frame = vec![unit];
                frame.extend(pdu);
                frame.extend(checksum(&frame).to_le_bytes());
                frame
            }
        }
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.now_ms)
    }
}

/// The right reply: every word says unit, function and address.
fn registers(unit: u8, request: &RegisterRequest) -> Vec<u8> {
    let mut pdu = vec![request.function, request.count as u8 * 2];
    for address in request.start..request.start + request.count {
        let word = u16::from(unit) << 12 | u16::from(request.function) << 8 | address;
        pdu.extend(word.to_be_bytes());
    }
    pdu
}

/// "No", with a code that says to what.
fn refusal(request: &RegisterRequest) -> [u8; 2] {
    [
        request.function | 0x80,
        (16 + request.start + request.count) as u8,
    ]
}

/// xorshift64*: enough for mischief.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end.max(1)
    }
}
