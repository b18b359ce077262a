//! Identifiers. Two ids are two types; a bad id cannot be built, serde included.
//!
//! Document ids (assets, devices, rules …) are short readable strings chosen by people. Alarm and order numbers
//! are counters of the engine. [`PointKey`] is the compact number of a point inside one ledger: it is given once
//! and never reused, so stored series stay attached to their point across edits of the estate.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest accepted id in bytes.
pub const MAX_ID_BYTES: usize = 96;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an id: use 1 to {MAX_ID_BYTES} characters of a-z, A-Z, 0-9, '-', '_', '.', ':' or '/', starting with a letter or digit"
)]
pub struct InvalidId {
    /// The refused text, cut to a length that is safe to show.
    pub text: String,
}

fn check(text: &str) -> Result<(), InvalidId> {
    let ok = (1..=MAX_ID_BYTES).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b));
    if ok {
        Ok(())
    } else {
        Err(InvalidId {
            text: text.chars().take(MAX_ID_BYTES).collect(),
        })
    }
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes it an id.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(text.into()))
            }
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    )*};
}

text_id! {
    /// An estate 小区.
    EstateId;
    /// A place 位置 in the tree: building, unit, floor, room, outdoor area.
    PlaceId;
    /// An asset 资产: bay, bin, pipe zone, fire lane, the gateway itself.
    AssetId;
    /// A device 设备: one instance of a profile.
    DeviceId;
    /// A profile: how a device type speaks.
    ProfileId;
    /// A point 测点: one measure (and instance) of one device, `device/measure` or `device/measure/instance`.
    PointId;
    /// A rule.
    RuleId;
    /// A rule's class: with the asset it is the key of an alarm.
    Class;
    /// A fault: with the asset it is the key of an order.
    Fault;
    /// An order profile: how orders of one kind are verified and closed.
    OrderProfileId;
    /// A Modbus bus.
    BusId;
    /// A delivery channel.
    ChannelId;
}

macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            /// Accepts the displayed form and the bare number.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text.strip_prefix($prefix).unwrap_or(text);
                digits.parse().map($name).map_err(|_| InvalidId { text: text.chars().take(MAX_ID_BYTES).collect() })
            }
        }
    )*};
}

number_id! {
    /// The compact, permanent number of a point in one ledger.
    PointKey(u32), "P";
    /// One alarm: one life of a condition on one asset.
    AlarmId(u64), "AL-";
    /// One order 工单.
    OrderId(u64), "WO-";
    /// A committed batch; orders every reading and every change. 0 means "before the first".
    CommitId(u64), "C";
}

/// The point id of a measure on a device: `device/measure` or `device/measure/instance`.
pub fn point_id(device: &DeviceId, measure: &str, instance: Option<&str>) -> Result<PointId, InvalidId> {
    match instance {
        None => PointId::new(&format!("{device}/{measure}")),
        Some(instance) => PointId::new(&format!("{device}/{measure}/{instance}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_readable_bounded_and_round_trips() {
        assert_eq!("b3-b1.pump".parse::<AssetId>().unwrap().to_string(), "b3-b1.pump");
        for bad in ["", " ", "-x", "泵房", "a b", &"x".repeat(97)] {
            assert!(AssetId::new(bad).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<RuleId>("\"no spaces\"").is_err());
    }

    #[test]
    fn order_numbers_are_read_as_they_are_shown() {
        assert_eq!(OrderId(42).to_string().parse::<OrderId>().unwrap(), OrderId(42));
        assert_eq!("42".parse::<OrderId>().unwrap(), OrderId(42));
        assert!("WO-x".parse::<OrderId>().is_err());
    }
}
