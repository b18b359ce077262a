//! The values of one point: whether they rest for too long, jump, or got low.
//!
//! Three small machines that know nothing of each other and nothing of flags: each takes a value and a time and says
//! what is so now. Times are ages of the engine in milliseconds where a rest is counted, and the reading's own place
//! in time where a rate is.

use super::limits::Jump;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A rest is too long when it is this many times the longest one lately.
const TIMES: u64 = 10;
/// Equal values in a row without which nothing is called stuck.
const EQUAL: u16 = 12;
/// Values that agree with each other after a jump are a new level: a sensor was moved, a meter replaced.
const SETTLED: u8 = 3;

/// How long a value has not changed, and how long it usually does not.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Rest {
    value: f64,
    since: u64,
    /// The longest rest lately, in seconds: a sixteenth of it fades with each change.
    usual: u32,
    equal: u16,
}

impl Rest {
    /// Takes a value; whether it has rested for too long now.
    pub fn observe(&mut self, value: f64, age: u64, after: Duration) -> bool {
        let rested = age.saturating_sub(self.since);
        if self.equal == 0 || value.to_bits() != self.value.to_bits() {
            let faded = self.usual - self.usual / 16;
            *self = Self {
                value,
                since: age,
                usual: match self.equal {
                    0 => 0,
                    _ => faded.max(u32::try_from(rested / 1_000).unwrap_or(u32::MAX)),
                },
                equal: 1,
            };
            return false;
        }
        self.equal = self.equal.saturating_add(1);
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let usual = u64::from(self.usual).saturating_mul(1_000 * TIMES);
        self.equal >= EQUAL && rested >= after.max(usual)
    }
}

/// The last value that could be true, and values after it that could not.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Steady {
    known: bool,
    base: f64,
    at: Timestamp,
    odd: f64,
    odd_at: Timestamp,
    odds: u8,
}

impl Steady {
    /// Takes a value; whether it is an impossible jump.
    pub fn observe(&mut self, value: f64, at: Timestamp, jump: Jump) -> bool {
        let fits = !self.known || is_possible(self.base, self.at, value, at, jump);
        let agrees = self.odds > 0 && is_possible(self.odd, self.odd_at, value, at, jump);
        let odds = match (fits, agrees) {
            (true, _) => 0,
            (false, true) => self.odds.saturating_add(1),
            (false, false) => 1,
        };
        if fits || odds >= SETTLED {
            *self = Self {
                known: true,
                base: value,
                at,
                ..Self::default()
            };
            return false;
        }
        self.odd = value;
        self.odd_at = at;
        self.odds = odds;
        true
    }
}

fn is_possible(from: f64, from_at: Timestamp, to: f64, to_at: Timestamp, jump: Jump) -> bool {
    let apart = to_at.since(from_at).max(from_at.since(to_at)).as_secs_f64();
    let change = to - from;
    if change < 0.0 && !jump.falls {
        return -change <= jump.at_once;
    }
    change.abs() <= jump.at_once + jump.per_second * apart
}

/// How many values in a row said otherwise than what is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Run(u8);

impl Run {
    /// Takes a value of a level that is believed to be `low` or not; what is to be believed now.
    pub fn observe(&mut self, low: bool, value: f64, set: f64, clear: f64, times: u8) -> bool {
        let otherwise = if low { value >= clear } else { value <= set };
        self.0 = if otherwise { self.0.saturating_add(1) } else { 0 };
        if self.0 < times {
            return low;
        }
        self.0 = 0;
        !low
    }
}

#[cfg(test)]
#[path = "vital_tests.rs"]
mod tests;
