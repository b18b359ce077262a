//! Rules and order profiles as the estate file writes them; the other half of [`super::doc`].

use super::AssetKind;
use crate::id::{AssetId, Class, Fault, OrderProfileId, RuleId};
use crate::measure::Measure;
use crate::order::{Guards, OrderRole, Verify};
use crate::rule::Priority;
use crate::text::Text;
use crate::time::duration_text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDoc {
    /// Its id.
    pub id: RuleId,
    /// What people call its alarm; the response text stands in when not given.
    #[serde(default)]
    pub name: Option<Text>,
    /// With the asset the key of the alarm.
    pub class: Class,
    /// With the asset the key of the order.
    pub fault: Fault,
    /// Which measure it looks at.
    pub measure: Measure,
    /// Which assets it looks after.
    pub applies_to: AppliesToDoc,
    /// What is wrong.
    pub when: WhenDoc,
    /// How long it must be wrong before it is an alarm.
    #[serde(default, with = "duration_text")]
    pub on_delay: Duration,
    /// How long it must be right before it is normal again.
    #[serde(default, with = "duration_text")]
    pub off_delay: Duration,
    /// Whether the alarm stays until a verified order or a manager resets it.
    #[serde(default)]
    pub latch: bool,
    /// How much it matters.
    pub priority: Priority,
    /// Why it happens.
    #[serde(default)]
    pub cause: Option<Text>,
    /// What follows when nobody acts.
    #[serde(default)]
    pub consequence: Option<Text>,
    /// What to do. A rule without it is refused: what needs no response is an event, not an alarm.
    #[serde(default)]
    pub response: Text,
    /// The order it opens; none for a pure system notice.
    #[serde(default)]
    pub order: Option<OrderPlanDoc>,
}

/// Which assets a rule looks after: `{ kind }` or `{ assets }`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliesToDoc {
    /// Every asset of this kind.
    #[serde(default)]
    pub kind: Option<AssetKind>,
    /// These assets.
    #[serde(default)]
    pub assets: Option<Vec<AssetId>>,
}

/// What is wrong: `{ state }`, `{ above, clear }` or `{ below, clear }`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhenDoc {
    /// The state is this one.
    #[serde(default)]
    pub state: Option<bool>,
    /// The number is this or more.
    #[serde(default)]
    pub above: Option<f64>,
    /// The number is this or less.
    #[serde(default)]
    pub below: Option<f64>,
    /// The number at which it is right again; the set value itself when not given.
    #[serde(default)]
    pub clear: Option<f64>,
}

/// The order a rule opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderPlanDoc {
    /// Who it is dispatched to.
    pub role: OrderRole,
    /// How it is verified and closed.
    pub profile: OrderProfileId,
}

/// How orders of one kind are verified and closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderProfileDoc {
    /// Its id.
    pub id: OrderProfileId,
    /// Its name.
    pub name: Text,
    /// What evidence closes it.
    pub verify: Verify,
    /// Whether it closes by itself when the sensor is normal before anybody has started.
    #[serde(default)]
    pub auto_close: bool,
    /// What people must give.
    #[serde(default)]
    pub guards: Guards,
}
