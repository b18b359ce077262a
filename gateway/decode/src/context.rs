//! What the decoder is told about the one device that spoke. The facts come from the device's and the asset's documents.

use jiff::tz::TimeZone;
use linli_domain::estate::AssetKind;
use linli_domain::measure::Measure;
use linli_domain::reading::Reason;
use linli_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

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
    /// What a device is most likely used as on an asset of this kind.
    pub fn on(kind: AssetKind) -> Option<Self> {
        match kind {
            AssetKind::Bin => Some(Self::Bin),
            AssetKind::ParkingBay | AssetKind::FireLane => Some(Self::Parking),
            AssetKind::PipeZone | AssetKind::PumpRoom => Some(Self::Leak),
            AssetKind::Sump => Some(Self::Tank),
            AssetKind::Gateway | AssetKind::Other => None,
        }
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

/// How a sensor hangs above a bin or a tank. Belongs to the asset; a profile never knows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinGeometry {
    /// Distance the sensor measures when it is empty, in millimetres.
    pub empty_distance_mm: f64,
    /// Distance the sensor measures when it is full, in millimetres; smaller than the empty one.
    pub full_distance_mm: f64,
}

impl BinGeometry {
    /// Fill level in percent, 0 to 100, at `distance_mm`. `None` for a geometry that is not one.
    pub fn fill(&self, distance_mm: f64) -> Option<f64> {
        self.fill_at_depth(self.empty_distance_mm - distance_mm)
    }
    /// The same where what is in it stands so deep above the floor.
    pub fn fill_at_depth(&self, depth_mm: f64) -> Option<f64> {
        let whole = self.empty_distance_mm - self.full_distance_mm;
        let fill = depth_mm / whole * 100.0;
        (whole.is_finite() && whole > 0.0 && fill.is_finite()).then(|| fill.clamp(0.0, 100.0))
    }
}

/// What the installation made of one value: a contact wired the other way round, an input that watches a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiring {
    /// The measure the profile gives.
    pub measure: Measure,
    /// Which one of several; `None` speaks for all that no other line names.
    pub instance: Option<Arc<str>>,
    /// The measure it is here; of the same unit, so that a value never changes its meaning unseen.
    pub becomes: Option<Measure>,
    /// Whether the state is the other way round (a normally closed contact).
    pub invert: bool,
}

/// What decoding needs to know about the one device that spoke, and about the message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeviceContext {
    /// What it is used as; `None` takes the profile's default.
    pub role: Option<Role>,
    /// The bin below it: adds `bin.fill` to a `bin.distance`, unless the device reports a fill itself.
    pub bin: Option<BinGeometry>,
    /// The sump or tank below it: adds `level.fill` to a `level.distance` or a `level.depth`.
    pub tank: Option<BinGeometry>,
    /// The zone of a device that tells local time; `None` is UTC.
    pub zone: Option<TimeZone>,
    /// What the installation made of its values.
    pub wiring: Arc<[Wiring]>,
    /// Why nothing in this message is fully trusted ([`crate::Opened::caution`]).
    pub caution: Option<Reason>,
    /// When the message was received: what a device means by "60 seconds ago".
    pub received: Timestamp,
}

impl DeviceContext {
    /// The wiring of a value, the line of its own before the one for all.
    pub(crate) fn wiring_of(&self, measure: Measure, instance: Option<&str>) -> Option<&Wiring> {
        let of_measure = || self.wiring.iter().filter(move |w| w.measure == measure);
        of_measure()
            .find(|w| w.instance.as_deref() == instance)
            .or_else(|| of_measure().find(|w| w.instance.is_none()))
    }
}

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
        assert_eq!(bin.fill_at_depth(500.0), Some(25.0));
        let flat = BinGeometry {
            empty_distance_mm: 400.0,
            full_distance_mm: 400.0,
        };
        assert_eq!((flat.fill(100.0), bin.fill(f64::NAN)), (None, None));
    }

    #[test]
    fn roles_have_one_name_in_code_and_documents() {
        for (role, name) in Role::NAMES {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("{name:?}"));
            assert_eq!(Role::from_name(name), Some(role));
        }
    }
}
