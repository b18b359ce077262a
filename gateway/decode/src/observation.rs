//! What comes out: observations, what the decoder noticed on the way, and the facts it is given about a device.

use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Reason, Value};
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
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

/// What a device is used as. It decides between measures such as `bin.distance` and `level.distance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the words of the estate")]
pub enum Role {
    Bin,
    Parking,
    Leak,
    Tank,
    Door,
    Smoke,
    Climate,
    Meter,
    WaterMeter,
    Gateway,
    Any,
}

impl Role {
    /// Every role with its name in documents.
    pub const NAMES: [(Self, &'static str); 11] = [
        (Self::Bin, "bin"),
        (Self::Parking, "parking"),
        (Self::Leak, "leak"),
        (Self::Tank, "tank"),
        (Self::Door, "door"),
        (Self::Smoke, "smoke"),
        (Self::Climate, "climate"),
        (Self::Meter, "meter"),
        (Self::WaterMeter, "water-meter"),
        (Self::Gateway, "gateway"),
        (Self::Any, "any"),
    ];
    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(role, _)| *role)
    }
    /// The name in documents.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(r, _)| *r == self)
            .map_or("any", |(_, name)| name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a sensor hangs above a bin. Belongs to the asset; a profile never knows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinGeometry {
    /// Distance the sensor measures in an empty bin, in millimetres.
    pub empty_distance_mm: f64,
    /// Distance the sensor measures in a full bin, in millimetres; smaller than the empty one.
    pub full_distance_mm: f64,
}

impl BinGeometry {
    /// Fill level in percent, 0 to 100, at `distance_mm`. `None` for a geometry that is not one.
    pub fn fill(&self, distance_mm: f64) -> Option<f64> {
        let depth = self.empty_distance_mm - self.full_distance_mm;
        let fill = (self.empty_distance_mm - distance_mm) / depth * 100.0;
        (depth.is_finite() && depth > 0.0 && fill.is_finite()).then(|| fill.clamp(0.0, 100.0))
    }
}

/// What decoding needs to know about the one device that spoke.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DeviceContext {
    /// What it is used as; `None` takes the profile's default.
    pub role: Option<Role>,
    /// The bin below it: adds `bin.fill` to a `bin.distance`, unless the device reports a fill itself.
    pub bin: Option<BinGeometry>,
    /// Why nothing in this message is fully trusted ([`crate::Opened::caution`]).
    pub caution: Option<Reason>,
}

/// What a successful decode says beside the observations.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// The time the device itself gave to the whole message.
    pub own_time: Option<Timestamp>,
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
        /// The JSON pointer.
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
    /// The JSON holds none of the members the profile reads.
    #[error("none of the members the profile reads is in the message")]
    NothingFound,
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
            Self::NothingFound => "nothing_found",
        }
    }
}

/// Measures this crate produces on its own, looked up in the vocabulary once.
pub(crate) struct OwnMeasures {
    pub(crate) bin_distance: Option<Measure>,
    pub(crate) bin_fill: Option<Measure>,
    pub(crate) battery: Option<Measure>,
    pub(crate) mains: Option<Measure>,
    pub(crate) rssi: Option<Measure>,
    pub(crate) snr: Option<Measure>,
    pub(crate) margin: Option<Measure>,
}

pub(crate) static OWN: LazyLock<OwnMeasures> = LazyLock::new(|| OwnMeasures {
    bin_distance: "bin.distance".parse().ok(),
    bin_fill: "bin.fill".parse().ok(),
    battery: "device.battery".parse().ok(),
    mains: "device.mains".parse().ok(),
    rssi: "signal.rssi".parse().ok(),
    snr: "signal.snr".parse().ok(),
    margin: "signal.margin".parse().ok(),
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_is_clamped_and_a_senseless_geometry_gives_none() {
        let bin = BinGeometry {
            empty_distance_mm: 2400.0,
            full_distance_mm: 400.0,
        };
        assert_eq!(bin.fill(2116.0).map(|f| (f * 100.0).round()), Some(1420.0));
        assert_eq!((bin.fill(9999.0), bin.fill(0.0)), (Some(0.0), Some(100.0)));
        let flat = BinGeometry {
            empty_distance_mm: 400.0,
            full_distance_mm: 400.0,
        };
        assert_eq!((flat.fill(100.0), bin.fill(f64::NAN)), (None, None));
    }

    #[test]
    fn every_measure_of_our_own_is_in_the_vocabulary() {
        let own = &*OWN;
        let all = [
            own.bin_distance,
            own.bin_fill,
            own.battery,
            own.mains,
            own.rssi,
            own.snr,
            own.margin,
        ];
        assert!(all.iter().all(Option::is_some));
    }

    #[test]
    fn roles_have_one_name_in_code_and_documents() {
        for (role, name) in Role::NAMES {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("{name:?}"));
            assert_eq!(Role::from_name(name), Some(role));
        }
    }
}
