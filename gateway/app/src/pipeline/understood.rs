//! What a frame says once it is understood, or why it was refused. No points yet, and nothing of the engine.

use linli_decode::{LorawanIdentity, RejectReason, Rejection, Request};
use linli_domain::estate::DeviceIndex;
use linli_domain::measure::Measure;
use linli_domain::reading::{Quality, Value};
use linli_domain::time::Timestamp;
use std::sync::Arc;

/// One value with its times, not yet bound to a point.
#[derive(Debug)]
pub struct Seen {
    /// What was measured.
    pub measure: Measure,
    /// Which of several.
    pub instance: Option<Arc<str>>,
    /// What was seen.
    pub value: Option<Value>,
    /// How far to trust it.
    pub quality: Quality,
    /// When it was seen.
    pub observed: Timestamp,
    /// Whether `observed` is a time of its own that identifies the reading together with the point.
    pub own_time: bool,
    /// Stored by the device and sent late: kept, never evaluated.
    pub historical: bool,
}

/// What a message says about one device.
#[derive(Debug, Default)]
pub struct Said {
    /// The device; `None` when the message says nothing about one.
    pub device: Option<DeviceIndex>,
    /// Its values. Reused between frames.
    pub seen: Vec<Seen>,
    /// Whether it can be reached, when the message says so.
    pub available: Option<bool>,
    /// Whether it has announced itself as one that sleeps between messages.
    pub sleeps: bool,
    /// Whether it joined its network.
    pub joined: bool,
    /// The time the device's own clock gave to the message.
    pub clock: Option<Timestamp>,
    /// The bridge the device speaks through.
    pub through: Option<Arc<str>>,
}

/// What a frame says.
#[derive(Debug, Default)]
pub struct Understood {
    /// What it says about the device that sent it.
    pub said: Said,
    /// What the same message says about further devices.
    pub others: Vec<Said>,
    /// Identity of a LoRaWAN frame, with the bytes it covers.
    pub identity: Option<(LorawanIdentity, Vec<u8>)>,
    /// A bridge that says whether it is up.
    pub bridge: Option<(Arc<str>, bool)>,
    /// What decoding would like to know.
    pub requests: Vec<Request>,
    /// What was wrong with parts of the message; the rest was understood.
    pub faults: Vec<Refused>,
}

impl Understood {
    /// Forgets everything, keeping the room.
    pub fn clear(&mut self) {
        let mut seen = std::mem::take(&mut self.said.seen);
        seen.clear();
        self.said = Said {
            seen,
            ..Said::default()
        };
        self.others.clear();
        self.identity = None;
        self.bridge = None;
        self.requests.clear();
        self.faults.clear();
    }
}

/// Why a frame was recorded as rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A word out of a closed set, for metrics.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub detail: String,
}

impl Refused {
    pub(super) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
    pub(super) fn decode(reason: RejectReason, detail: impl std::fmt::Display) -> Self {
        Self {
            reason: reason.label(),
            detail: detail.to_string(),
        }
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::decode(rejection.reason(), &rejection)
    }
}
