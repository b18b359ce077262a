//! What the engine remembers: everything that decides what it does next, and nothing that can be derived.

use super::PointDef;
use crate::alarm::{Alarm, Watch};
use crate::estate::Estate;
use crate::id::{AlarmId, OrderId, RuleId};
use crate::order::Order;
use crate::reading::Reading;
use crate::time::{Deadline, Monotonic, Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known about a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PointState {
    /// The last reading that was evaluated.
    pub(super) latest: Option<Reading>,
    /// Its place in time: a reading before it is late.
    pub(super) evaluated: Timestamp,
    /// When the point counts as silent; the end of time when it already does.
    pub(super) silent_at: Deadline,
}

/// The end of time: a deadline that is never due.
pub(super) const NEVER: Deadline = Deadline {
    at: Monotonic(u64::MAX),
};

/// The small numbers, saved whole at the start of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) next_alarm: u64,
    pub(super) next_order: u64,
    /// The time of the last step.
    pub(super) clock: Option<Now>,
    /// When to look for silent points; none of them is silent before.
    pub(super) watchdog: Deadline,
}

/// Everything that decides what the engine does next.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) estate: Arc<Estate>,
    /// The highest version every rule has had, rules that are gone included.
    pub(super) rule_versions: BTreeMap<RuleId, u32>,
    pub(super) defs: Vec<Arc<PointDef>>,
    pub(super) points: Vec<PointState>,
    pub(super) watches: Vec<Watch>,
    pub(super) alarms: BTreeMap<AlarmId, Arc<Alarm>>,
    pub(super) orders: BTreeMap<OrderId, Arc<Order>>,
    pub(super) counters: Counters,
}
