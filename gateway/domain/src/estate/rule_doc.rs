//! Rules and order profiles as the estate file writes them; the other half of [`super::doc`].

use super::AssetKind;
use crate::id::{AssetId, Class, Fault, OrderProfileId, RuleId};
use crate::measure::Measure;
use crate::order::{Guards, OrderRole, Verify};
use crate::rule::{Inhibits, Priority, Vote, Weekday};
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
    /// How many of its points on one asset must be wrong: `"any"` when not given, `"all"`, or `{ at_least = 2 }`.
    #[serde(default)]
    pub vote: Vote,
    /// The hours in which it watches; always when not given.
    #[serde(default)]
    pub during: Option<DuringDoc>,
    /// Whether the alarm stays until a verified order or a manager resets it.
    #[serde(default)]
    pub latch: bool,
    /// How long an acknowledged alarm may go on before people are asked again; for ever when not given.
    #[serde(default, with = "duration_text::option")]
    pub re_alarm: Option<Duration>,
    /// How much it matters.
    pub priority: Priority,
    /// Whether lives depend on it: no cause, storm or flapping keeps its alarm from people, only a manager does.
    #[serde(default)]
    pub life_safety: bool,
    /// What its alarm is the cause of: `"silence"` of the devices behind it, or the same on its `"branches"`.
    #[serde(default)]
    pub inhibits: Option<Inhibits>,
    /// What is different on some assets.
    #[serde(default)]
    pub overrides: Vec<OverrideDoc>,
    /// Why it happens. A rule without it is refused, as is one without the next.
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

/// The hours in which a rule watches, in the estate's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuringDoc {
    /// Days of the week; all when not given. A span over midnight belongs to the day on which it begins.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// The time of day it begins, `"22:00"`.
    #[serde(default)]
    pub from: Option<String>,
    /// The time of day it ends, `"06:00"`.
    #[serde(default)]
    pub to: Option<String>,
}

/// What is different on one asset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideDoc {
    /// The asset.
    pub asset: AssetId,
    /// The rule does not look there at all.
    #[serde(default)]
    pub off: bool,
    /// Another condition.
    #[serde(default)]
    pub when: Option<WhenDoc>,
    /// Another delay before it is an alarm.
    #[serde(default, with = "duration_text::option")]
    pub on_delay: Option<Duration>,
    /// Another delay before it is normal again.
    #[serde(default, with = "duration_text::option")]
    pub off_delay: Option<Duration>,
    /// Another priority.
    #[serde(default)]
    pub priority: Option<Priority>,
}

/// What is wrong, one of
/// `{ state }`, `{ above, clear }`, `{ below, clear }`, `{ rises, within, clear }`, `{ falls, within, clear }`,
/// `{ reaches, ahead, within }`, `{ silent = true }`, `{ stuck, band }`, `{ state, times, within }` and
/// `{ state, total, within }`.
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
    /// The number rises by this much or more within a time.
    #[serde(default)]
    pub rises: Option<f64>,
    /// The number falls by this much or more within a time.
    #[serde(default)]
    pub falls: Option<f64>,
    /// The recent slope leads up to this level.
    #[serde(default)]
    pub reaches: Option<f64>,
    /// How long ahead.
    #[serde(default, with = "duration_text::option")]
    pub ahead: Option<Duration>,
    /// The time that is looked at.
    #[serde(default, with = "duration_text::option")]
    pub within: Option<Duration>,
    /// Nothing usable is heard for longer than the device may be silent.
    #[serde(default)]
    pub silent: Option<bool>,
    /// The number does not move for this long although it is reported.
    #[serde(default, with = "duration_text::option")]
    pub stuck: Option<Duration>,
    /// How far a number that is stuck may move; not at all when not given.
    #[serde(default)]
    pub band: Option<f64>,
    /// The state is entered this often within a time.
    #[serde(default)]
    pub times: Option<u16>,
    /// The state takes this long out of a time.
    #[serde(default, with = "duration_text::option")]
    pub total: Option<Duration>,
}

/// The order a rule opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderPlanDoc {
    /// Who it is dispatched to.
    pub role: OrderRole,
    /// How it is verified and closed.
    pub profile: OrderProfileId,
    /// Whether alarms of the rule's class share an order, with a task for each asset.
    #[serde(default)]
    pub batch: bool,
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
