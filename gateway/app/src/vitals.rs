//! What the process says about itself: the ping of the watchdog, the slow gauges, and the readings of the machine's
//! clock and of the last backup, from which rules make alarms.
//!
//! It measures and tells; what is an alarm is for `config/rules/gateway.toml` to say. The disk is watched by the
//! pipeline, links and targets by those who use them.

use crate::clock::{self, KNOWN_FROM, SharedClock};
use crate::field::{Fact, Frame};
use crate::metrics::Metrics;
use crate::ops::backup;
use crate::pipeline::{Door, Progress};
use linli_domain::reading::Value;
use linli_domain::time::{Now, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);
/// A wall clock that moved this much against the monotonic one was set, not disciplined.
const STEP: Duration = Duration::from_secs(60);
/// How long a step is shown before the reading returns to zero.
const STEP_SHOWN: Duration = Duration::from_secs(60);
/// How often the age of the backup is told.
const BACKUP_TOLD: Duration = Duration::from_secs(3_600);

/// What was told already. Pure: the caller says what time it is and when the last backup was made.
#[derive(Debug)]
struct Vitals {
    /// Since when the ledger exists: without any backup, its age counts from here. One that was begun by a clock nobody had
    /// set exists since the time was known.
    since: Timestamp,
    last: Option<Now>,
    trusted: Option<bool>,
    /// Whether the clock was not believed at the last step before the program was started.
    was_wrong: bool,
    stepped: Option<Now>,
    backup: Option<(Now, Option<Timestamp>)>,
}

impl Vitals {
    fn new(since: Timestamp, was_wrong: bool) -> Self {
        Self {
            since,
            was_wrong,
            last: None,
            trusted: None,
            stepped: None,
            backup: None,
        }
    }

    /// What is worth telling now.
    fn look(&mut self, now: Now, backup: Option<Timestamp>) -> Vec<(&'static str, Value)> {
        let mut told = Vec::new();
        if self.trusted != Some(now.trusted) {
            // A clock that was never wrong has nothing to tell. One that was when the program went is right now.
            if self.trusted.is_some() || !now.trusted || self.was_wrong {
                told.push(("gateway.clock_ok", Value::State(now.trusted)));
            }
            self.trusted = Some(now.trusted);
        }
        self.steps(now, &mut told);
        // Ages by a clock that is wrong would be wrong.
        if now.trusted {
            self.ages(now, backup, &mut told);
        }
        self.last = Some(now);
        told
    }

    fn steps(&mut self, now: Now, told: &mut Vec<(&'static str, Value)>) {
        let step = self.last.filter(|last| last.trusted && now.trusted).map(|last| {
            let ran = i64::try_from(now.monotonic.since(last.monotonic).as_millis()).unwrap_or(i64::MAX);
            let showed = now.wall.as_millis().saturating_sub(last.wall.as_millis());
            Duration::from_millis(showed.saturating_sub(ran).unsigned_abs())
        });
        if let Some(step) = step.filter(|step| *step >= STEP) {
            self.stepped = Some(now);
            told.push(("gateway.clock_step", Value::Number(step.as_secs_f64().round())));
        } else if self
            .stepped
            .is_some_and(|at| now.monotonic.since(at.monotonic) >= STEP_SHOWN)
        {
            self.stepped = None;
            told.push(("gateway.clock_step", Value::Number(0.0)));
        }
    }

    fn ages(&mut self, now: Now, backup: Option<Timestamp>, told: &mut Vec<(&'static str, Value)>) {
        if self.since < KNOWN_FROM {
            self.since = now.wall;
        }
        let due = self
            .backup
            .is_none_or(|(at, which)| which != backup || now.monotonic.since(at.monotonic) >= BACKUP_TOLD);
        if due {
            let first = self.backup.is_none();
            self.backup = Some((now, backup));
            let hours = now.wall.since(backup.unwrap_or(self.since)).as_secs() / 3_600;
            if first && hours == 0 {
                return;
            }
            #[allow(clippy::cast_precision_loss, reason = "hours")]
            told.push(("gateway.backup_age", Value::Number(hours as f64)));
        }
    }
}

/// Where it looks and whom it tells.
pub struct Surroundings {
    /// The data folder, in which a backup leaves its note.
    pub data: PathBuf,
    /// Since when the ledger exists.
    pub since: Timestamp,
    /// Whether the clock was not believed at the last step in the ledger.
    pub was_wrong: bool,
    /// Into the pipeline.
    pub door: Door,
    /// The pipeline's heartbeat.
    pub progress: watch::Receiver<Progress>,
    /// The gauges.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: SharedClock,
}

/// Looks until told to stop. systemd is pinged as long as the pipeline's own heartbeat advances.
pub async fn run(around: Surroundings, stop: CancellationToken) {
    let started = around.clock.now().monotonic;
    let mut vitals = Vitals::new(around.since, around.was_wrong);
    let mut beaten = None;
    loop {
        let now = around.clock.now();
        let up = now.monotonic.since(started).as_secs();
        around
            .metrics
            .uptime_seconds
            .set(i64::try_from(up).unwrap_or(i64::MAX));
        let backup = backup::last(&around.data).map(|last| last.at);
        around.metrics.backup_last.set(backup.map_or(0, |at| at / 1_000));
        let heartbeat = around.progress.borrow().at;
        if beaten != Some(heartbeat) {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
        beaten = Some(heartbeat);
        let told = vitals.look(now, backup.map(Timestamp::from_millis));
        let facts: Vec<Frame> = told.into_iter().filter_map(|said| fact(said, now)).collect();
        if !facts.is_empty() {
            // A pipeline that is stopping takes nothing; neither does it need to.
            let _ = stop.run_until_cancelled(around.door.push(facts)).await;
        }
        let rested = stop.run_until_cancelled(clock::rest(&around.clock, LOOK)).await;
        if rested.is_none() {
            return;
        }
    }
}

fn fact((measure, value): (&'static str, Value), now: Now) -> Option<Frame> {
    Some(Frame::Fact(Fact {
        measure: measure.parse().ok()?,
        instance: "machine".into(),
        value,
        received: now,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BUILT;
    use linli_domain::time::{BootId, Monotonic};

    const DAY: i64 = 86_400_000;

    /// `ran` seconds after the start, with a wall clock that is `off` seconds ahead.
    fn at(ran: u64, off: i64) -> Now {
        let wall = 1_800_000_000_000 + i64::try_from(ran).unwrap() * 1_000 + off * 1_000;
        Now {
            wall: Timestamp::from_millis(wall),
            monotonic: Monotonic(ran * 1_000),
            boot: BootId(1),
            trusted: true,
        }
    }

    fn told(vitals: &mut Vitals, now: Now, backup: Option<Timestamp>) -> Vec<(&'static str, Value)> {
        let told = vitals.look(now, backup);
        for said in &told {
            assert!(fact(said.clone(), now).is_some(), "{said:?} is no measure");
        }
        told
    }

    #[test]
    fn a_clock_that_was_set_is_told_once_and_one_that_drifts_is_not() {
        let mut vitals = Vitals::new(at(0, 0).wall, false);
        told(&mut vitals, at(0, 0), None);
        assert_eq!(told(&mut vitals, at(5, 2), None), []);
        let back = told(&mut vitals, at(10, -3_598), None);
        assert_eq!(back, [("gateway.clock_step", Value::Number(3_600.0))]);
        assert_eq!(told(&mut vitals, at(15, -3_598), None), []);
        let shown = told(&mut vitals, at(70, -3_598), None);
        assert_eq!(shown, [("gateway.clock_step", Value::Number(0.0))]);
    }

    #[test]
    fn a_box_without_a_clock_is_told_until_it_knows_the_time_and_the_setting_is_no_step() {
        let mut vitals = Vitals::new(at(0, 0).wall, false);
        let lost = Now {
            wall: Timestamp::from_millis(5_000),
            trusted: false,
            ..at(0, 0)
        };
        let first = told(&mut vitals, lost, None);
        assert_eq!(first, [("gateway.clock_ok", Value::State(false))]);
        let set = told(&mut vitals, at(5, 0), None);
        assert_eq!(set, [("gateway.clock_ok", Value::State(true))]);
    }

    #[test]
    fn a_clock_that_was_set_while_the_program_was_not_there_is_told_to_be_right() {
        let mut vitals = Vitals::new(at(0, 0).wall, true);
        let first = told(&mut vitals, at(0, 0), None);
        assert_eq!(first, [("gateway.clock_ok", Value::State(true))]);
        assert_eq!(told(&mut vitals, at(5, 0), None), []);
    }

    #[test]
    fn a_ledger_begun_by_a_clock_nobody_had_set_has_no_backup_of_that_day_to_miss() {
        let released = BUILT.plus(Duration::from_secs(5));
        for begun in [Timestamp::from_millis(5_000), released] {
            let lost = Now {
                wall: begun,
                trusted: false,
                ..at(0, 0)
            };
            let mut vitals = Vitals::new(lost.wall, false);
            told(&mut vitals, lost, None);
            let set = told(&mut vitals, at(5, 0), None);
            assert_eq!(set, [("gateway.clock_ok", Value::State(true))]);
            let later = told(&mut vitals, at(3_605, 0), None);
            assert_eq!(later, [("gateway.backup_age", Value::Number(1.0))]);
        }
    }

    #[test]
    fn the_age_of_a_backup_is_told_hourly_and_at_once_when_one_is_made() {
        let since = Timestamp::from_millis(at(0, 0).wall.as_millis() - 9 * DAY);
        let mut vitals = Vitals::new(since, false);
        let never = told(&mut vitals, at(0, 0), None);
        assert_eq!(never, [("gateway.backup_age", Value::Number(216.0))]);
        assert_eq!(told(&mut vitals, at(3_595, 0), None), []);
        let hourly = told(&mut vitals, at(3_600, 0), None);
        assert_eq!(hourly, [("gateway.backup_age", Value::Number(217.0))]);
        let made = told(&mut vitals, at(3_605, 0), Some(at(3_604, 0).wall));
        assert_eq!(made, [("gateway.backup_age", Value::Number(0.0))]);
    }
}
