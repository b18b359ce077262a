//! The alarm as the API shows it.

use super::point::Value;
use super::{Priority, Text};
use crate::http::view::Names;
use crate::messages;
use linli_domain::alarm::{
    Ack as DomainAck, Alarm as DomainAlarm, Annunciation as DomainAnnunciation, Condition as DomainCondition,
    Latch,
};
use linli_domain::text::Language;
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the sensors say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// All is well.
    Normal,
    /// Wrong, not yet for long enough.
    Pending,
    /// At least one sensor is lost.
    Unknown,
    /// Right again, not yet for long enough.
    Clearing,
    /// Wrong.
    Active,
}

impl From<DomainCondition> for Condition {
    fn from(condition: DomainCondition) -> Self {
        match condition {
            DomainCondition::Normal => Self::Normal,
            DomainCondition::Pending => Self::Pending,
            DomainCondition::Unknown => Self::Unknown,
            DomainCondition::Clearing => Self::Clearing,
            DomainCondition::Active => Self::Active,
        }
    }
}

/// Whether a person has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledgement {
    /// There is nothing to see.
    None,
    /// Nobody has seen it.
    Unack,
    /// Somebody has.
    Ack,
}

impl From<DomainAck> for Acknowledgement {
    fn from(ack: DomainAck) -> Self {
        match ack {
            DomainAck::None => Self::None,
            DomainAck::Unack => Self::Unack,
            DomainAck::Ack => Self::Ack,
        }
    }
}

/// Whether people hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Annunciation {
    /// They do.
    On,
    /// A person has muted it for a time.
    Shelved,
    /// They hear of its cause instead.
    Suppressed,
    /// Its asset or its sensors are under repair.
    OutOfService,
}

impl From<DomainAnnunciation> for Annunciation {
    fn from(annunciation: DomainAnnunciation) -> Self {
        match annunciation {
            DomainAnnunciation::On => Self::On,
            DomainAnnunciation::Shelved => Self::Shelved,
            DomainAnnunciation::Suppressed => Self::Suppressed,
            DomainAnnunciation::OutOfService => Self::OutOfService,
        }
    }
}

/// Who muted an alarm, until when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shelving {
    /// When it ends by itself.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// Whether a P1 alarm opens no order either.
    pub no_order: bool,
}

/// One reading that raised an alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The point.
    pub point: String,
    /// When the sensor saw it.
    #[schema(value_type = String, format = DateTime)]
    pub observed: Timestamp,
    /// What it saw, in the unit of the point.
    pub value: Value,
}

/// One alarm: one life of a condition on one asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    /// Its number, such as `AL-7`.
    pub id: String,
    /// Counts its changes: the `ETag`, and the `If-Match` of the next change.
    pub version: u32,
    /// The asset it is about.
    pub asset: String,
    /// Name of the asset.
    pub asset_name: Text,
    /// Where the asset is, from the estate down.
    pub place: Text,
    /// With the asset its key while it lives.
    pub class: String,
    /// With the asset the key of its order.
    pub fault: String,
    /// The rule that raised it.
    pub rule: String,
    /// Version of that rule.
    pub rule_version: u32,
    /// What people call it; the response text when the rule has no name.
    pub name: Text,
    /// What to do.
    pub response: Text,
    /// How much it matters.
    pub priority: Priority,
    /// The combination in one word: `active_unack`, `active_ack`, `rtn_unack`, `latched`, `shelved`, `suppressed`,
    /// `out_of_service`, `unknown`, `normal`, `late`.
    pub state: String,
    /// That word as people read it.
    pub state_name: Text,
    /// What the sensors say.
    pub condition: Condition,
    /// Whether a person has seen it.
    pub ack: Acknowledgement,
    /// Whether it is kept until somebody resets it.
    pub latched: bool,
    /// Whether people hear of it.
    pub annunciation: Annunciation,
    /// Who has muted it, while it is shelved.
    pub shelving: Option<Shelving>,
    /// The alarm that is its cause, while it is suppressed.
    pub suppressed_by: Option<String>,
    /// Whether it is known from late readings alone: it was over before anybody knew, and nobody was told.
    pub late: bool,
    /// Whether its sensor comes and goes too often to be told each time.
    pub flapping: bool,
    /// How often people were asked again because it went on.
    pub level: u8,
    /// Whether lives depend on it: nothing but a manager keeps it from people.
    pub life_safety: bool,
    /// Whether its life goes on.
    pub live: bool,
    /// When it was raised first.
    #[schema(value_type = String, format = DateTime)]
    pub raised_at: Timestamp,
    /// When it was raised last.
    #[schema(value_type = String, format = DateTime)]
    pub last_raised_at: Timestamp,
    /// When its condition last became normal.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub cleared_at: Option<Timestamp>,
    /// When it was acknowledged.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// How often its condition became wrong.
    pub count: u32,
    /// The value that raised it last, in the unit of its point.
    pub value: Option<Value>,
    /// The point that raised it last.
    pub point: String,
    /// The readings that raised it last, oldest first, at most eight.
    pub evidence: Vec<Evidence>,
    /// Why it happens, in the rule's words.
    pub cause: Option<Text>,
    /// What follows when nobody acts, in the rule's words.
    pub consequence: Option<Text>,
    /// Its order.
    pub order: Option<String>,
    /// Who changed it last.
    pub changed_by: String,
}

impl Alarm {
    /// The alarm with its names.
    pub fn new(alarm: &DomainAlarm, names: &Names) -> Self {
        let (asset_name, place) = names.asset(&alarm.asset);
        Self {
            id: alarm.id.to_string(),
            version: alarm.version,
            asset: alarm.asset.to_string(),
            asset_name,
            place,
            class: alarm.class.to_string(),
            fault: alarm.fault.to_string(),
            rule: alarm.rule.to_string(),
            rule_version: alarm.rule_version,
            name: Text::from(alarm.name.as_ref().unwrap_or(&alarm.response)),
            response: Text::from(&alarm.response),
            priority: alarm.priority.into(),
            state: alarm.display_code().to_owned(),
            state_name: {
                let word =
                    |language| messages::word(language, "alarm_state", alarm.display_code()).to_owned();
                Text {
                    zh: word(Language::Zh),
                    en: word(Language::En),
                }
            },
            condition: alarm.state.condition.into(),
            ack: alarm.state.ack.into(),
            latched: alarm.state.latch == Latch::Held,
            annunciation: alarm.state.annunciation.into(),
            shelving: alarm.shelving.as_ref().map(|shelving| Shelving {
                until: shelving.ends_at,
                reason: shelving.reason.to_string(),
                by: shelving.by.name.to_string(),
                no_order: shelving.no_order,
            }),
            suppressed_by: alarm.suppression.map(|s| s.source.to_string()),
            late: alarm.late,
            flapping: alarm.flapping,
            level: alarm.level,
            life_safety: alarm.life_safety,
            live: alarm.ended_at.is_none(),
            raised_at: alarm.raised_at,
            last_raised_at: alarm.last_raised_at,
            cleared_at: alarm.cleared_at,
            acknowledged_at: alarm.acknowledged_at,
            acknowledged_by: alarm.acknowledged_by.as_ref().map(|actor| actor.name.to_string()),
            ended_at: alarm.ended_at,
            count: alarm.count,
            value: alarm.value.as_ref().map(Value::from),
            point: names.point(alarm.point),
            evidence: alarm
                .evidence
                .iter()
                .map(|sample| Evidence {
                    point: names.point(sample.point),
                    observed: sample.observed,
                    value: Value::from(&sample.value),
                })
                .collect(),
            cause: alarm.cause.as_ref().map(Text::from),
            consequence: alarm.consequence.as_ref().map(Text::from),
            order: alarm.order.map(|order| order.to_string()),
            changed_by: alarm.changed_by.to_string(),
        }
    }
}
