//! Which of the bytes of a line are the answer to the question that was asked.
//!
//! ```text
//!   asked ──▶ waiting ── the matching frame ──▶ Heard::Answer
//!                │  │                              anything else is quarantined, counted, and the wait goes on
//!                │  └── a broken answer ─────────▶ Heard::Failed
//!                └── given up ──▶ a ghost until the device's stated lateness is over
//! ```
//! On Modbus TCP transaction, unit, function and length must match; on RTU unit, function, length and checksum. RTU
//! has nothing else to tell two answers apart, so while a ghost of a shape lives no question of that shape can be asked
//! of its unit. What remains is a slave that answers one question twice: its second answer is caught when it comes
//! before the next question, and from then on the unit's answered questions leave ghosts too.
//!
//! Sending, waiting and closing are the caller's; so is telling when a line was silent.

use super::fault::Fault;
use super::ghosts::{Ghost, Ghosts};
use super::pdu::Shape;
use super::quarantine::{Kind, Quarantine};
use super::{Framing, Length, rtu, tcp};
use linli_domain::time::Monotonic;
use std::time::Duration;

/// Bytes looked at in one go. Together with one unfinished frame this bounds what is kept of a line.
const CHUNK: usize = tcp::MAX_FRAME;
/// Clocks tick in milliseconds; a question may be older than it looks by as much.
const TICK: Duration = Duration::from_millis(1);

/// A question as it goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The whole request frame.
    pub frame: &'a [u8],
    /// How long an answer is waited for.
    pub window: Duration,
    /// How late after the question the device may still answer, as it states; the window at least.
    pub lateness: Duration,
}

/// Why a question must not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// An earlier answer could be taken for its, up to and including this moment.
    #[error("the answer to an earlier question of the same form may still come")]
    Until(Monotonic),
    /// The transaction number belongs to a question whose answer may still come; a new connection is needed.
    #[error("the transaction number is still in use")]
    Transaction,
    /// It would change something, and this line is only read.
    #[error("the line is only read")]
    Write,
    /// Not one whole request this program knows.
    #[error("not a request")]
    NotARequest,
}

/// What came of hearing something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that matters; the wait goes on.
    Nothing,
    /// The answer: [`Matcher::answer`] is its frame.
    Answer,
    /// The question will not be answered.
    Failed(Fault),
    /// The stream lost its step for good and must be closed (Modbus TCP only).
    OutOfStep,
}

#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) ghost: Ghost,
    /// The request, to know an echo of it.
    pub(super) frame: Box<[u8]>,
    /// The last moment at which an answer counts.
    pub(super) open_until: Monotonic,
    /// The first thing heard that was no answer.
    pub(super) odd: Option<Kind>,
}

/// The state of one line.
#[derive(Debug, Clone)]
pub struct Matcher {
    pub(super) framing: Framing,
    pub(super) pending: Vec<u8>,
    pub(super) waiting: Option<Waiting>,
    pub(super) answer: Vec<u8>,
    /// The question answered last.
    pub(super) last: Option<Ghost>,
    pub(super) ghosts: Ghosts,
    /// Units that were heard to answer one question twice, a bit each.
    pub(super) repeaters: [u64; 4],
    pub(super) heartbeats: Box<[Box<[u8]>]>,
    /// Questions that change something may be asked.
    pub(super) writes: bool,
    pub(super) quarantine: Quarantine,
    pub(super) is_odd: bool,
    /// The noise of this silence was counted.
    pub(super) in_noise: bool,
}

impl Matcher {
    /// A line on which nothing was asked yet.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            pending: Vec::new(),
            waiting: None,
            answer: Vec::new(),
            last: None,
            ghosts: Ghosts::default(),
            repeaters: [0; 4],
            heartbeats: Box::default(),
            writes: false,
            quarantine: Quarantine::default(),
            is_odd: false,
            in_noise: false,
        }
    }

    /// The same, with texts that come unasked between frames and mean nothing (RTU only).
    #[must_use]
    pub fn ignoring(mut self, heartbeats: impl IntoIterator<Item = Box<[u8]>>) -> Self {
        self.heartbeats = heartbeats.into_iter().filter(|text| !text.is_empty()).collect();
        self
    }

    /// The same line, on which questions may be asked that change something. Without this none can.
    #[must_use]
    pub fn writable(mut self) -> Self {
        self.writes = true;
        self
    }

    /// How frames travel here.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether `unit` can be asked for something of this shape now.
    pub fn may_ask(&self, unit: u8, shape: Shape, now: Monotonic) -> Result<(), Forbidden> {
        match self.framing {
            // The transaction number tells answers apart; it is checked once it is known.
            Framing::Tcp => Ok(()),
            Framing::Rtu => match self.ghosts.blocked_until(unit, shape, now) {
                Some(until) => Err(Forbidden::Until(until)),
                None => Ok(()),
            },
        }
    }

    /// A question goes out. What was waited for before is given up.
    pub fn asked(&mut self, question: Question<'_>, now: Monotonic) -> Result<(), Forbidden> {
        self.give_up(now);
        self.ghosts.prune(now);
        let (transaction, unit, pdu) = self.open_request(question.frame).ok_or(Forbidden::NotARequest)?;
        let shape = Shape::of(pdu).ok_or(Forbidden::NotARequest)?;
        if shape.is_write() && !self.writes {
            return Err(Forbidden::Write);
        }
        self.may_ask(unit, shape, now)?;
        if self.framing == Framing::Tcp && self.ghosts.has_transaction(transaction, now) {
            return Err(Forbidden::Transaction);
        }
        self.in_noise = false;
        let lateness = question.lateness.max(question.window);
        self.waiting = Some(Waiting {
            ghost: Ghost {
                transaction,
                unit,
                shape,
                until: now.plus(lateness + TICK),
            },
            frame: question.frame.into(),
            open_until: now.plus(question.window),
            odd: None,
        });
        Ok(())
    }

    /// Bytes came. What follows an answer in the same breath is quarantined: nobody asked for it.
    pub fn hear(&mut self, bytes: &[u8], now: Monotonic) -> Heard {
        if self.is_heartbeat(bytes) {
            return Heard::Nothing;
        }
        let mut result = Heard::Nothing;
        for chunk in bytes.chunks(CHUNK) {
            self.pending.extend_from_slice(chunk);
            match self.scan(now) {
                Heard::OutOfStep => return Heard::OutOfStep,
                Heard::Nothing => {}
                heard => result = heard,
            }
        }
        result
    }

    /// The line was silent (RTU): a frame that is not whole will not become so.
    pub fn silence(&mut self, now: Monotonic) -> Heard {
        while self.awaits_silence() {
            if self.holds_a_beginning() {
                self.give_up(now);
                return Heard::Failed(Fault::Frame(Kind::Truncated));
            }
            self.skip_byte();
            match self.scan(now) {
                Heard::Nothing => {}
                heard => return heard,
            }
        }
        Heard::Nothing
    }

    /// Whether [`Self::silence`] matters: bytes wait that make no frame yet.
    pub fn awaits_silence(&self) -> bool {
        self.framing == Framing::Rtu && !self.pending.is_empty()
    }

    /// The wait is over, by its time or because nobody waits any more; the question becomes a ghost. `None`: nothing
    /// was waited for.
    pub fn give_up(&mut self, now: Monotonic) -> Option<Fault> {
        let half = self.waiting.is_some() && !self.pending.is_empty();
        if half && (self.framing == Framing::Tcp || self.holds_a_beginning()) {
            self.keep_back(Kind::Truncated);
        } else if half {
            self.count_noise();
        }
        let waiting = self.waiting.take()?;
        match self.framing {
            Framing::Rtu => {
                self.pending.clear();
                self.is_odd = true;
                // There is room: `may_ask` refuses while there is none.
                self.ghosts.add(waiting.ghost, now);
            }
            // Half a frame in the stream would swallow the next one; and past so many open questions a transaction
            // number might come round again.
            Framing::Tcp => self.is_odd |= half || !self.ghosts.add(waiting.ghost, now),
        }
        Some(match waiting.odd {
            Some(Kind::Late | Kind::Duplicate) if self.framing == Framing::Tcp => Fault::Stale,
            Some(kind) => Fault::Frame(kind),
            None => Fault::Timeout,
        })
    }

    /// The frame of the last answer.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// Before the next question the line must be read until it is silent (RTU), or closed (Modbus TCP).
    pub fn is_odd(&self) -> bool {
        self.is_odd || (self.waiting.is_none() && !self.pending.is_empty())
    }

    /// The line has been silent: what was left over is gone.
    pub fn settled(&mut self) {
        if !self.pending.is_empty() {
            self.count_noise();
        }
        self.pending.clear();
        self.is_odd = false;
        self.in_noise = false;
    }

    /// A new connection to the same line. A serial server passes on what slaves say late, whoever is connected by
    /// then; on Modbus TCP old answers went with the old connection.
    pub fn reconnected(&mut self, now: Monotonic) {
        self.give_up(now);
        self.pending.clear();
        self.is_odd = self.framing == Framing::Rtu;
        if self.framing == Framing::Tcp {
            self.ghosts.clear();
            self.last = None;
        }
    }

    /// What was kept back since this was last asked.
    pub fn take_quarantine(&mut self) -> Quarantine {
        self.quarantine.take()
    }

    fn open_request<'f>(&self, frame: &'f [u8]) -> Option<(u16, u8, &'f [u8])> {
        match self.framing {
            Framing::Tcp => match tcp::open(frame) {
                Ok(Some(open)) if open.length == frame.len() => Some((open.transaction, open.unit, open.pdu)),
                _ => None,
            },
            Framing::Rtu => {
                let whole = rtu::request_frame_len(frame) == Length::Is(frame.len());
                rtu::open(frame)
                    .filter(|_| whole)
                    .map(|(unit, pdu)| (0, unit, pdu))
            }
        }
    }
}

#[cfg(test)]
#[path = "matcher_tests.rs"]
mod tests;
