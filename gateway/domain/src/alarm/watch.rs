//! The condition of an alarm as one rule sees it on one point, with its running delay.
//!
//! ```text
//!             wrong             on-delay over             right              off-delay over
//!   normal ──────────▶ pending ──────────────▶ active ──────────▶ clearing ────────────────▶ normal
//!      ▲                  │                       ▲                  │
//!      └── right, between ┘ (fleeting)            └─ wrong, between ─┘
//!
//!   any ── lost ──▶ unknown ── the next value ──▶ where that value leads from before
//! ```
//!
//! * `pending` and `clearing` exist because sensors chatter; a delay of zero skips them.
//! * `unknown` exists because silence is never normal. It remembers whether the alarm was raised and how much of
//!   a running delay was left: time without data counts for nothing, and one bad reading in a thousand does not
//!   start a delay anew.

use crate::rule::{Rule, Verdict};
use crate::time::{Deadline, Monotonic, Now};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one rule knows about one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watch {
    /// All is well.
    Normal,
    /// Wrong, not yet for long enough.
    Pending {
        /// When it is long enough.
        deadline: Deadline,
    },
    /// Wrong for long enough.
    Active,
    /// Right again, not yet for long enough.
    Clearing {
        /// When it is long enough.
        deadline: Deadline,
    },
    /// No usable data.
    Unknown {
        /// Whether it was active or clearing before.
        raised: bool,
        /// What was left of the delay that ran before.
        left: Option<Duration>,
    },
}

/// What can happen to a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEvent {
    /// A value was judged.
    Value(Verdict),
    /// The data became bad or silent.
    Lost,
    /// The running delay is over.
    DelayOver,
}

/// What a change of a watch means for its alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing but the new condition itself.
    None,
    /// It was wrong, but not for long enough.
    Fleeting,
    /// It is an alarm now.
    Raised,
    /// It was on its way back and became wrong again.
    Relapsed,
    /// It is normal again.
    Cleared,
}

/// The two delays of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// How long it must be wrong.
    pub on: Duration,
    /// How long it must be right.
    pub off: Duration,
}

impl Delays {
    /// The delays of a rule.
    pub fn of(rule: &Rule) -> Self {
        Self {
            on: rule.on_delay,
            off: rule.off_delay,
        }
    }
}

impl Watch {
    /// Before the first value nothing is known.
    pub const INITIAL: Self = Self::Unknown {
        raised: false,
        left: None,
    };

    /// The watch after `event`, and what that means.
    pub fn next(self, event: WatchEvent, delays: Delays, now: &Now) -> (Self, Effect) {
        use Verdict::{Between, Right, Wrong};
        use WatchEvent::{DelayOver, Lost, Value};
        let left = |deadline: Deadline| Some(deadline.at.since(now.monotonic));
        let raise_after = |delay: Duration| match now.after(delay) {
            _ if delay.is_zero() => (Self::Active, Effect::Raised),
            deadline => (Self::Pending { deadline }, Effect::None),
        };
        let clear_after = |delay: Duration| match now.after(delay) {
            _ if delay.is_zero() => (Self::Normal, Effect::Cleared),
            deadline => (Self::Clearing { deadline }, Effect::None),
        };
        match (self, event) {
            (Self::Normal, Value(Wrong)) => raise_after(delays.on),
            (Self::Normal, Lost) => (Self::INITIAL, Effect::None),
            (Self::Normal, Value(Between | Right) | DelayOver) => (self, Effect::None),

            (Self::Pending { .. }, Value(Between | Right)) => (Self::Normal, Effect::Fleeting),
            (Self::Pending { .. }, DelayOver) => (Self::Active, Effect::Raised),
            (Self::Pending { deadline }, Lost) => {
                let left = left(deadline);
                (Self::Unknown { raised: false, left }, Effect::None)
            }
            (Self::Pending { .. }, Value(Wrong)) => (self, Effect::None),

            (Self::Active, Value(Right)) => clear_after(delays.off),
            (Self::Active, Lost) => {
                let left = None;
                (Self::Unknown { raised: true, left }, Effect::None)
            }
            (Self::Active, Value(Wrong | Between) | DelayOver) => (self, Effect::None),

            (Self::Clearing { .. }, Value(Wrong)) => (Self::Active, Effect::Relapsed),
            (Self::Clearing { .. }, Value(Between)) => (Self::Active, Effect::None),
            (Self::Clearing { .. }, DelayOver) => (Self::Normal, Effect::Cleared),
            (Self::Clearing { deadline }, Lost) => {
                let left = left(deadline);
                (Self::Unknown { raised: true, left }, Effect::None)
            }
            (Self::Clearing { .. }, Value(Right)) => (self, Effect::None),

            (Self::Unknown { raised: false, left }, Value(Wrong)) => raise_after(left.unwrap_or(delays.on)),
            (Self::Unknown { raised: false, .. }, Value(Between | Right)) => (Self::Normal, Effect::None),
            (Self::Unknown { raised: true, left }, Value(Wrong)) => match left {
                Some(_) => (Self::Active, Effect::Relapsed),
                None => (Self::Active, Effect::None),
            },
            (Self::Unknown { raised: true, .. }, Value(Between)) => (Self::Active, Effect::None),
            (Self::Unknown { raised: true, left }, Value(Right)) => clear_after(left.unwrap_or(delays.off)),
            (Self::Unknown { .. }, Lost | DelayOver) => (self, Effect::None),
        }
    }
    /// Whether `event` changes nothing, as nearly all do; what [`Self::next`] says, without asking for the delays.
    #[inline]
    pub fn stays(self, event: WatchEvent) -> bool {
        matches!(
            (self, event),
            (Self::Normal, WatchEvent::Value(Verdict::Between | Verdict::Right))
                | (Self::Active, WatchEvent::Value(Verdict::Between | Verdict::Wrong))
        )
    }
    /// Whether it says that something is wrong, for longer than its on-delay.
    pub fn is_raised(self) -> bool {
        matches!(
            self,
            Self::Active | Self::Clearing { .. } | Self::Unknown { raised: true, .. }
        )
    }
    /// When its running delay is over.
    pub fn deadline(self) -> Option<Deadline> {
        match self {
            Self::Pending { deadline } | Self::Clearing { deadline } => Some(deadline),
            Self::Normal | Self::Active | Self::Unknown { .. } => None,
        }
    }
    /// The same watch in the monotonic time of a new boot.
    pub fn rebase(self, last: Monotonic, now: &Now) -> Self {
        match self {
            Self::Pending { deadline } => Self::Pending {
                deadline: deadline.rebase(last, now),
            },
            Self::Clearing { deadline } => Self::Clearing {
                deadline: deadline.rebase(last, now),
            },
            other => other,
        }
    }
    /// The same watch without what its delays have counted, for a rule that has changed.
    pub fn restarted(self) -> Self {
        match self {
            Self::Pending { .. } | Self::Normal => Self::Normal,
            Self::Active | Self::Clearing { .. } => Self::Active,
            Self::Unknown { raised, .. } => Self::Unknown { raised, left: None },
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
