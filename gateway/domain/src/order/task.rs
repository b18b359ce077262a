//! A task 任务: one line of a batch order, about one asset. It ends by what the sensors of that asset say.
//!
//! ```text
//!             sensor_ok
//!  ● ─▶ open ───────────▶ ended
//!        │ ▲                │
//!        │ └── sensor_bad ──┘
//!        └── order_over ──▶ left
//! ```
//!
//! * `open` looks for its evidence: from the alarm that brought it, and anew from the completion of its order.
//! * `ended` has it, and opens again when the sensors are wrong before the order is over.
//! * `left` is a task whose order was over without its evidence: a manager decided so.
//!
//! An order of one alarm on one asset may still be a batch: others can join it for a while.

use super::table::Refused;
use super::verify::{Hold, Verification};
use crate::id::{AlarmId, AssetId, Class};
use crate::time::{Deadline, Monotonic, Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most tasks of one order; an alarm beyond them begins another order.
pub const MAX_TASKS_PER_ORDER: usize = 64;
/// How long the first alarm of a batch waits for others before their order opens.
pub const BATCH_WAIT: Duration = Duration::from_secs(30);
/// How long after its opening an order takes further assets.
pub const BATCH_JOINS: Duration = Duration::from_secs(600);

/// What makes an order a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Alarms of this class join it.
    pub class: Class,
    /// Until when.
    pub joins_until: Deadline,
    /// One for each asset, in the order in which they came; at least one, at most [`MAX_TASKS_PER_ORDER`].
    pub tasks: Vec<Task>,
}

/// One asset of a batch order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The asset.
    pub asset: AssetId,
    /// The alarm that brought it, or brought it back last.
    pub alarm: AlarmId,
    /// Where it stands.
    pub state: TaskState,
    /// Since when it belongs to the order.
    pub since: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How often it opened again.
    pub reopened: u32,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Its evidence is missing; how far it has come.
    Open(Verification),
    /// Its sensors have said that it is done.
    Ended,
    /// Its order was over before that.
    Left,
}

/// What can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// Its evidence is complete.
    SensorOk,
    /// Its sensors say again that something is wrong; evidence is looked for from here.
    SensorBad(Verification),
    /// How far the evidence has come, or that it counts from here: a person says that the whole order is done.
    Seek(Verification),
    /// Its order is over.
    OrderOver,
}

impl TaskState {
    /// The state after `event`.
    pub fn next(self, event: TaskEvent) -> Result<Self, Refused> {
        use TaskEvent as E;
        match (self, event) {
            (Self::Open(_), E::SensorOk) => Ok(Self::Ended),
            (Self::Open(_), E::Seek(verification)) => Ok(Self::Open(verification)),
            (Self::Open(_), E::OrderOver) => Ok(Self::Left),
            (Self::Ended, E::SensorBad(verification)) => Ok(Self::Open(verification)),
            (Self::Ended, E::Seek(_) | E::OrderOver) => Ok(Self::Ended),
            (state, event) => Err(Refused {
                state: state.name(),
                event: event.name(),
            }),
        }
    }
    /// The state's name in records and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Ended => "ended",
            Self::Left => "left",
        }
    }
    /// How far the evidence has come, while there is something to prove.
    pub fn verification(self) -> Option<Verification> {
        match self {
            Self::Open(verification) => Some(verification),
            Self::Ended | Self::Left => None,
        }
    }
}

impl TaskEvent {
    /// The event's name in records and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::SensorOk => "sensor_ok",
            Self::SensorBad(_) => "sensor_bad",
            Self::Seek(_) => "seek",
            Self::OrderOver => "order_over",
        }
    }
}

impl Task {
    /// A task that looks for evidence later than `wrong_at`.
    pub fn begin(asset: AssetId, alarm: AlarmId, wrong_at: Timestamp, now: &Now) -> Self {
        Self {
            asset,
            alarm,
            state: TaskState::Open(Verification::after(wrong_at.min(now.wall))),
            since: now.wall,
            ended: None,
            reopened: 0,
        }
    }
    /// The only way a task moves to another state; nothing happens when its state does not allow it.
    pub fn happens(&mut self, event: TaskEvent, now: &Now) {
        let Ok(next) = self.state.next(event) else {
            return;
        };
        let was_open = matches!(self.state, TaskState::Open(_));
        let is_open = matches!(next, TaskState::Open(_));
        match (was_open, is_open) {
            (true, false) => self.ended = Some(now.wall),
            (false, true) => {
                self.ended = None;
                self.reopened = self.reopened.saturating_add(1);
            }
            _ => {}
        }
        self.state = next;
    }
}

impl Batch {
    /// How many tasks still look for their evidence.
    pub fn open(&self) -> usize {
        let open = |task: &&Task| matches!(task.state, TaskState::Open(_));
        self.tasks.iter().filter(open).count()
    }
    /// When to look at it again even if nothing happens.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let open = self.tasks.iter().filter_map(|task| task.state.verification());
        open.filter_map(|verification| verification.deadline()).min()
    }
    /// The same batch in the monotonic time of a new boot.
    pub fn rebase(&mut self, last: Monotonic, now: &Now) {
        self.joins_until = self.joins_until.rebase(last, now);
        self.each_open(|verification| verification.rebase(last, now));
    }
    /// The wall clock was set: what evidence is compared with moves along.
    pub fn clock_jumped(&mut self, jump_ms: i64) {
        self.each_open(|mut verification| {
            let moved = verification.completed.as_millis().saturating_add(jump_ms);
            verification.completed = Timestamp::from_millis(moved);
            verification
        });
    }
    fn each_open(&mut self, change: impl Fn(Verification) -> Verification) {
        for task in &mut self.tasks {
            if let TaskState::Open(verification) = task.state {
                task.state = TaskState::Open(change(verification));
            }
        }
    }
}

impl Verification {
    /// Looks for evidence later than `from`, with nothing to be forgiven.
    pub fn after(from: Timestamp) -> Self {
        Self {
            completed: from,
            grace: None,
            hold: Hold::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::BootId;

    fn at(seconds: i64) -> Now {
        Now {
            wall: Timestamp::from_millis(1_000 * seconds),
            monotonic: Monotonic(5_000),
            boot: BootId(1),
            trusted: true,
        }
    }

    #[test]
    fn every_state_answers_every_event_as_the_table_says() {
        let verification = Verification::after(Timestamp::from_millis(7));
        let states = [TaskState::Open(verification), TaskState::Ended, TaskState::Left];
        let events = [
            TaskEvent::SensorOk,
            TaskEvent::SensorBad(verification),
            TaskEvent::Seek(verification),
            TaskEvent::OrderOver,
        ];
        let mut table = String::new();
        for state in states {
            let row = events.map(|e| state.next(e).map_or("-", TaskState::name));
            table.push_str(&format!("{}: {}\n", state.name(), row.join(" ")));
        }
        // sensor_ok, sensor_bad, seek, order_over
        assert_eq!(
            table,
            "open: ended - open left\nended: - open ended ended\nleft: - - - -\n"
        );
    }

    #[test]
    fn a_task_knows_when_it_ended_and_how_often_it_came_back() {
        let bin = || "bin-1".parse().unwrap();
        let mut task = Task::begin(bin(), AlarmId(1), Timestamp::from_millis(0), &at(30));
        task.happens(TaskEvent::SensorOk, &at(60));
        assert_eq!((task.ended, task.reopened), (Some(at(60).wall), 0));
        let again = Verification::after(at(90).wall);
        task.happens(TaskEvent::SensorBad(again), &at(90));
        assert_eq!((task.ended, task.reopened), (None, 1));
        task.happens(TaskEvent::OrderOver, &at(120));
        assert_eq!((task.state, task.ended), (TaskState::Left, Some(at(120).wall)));
    }

    #[test]
    fn evidence_is_later_than_the_alarm_and_never_expected_from_the_future() {
        let task = Task::begin("b".parse().unwrap(), AlarmId(1), at(500).wall, &at(30));
        let from = task.state.verification().map(|v| v.completed);
        assert_eq!(from, Some(at(30).wall), "the clock was set back while it waited");
    }
}
