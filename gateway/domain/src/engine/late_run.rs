//! One rule looking back at one point: the life its watch would have had, played through in the time of the readings.
//!
//! It is the live machine over again: the same [`Watch`], the same [`Trace`], the same delays and windows, driven by a clock
//! that stands at the readings' own time. A gap longer than the point may be silent loses it, as it would have live. Nothing
//! here knows of alarms; what comes out are stretches in which the rule would have been in alarm.
//!
//! It holds one trace (512 bytes), eight samples and a handful of numbers, whatever a burst brings.

use super::tracks::in_hours;
use crate::alarm::{Delays, Effect, MAX_EVIDENCE, Sample, Watch, WatchEvent};
use crate::id::PointKey;
use crate::reading::{Reading, Value};
use crate::rule::{Rule, Trace, Verdict};
use crate::time::{Deadline, Monotonic, Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most moments between two readings at which something may change; what a longer gap holds beyond them is left out.
const MAX_MOMENTS: usize = 10_000;

/// What late readings of a point say to one rule, not yet known to be over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LateRun {
    watch: Watch,
    trace: Trace,
    /// What the last value said by itself, for rules that look at one value.
    said: Option<Verdict>,
    /// How far it has been played.
    at: Timestamp,
    /// When the last reading was seen, and whether it has been lost since.
    heard: Timestamp,
    lost: bool,
    /// When it wants to be looked at without a reading.
    look: Option<Timestamp>,
    /// When it became an alarm.
    since: Option<Timestamp>,
    /// When it was right last.
    right: Option<Timestamp>,
    samples: Vec<Sample>,
    /// Where what was heard live begins, if it was heard before these readings.
    pub(super) live_from: Option<Timestamp>,
    /// The age of the engine at which the last of them came.
    pub(super) came: u64,
}

/// A stretch in which a rule would have been in alarm.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) samples: Vec<Sample>,
}

/// What a run needs to know of its watch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks<'a> {
    pub(super) rule: &'a Rule,
    pub(super) point: PointKey,
    /// How long its point may be silent.
    pub(super) silence_ms: u64,
    pub(super) now: &'a Now,
}

impl LateRun {
    /// A run that begins at a time, with what is known from before it.
    pub(super) fn new(at: Timestamp, trace: Trace) -> Self {
        Self {
            watch: Watch::INITIAL,
            trace,
            said: None,
            at,
            heard: at,
            lost: false,
            look: None,
            since: None,
            right: None,
            samples: Vec::new(),
            live_from: None,
            came: 0,
        }
    }

    /// Takes a late reading; the stretches that are over by it.
    pub(super) fn take(&mut self, looks: Looks<'_>, reading: &Reading) -> Vec<Stretch> {
        let (at, when) = (reading.observed, looks.rule.when);
        let Some(value) = reading.value.as_ref() else {
            return Vec::new();
        };
        if at < self.at {
            self.reach_back(looks, reading, value);
            return Vec::new();
        }
        let mut over = self.pass(looks, at);
        (self.heard, self.lost) = (at, false);
        if when.is_traced() {
            self.trace.take(when, value, at, age(at));
        } else {
            self.said = when.judge(value);
        }
        self.arm(looks);
        if let Some(verdict) = self.verdict(looks) {
            if verdict == Verdict::Wrong && self.trace.numbers().is_empty() {
                self.keep(reading);
            }
            over.extend(self.event(looks, WatchEvent::Value(verdict)));
        }
        over
    }

    /// What the window holds, in the age of the engine, for the newest reading to be judged by.
    pub(super) fn window(&self, now: &Now, age: u64) -> Trace {
        self.trace.clone().aged(now.wall, age)
    }

    /// What comes to an end where the newest reading begins.
    pub(super) fn end(mut self, looks: Looks<'_>, at: Timestamp) -> Vec<Stretch> {
        let mut over = self.pass(looks, at);
        over.extend(self.close(at));
        over
    }

    /// Time passes up to a reading: delays, windows, hours and silence.
    fn pass(&mut self, looks: Looks<'_>, to: Timestamp) -> Vec<Stretch> {
        let mut over = Vec::new();
        for _ in 0..MAX_MOMENTS {
            let delay = self.watch.deadline().map(|deadline| (moment(deadline), 0));
            let look = self.look.map(|at| (at, 1));
            let lost = (!self.lost && looks.silence_ms < u64::MAX)
                .then(|| (self.heard.plus(Duration::from_millis(looks.silence_ms)), 2));
            let next = [delay, look, lost].into_iter().flatten().min();
            let Some((at, what)) = next.filter(|(at, _)| *at <= to) else {
                break;
            };
            self.at = self.at.max(at);
            match what {
                0 => over.extend(self.event(looks, WatchEvent::DelayOver)),
                1 => {
                    self.arm(looks);
                    if let Some(verdict) = self.verdict(looks) {
                        over.extend(self.event(looks, WatchEvent::Value(verdict)));
                    }
                }
                // What is lost is not looked at until it is heard again.
                _ => {
                    (self.lost, self.look) = (true, None);
                    over.extend(self.event(looks, WatchEvent::Lost));
                }
            }
        }
        self.at = self.at.max(to);
        over
    }

    fn event(&mut self, looks: Looks<'_>, event: WatchEvent) -> Option<Stretch> {
        if event == WatchEvent::Value(Verdict::Right) {
            self.right = Some(self.at);
        }
        let (next, effect) = self.watch.next(event, Delays::of(looks.rule), &self.then(looks));
        self.watch = next;
        if effect == Effect::Raised {
            self.since = Some(self.at);
            self.keep_numbers(looks.point);
        }
        let over = (effect == Effect::Cleared).then(|| self.close(self.at)).flatten();
        if next == Watch::Normal {
            self.samples.clear();
        }
        over
    }

    /// What a window shows at the moment it raises.
    fn keep_numbers(&mut self, point: PointKey) {
        let newest = self.trace.numbers().iter().rev().take(MAX_EVIDENCE).rev();
        let samples: Vec<Sample> = newest
            .map(|(at, number)| Sample {
                point,
                observed: Timestamp::from_millis(*at),
                value: Value::Number(*number),
            })
            .collect();
        if !samples.is_empty() {
            self.samples = samples;
        }
    }

    fn close(&mut self, until: Timestamp) -> Option<Stretch> {
        let (from, samples) = (self.since.take()?, std::mem::take(&mut self.samples));
        (from < until).then_some(Stretch { from, until, samples })
    }

    /// A reading from before one that was judged already. It begins nothing; but what is wrong now may have been wrong
    /// then, unless it was right in between.
    fn reach_back(&mut self, looks: Looks<'_>, reading: &Reading, value: &Value) {
        let (at, rule) = (reading.observed, looks.rule);
        let is_wrong = rule.when.judge(value) == Some(Verdict::Wrong)
            && rule
                .during
                .as_ref()
                .is_none_or(|during| during.covers(&at_time(at, looks.now)));
        if rule.when.is_traced() || !is_wrong || self.right.is_some_and(|right| right >= at) {
            return;
        }
        let from = at.plus(rule.on_delay);
        match self.watch {
            Watch::Pending { deadline } if from < moment(deadline) => {
                if from <= self.at {
                    self.watch = Watch::Active;
                    self.since = Some(from);
                } else {
                    self.watch = Watch::Pending {
                        deadline: Deadline {
                            at: Monotonic(age(from)),
                        },
                    };
                }
            }
            Watch::Active | Watch::Clearing { .. } | Watch::Unknown { raised: true, .. } => {
                self.since = self.since.map(|since| since.min(from));
            }
            _ => return,
        }
        self.keep(reading);
        self.samples.sort_by_key(|sample| sample.observed);
    }

    fn verdict(&self, looks: Looks<'_>) -> Option<Verdict> {
        let when = looks.rule.when;
        let verdict = if when.is_traced() {
            self.trace.judge(when, age(self.at))
        } else {
            self.said
        };
        let event = WatchEvent::Value(verdict?);
        match in_hours(event, looks.rule.during.as_ref(), &self.then(looks)) {
            WatchEvent::Value(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// Notes when it may say something else without a reading.
    fn arm(&mut self, looks: Looks<'_>) {
        let here = age(self.at);
        let window = self.trace.next_look(looks.rule.when, here);
        let window = window.map(|at| {
            self.at
                .plus(Duration::from_millis(at.saturating_sub(here).max(1)))
        });
        let hours = looks.rule.during.as_ref();
        let least = Duration::from_millis(1);
        let hours = hours.map(|during| self.at.plus(during.look_again(&self.then(looks)).max(least)));
        self.look = window.into_iter().chain(hours).min();
    }

    fn then(&self, looks: Looks<'_>) -> Now {
        at_time(self.at, looks.now)
    }

    /// The first half of the record and the last readings.
    fn keep(&mut self, reading: &Reading) {
        if self.samples.len() >= MAX_EVIDENCE {
            self.samples.remove(MAX_EVIDENCE / 2);
        }
        self.samples.extend(Sample::of(reading));
    }
}

/// The clock at a time of the past: its delays run in the time of the readings.
fn at_time(at: Timestamp, now: &Now) -> Now {
    Now {
        wall: at,
        monotonic: Monotonic(age(at)),
        ..*now
    }
}

fn age(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0)
}

fn moment(deadline: Deadline) -> Timestamp {
    Timestamp::from_millis(i64::try_from(deadline.at.0).unwrap_or(i64::MAX))
}
