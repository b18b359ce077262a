//! What one rule knows of one sensor, and what a word of the sensor makes of it.

use super::estate::{Rule, Say};

/// What one rule knows of one sensor; seconds that are left of a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    Normal,
    Pending(u64),
    Active,
    Clearing(u64),
    Unknown { raised: bool, left: Option<u64> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Nothing,
    Raised,
    Relapsed,
}

pub(super) fn is_raised(watch: Watch) -> bool {
    matches!(
        watch,
        Watch::Active | Watch::Clearing(_) | Watch::Unknown { raised: true, .. }
    )
}

pub(super) fn after_value(watch: Watch, rule: &Rule, say: Say) -> (Watch, Means) {
    let pending = |left| {
        if left == 0 {
            (Watch::Active, Means::Raised)
        } else {
            (Watch::Pending(left), Means::Nothing)
        }
    };
    let clearing = |left| {
        if left == 0 {
            Watch::Normal
        } else {
            Watch::Clearing(left)
        }
    };
    let (wrong, right) = ((rule.wrong)(say), (rule.right)(say));
    match watch {
        _ if say == Say::Lost => {
            let left = match watch {
                Watch::Pending(left) | Watch::Clearing(left) => Some(left),
                Watch::Unknown { left, .. } => left,
                Watch::Normal | Watch::Active => None,
            };
            (
                Watch::Unknown {
                    raised: is_raised(watch),
                    left,
                },
                Means::Nothing,
            )
        }
        Watch::Normal if wrong => pending(rule.on),
        Watch::Normal => (Watch::Normal, Means::Nothing),
        Watch::Pending(left) if wrong => (Watch::Pending(left), Means::Nothing),
        Watch::Pending(_) => (Watch::Normal, Means::Nothing),
        Watch::Active if right => (clearing(rule.off), Means::Nothing),
        Watch::Active => (Watch::Active, Means::Nothing),
        Watch::Clearing(_) if wrong => (Watch::Active, Means::Relapsed),
        Watch::Clearing(left) if right => (Watch::Clearing(left), Means::Nothing),
        Watch::Clearing(_) => (Watch::Active, Means::Nothing),
        Watch::Unknown { raised: false, left } if wrong => pending(left.unwrap_or(rule.on)),
        Watch::Unknown { raised: false, .. } => (Watch::Normal, Means::Nothing),
        Watch::Unknown { left, .. } if wrong => (
            Watch::Active,
            if left.is_some() {
                Means::Relapsed
            } else {
                Means::Nothing
            },
        ),
        Watch::Unknown { left, .. } if right => (clearing(left.unwrap_or(rule.off)), Means::Nothing),
        Watch::Unknown { .. } => (Watch::Active, Means::Nothing),
    }
}
