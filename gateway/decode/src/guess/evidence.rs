//! What one message says for one profile: not that it decodes, but how much would have kept another one from decoding.
//!
//! Bytes are asked by changing them. A byte whose change makes the profile refuse, remark or doubt is one the profile
//! checks: a tag, a mode, a code, a range. JSON names its members, so what is read of it counts, and what is left over
//! counts against.

use crate::context::DeviceContext;
use crate::frame::Body;
use crate::observation::{Decoded, Observation};
use crate::profile::Profile;
use crate::refusal::DecodeError;
use crate::walk::shallow_text;
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Reason, Value};
use std::borrow::Cow;

/// Bytes whose change is tried; what stands behind them says little more.
const MOST_TRIED: usize = 32;
/// Bits of all checked bytes together at most.
const MOST_CHECKED_BITS: f64 = 12.0;
/// Bits for a length the profile insists on, for each direction.
const LENGTH_BITS: f64 = 2.0;
/// Bits for a port the profile insists on.
const PORT_BITS: f64 = 2.0;
/// Bits lost for a remark or a value in doubt.
const DOUBT_BITS: f64 = 3.0;
/// Bits for a member that tells what the device is for, and the most for all of them.
const TELLING_BITS: f64 = 5.0;
const MOST_TELLING_BITS: f64 = 12.0;
/// Bits for a member many kinds of devices have (temperature, humidity, pressure).
const COMMON_BITS: f64 = 2.0;
/// Bits for a member every device may have (battery, signal), and the most for all of them.
const HOUSEKEEPING_BITS: f64 = 1.0;
const MOST_HOUSEKEEPING_BITS: f64 = 3.0;
/// Bits lost for a member the profile does not read, and the most that is lost so.
const UNREAD_BITS: f64 = 0.75;
const MOST_UNREAD_BITS: f64 = 6.0;

/// What a message says for a profile.
pub(super) enum Evidence {
    /// It is read.
    Read {
        /// Bits of evidence; below zero when there is more doubt than evidence.
        bits: f64,
        /// Values that were read.
        values: usize,
        /// Nothing was remarked or doubted.
        clean: bool,
    },
    /// It is not.
    Failed(DecodeError),
}

/// What `body` says for `profile`.
pub(super) fn of(profile: &Profile, body: &Body<'_>) -> Evidence {
    let reading = match Reading::new(profile, body) {
        Ok(reading) => reading,
        Err(error) => return Evidence::Failed(error),
    };
    let bits = match body {
        Body::Bytes { f_port, bytes } => checked(profile, *f_port, bytes, &reading),
        Body::Message { payload, .. } => members(scalars(payload), &reading),
        Body::Named(values) => members(values.len(), &reading),
        Body::None => 0.0,
    };
    Evidence::Read {
        bits: bits - DOUBT_BITS * reading.doubts() as f64,
        values: reading.good(),
        clean: reading.doubts() == 0,
    }
}

/// One successful decode.
struct Reading {
    observations: Vec<Observation>,
    decoded: Decoded,
}

impl Reading {
    fn new(profile: &Profile, body: &Body<'_>) -> Result<Self, DecodeError> {
        let mut observations = Vec::new();
        let decoded = profile.decode(body, &DeviceContext::default(), &mut observations)?;
        Ok(Self {
            observations,
            decoded,
        })
    }

    fn good(&self) -> usize {
        self.observations.iter().filter(|o| is_good(o)).count()
    }

    /// Remarks and values in doubt. A sensor that says it has no reading is no doubt.
    fn doubts(&self) -> usize {
        let doubted = |o: &&Observation| match o.quality {
            Quality::Good => !is_good(o),
            Quality::Bad(Reason::SensorNoReading) | Quality::Uncertain(Reason::ClockInvalid) => false,
            _ => true,
        };
        self.decoded.diagnostics.len() + self.observations.iter().filter(doubted).count()
    }
}

/// Whether a value is good and one that such a thing has outside a laboratory. A profile may let it pass; for a guess it
/// is a sign that the bytes mean something else.
fn is_good(observation: &Observation) -> bool {
    let range = match observation.measure.name() {
        "device.battery" | "bin.fill" | "bin.remaining" | "humidity" => 0.0..=100.0,
        "device.battery_voltage" => 1.0..=30.0,
        "temperature" | "device.temperature" => -60.0..=120.0,
        "bin.distance" | "level.distance" | "level.depth" => 0.0..=20_000.0,
        "signal.lqi" => 0.0..=255.0,
        _ => f64::NEG_INFINITY..=f64::INFINITY,
    };
    let plausible = |value: &Value| value.as_number().is_none_or(|number| range.contains(&number));
    observation.quality.is_good() && observation.value.as_ref().is_some_and(plausible)
}

/// Bits for bytes, length and port the profile insists on.
fn checked(profile: &Profile, f_port: Option<u8>, bytes: &[u8], as_it_is: &Reading) -> f64 {
    let refused = |f_port: Option<u8>, bytes: &[u8]| {
        let body = Body::Bytes {
            f_port,
            bytes: Cow::Borrowed(bytes),
        };
        Reading::new(profile, &body).map_or(true, |r| {
            r.doubts() > as_it_is.doubts() || r.good() < as_it_is.good()
        })
    };
    let mut changed = bytes.to_vec();
    let mut bits = 0.0;
    for at in 0..changed.len().min(MOST_TRIED) {
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 0xFF;
        }
        bits += f64::from(u8::from(refused(f_port, &changed)));
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 0xFF;
        }
    }
    bits = bits.min(MOST_CHECKED_BITS);
    changed.push(0);
    if refused(f_port, &changed) {
        bits += LENGTH_BITS;
    }
    if bytes
        .split_last()
        .is_some_and(|(_, shorter)| refused(f_port, shorter))
    {
        bits += LENGTH_BITS;
    }
    let other_ports = f_port.map(|port| [1, 17, 128].map(|n| (port ^ n).max(1)));
    if other_ports.is_some_and(|ports| ports.into_iter().all(|port| refused(Some(port), bytes))) {
        bits += PORT_BITS;
    }
    bits
}

/// Bits for the members that were read, less those that were not.
fn members(present: usize, reading: &Reading) -> f64 {
    let (mut telling, mut housekeeping) = (0.0, 0.0);
    for observation in reading.observations.iter().filter(|o| is_good(o)) {
        match Kind::of(observation.measure) {
            Kind::Telling => telling += TELLING_BITS,
            Kind::Common => telling += COMMON_BITS,
            Kind::Housekeeping => housekeeping += HOUSEKEEPING_BITS,
        }
    }
    let read = reading.observations.len() + usize::from(reading.decoded.own_time.is_some());
    let unread = present.saturating_sub(read);
    f64::min(telling, MOST_TELLING_BITS) + f64::min(housekeeping, MOST_HOUSEKEEPING_BITS)
        - (UNREAD_BITS * unread as f64).min(MOST_UNREAD_BITS)
}

/// How much a measure tells about what kind of device reports it.
enum Kind {
    Telling,
    Common,
    Housekeeping,
}

impl Kind {
    fn of(measure: Measure) -> Self {
        let name = measure.name();
        let of = |group: &str| name.strip_prefix(group).is_some_and(|rest| rest.starts_with('.'));
        if of("device") || of("signal") {
            Self::Housekeeping
        } else if ["temperature", "humidity", "pressure"].contains(&name) {
            Self::Common
        } else {
            Self::Telling
        }
    }
}

/// How many values a message holds: in JSON all of them, nested ones included; a plain text is one.
fn scalars(text: &[u8]) -> usize {
    fn count(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Object(members) => members.values().map(count).sum(),
            serde_json::Value::Array(items) => items.iter().map(count).sum(),
            _ => 1,
        }
    }
    shallow_text(text)
        .ok()
        .and_then(|text| serde_json::from_str(text).ok())
        .map_or(1, |value| count(&value))
}
