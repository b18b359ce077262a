//! What stands beside a step of an alarm or an order, apart from its states: each thing a field of its own, so that nobody
//! has to take words apart.

use super::change::{AlarmEvent, Changes};
use crate::alarm::Alarm;
use crate::id::{AlarmId, AssetId};
use crate::order::{Order, OrderEvent};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What stands beside a step; only what its kind has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beside {
    /// What a person gave as the reason, in their words: of a shelving, a cause they named, what they took out of service,
    /// an order they completed, overrode or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// From when it would have been in alarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when: the end of that, or of a shelving.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The alarm that explains this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<AlarmId>,
    /// How far people have been asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// The assets of a batch that the step is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetId>,
}

impl Beside {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What an alarm says of itself after a step.
    pub(super) fn of_alarm(event: AlarmEvent, alarm: &Alarm) -> Self {
        let mut beside = Self {
            cause: alarm.suppression.map(|suppression| suppression.source),
            ..Self::default()
        };
        match (event, &alarm.shelving) {
            (AlarmEvent::Shelved, Some(shelving)) => {
                beside.reason = Some(shelving.reason.clone());
                beside.until = Some(shelving.ends_at);
            }
            (AlarmEvent::Late, _) => {
                beside.from = Some(alarm.raised_at);
                beside.until = alarm.ended_at;
            }
            (AlarmEvent::ReAlarmed, _) => beside.level = Some(alarm.level),
            _ => {}
        }
        beside
    }

    /// What an order says of itself after a step, and of the task it happened to.
    pub(super) fn of_order(event: OrderEvent, task: Option<&AssetId>, order: &Order) -> Self {
        let assets = match (task, event) {
            (Some(asset), _) => vec![asset.clone()],
            (None, OrderEvent::Open) => order.tasks().iter().map(|task| task.asset.clone()).collect(),
            (None, _) => Vec::new(),
        };
        let said = matches!(
            event,
            OrderEvent::Complete(_) | OrderEvent::Override(_) | OrderEvent::Cancel
        );
        Self {
            reason: order.note.clone().filter(|_| said),
            assets,
            ..Self::default()
        }
    }
}

impl Changes {
    /// The last step of an alarm has a reason that the alarm itself does not keep.
    pub(super) fn because(&mut self, reason: &str) {
        if let Some(last) = self.alarms.last_mut() {
            last.beside.reason = Some(reason.into());
        }
    }
}
