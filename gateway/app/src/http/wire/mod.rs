//! What goes over the wire: types of their own, so that the API does not change when the core does.
//!
//! Each file holds the types of one resource and the one function that makes them out of the core's types.
//! Every answer a person reads carries its names (asset, place) beside the ids. Nothing here decides anything.

pub mod alarm;
pub mod annunciation;
pub mod bus;
pub mod device;
pub mod decision;
pub mod estate;
pub mod heard;
pub mod onboarding;
pub mod order;
pub mod outbox;
pub mod forwarder;
pub mod point;
pub mod series;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod states_tests;
pub mod profile;
pub mod raw;
pub mod reject;
pub mod rule;
pub mod token;
pub mod update;

use linli_domain::engine::Beside as DomainBeside;
use linli_domain::rule::Priority as DomainPriority;
use linli_domain::text::Text as DomainText;
use linli_domain::time::Timestamp;
use linli_ledger::TransitionRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One text in both languages of the product.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Text {
    /// 简体中文.
    pub zh: String,
    /// English.
    pub en: String,
}

impl From<&DomainText> for Text {
    fn from(text: &DomainText) -> Self {
        Self {
            zh: text.zh.clone(),
            en: text.en.clone(),
        }
    }
}

/// How much something matters; P1 matters most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Priority {
    /// 特急: act at once.
    P1,
    /// 紧急: act within the hour.
    P2,
    /// 一般: act today.
    P3,
    /// 低: act when passing by.
    P4,
}

impl From<DomainPriority> for Priority {
    fn from(priority: DomainPriority) -> Self {
        match priority {
            DomainPriority::P1 => Self::P1,
            DomainPriority::P2 => Self::P2,
            DomainPriority::P3 => Self::P3,
            DomainPriority::P4 => Self::P4,
        }
    }
}

/// One step in the life of an alarm or an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The state before; empty when it began.
    pub from: String,
    /// The state after.
    pub to: String,
    /// What happened.
    pub event: String,
    /// Who did it: a person's name, or the gateway.
    pub actor: String,
    /// What stands beside it.
    pub beside: Beside,
}

/// What stands beside a step; what its kind does not have is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Beside {
    /// What a person gave as the reason, in their words: of a shelving, a cause they named, what they took out of service, an
    /// order they completed, overrode or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// From when it would have been in alarm, where late readings say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Until when: the end of that, or of a shelving.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// The alarm that explains this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How far people have been asked again, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// The assets of a batch order that the step is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<String>,
}

impl From<DomainBeside> for Beside {
    fn from(beside: DomainBeside) -> Self {
        Self {
            reason: beside.reason.map(|reason| reason.as_ref().to_owned()),
            from: beside.from,
            until: beside.until,
            cause: beside.cause.map(|cause| cause.to_string()),
            level: beside.level,
            assets: beside.assets.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<TransitionRow> for Transition {
    fn from(row: TransitionRow) -> Self {
        Self {
            at: row.at,
            from: row.from,
            to: row.to,
            event: row.event,
            actor: row.actor,
            // What cannot be read says nothing; the step itself is told.
            beside: serde_json::from_str::<DomainBeside>(&row.beside)
                .unwrap_or_default()
                .into(),
        }
    }
}

/// A change that was made and is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// What was changed.
    pub id: String,
    /// Its version after the change, the next `If-Match`.
    pub version: u32,
}
