//! A reading 读数: what a point said, when, and how far it can be trusted.
//!
//! "No value" has reasons. A missing reading is data, never a zero.

use crate::id::PointKey;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A finite number in the unit of the point's measure.
    Number(f64),
    /// A state: occupied, wet, open …
    State(bool),
    /// A text such as a firmware version.
    Text(Arc<str>),
}

impl Value {
    /// A number, or `None` for NaN and the infinities, which are never values.
    pub fn number(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self::Number(value))
    }
    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(n) = self {
            Some(*n)
        } else {
            None
        }
    }
    /// The state, if it is one.
    pub fn as_state(&self) -> Option<bool> {
        if let Self::State(s) = self { Some(*s) } else { None }
    }
}

/// Why a value is missing or not fully trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Reason {
    /// The sensor said that it has no value (its code for "no reading", null, NaN).
    SensorNoReading = 1,
    /// Outside the range the profile gives for the measure.
    OutOfRange = 2,
    /// Nothing heard for longer than the device's expected interval allows.
    Stale = 3,
    /// The device answered with bytes that cannot be decoded.
    DecodeError = 4,
    /// The device did not answer in time.
    CommTimeout = 5,
    /// The device says that the address does not exist.
    IllegalAddress = 6,
    /// The device answered with another exception.
    DeviceFailure = 7,
    /// The device's own time cannot be read, or its clock is known to be wrong; the time of receipt is used instead.
    ClockInvalid = 8,
    /// A retained message: a replay of unknown age.
    Retained = 9,
    /// Produced by a test or a console, not by the sensor.
    Simulated = 10,
    /// A reply that failed its checksum or was cut short.
    FrameError = 11,
    /// The device's clock was never set (1970, 2000); the time of receipt is used instead.
    ClockUnset = 12,
    /// The device's time lies in the future; the time of receipt is used instead.
    ClockAhead = 13,
    /// The device's time lies too far back to be believed; the time of receipt is used instead.
    ClockBehind = 14,
    /// A change faster than what is measured can change.
    ImpossibleJump = 15,
}

impl Reason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 15] = [
        Self::SensorNoReading,
        Self::OutOfRange,
        Self::Stale,
        Self::DecodeError,
        Self::CommTimeout,
        Self::IllegalAddress,
        Self::DeviceFailure,
        Self::ClockInvalid,
        Self::Retained,
        Self::Simulated,
        Self::FrameError,
        Self::ClockUnset,
        Self::ClockAhead,
        Self::ClockBehind,
        Self::ImpossibleJump,
    ];
    /// Whether the device's own time was not believed, so that the time of receipt stands in for it.
    pub fn is_about_time(self) -> bool {
        matches!(
            self,
            Self::ClockInvalid | Self::ClockUnset | Self::ClockAhead | Self::ClockBehind
        )
    }
    /// The reason with this stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|r| *r as u8 == code)
    }
}

/// OPC UA severity with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// As the sensor meant it.
    #[default]
    Good,
    /// Usable with care.
    Uncertain(Reason),
    /// Not usable; there is no value beside it.
    Bad(Reason),
}

impl Quality {
    /// Whether the reading may serve as evidence.
    pub fn is_good(self) -> bool {
        self == Self::Good
    }
    /// One byte for storage: two bits of severity above six of reason.
    pub fn to_code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Uncertain(reason) => 0x40 | reason as u8,
            Self::Bad(reason) => 0x80 | reason as u8,
        }
    }
    /// The quality with this stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        match (code & 0xC0, Reason::from_code(code & 0x3F)) {
            (0, None) if code == 0 => Some(Self::Good),
            (0x40, Some(reason)) => Some(Self::Uncertain(reason)),
            (0x80, Some(reason)) => Some(Self::Bad(reason)),
            _ => None,
        }
    }
}

/// One reading of one point.
///
/// `value` is `None` exactly when `quality` is [`Quality::Bad`]; the constructors keep it so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The point.
    pub point: PointKey,
    /// When the sensor saw it.
    pub observed: Timestamp,
    /// When the gateway heard it.
    pub received: Timestamp,
    /// What was seen.
    pub value: Option<Value>,
    /// How far to trust it.
    pub quality: Quality,
}

impl Reading {
    /// A reading with a value. A quality of `Bad` drops the value.
    pub fn new(
        point: PointKey,
        observed: Timestamp,
        received: Timestamp,
        value: Value,
        quality: Quality,
    ) -> Self {
        let value = if matches!(quality, Quality::Bad(_)) {
            None
        } else {
            Some(value)
        };
        Self {
            point,
            observed,
            received,
            value,
            quality,
        }
    }
    /// A reading that says why there is no value.
    pub fn missing(point: PointKey, observed: Timestamp, received: Timestamp, reason: Reason) -> Self {
        Self {
            point,
            observed,
            received,
            value: None,
            quality: Quality::Bad(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quality_survives_storage() {
        let all = Reason::ALL
            .into_iter()
            .flat_map(|r| [Quality::Uncertain(r), Quality::Bad(r)]);
        for quality in all.chain([Quality::Good]) {
            assert_eq!(Quality::from_code(quality.to_code()), Some(quality));
        }
        assert_eq!(Quality::from_code(0x3F), None);
        assert_eq!(Quality::from_code(0xC1), None);
    }

    #[test]
    fn a_bad_reading_has_no_value() {
        let t = Timestamp::from_millis(0);
        let r = Reading::new(
            PointKey(1),
            t,
            t,
            Value::State(false),
            Quality::Bad(Reason::SensorNoReading),
        );
        assert_eq!(r.value, None);
    }
}
