//! What comes out: observations, and what the decoder noticed on the way.

use crate::context::Role;
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::time::Timestamp;
use std::sync::{Arc, LazyLock};

/// One value a device reported, not yet bound to a point.
///
/// `value` is `None` exactly when `quality` is [`Quality::Bad`].
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What was measured, and with it the unit.
    pub measure: Measure,
    /// Which one of several of the same kind, such as `DI3`.
    pub instance: Option<Arc<str>>,
    /// What was seen.
    pub value: Option<Value>,
    /// How far to trust it.
    pub quality: Quality,
    /// The device's own time of the value. `None`: use the envelope's time, else the time of receipt.
    pub observed: Option<Timestamp>,
    /// Whether the device had stored it and sends it late: it raises no alarm and overwrites nothing newer.
    pub historical: bool,
}

impl Observation {
    /// A live observation of good quality without an instance.
    pub(crate) fn good(measure: Measure, value: Value) -> Self {
        Self {
            measure,
            instance: None,
            value: Some(value),
            quality: Quality::Good,
            observed: None,
            historical: false,
        }
    }
    /// A live observation that says why there is no value.
    pub(crate) fn missing(measure: Measure, instance: Option<Arc<str>>, reason: Reason) -> Self {
        Self {
            measure,
            instance,
            value: None,
            quality: Quality::Bad(reason),
            observed: None,
            historical: false,
        }
    }
    /// Lowers a good quality to uncertain for `reason`; a worse quality keeps its own reason.
    pub(crate) fn distrust(&mut self, reason: Reason) {
        if self.quality.is_good() {
            self.quality = Quality::Uncertain(reason);
        }
    }
}

/// What a successful decode says beside the observations.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// The time the device itself gave to the whole message.
    pub own_time: Option<Timestamp>,
    /// Whether the message says that the device is reachable or not.
    pub availability: Option<bool>,
    /// What was noticed while the rest decoded well; at most [`Decoded::MAX_DIAGNOSTICS`], later ones are dropped.
    pub diagnostics: Vec<Diagnostic>,
}

impl Decoded {
    /// Most diagnostics kept of one message.
    pub const MAX_DIAGNOSTICS: usize = 16;

    pub(crate) fn note(&mut self, diagnostic: impl FnOnce() -> Diagnostic) {
        if self.diagnostics.len() < Self::MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic());
        }
    }
}

/// Something worth showing an installer about a message that was otherwise understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Diagnostic {
    /// Decoding stopped at a tag the profile does not know; values before it are kept.
    #[error("unknown tag {tag} at offset {offset}: the rest of the payload was not read")]
    UnknownTag {
        /// Offset of the tag in bytes.
        offset: usize,
        /// The tag in hexadecimal.
        tag: String,
    },
    /// A value of the wrong kind; its measure is reported as bad.
    #[error("{source_of} is {found}, which gives no value for {measure}")]
    WrongType {
        /// The JSON pointer or field.
        source_of: String,
        /// What stood there.
        found: String,
        /// The measure left without a value.
        measure: Measure,
    },
    /// A code the profile gives no meaning; its measure is reported as bad.
    #[error("{measure} has no meaning for the code {code}")]
    UnmappedCode {
        /// The measure left without a value.
        measure: Measure,
        /// The code.
        code: String,
    },
    /// The device's own time cannot be read; its values are uncertain.
    #[error("{pointer} holds {found}, which is not a time of the expected form")]
    UnreadableTime {
        /// The JSON pointer or field.
        pointer: String,
        /// What stood there.
        found: String,
    },
    /// A value that has no measure in the role the device is used in.
    #[error("the profile has no measure for ${name} in the role {role}")]
    RoleWithoutMeasure {
        /// The profile's name for the value.
        name: String,
        /// The role.
        role: Role,
    },
    /// A value in a unit from which no way leads to that of its measure; it is reported as bad.
    #[error("{name} is given in {unit:?}, which is no unit for {measure}")]
    ForeignUnit {
        /// The value's name.
        name: String,
        /// The unit as written.
        unit: String,
        /// The measure left without a value.
        measure: Measure,
    },
    /// The message holds none of the values the profile reads.
    #[error("none of the values the profile reads is in the message")]
    NothingFound,
    /// One of the device's topics that the profile does not read.
    #[error("the profile does not read the topic {path:?}")]
    TopicNotRead {
        /// What the topic says beside the device.
        path: String,
    },
}

impl Diagnostic {
    /// A stable label for counters.
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownTag { .. } => "unknown_tag",
            Self::WrongType { .. } => "wrong_type",
            Self::UnmappedCode { .. } => "unmapped_code",
            Self::UnreadableTime { .. } => "unreadable_time",
            Self::RoleWithoutMeasure { .. } => "role_without_measure",
            Self::ForeignUnit { .. } => "foreign_unit",
            Self::NothingFound => "nothing_found",
            Self::TopicNotRead { .. } => "topic_not_read",
        }
    }
}

/// Measures this crate produces on its own, looked up in the vocabulary once.
pub(crate) struct OwnMeasures {
    pub(crate) bin_distance: Option<Measure>,
    pub(crate) bin_fill: Option<Measure>,
    pub(crate) level_distance: Option<Measure>,
    pub(crate) level_depth: Option<Measure>,
    pub(crate) level_fill: Option<Measure>,
    pub(crate) battery: Option<Measure>,
    pub(crate) mains: Option<Measure>,
    pub(crate) rssi: Option<Measure>,
    pub(crate) snr: Option<Measure>,
    pub(crate) margin: Option<Measure>,
    pub(crate) latitude: Option<Measure>,
    pub(crate) longitude: Option<Measure>,
}

pub(crate) static OWN: LazyLock<OwnMeasures> = LazyLock::new(|| OwnMeasures {
    bin_distance: "bin.distance".parse().ok(),
    bin_fill: "bin.fill".parse().ok(),
    level_distance: "level.distance".parse().ok(),
    level_depth: "level.depth".parse().ok(),
    level_fill: "level.fill".parse().ok(),
    battery: "device.battery".parse().ok(),
    mains: "device.mains".parse().ok(),
    rssi: "signal.rssi".parse().ok(),
    snr: "signal.snr".parse().ok(),
    margin: "signal.margin".parse().ok(),
    latitude: "location.lat".parse().ok(),
    longitude: "location.lon".parse().ok(),
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_of_our_own_is_in_the_vocabulary() {
        let own = &*OWN;
        let all = [
            own.bin_distance,
            own.bin_fill,
            own.level_distance,
            own.level_depth,
            own.level_fill,
            own.battery,
            own.mains,
            own.rssi,
            own.snr,
            own.margin,
            own.latitude,
            own.longitude,
        ];
        assert!(all.iter().all(Option::is_some));
    }
}
