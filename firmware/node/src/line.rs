//! The line a node talks on, and how a change of it cannot lose the node.
//!
//! ```text
//!            settings say otherwise         the answer has left
//!   Settled ───────────────────────▶ Due ───────────────────────▶ Trial ── asked on the new line ─▶ Settled (new)
//!                                                                   └──── a minute of silence ────▶ Settled (old)
//! ```
//!
//! A master that writes a wrong address or speed loses the node for a minute, not for good. Only a line that has
//! proved itself is kept over a restart. A node started with its rescue jumper set talks on [`Line::RESCUE`],
//! whatever is stored. Not responsible for: the UART; the board sets it to [`Change::in_use`] whenever that moves.

use linli_registers::meaning::BAUD_RATES;

/// How long a new line may stay silent before the old one comes back. A gateway polls every few seconds.
pub(crate) const TRIAL_MS: u32 = 60_000;

/// Parity of a serial line; with eight data bits and one stop bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// 8N1.
    None,
    /// 8E1.
    Even,
    /// 8O1.
    Odd,
}

/// Address, speed and parity, as codes of the register table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Address on the bus, 1 to 247.
    pub unit: u8,
    /// Index into [`BAUD_RATES`].
    pub baud_code: u8,
    /// 0 none, 1 even, 2 odd.
    pub parity_code: u8,
}

impl Line {
    /// Where a node is found whose settings nobody knows: unit 247, 19200 8N1.
    pub const RESCUE: Line = Line {
        unit: 247,
        baud_code: 1,
        parity_code: 0,
    };

    /// Bits per second.
    pub fn baud(self) -> u32 {
        let rate = BAUD_RATES.get(usize::from(self.baud_code));
        rate.copied().unwrap_or(19_200)
    }

    /// Parity of the UART.
    pub const fn parity(self) -> Parity {
        match self.parity_code {
            1 => Parity::Even,
            2 => Parity::Odd,
            _ => Parity::None,
        }
    }
}

/// What the line is, was and shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// As the settings say.
    Settled { line: Line },
    /// The settings say `to`; the answer to that write is still to leave on `from`.
    Due { from: Line, to: Line },
    /// Talking on `to`; back to `from` unless somebody asks before the time is over.
    Trial { from: Line, to: Line, since_ms: u32 },
    /// The rescue jumper is set: settings are changed for the next start.
    Rescue,
}

impl Change {
    /// What the UART and the slave use.
    pub(crate) const fn in_use(self) -> Line {
        match self {
            Change::Settled { line } => line,
            Change::Due { from, .. } => from,
            Change::Trial { to, .. } => to,
            Change::Rescue => Line::RESCUE,
        }
    }

    /// What outlives a restart, if the settings say `wanted`.
    pub(crate) const fn proven(self, wanted: Line) -> Line {
        match self {
            Change::Settled { line } => line,
            Change::Due { from, .. } | Change::Trial { from, .. } => from,
            Change::Rescue => wanted,
        }
    }

    /// A request was carried out, after which the settings say `wanted`. `to_us`: it was addressed to this node alone.
    pub(crate) fn asked(self, wanted: Line, to_us: bool) -> Change {
        match self {
            Change::Settled { line } | Change::Due { from: line, .. } if line == wanted => {
                Change::Settled { line }
            }
            Change::Settled { line } | Change::Due { from: line, .. } => Change::Due {
                from: line,
                to: wanted,
            },
            // Asked on the new line by its own address: it works. The same request may already want another.
            Change::Trial { to, .. } if to_us => Change::Settled { line: to }.asked(wanted, to_us),
            Change::Trial { .. } | Change::Rescue => self,
        }
    }

    /// The line is free: the answer has left, or there was none to send.
    pub(crate) fn sent(self, now_ms: u32) -> Change {
        match self {
            Change::Due { from, to } => Change::Trial {
                from,
                to,
                since_ms: now_ms,
            },
            other => other,
        }
    }

    /// Time passed. `Some`: back to this line, the settings with it.
    pub(crate) fn expired(self, now_ms: u32) -> Option<Line> {
        match self {
            Change::Trial { from, since_ms, .. } if now_ms.wrapping_sub(since_ms) >= TRIAL_MS => Some(from),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Line = Line {
        unit: 17,
        baud_code: 1,
        parity_code: 0,
    };
    const NEW: Line = Line {
        unit: 20,
        baud_code: 4,
        parity_code: 0,
    };

    /// What the settings say, who was asked, and what becomes of each state.
    #[test]
    fn every_state_meets_every_request() {
        let settled = Change::Settled { line: OLD };
        let due = Change::Due { from: OLD, to: NEW };
        let trial = Change::Trial {
            from: OLD,
            to: NEW,
            since_ms: 5,
        };
        let other = Line { unit: 21, ..NEW };
        let table = [
            (settled, OLD, true, settled),
            (settled, OLD, false, settled),
            (settled, NEW, true, due),
            (settled, NEW, false, due),
            (due, NEW, true, due),
            (due, OLD, true, settled),
            (due, other, false, Change::Due { from: OLD, to: other }),
            (trial, NEW, true, Change::Settled { line: NEW }),
            (trial, NEW, false, trial),
            (trial, other, true, Change::Due { from: NEW, to: other }),
            (Change::Rescue, OLD, true, Change::Rescue),
            (Change::Rescue, NEW, false, Change::Rescue),
        ];
        for (state, wanted, to_us, expected) in table {
            assert_eq!(
                state.asked(wanted, to_us),
                expected,
                "{state:?} {wanted:?} {to_us}"
            );
        }
    }

    #[test]
    fn the_answer_leaves_on_the_old_line_and_only_a_proven_line_is_kept() {
        let change = Change::Settled { line: OLD }.asked(NEW, true);
        assert_eq!((change.in_use(), change.proven(NEW)), (OLD, OLD));
        let change = change.sent(1_000);
        assert_eq!((change.in_use(), change.proven(NEW)), (NEW, OLD));
        assert_eq!(change.expired(1_000 + TRIAL_MS - 1), None);
        assert_eq!(change.expired(1_000 + TRIAL_MS), Some(OLD));
        let change = change.asked(NEW, true);
        assert_eq!((change.in_use(), change.proven(NEW)), (NEW, NEW));
        assert_eq!(change.expired(u32::MAX), None);
    }

    #[test]
    fn in_rescue_the_line_stays_and_what_was_written_is_kept() {
        let change = Change::Rescue.asked(NEW, true).sent(7);
        assert_eq!((change.in_use(), change.proven(NEW)), (Line::RESCUE, NEW));
        assert_eq!(change.expired(u32::MAX), None);
    }
}
