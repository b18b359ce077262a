//! What makes values wrong, and what a rule says about them.
//!
//! A threshold has a deadband: between `set` and `clear` nothing changes. Kinds that look at more than one value need a
//! [`Trace`](super::Trace); how long something must be wrong is not said here but by the delays of the rule.

use crate::reading::Value;
use crate::time::duration_text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    /// A number that rose by `by` or more within a time, right again when it rose by `clear` or less.
    Rises {
        /// By how much, above zero.
        by: f64,
        /// Right again from here down.
        clear: f64,
        /// Within this time.
        #[serde(with = "duration_text")]
        within: Duration,
    },
    /// A number that fell by `by` or more within a time, right again when it fell by `clear` or less.
    Falls {
        /// By how much, above zero.
        by: f64,
        /// Right again from here down.
        clear: f64,
        /// Within this time.
        #[serde(with = "duration_text")]
        within: Duration,
    },
    /// A number whose recent slope leads up to `level` in `ahead` or less. Only a slope that explains at least four
    /// fifths of the scatter is believed.
    Reaches {
        /// The level.
        level: f64,
        /// How long before.
        #[serde(with = "duration_text")]
        ahead: Duration,
        /// The readings of this time make the slope.
        #[serde(with = "duration_text")]
        within: Duration,
    },
    /// Nothing usable is heard for longer than the device may be silent.
    Silent,
    /// A number that stays within `band` of one value for `after`, although it is reported.
    Stuck {
        /// For how long.
        #[serde(with = "duration_text")]
        after: Duration,
        /// How far from where it was it may be.
        band: f64,
    },
    /// A state that was entered `times` times within a time.
    Often {
        /// The state.
        state: bool,
        /// How often, 2 to [`MAX_SAMPLES`](super::MAX_SAMPLES).
        times: u16,
        /// Within this time.
        #[serde(with = "duration_text")]
        within: Duration,
    },
    /// A state that took `total` out of a time, in one piece or several.
    Long {
        /// The state.
        state: bool,
        /// How long in all.
        #[serde(with = "duration_text")]
        total: Duration,
        /// Within this time.
        #[serde(with = "duration_text")]
        within: Duration,
    },
}

/// What a rule says about one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Wrong.
    Wrong,
    /// In the deadband: neither wrong nor right again.
    Between,
    /// Right.
    Right,
}

impl When {
    /// Judges a value alone; `None` when the value is of another type than the rule looks at, or not enough.
    pub fn judge(self, value: &Value) -> Option<Verdict> {
        match self {
            Self::State(wrong) => Some(if value.as_state()? == wrong {
                Verdict::Wrong
            } else {
                Verdict::Right
            }),
            Self::Above { set, clear } => {
                let number = value.as_number().filter(|n| n.is_finite())?;
                Some(judge_number(number >= set, number <= clear))
            }
            Self::Below { set, clear } => {
                let number = value.as_number().filter(|n| n.is_finite())?;
                Some(judge_number(number <= set, number >= clear))
            }
            Self::Silent => Some(Verdict::Right),
            Self::Rises { .. }
            | Self::Falls { .. }
            | Self::Reaches { .. }
            | Self::Stuck { .. }
            | Self::Often { .. }
            | Self::Long { .. } => None,
        }
    }
    /// Whether it looks at more than the last value.
    pub fn is_traced(self) -> bool {
        match self {
            Self::State(_) | Self::Above { .. } | Self::Below { .. } | Self::Silent => false,
            Self::Rises { .. }
            | Self::Falls { .. }
            | Self::Reaches { .. }
            | Self::Stuck { .. }
            | Self::Often { .. }
            | Self::Long { .. } => true,
        }
    }
    /// Whether it looks at states; otherwise at numbers, or at either.
    pub fn looks_at_states(self) -> bool {
        matches!(self, Self::State(_) | Self::Often { .. } | Self::Long { .. })
    }
}

pub(super) fn judge_number(wrong: bool, right: bool) -> Verdict {
    match (wrong, right) {
        (true, _) => Verdict::Wrong,
        (false, true) => Verdict::Right,
        (false, false) => Verdict::Between,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Value;

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
