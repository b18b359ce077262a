//! A rule: which reading is wrong, for how long it must be so, how much it matters and what to do about it.
//!
//! It judges one value at a time and remembers nothing; what has been going on for how long is the business of
//! [`Condition`](crate::alarm::Condition). A threshold has a deadband: between `set` and `clear` nothing changes.

use crate::estate::{AssetKind, OrderPlan};
use crate::id::{AssetId, Class, Fault, RuleId};
use crate::measure::Measure;
use crate::reading::Value;
use crate::text::Text;
use crate::time::duration_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
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

/// What makes a value wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// A state equal to this one.
    State(bool),
    /// A number of `set` or more, right again at `clear` or less.
    Above {
        /// Wrong from here up.
        set: f64,
        /// Right from here down.
        clear: f64,
    },
    /// A number of `set` or less, right again at `clear` or more.
    Below {
        /// Wrong from here down.
        set: f64,
        /// Right from here up.
        clear: f64,
    },
}

/// What a rule says about one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Wrong.
    Wrong,
    /// In the deadband: neither wrong nor right again.
    Between,
    /// Right.
    Right,
}

impl When {
    /// Judges a value; `None` when the value is of another type than the rule looks at.
    pub fn judge(self, value: &Value) -> Option<Verdict> {
        match self {
            Self::State(wrong) => {
                let state = value.as_state()?;
                Some(if state == wrong {
                    Verdict::Wrong
                } else {
                    Verdict::Right
                })
            }
            Self::Above { set, clear } => {
                let number = value.as_number().filter(|n| n.is_finite())?;
                Some(judge_number(number >= set, number <= clear))
            }
            Self::Below { set, clear } => {
                let number = value.as_number().filter(|n| n.is_finite())?;
                Some(judge_number(number <= set, number >= clear))
            }
        }
    }
}

fn judge_number(wrong: bool, right: bool) -> Verdict {
    match (wrong, right) {
        (true, _) => Verdict::Wrong,
        (false, true) => Verdict::Right,
        (false, false) => Verdict::Between,
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
    /// Whether the alarm latches.
    pub latch: bool,
    /// How much it matters.
    pub priority: Priority,
    /// Why it happens.
    pub cause: Option<Text>,
    /// What follows when nobody acts.
    pub consequence: Option<Text>,
    /// What to do.
    pub response: Text,
    /// The order it opens.
    pub order: Option<OrderPlan>,
}

impl Rule {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_has_a_deadband_in_both_directions() {
        let above = When::Above {
            set: 90.0,
            clear: 70.0,
        };
        let judge = |when: When, n| when.judge(&Value::Number(n));
        assert_eq!(judge(above, 90.0), Some(Verdict::Wrong));
        assert_eq!(judge(above, 89.9), Some(Verdict::Between));
        assert_eq!(judge(above, 70.0), Some(Verdict::Right));
        let below = When::Below { set: 5.0, clear: 8.0 };
        assert_eq!(judge(below, 5.0), Some(Verdict::Wrong));
        assert_eq!(judge(below, 6.0), Some(Verdict::Between));
        assert_eq!(judge(below, 8.0), Some(Verdict::Right));
    }

    #[test]
    fn without_a_deadband_every_value_is_wrong_or_right() {
        let when = When::Above { set: 1.0, clear: 1.0 };
        assert_eq!(when.judge(&Value::Number(1.0)), Some(Verdict::Wrong));
        assert_eq!(when.judge(&Value::Number(0.99)), Some(Verdict::Right));
    }

    #[test]
    fn a_value_of_another_type_is_not_judged() {
        assert_eq!(When::State(true).judge(&Value::Number(1.0)), None);
        let above = When::Above { set: 1.0, clear: 0.0 };
        assert_eq!(above.judge(&Value::State(true)), None);
        assert_eq!(above.judge(&Value::Number(f64::NAN)), None);
    }
}
