//! An order 工单: one job on one asset for one fault, from the alarm that opened it to the evidence that closed it.
//!
//! Three characters: the [`Order`] is what people see; [`OrderState`] with its one table in [`table`] is what may
//! happen next; [`OrderProfile`] is the data that decides how it is verified. A [`Batch`] is one job on several assets:
//! a [`Task`] for each. Whether the sensors agree is decided by the engine from [`verify`]; who is told is not decided
//! here at all.

pub mod table;
pub mod task;
pub mod verify;

pub use table::{OrderEvent, OrderState, Refused};
pub use task::{BATCH_JOINS, BATCH_WAIT, Batch, MAX_TASKS_PER_ORDER, Task, TaskEvent, TaskState};

use crate::command::Actor;
use crate::id::{AlarmId, AssetId, Fault, OrderId, OrderProfileId};
use crate::rule::Priority;
use crate::text::Text;
use crate::time::{Timestamp, duration_text};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Most alarms one order lists; further ones are counted.
pub const MAX_ALARMS_PER_ORDER: usize = 64;
/// Most bytes of a note or a reason a person gives.
pub const MAX_NOTE_BYTES: usize = 4_000;

/// Which trade an order is dispatched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderRole {
    /// 工程/维修.
    Repair,
    /// 保洁.
    Cleaning,
    /// 秩序.
    Order,
}

impl OrderRole {
    /// The role as it is written in documents and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repair => "repair",
            Self::Cleaning => "cleaning",
            Self::Order => "order",
        }
    }
}

/// What evidence closes an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// How long every sensor must agree after the completion.
    #[serde(with = "duration_text")]
    pub hold: Duration,
    /// How long after the completion a sensor may still disagree before the order goes back to work.
    #[serde(with = "duration_text")]
    pub grace: Duration,
}

/// What a person must give for a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Completing needs a note.
    pub note_required: bool,
}

/// How orders of one kind are verified and closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderProfile {
    /// Its id.
    pub id: OrderProfileId,
    /// Its name.
    pub name: Text,
    /// What evidence closes the order.
    pub verify: Verify,
    /// Whether the order closes by itself when the sensor is normal before anybody has started.
    pub auto_close: bool,
    /// What people must give.
    pub guards: Guards,
}

/// Why a manager closes an order the sensor does not confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideReason {
    /// The sensor is faulty.
    SensorFaulty,
    /// The place is repaired but still drying.
    DryingResidue,
    /// The valve is isolated, parts are awaited.
    ValveIsolated,
    /// An agreed temporary state.
    AgreedTemporary,
    /// A test.
    Test,
}

impl OverrideReason {
    /// The reason as it is written in commands and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SensorFaulty => "sensor_faulty",
            Self::DryingResidue => "drying_residue",
            Self::ValveIsolated => "valve_isolated",
            Self::AgreedTemporary => "agreed_temporary",
            Self::Test => "test",
        }
    }
}

/// One order. It carries the profile it was opened with: a later edit of the profile changes later orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// Counts its changes, those of its tasks too; a command names the one it was decided on.
    pub version: u32,
    /// What it is about.
    pub asset: AssetId,
    /// What is wrong there.
    pub fault: Fault,
    /// Who it is dispatched to.
    pub role: OrderRole,
    /// How much it matters: the most of all its alarms.
    pub priority: Priority,
    /// How it is verified and closed.
    pub profile: Arc<OrderProfile>,
    /// What to do, from the rule that opened it.
    pub response: Text,
    /// Where it stands.
    pub state: OrderState,
    /// Its alarms, oldest first, at most [`MAX_ALARMS_PER_ORDER`].
    pub alarms: Vec<AlarmId>,
    /// Alarms beyond those listed.
    pub more_alarms: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last accepted.
    pub accepted_at: Option<Timestamp>,
    /// When work was last started.
    pub started_at: Option<Timestamp>,
    /// When it was last completed.
    pub completed_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who accepted it.
    pub assignee: Option<Actor>,
    /// Who completed it last.
    pub completer: Option<Actor>,
    /// What the last person wrote.
    pub note: Option<Arc<str>>,
    /// How often the sensor sent it back to work.
    pub reopened: u32,
    /// Whether its sensors are normal right now, before anybody has completed it.
    pub sensor_normal: bool,
    /// Name of whoever made the last transition.
    pub changed_by: Arc<str>,
    /// Its tasks, when it is about several assets; `asset` is that of the first.
    #[serde(default)]
    pub batch: Option<Batch>,
}

impl Order {
    /// Its tasks; none when it is no batch.
    pub fn tasks(&self) -> &[Task] {
        self.batch.as_ref().map_or(&[], |batch| &batch.tasks)
    }
    /// Every asset it is about. An asset has one open order of a fault, whichever way.
    pub fn assets(&self) -> impl Iterator<Item = &AssetId> {
        let tasks = self.tasks().iter().map(|task| &task.asset);
        std::iter::once(&self.asset)
            .filter(|_| self.batch.is_none())
            .chain(tasks)
    }
    /// Every alarm it knows of; one may come twice.
    pub fn all_alarms(&self) -> impl Iterator<Item = AlarmId> {
        let tasks = self.tasks().iter().map(|task| task.alarm);
        self.alarms.iter().copied().chain(tasks)
    }
    /// Whether evidence of its sensors is waited for.
    pub fn awaits_evidence(&self) -> bool {
        !self.state.is_terminal()
            && (self.batch.is_some() || matches!(self.state, OrderState::PendingVerification(_)))
    }
    /// Adds an alarm to those it lists, or counts it.
    pub fn list_alarm(&mut self, alarm: AlarmId) {
        if self.alarms.contains(&alarm) {
        } else if self.alarms.len() < MAX_ALARMS_PER_ORDER {
            self.alarms.push(alarm);
        } else {
            self.more_alarms = self.more_alarms.saturating_add(1);
        }
    }
    /// When to look at it again even if nothing happens.
    pub fn deadline(&self) -> Option<crate::time::Deadline> {
        if let Some(batch) = &self.batch {
            return batch.deadline().filter(|_| !self.state.is_terminal());
        }
        match self.state {
            OrderState::PendingVerification(verification) => verification.deadline(),
            _ => None,
        }
    }
}
