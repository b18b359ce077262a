//! A rule: which reading is wrong, for how long it must be so, how much it matters and what to do about it.
//!
//! What is wrong is said by [`When`]; kinds that look at more than one value keep what they need in a [`Trace`], which
//! belongs to the engine. For how long something has been wrong is the business of
//! [`Condition`](crate::alarm::Condition), what a rule watches on one asset with other numbers that of [`Override`].

mod during;
mod trace;
mod when;

pub use during::{During, Weekday};
pub use trace::{MAX_SAMPLES, Trace};
pub use when::{Verdict, When};

use crate::estate::{AssetKind, OrderPlan};
use crate::id::{AssetId, Class, Fault, RuleId};
use crate::measure::Measure;
use crate::text::Text;
use crate::time::duration_text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How much an alarm or an order matters; P1 matters most and sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Priority {
    /// Act at once.
    P1,
    /// Act within the hour.
    P2,
    /// Act today.
    P3,
    /// Act when passing by.
    P4,
}

impl Priority {
    /// Every priority, the most urgent first.
    pub const ALL: [Self; 4] = [Self::P1, Self::P2, Self::P3, Self::P4];
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        })
    }
}

/// Which assets a rule looks after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AppliesTo {
    /// Every asset of one kind.
    Kind(AssetKind),
    /// Named assets.
    Assets(BTreeSet<AssetId>),
}

impl AppliesTo {
    /// Whether the asset is looked after.
    pub fn covers(&self, asset: &AssetId, kind: AssetKind) -> bool {
        match self {
            Self::Kind(k) => *k == kind,
            Self::Assets(assets) => assets.contains(asset),
        }
    }
}

/// A checked rule, every reference resolved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Counts the edits of the rule's content; stamped on every alarm it raises.
    pub version: u32,
    /// What people call its alarm.
    pub name: Option<Text>,
    /// With the asset the key of the alarm.
    pub class: Class,
    /// With the asset the key of the order.
    pub fault: Fault,
    /// Whether it came with the program; a rule of the estate with its class goes before it.
    pub shipped: bool,
    /// Which measure it looks at.
    pub measure: Measure,
    /// Which assets it looks after.
    pub applies_to: AppliesTo,
    /// What is wrong.
    pub when: When,
    /// How long it must be wrong before it is an alarm.
    #[serde(with = "duration_text")]
    pub on_delay: Duration,
    /// How long it must be right before it is normal again.
    #[serde(with = "duration_text")]
    pub off_delay: Duration,
    /// How many of its points on one asset must agree.
    pub vote: Vote,
    /// The hours in which it watches; always when not given.
    pub during: Option<During>,
    /// Whether the alarm latches.
    pub latch: bool,
    /// How long an acknowledged alarm may go on before people are asked again.
    #[serde(with = "duration_text::option")]
    pub re_alarm: Option<Duration>,
    /// How much it matters.
    pub priority: Priority,
    /// Whether lives depend on it: nothing but a manager keeps its alarm from people.
    pub life_safety: bool,
    /// What its alarm is the cause of.
    pub inhibits: Option<Inhibits>,
    /// Assets on which it looks with other numbers.
    pub overrides: BTreeMap<AssetId, Override>,
    /// Why it happens.
    pub cause: Option<Text>,
    /// What follows when nobody acts.
    pub consequence: Option<Text>,
    /// What to do.
    pub response: Text,
    /// The order it opens.
    pub order: Option<OrderPlan>,
}

/// How many of a rule's points on one asset must be wrong before the alarm is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// One is enough.
    #[default]
    Any,
    /// Every one.
    All,
    /// At least so many.
    AtLeast(u16),
}

impl Vote {
    /// How many of `points` must agree; at least one.
    pub fn of(self, points: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::All => points.max(1),
            Self::AtLeast(least) => usize::from(least).max(1),
        }
    }
}

/// Which other alarms an alarm is the cause of, so that people hear of it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inhibits {
    /// The silence of the devices behind it: those of the bus or connection its point is about, and those fed by its asset.
    Silence,
    /// Alarms of its class on the branches of its asset that began within ten minutes of it.
    Branches,
}

/// What is different on one asset.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Override {
    /// The rule does not look there at all.
    pub off: bool,
    /// Another condition of the same kind.
    pub when: Option<When>,
    /// Another delay before it is an alarm.
    #[serde(with = "duration_text::option")]
    pub on_delay: Option<Duration>,
    /// Another delay before it is normal again.
    #[serde(with = "duration_text::option")]
    pub off_delay: Option<Duration>,
    /// Another priority.
    pub priority: Option<Priority>,
}

impl Rule {
    /// The rule as it looks at one asset; `None` when it does not.
    pub fn on(self: &Arc<Self>, asset: &AssetId, kind: AssetKind) -> Option<Arc<Self>> {
        if !self.applies_to.covers(asset, kind) {
            return None;
        }
        let Some(other) = self.overrides.get(asset) else {
            return Some(self.clone());
        };
        (!other.off).then(|| {
            Arc::new(Self {
                when: other.when.unwrap_or(self.when),
                on_delay: other.on_delay.unwrap_or(self.on_delay),
                off_delay: other.off_delay.unwrap_or(self.off_delay),
                priority: other.priority.unwrap_or(self.priority),
                ..self.as_ref().clone()
            })
        })
    }
    /// Whether its alarms are never silent for good, however often they come and go: what lives depend on, and water.
    pub fn is_guarded(&self) -> bool {
        self.life_safety || self.measure.name().starts_with("leak.")
    }
    /// Whether both rules say the same, whatever their version numbers.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let version = self.version;
        *self
            == Self {
                version,
                ..other.clone()
            }
    }
}
