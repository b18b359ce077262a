//! Rules as the API shows them, and what a proposed one would do.
//!
//! The document of a rule is the exchange format of the estate file, in JSON; it has its type in the core, where its
//! format is documented.

use super::{Priority, Text};
use crate::ops::backtest::Outcome;
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something about a rule that is allowed and probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleAdvice {
    /// `overlaps`, `never_fires`, `always_fires` or `idle_override`.
    pub code: String,
    /// Where in the rule.
    pub pointer: String,
    /// What it is.
    pub text: Text,
    /// What to do.
    pub hint: Option<Text>,
}

/// One rule 规则.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Counts its edits: the `ETag`, and the `If-Match` of the next one. Alarms name it.
    pub version: u32,
    /// Whether it came with the program; a rule of the estate with its id or class takes its place.
    pub shipped: bool,
    /// What people call its alarm; the response text when it has no name.
    pub name: Text,
    /// With the asset the key of the alarm.
    pub class: String,
    /// With the asset the key of the order.
    pub fault: String,
    /// What it looks at.
    pub measure: String,
    /// How much it matters.
    pub priority: Priority,
    /// How many assets it looks after; a shipped one leaves those of the estate's own rules alone.
    pub assets: u32,
    /// How many points it looks at now.
    pub instances: u32,
    /// The rule as the estate file writes it.
    #[schema(value_type = Object)]
    pub document: serde_json::Value,
    /// What may not be meant.
    pub advice: Vec<RuleAdvice>,
}

/// A rule as it was in one version of the estate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RuleEdit {
    /// The version of the estate that brought it.
    pub estate_version: u32,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub author: String,
    /// What happened: `added`, `changed` or `removed`.
    pub change: super::estate::ChangeKind,
    /// The rule from then on; null when it was removed.
    #[schema(value_type = Option<Object>)]
    pub document: Option<serde_json::Value>,
}

/// A rule to be looked at, not kept.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleCheck {
    /// The rule; one of the estate with the same id is thought to be replaced.
    #[schema(value_type = Object)]
    pub rule: serde_json::Value,
    /// Back-test the estate with it over so many of the last days; not at all when not given.
    #[schema(minimum = 1, maximum = 31)]
    pub days: Option<u32>,
}

/// What a rule would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleChecked {
    /// What is wrong with it; with one of them it would be refused.
    pub problems: Vec<super::estate::DocumentProblem>,
    /// What may not be meant.
    pub advice: Vec<RuleAdvice>,
    /// The rule of the estate or the shipped rule whose place it would take, by id.
    pub replaces: Vec<String>,
    /// Which of its fields would differ from the rule with its id.
    pub changes: Vec<String>,
    /// Assets it would look after, at most 100.
    pub assets: Vec<String>,
    /// How many there are.
    pub assets_total: u32,
    /// What the estate with it would have done in the last days, beside what really happened.
    #[schema(value_type = Option<Object>)]
    pub backtest: Option<Outcome>,
}
