//! Sensor health 设备健康: whether a device is heard, whether its clock is right, whether its values can be true.
//!
//! Pure and small: every part takes a value and a time and keeps a few numbers, so that health is in the snapshot and
//! comes back from a replay byte by byte. Read them in this order:
//!
//! * [`availability`]: what a device or its bridge says about being reachable.
//! * [`rhythm`]: how often a device really reports.
//! * [`clock`]: how far its clock is off, and how fast it drifts.
//! * [`vital`]: values that rest for too long, jump, or get low.
//! * [`limits`]: what is too long, too fast and too low, by measure, in one table.
//!
//! Health is data, not alarms: nothing here raises one. A [`FlagKind`] has a beginning, the value that set it, and a
//! hysteresis, so that a value at its limit does not make it flap.

pub mod availability;
pub mod clock;
pub mod limits;
pub mod rhythm;
pub mod vital;

use crate::id::PointKey;
use crate::reading::Value;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that is wrong with a device, in the order in which people should look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum FlagKind {
    /// Nothing heard for the silence limit, or known to be unreachable: its points are unknown.
    Silent,
    /// Nothing heard for longer than the expected interval allows; not yet silent.
    Stale,
    /// A value that should vary has not changed for too long.
    Stuck,
    /// A value changed faster than what is measured can.
    Jump,
    /// The battery is nearly empty.
    LowBattery,
    /// The radio link is weak.
    PoorSignal,
    /// The device's clock is wrong or was never set; its times are not believed.
    Clock,
    /// The device said two different things about one moment.
    Conflict,
}

impl FlagKind {
    /// Every flag.
    pub const ALL: [Self; 8] = [
        Self::Silent,
        Self::Stale,
        Self::Stuck,
        Self::Jump,
        Self::LowBattery,
        Self::PoorSignal,
        Self::Clock,
        Self::Conflict,
    ];

    /// The flag's name in the API, in metrics and in the message catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Stale => "stale",
            Self::Stuck => "stuck",
            Self::Jump => "jump",
            Self::LowBattery => "low_battery",
            Self::PoorSignal => "poor_signal",
            Self::Clock => "clock",
            Self::Conflict => "conflict",
        }
    }

    /// The flag with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for FlagKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of flags in two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(u16);

impl Flags {
    /// Whether the flag is in the set.
    pub fn has(self, kind: FlagKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
    /// Puts the flag in, or takes it out.
    pub fn set(&mut self, kind: FlagKind, on: bool) {
        if on {
            self.0 |= 1 << kind as u8;
        } else {
            self.0 &= !(1 << kind as u8);
        }
    }
    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Those in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = FlagKind> {
        FlagKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

/// One raised flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// Since when.
    pub since: Timestamp,
    /// The value that set it, or for a clock its skew in seconds; none where no value is involved.
    pub value: Option<Value>,
    /// A flag about a moment goes at this age of the engine (in milliseconds); others stay until they are cleared.
    pub until: Option<u64>,
}

/// One raised flag with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagView {
    /// What is wrong.
    pub kind: FlagKind,
    /// With which point; none for the device as a whole.
    pub point: Option<PointKey>,
    /// Since when.
    pub since: Timestamp,
    /// The value that set it.
    pub value: Option<Value>,
}

/// How recently a device or a point was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Never.
    Unheard,
    /// Within its expected interval.
    Fresh,
    /// Not within its expected interval.
    Stale,
    /// Not for so long that it is unknown.
    Silent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_flag_has_one_name_in_code_and_documents() {
        let mut names = BTreeSet::new();
        for kind in FlagKind::ALL {
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("{:?}", kind.name())
            );
            assert_eq!(FlagKind::from_name(kind.name()), Some(kind));
            assert!(names.insert(kind.name()));
        }
    }

    #[test]
    fn a_set_of_flags_holds_each_once() {
        let mut flags = Flags::default();
        assert!(flags.is_empty());
        flags.set(FlagKind::Conflict, true);
        flags.set(FlagKind::Silent, true);
        flags.set(FlagKind::Conflict, true);
        assert_eq!(
            flags.iter().collect::<Vec<_>>(),
            [FlagKind::Silent, FlagKind::Conflict]
        );
        flags.set(FlagKind::Silent, false);
        flags.set(FlagKind::Conflict, false);
        assert!(flags.is_empty());
    }
}
