//! A back-test: what proposed rules would have done on recorded readings, beside what really happened.
//!
//! The engine is the live one. It starts empty a day before the time that is asked for, is given every reading in the order
//! in which it was received, and every delay on the way; what it does in that first day is not counted. A crew takes every
//! order and completes it once its sensors are normal, because an order nobody closes would swallow all later alarms.
//! Nothing is written and nobody is told.
//!
//! What it cannot know: readings the device had stored and sent later look like live ones once they are kept, and hours in
//! which the gateway was off look like silence.

mod account;
mod crew;
mod feed;

pub use account::{ByClass, Called, Pages, WouldBe};

use crate::outbox::plan::Planner;
use crate::pipeline::Understanding;
use account::Account;
use crew::Crew;
use linli_decode::{Catalogue, ClockWindow, Memory};
use linli_domain::engine::{Arrival, Changes, Engine, Input, PointDef};
use linli_domain::estate::{EstateDoc, Problem};
use linli_domain::id::PointKey;
use linli_domain::reading::Reading;
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{PointRow, Reader, StoreError};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The engine runs so long before the time that is asked for, so that windows and silence are what they would have been.
const WARM_UP: Duration = Duration::from_secs(86_400);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The rules are refused.
    #[error("use the proposed rules: {}", list(.0))]
    Rules(Vec<Problem>),
    /// The ledger cannot be read.
    #[error("read the recorded readings")]
    Store(#[from] StoreError),
    /// Nothing lies between the two times.
    #[error("the time to test ends before it begins")]
    NoTime,
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What is tested.
pub struct Test {
    /// The estate with the proposed rules.
    pub estate: Arc<EstateDoc>,
    /// The profiles, for the intervals devices are expected to keep.
    pub catalogue: Catalogue,
    /// Says who would have been called.
    pub planner: Planner,
    /// Readings received at or after.
    pub from: Timestamp,
    /// Readings received before.
    pub to: Timestamp,
}

/// What would have been, and what was.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Readings the engine was given, those of the day before included.
    pub readings: u64,
    /// Points they belong to.
    pub points: usize,
    /// Points of devices the proposed estate does not have; their readings are left out.
    pub points_left_out: usize,
    /// Alarms that would have been raised.
    pub alarms: u64,
    /// Alarms that were raised.
    pub alarms_real: u64,
    /// Orders that would have been opened.
    pub orders: u64,
    /// Orders that were opened.
    pub orders_real: u64,
    /// Both, class by class.
    pub by_class: Vec<ByClass>,
    /// How often somebody would have been called.
    pub pages: Pages,
    /// Who would have been called: by trade, and by channel where routes are configured.
    pub called: Vec<Called>,
    /// The alarms that would have been raised, oldest first; at most 20,000.
    pub would_be: Vec<WouldBe>,
}

/// Tests over what `reader` sees. `progress` is told how much of the time is over, 0 to 1.
pub fn backtest(
    test: &Test,
    reader: &mut Reader,
    progress: &mut dyn FnMut(f64),
) -> Result<Outcome, BacktestError> {
    if test.to <= test.from {
        return Err(BacktestError::NoTime);
    }
    let rows = reader.points()?;
    let begins = test.from.minus(WARM_UP);
    let mut bench = Bench::new(test, begins)?;
    let keys = bench.points(&rows);
    let mut readings = 0;
    let span = test.to.since(begins).as_secs_f64();
    feed::feed(reader, begins, test.to, &mut |window| {
        for (point, sample) in window {
            let Some(point) = keys.get(point.0 as usize).copied().flatten() else {
                continue;
            };
            readings += 1;
            bench.take(&Reading {
                point,
                observed: sample.observed,
                received: sample.received,
                value: sample.value,
                quality: sample.quality,
            });
        }
        progress(bench.at.since(begins).as_secs_f64() / span);
    })?;
    bench.until(test.to);
    progress(1.0);
    let mut outcome = bench.account.finish(reader, test.from, test.to)?;
    outcome.readings = readings;
    outcome.points = keys.iter().flatten().count();
    outcome.points_left_out = rows.len() - outcome.points;
    Ok(outcome)
}

/// The engine with its crew, and the time it has come to.
struct Bench<'a> {
    engine: Engine,
    account: Account<'a>,
    crew: Crew,
    changes: Changes,
    begins: Timestamp,
    at: Timestamp,
}

/// The machine was switched on a moment before the test begins.
const ORIGIN_MS: u64 = 1_000_000;

impl<'a> Bench<'a> {
    fn new(test: &'a Test, begins: Timestamp) -> Result<Self, BacktestError> {
        let engine = Engine::new(Arc::clone(&test.estate)).map_err(BacktestError::Rules)?;
        let mut understanding = Understanding::new(
            [],
            test.catalogue.clone(),
            Memory::default(),
            ClockWindow::default(),
        );
        understanding.learn(engine.estate());
        let mut bench = Self {
            engine,
            account: Account::new(&test.planner, test.from),
            crew: Crew::default(),
            changes: Changes::default(),
            begins,
            at: begins,
        };
        bench.input(&Input::Started);
        bench.input(&Input::Profiles(Arc::new(understanding.profiles())));
        Ok(bench)
    }

    /// Tells the engine of the points there are; the numbers they have in it, by their numbers in the ledger.
    fn points(&mut self, rows: &[PointRow]) -> Vec<Option<PointKey>> {
        let last = rows.iter().map(|row| row.key.0 as usize).max();
        let mut keys = vec![None; last.map_or(0, |last| last + 1)];
        for row in rows {
            let Ok(measure) = row.measure.parse() else {
                continue;
            };
            let def = PointDef {
                key: self.engine.next_point_key(),
                device: row.device.clone(),
                measure,
                instance: row.instance.as_deref().map(Arc::from),
            };
            let key = def.key;
            let taken = self.engine.step(&self.now(), &Input::Point(def)).reply.is_ok();
            if let Some(slot) = keys.get_mut(row.key.0 as usize) {
                *slot = taken.then_some(key);
            }
        }
        keys
    }

    fn now(&self) -> Now {
        Now {
            wall: self.at,
            monotonic: Monotonic(ORIGIN_MS).plus(self.at.since(self.begins)),
            boot: BootId(1),
            trusted: true,
        }
    }

    fn take(&mut self, reading: &Reading) {
        self.until(reading.received);
        let now = self.now();
        let mut changes = std::mem::take(&mut self.changes);
        // A reading of a point the engine was told of is never refused.
        let _taken = self
            .engine
            .step_reading(&now, reading, Arrival::Live, &mut changes);
        if !changes.is_empty() {
            self.note(&changes);
            changes.clear();
        }
        self.changes = changes;
    }

    fn input(&mut self, input: &Input) {
        let step = self.engine.step(&self.now(), input);
        self.note(&step.changes);
    }

    fn note(&mut self, changes: &Changes) {
        self.account.take(changes, self.engine.estate(), self.at);
        self.crew.hear(changes, self.at);
    }

    /// When the engine wants to be stepped.
    fn wake(&self) -> Option<Timestamp> {
        let wake = self.engine.next_wake()?;
        Some(self.begins.plus(wake.at.since(Monotonic(ORIGIN_MS))))
    }

    /// Lets time pass, with every delay of the engine and every look of the crew on the way.
    fn until(&mut self, to: Timestamp) {
        loop {
            let wake = self.wake();
            let look = self.crew.next();
            let Some(next) = wake.into_iter().chain(look).min().filter(|next| *next <= to) else {
                break;
            };
            let before = self.at;
            self.at = next.max(self.at);
            if wake.is_some_and(|wake| wake <= self.at) {
                self.input(&Input::Tick);
            }
            while let Some(command) = self.crew.due(&self.engine, self.at) {
                self.input(&Input::Command(command));
            }
            // A delay that is due and stays due would hold time back.
            if self.at == before && self.wake() == wake {
                self.at = self.at.plus(Duration::from_millis(1));
            }
        }
        self.at = to.max(self.at);
    }
}

#[cfg(test)]
mod tests;
