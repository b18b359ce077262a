//! The order as the API shows it, and the words of its verbs.

use super::{Priority, Text};
use crate::http::view::Names;
use linli_domain::order::table::Closing;
use linli_domain::order::{Order as DomainOrder, OrderRole as DomainRole, OrderState, OverrideReason, Task};
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which trade an order is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trade {
    /// 维修.
    Repair,
    /// 保洁.
    Cleaning,
    /// 秩序.
    Order,
}

impl From<DomainRole> for Trade {
    fn from(role: DomainRole) -> Self {
        match role {
            DomainRole::Repair => Self::Repair,
            DomainRole::Cleaning => Self::Cleaning,
            DomainRole::Order => Self::Order,
        }
    }
}

/// Why a manager closes an order the sensor does not confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideWhy {
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

impl From<OverrideWhy> for OverrideReason {
    fn from(why: OverrideWhy) -> Self {
        match why {
            OverrideWhy::SensorFaulty => Self::SensorFaulty,
            OverrideWhy::DryingResidue => Self::DryingResidue,
            OverrideWhy::ValveIsolated => Self::ValveIsolated,
            OverrideWhy::AgreedTemporary => Self::AgreedTemporary,
            OverrideWhy::Test => Self::Test,
        }
    }
}

/// One line of a batch order 任务: one of its assets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderTask {
    /// The asset.
    pub asset: String,
    /// Name of the asset.
    pub asset_name: Text,
    /// Where it is, from the estate down.
    pub place: Text,
    /// The alarm that brought it, or brought it back last.
    pub alarm: String,
    /// `open`; `ended` by its sensors; `left` when the order was over before that.
    pub state: String,
    /// Since when it belongs to the order.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// How often its sensors opened it again.
    pub reopened: u32,
}

impl OrderTask {
    fn new(task: &Task, names: &Names) -> Self {
        let (asset_name, place) = names.asset(&task.asset);
        Self {
            asset: task.asset.to_string(),
            asset_name,
            place,
            alarm: task.alarm.to_string(),
            state: task.state.name().to_owned(),
            since: task.since,
            ended: task.ended,
            reopened: task.reopened,
        }
    }
}

/// One order 工单: one job for one fault, on one asset or, as a batch, on several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// Its number, such as `WO-42`.
    pub id: String,
    /// Counts its changes: the `ETag`, and the `If-Match` of the next change.
    pub version: u32,
    /// The asset it is about; of a batch the first.
    pub asset: String,
    /// Name of the asset.
    pub asset_name: Text,
    /// Where the asset is, from the estate down.
    pub place: Text,
    /// What is wrong there.
    pub fault: String,
    /// Whose job it is.
    pub role: Trade,
    /// How much it matters: the most of all its alarms.
    pub priority: Priority,
    /// Id of the profile that says how it is verified.
    pub profile: String,
    /// Name of that profile: the task.
    pub task: Text,
    /// What to do.
    pub response: Text,
    /// `new`, `dispatched`, `accepted`, `in_progress`, `pending_verification`, `closed`, `cancelled`.
    pub state: String,
    /// Why it is closed: `verified`, `overridden`, `self_cleared`.
    pub closing: Option<String>,
    /// The manager's reason when it was overridden.
    pub override_reason: Option<String>,
    /// Whether something may still happen to it.
    pub open: bool,
    /// Its alarms, oldest first.
    pub alarms: Vec<String>,
    /// Alarms beyond those listed.
    pub more_alarms: u32,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it was last accepted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub accepted_at: Option<Timestamp>,
    /// When work was last started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it was last completed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Who accepted it.
    pub assignee: Option<String>,
    /// Who completed it last.
    pub completer: Option<String>,
    /// What the last person wrote.
    pub note: Option<String>,
    /// How often the sensors sent it back to work.
    pub reopened: u32,
    /// Whether its sensors are normal before anybody has completed it.
    pub sensor_normal: bool,
    /// Who changed it last.
    pub changed_by: String,
    /// One for each asset of a batch, in the order in which they came; empty for an order about one asset.
    #[serde(default)]
    pub tasks: Vec<OrderTask>,
}

impl Order {
    /// The order with its names.
    pub fn new(order: &DomainOrder, names: &Names) -> Self {
        let (asset_name, place) = names.asset(&order.asset);
        let closing = match order.state {
            OrderState::Closed(closing) => Some(closing),
            _ => None,
        };
        let reason = match closing {
            Some(Closing::Overridden(reason)) => Some(reason.as_str().to_owned()),
            _ => None,
        };
        Self {
            id: order.id.to_string(),
            version: order.version,
            asset: order.asset.to_string(),
            asset_name,
            place,
            fault: order.fault.to_string(),
            role: order.role.into(),
            priority: order.priority.into(),
            profile: order.profile.id.to_string(),
            task: Text::from(&order.profile.name),
            response: Text::from(&order.response),
            state: order.state.name().to_owned(),
            closing: closing.map(|closing| closing.name().to_owned()),
            override_reason: reason,
            open: !order.state.is_terminal(),
            alarms: order.alarms.iter().map(ToString::to_string).collect(),
            more_alarms: order.more_alarms,
            opened_at: order.opened_at,
            accepted_at: order.accepted_at,
            started_at: order.started_at,
            completed_at: order.completed_at,
            ended_at: order.ended_at,
            assignee: order.assignee.as_ref().map(|actor| actor.name.to_string()),
            completer: order.completer.as_ref().map(|actor| actor.name.to_string()),
            note: order.note.as_deref().map(str::to_owned),
            reopened: order.reopened,
            sensor_normal: order.sensor_normal,
            changed_by: order.changed_by.to_string(),
            tasks: order
                .tasks()
                .iter()
                .map(|task| OrderTask::new(task, names))
                .collect(),
        }
    }
    /// How many of its tasks have ended, and how many there are; none when it is no batch.
    pub fn progress(&self) -> Option<String> {
        let ended = self.tasks.iter().filter(|task| task.state == "ended").count();
        (!self.tasks.is_empty()).then(|| format!("{ended}/{}", self.tasks.len()))
    }
}

/// A verb without words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

/// "It is done."
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// What was done; some kinds of order need it.
    #[serde(default)]
    pub note: Option<String>,
}

/// A manager closes it without the sensors' agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Why.
    pub reason: OverrideWhy,
    /// More about why.
    pub note: String,
}

/// A manager ends it without work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Why.
    pub reason: String,
}
