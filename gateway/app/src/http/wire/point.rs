//! Points and their readings as the API shows them.

use super::Text;
use super::device::Freshness;
use crate::http::view::Names;
use linli_domain::health::Freshness as DomainFreshness;
use linli_domain::measure::Measure;
use linli_domain::reading::{
    Quality as DomainQuality, Reading as DomainReading, Reason, Value as DomainValue,
};
use linli_domain::time::Timestamp;
use linli_ledger::PointRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was measured: a number in the unit of the point, a state, or a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Value {
    /// A state: occupied, wet, open.
    State(bool),
    /// A finite number.
    Number(f64),
    /// A text such as a firmware version.
    Text(String),
}

impl From<&DomainValue> for Value {
    fn from(value: &DomainValue) -> Self {
        match value {
            DomainValue::Number(number) => Self::Number(*number),
            DomainValue::State(state) => Self::State(*state),
            DomainValue::Text(text) => Self::Text(text.to_string()),
        }
    }
}

/// How far a reading can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// As the sensor meant it.
    Good,
    /// Usable with care.
    Uncertain,
    /// Not usable; there is no value beside it.
    Bad,
}

/// Why a reading is uncertain or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QualityReason {
    /// The sensor said that it has no value.
    SensorNoReading,
    /// Outside the range of the measure.
    OutOfRange,
    /// Nothing heard for too long.
    Stale,
    /// The bytes cannot be decoded.
    DecodeError,
    /// The device did not answer in time.
    CommTimeout,
    /// The device says that the address does not exist.
    IllegalAddress,
    /// The device answered with another exception.
    DeviceFailure,
    /// The device's own time cannot be read, or its clock is known to be wrong.
    ClockInvalid,
    /// A replay of unknown age.
    Retained,
    /// Produced by a test.
    Simulated,
    /// A damaged reply.
    FrameError,
    /// The device's clock was never set.
    ClockUnset,
    /// The device's time lies in the future.
    ClockAhead,
    /// The device's time lies too far back.
    ClockBehind,
    /// A change faster than what is measured can change.
    ImpossibleJump,
}

impl From<Reason> for QualityReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::SensorNoReading => Self::SensorNoReading,
            Reason::OutOfRange => Self::OutOfRange,
            Reason::Stale => Self::Stale,
            Reason::DecodeError => Self::DecodeError,
            Reason::CommTimeout => Self::CommTimeout,
            Reason::IllegalAddress => Self::IllegalAddress,
            Reason::DeviceFailure => Self::DeviceFailure,
            Reason::ClockInvalid => Self::ClockInvalid,
            Reason::Retained => Self::Retained,
            Reason::Simulated => Self::Simulated,
            Reason::FrameError => Self::FrameError,
            Reason::ClockUnset => Self::ClockUnset,
            Reason::ClockAhead => Self::ClockAhead,
            Reason::ClockBehind => Self::ClockBehind,
            Reason::ImpossibleJump => Self::ImpossibleJump,
        }
    }
}

/// One reading 读数.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reading {
    /// When the sensor saw it.
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Timestamp,
    /// When the gateway heard it.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// What was seen; null exactly when the quality is bad.
    pub value: Option<Value>,
    /// How far to trust it.
    pub quality: Quality,
    /// Why not fully.
    pub reason: Option<QualityReason>,
}

impl From<&DomainReading> for Reading {
    fn from(reading: &DomainReading) -> Self {
        let (quality, reason) = match reading.quality {
            DomainQuality::Good => (Quality::Good, None),
            DomainQuality::Uncertain(reason) => (Quality::Uncertain, Some(reason.into())),
            DomainQuality::Bad(reason) => (Quality::Bad, Some(reason.into())),
        };
        Self {
            observed_at: reading.observed,
            received_at: reading.received,
            value: reading.value.as_ref().map(Value::from),
            quality,
            reason,
        }
    }
}

/// A reading with its point, as the live feed sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PointReading {
    /// The point.
    pub point: String,
    /// The reading.
    #[serde(flatten)]
    pub reading: Reading,
}

/// One point 测点: one measure (and instance) of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// Its id, `device/measure` or `device/measure/instance`. In an address write each `/` as `%2F`.
    pub id: String,
    /// Its permanent number, such as `P12`: accepted in an address as well.
    pub key: String,
    /// The device.
    pub device: String,
    /// Name of the device; null when it has left the estate.
    pub device_name: Option<Text>,
    /// What is measured.
    pub measure: String,
    /// The unit of every reading; `bool` and `text` mark the untyped ones, `1` counts and ratios.
    pub unit: String,
    /// Which of several.
    pub instance: Option<String>,
    /// The asset it watches.
    pub asset: Option<String>,
    /// Its newest reading.
    pub latest: Option<Reading>,
    /// How recently it was heard; null in live events. A value that is reported on change is as fresh as its device.
    pub freshness: Option<Freshness>,
}

impl Point {
    /// The point with its names and its newest reading.
    pub fn new(
        row: &PointRow,
        latest: Option<&DomainReading>,
        freshness: Option<DomainFreshness>,
        names: &Names,
    ) -> Self {
        let device = names.device(&row.device);
        let unit = row.measure.parse::<Measure>().map(|m| m.unit().symbol());
        Self {
            id: row.id.to_string(),
            key: row.key.to_string(),
            device: row.device.to_string(),
            device_name: device.map(|device| Text::from(&device.name)),
            measure: row.measure.clone(),
            unit: unit.unwrap_or("").to_owned(),
            instance: row.instance.clone(),
            asset: names.asset_of(row).map(|asset| asset.id.to_string()),
            latest: latest.map(Reading::from),
            freshness: freshness.map(Freshness::from),
        }
    }
}
