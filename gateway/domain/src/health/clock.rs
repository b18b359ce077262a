//! How far a device's clock is off: an estimate from its own times and the times of receipt of its live messages.
//!
//! A message takes time to arrive and never arrives early, so `said - received` is the skew minus a delay. The largest
//! of many such offsets is the one with the least delay: a running maximum over windows of six hours estimates the
//! skew, and the slope through the maxima of the last eight windows the drift. Delays of any length and any
//! distribution only cost accuracy until one message comes through quickly.
//!
//! What a delay cannot explain is a clock that was set. An offset away from the estimate becomes a *stray*; strays
//! that agree with each other replace the estimate and all that was known of the drift:
//!
//! | a stray lies | taken for | needs |
//! |---|---|---|
//! | ahead of the estimate | a clock set forward | 2 in agreement, since one may be a glitch |
//! | behind it | a delayed message, until it stays so | 4 in agreement over 10 minutes of receipt; 8 when it is behind by less than 10 minutes, as messages often are |
//! | before 2015 | a clock that lost its time (a new battery) | 1: everything known before is void |
//!
//! The first offsets of a device are strays against a right clock, by the same rule. The gateway's own clock is the
//! measure, so nothing is taken in while it is not trusted, and when it is set every offset moves with it.

mod estimate;

pub use estimate::ClockView;

use crate::time::{CLOCKS_BEGIN, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An offset this far from the estimate is not the same clock any more, in milliseconds.
const NEAR_MS: i64 = 30_000;
/// Strays may be delayed against each other by this much and still agree.
const DELAY_MS: i64 = 600_000;
/// Strays behind must go on for this long: a queue that is drained is over sooner.
const BEHIND_FOR: Duration = Duration::from_secs(600);
/// So many strays behind, as few messages are late by as much.
const BEHIND: u32 = 4;
/// So many when they could be delays of a slow network.
const BEHIND_A_LITTLE: u32 = 8;
/// Length of a window.
const WINDOW: Duration = Duration::from_secs(6 * 3600);
/// Offsets of which a window needs at least so many before it counts.
const ENOUGH: u32 = 3;
/// Closed windows remembered: two days of a busy device, weeks of a quiet one.
const WINDOWS: usize = 8;
/// The drift is told once the windows span this.
const DRIFT_OVER: Duration = Duration::from_secs(24 * 3600);
/// Offsets are taken in at most this often; more would not make a maximum over hours better.
const PAUSE: Duration = Duration::from_secs(10);

/// The least delayed offset of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Mark {
    at: Timestamp,
    offset_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    first: Timestamp,
    best: Mark,
    count: u32,
}

/// Offsets that do not fit the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stray {
    first: Timestamp,
    first_ms: i64,
    best: Mark,
    count: u32,
}

/// What is known about the clock of one device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceClock {
    /// The last offset taken in.
    heard: Option<Timestamp>,
    open: Option<Window>,
    /// Closed windows, oldest first; the first `marks` of them.
    closed: [Mark; WINDOWS],
    marks: u8,
    stray: Option<Stray>,
    unset: bool,
    resets: u32,
}

impl DeviceClock {
    /// Whether another pair of times would tell something new.
    pub fn wants(&self, said: Timestamp, received: Timestamp) -> bool {
        let rested = self
            .heard
            .is_none_or(|heard| received.since(heard) >= PAUSE || heard > received);
        let ahead = |skew: i64| offset(said, received).saturating_sub(skew) > NEAR_MS;
        let surprises = if said < CLOCKS_BEGIN {
            !self.unset
        } else {
            self.stray.is_none() && self.skew_ms().is_none_or(ahead)
        };
        rested || surprises
    }

    /// Takes in the device's time of a live message and the time of its receipt.
    pub fn observe(&mut self, said: Timestamp, received: Timestamp) {
        self.heard = Some(received);
        if said < CLOCKS_BEGIN {
            if !self.unset {
                *self = Self {
                    heard: self.heard,
                    unset: true,
                    resets: self.resets.saturating_add(1),
                    ..Self::default()
                };
            }
            return;
        }
        let mark = Mark {
            at: received,
            offset_ms: offset(said, received),
        };
        let from = mark.offset_ms.saturating_sub(self.skew_ms().unwrap_or(0));
        if from.saturating_abs() <= NEAR_MS {
            self.unset = false;
            self.stray = None;
            self.take(mark);
        } else {
            self.stray(mark, from);
        }
    }

    /// The gateway's own clock was set by this much: what was measured against it moves.
    pub fn gateway_jumped(&mut self, by_ms: i64) {
        let moved = |at: Timestamp| Timestamp::from_millis(at.as_millis().saturating_add(by_ms));
        let shift = |mark: &mut Mark| {
            mark.at = moved(mark.at);
            mark.offset_ms = mark.offset_ms.saturating_sub(by_ms);
        };
        self.heard = self.heard.map(moved);
        self.closed
            .iter_mut()
            .take(usize::from(self.marks))
            .for_each(shift);
        if let Some(window) = &mut self.open {
            window.first = moved(window.first);
            shift(&mut window.best);
        }
        if let Some(stray) = &mut self.stray {
            stray.first = moved(stray.first);
            stray.first_ms = stray.first_ms.saturating_sub(by_ms);
            shift(&mut stray.best);
        }
    }

    fn take(&mut self, mark: Mark) {
        match &mut self.open {
            Some(window) if mark.at.since(window.first) < WINDOW || window.count < ENOUGH => {
                window.count = window.count.saturating_add(1);
                if mark.offset_ms >= window.best.offset_ms {
                    window.best = mark;
                }
            }
            open => {
                let full = open.replace(Window {
                    first: mark.at,
                    best: mark,
                    count: 1,
                });
                if let Some(window) = full {
                    self.close(window.best);
                }
            }
        }
    }

    fn close(&mut self, best: Mark) {
        let marks = usize::from(self.marks);
        if marks == WINDOWS {
            self.closed.rotate_left(1);
        } else {
            self.marks += 1;
        }
        if let Some(slot) = self.closed.get_mut(marks.min(WINDOWS - 1)) {
            *slot = best;
        }
    }

    /// `from` says where the offset lies from the estimate.
    fn stray(&mut self, mark: Mark, from: i64) {
        let agrees = |stray: &Stray| {
            let from = mark.offset_ms.saturating_sub(stray.first_ms);
            (-DELAY_MS..=NEAR_MS).contains(&from)
        };
        let stray = match self.stray.filter(agrees) {
            None => Stray {
                first: mark.at,
                first_ms: mark.offset_ms,
                best: mark,
                count: 1,
            },
            Some(stray) => Stray {
                count: stray.count.saturating_add(1),
                best: if mark.offset_ms >= stray.best.offset_ms {
                    mark
                } else {
                    stray.best
                },
                ..stray
            },
        };
        let needed = match from {
            0.. => 2,
            _ if from > -DELAY_MS => BEHIND_A_LITTLE,
            _ => BEHIND,
        };
        let lasts = from > 0 || mark.at.since(stray.first) >= BEHIND_FOR;
        let believed = stray.count >= needed && lasts;
        if !believed {
            self.stray = Some(stray);
            return;
        }
        let known = self.skew_ms().is_some();
        *self = Self {
            heard: self.heard,
            open: Some(Window {
                first: stray.first,
                best: stray.best,
                count: stray.count,
            }),
            resets: self.resets.saturating_add(u32::from(known)),
            ..Self::default()
        };
    }

    fn windows(&self) -> impl DoubleEndedIterator<Item = &Mark> {
        self.closed.iter().take(usize::from(self.marks))
    }
}

fn offset(said: Timestamp, received: Timestamp) -> i64 {
    said.as_millis().saturating_sub(received.as_millis())
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
