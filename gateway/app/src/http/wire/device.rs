//! The health of devices as the API shows it.

use super::Text;
use super::point::{Reading, Value};
use crate::http::view::Names;
use linli_domain::engine::DeviceHealth as DomainHealth;
use linli_domain::health::availability::Availability as DomainAvailability;
use linli_domain::health::clock::ClockView;
use linli_domain::health::{FlagKind, FlagView, Freshness as DomainFreshness};
use linli_domain::id::PointKey;
use linli_domain::reading::Reading as DomainReading;
use linli_domain::time::{Timestamp, duration_text};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How recently a device or a point was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

impl From<DomainFreshness> for Freshness {
    fn from(freshness: DomainFreshness) -> Self {
        match freshness {
            DomainFreshness::Unheard => Self::Unheard,
            DomainFreshness::Fresh => Self::Fresh,
            DomainFreshness::Stale => Self::Stale,
            DomainFreshness::Silent => Self::Silent,
        }
    }
}

/// Whether a device can be reached, as far as anybody has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Nobody has said.
    Unknown,
    /// It can.
    Online,
    /// It sleeps between messages, as its type does: no fault.
    Asleep,
    /// It cannot.
    Offline,
    /// The bridge it speaks through is down.
    Unreachable,
}

impl From<DomainAvailability> for Availability {
    fn from(availability: DomainAvailability) -> Self {
        match availability {
            DomainAvailability::Unknown => Self::Unknown,
            DomainAvailability::Online => Self::Online,
            DomainAvailability::Asleep => Self::Asleep,
            DomainAvailability::Offline => Self::Offline,
            DomainAvailability::Unreachable => Self::Unreachable,
        }
    }
}

/// Something that is wrong with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagName {
    /// Nothing heard for so long that its points are unknown, or known to be unreachable.
    Silent,
    /// Nothing heard within its expected interval.
    Stale,
    /// A value that should vary has not changed for too long.
    Stuck,
    /// A value changed faster than what is measured can.
    Jump,
    /// The battery is nearly empty.
    LowBattery,
    /// The radio link is weak.
    PoorSignal,
    /// Its clock is wrong or was never set.
    Clock,
    /// It said two different things about one moment.
    Conflict,
}

impl From<FlagKind> for FlagName {
    fn from(kind: FlagKind) -> Self {
        match kind {
            FlagKind::Silent => Self::Silent,
            FlagKind::Stale => Self::Stale,
            FlagKind::Stuck => Self::Stuck,
            FlagKind::Jump => Self::Jump,
            FlagKind::LowBattery => Self::LowBattery,
            FlagKind::PoorSignal => Self::PoorSignal,
            FlagKind::Clock => Self::Clock,
            FlagKind::Conflict => Self::Conflict,
        }
    }
}

/// One raised flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Flag {
    /// What is wrong.
    pub flag: FlagName,
    /// With which point; null for the device as a whole.
    pub point: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The value that set it; for `clock` the skew in seconds. Null where no value is involved.
    pub value: Option<Value>,
}

impl Flag {
    fn new(flag: &FlagView, names: &Names) -> Self {
        Self {
            flag: flag.kind.into(),
            point: flag.point.map(|key| names.point(key)),
            since: flag.since,
            value: flag.value.as_ref().map(Value::from),
        }
    }
}

/// The clock of a device that tells the time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Clock {
    /// How far it is ahead of the gateway, in seconds; negative when behind. Null while too little is known.
    pub skew_s: Option<f64>,
    /// How fast that grows, in parts per million (10 is nearly a second a day). Null for the first day.
    pub drift_ppm: Option<f64>,
    /// Whether it counts from 1970, 2000 or the like.
    pub unset: bool,
    /// How often it was set to another time since it is known.
    pub resets: u32,
}

impl From<ClockView> for Clock {
    fn from(clock: ClockView) -> Self {
        #[allow(
            clippy::cast_precision_loss,
            reason = "a skew is far from the end of exact numbers"
        )]
        let seconds = |ms: i64| ms as f64 / 1_000.0;
        Self {
            skew_s: clock.skew_ms.map(seconds),
            drift_ppm: clock.drift_ppm.map(|ppm| (ppm * 10.0).round() / 10.0),
            unset: clock.unset,
            resets: clock.resets,
        }
    }
}

/// A point of a device with its newest value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DevicePoint {
    /// Its id.
    pub id: String,
    /// How recently it was heard. A value that is reported on change is as fresh as its device.
    pub freshness: Freshness,
    /// Its newest reading; left out of live events.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latest: Option<Reading>,
}

/// A device 设备 with its health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceHealth {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// How its type speaks.
    pub profile: String,
    /// The asset its points watch unless they are bound to others.
    pub asset: Option<String>,
    /// When it was last heard.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// How recently.
    pub freshness: Freshness,
    /// How often it should report, such as `10m`, by its document or else by its profile.
    pub expected_interval: Option<String>,
    /// How often it does report, as far as that is known.
    pub interval: Option<String>,
    /// How long it may be quiet before it is stale, and before its points are unknown; null for the gateway itself.
    pub stale_after: Option<String>,
    /// See `stale_after`.
    pub silent_after: Option<String>,
    /// Whether it can be reached.
    pub availability: Availability,
    /// Since when; null while nobody has said anything.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub available_since: Option<Timestamp>,
    /// The bridge it speaks through, such as `main/zigbee2mqtt`.
    pub bridge: Option<String>,
    /// Its clock; null for a device that does not tell the time.
    pub clock: Option<Clock>,
    /// What is wrong, the most important first.
    pub flags: Vec<Flag>,
    /// Its points, in the order in which they were first heard.
    pub points: Vec<DevicePoint>,
}

impl DeviceHealth {
    /// The device with its names and the newest readings of its points; none when it is not in the estate.
    pub fn new(
        health: &DomainHealth,
        names: &Names,
        latest: &FxHashMap<PointKey, DomainReading>,
    ) -> Option<Self> {
        let device = names.device(&health.device)?;
        let asset = device.asset.and_then(|asset| names.estate.asset(asset));
        let limit = |limit: std::time::Duration| {
            (limit < std::time::Duration::MAX).then(|| duration_text::format(limit))
        };
        let points = health.points.iter().map(|(key, freshness)| DevicePoint {
            id: names.point(*key),
            freshness: (*freshness).into(),
            latest: latest.get(key).map(Reading::from),
        });
        Some(Self {
            id: device.id.to_string(),
            name: Text::from(&device.name),
            profile: device.profile.to_string(),
            asset: asset.map(|asset| asset.id.to_string()),
            last_seen: health.heard,
            freshness: health.freshness.into(),
            expected_interval: device.expected_interval.map(duration_text::format),
            interval: health.interval.map(duration_text::format),
            stale_after: limit(device.stale_limit),
            silent_after: limit(device.silence_limit),
            availability: health.availability.state.into(),
            available_since: health.availability.since,
            bridge: health.bridge.as_deref().map(str::to_owned),
            clock: health.clock.map(Clock::from),
            flags: health.flags.iter().map(|flag| Flag::new(flag, names)).collect(),
            points: points.collect(),
        })
    }
}
