//! What a frame says once it is understood. No points yet, and nothing of the engine.

use super::refused::Refused;
use linli_decode::{Body, Diagnostic, Family, LorawanIdentity, Opened, Request};
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
    /// What was noticed while the rest was read.
    pub noticed: Vec<Diagnostic>,
    /// Who spoke, when it is nobody of the estate.
    pub stranger: Option<Stranger>,
}

/// A device that is not in the estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// What identifies it on its connection.
    pub key: Box<str>,
    /// How its messages are wrapped.
    pub family: Family,
    /// The application payload of a LoRaWAN device, with its port.
    pub body: Option<(Option<u8>, Vec<u8>)>,
}

impl Stranger {
    /// Who sent an opened message.
    pub(super) fn of(opened: Opened<'_>, family: Family) -> Self {
        Self {
            key: opened.address.into(),
            family,
            body: match opened.body {
                Body::Bytes { f_port, bytes } => Some((f_port, bytes.into_owned())),
                _ => None,
            },
        }
    }
}

/// Devices that were announced by another, or by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// How their messages will be wrapped.
    pub family: Family,
    /// The one device it is about; `None` for all of a bridge.
    pub key: Option<Box<str>>,
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
    /// Devices were announced; decoding remembers what they are.
    pub listed: Option<Listed>,
    /// What was wrong with parts of the message; the rest was understood.
    pub faults: Vec<Refused>,
}

impl Understood {
    /// Every device it is about.
    pub fn everybody(&self) -> impl Iterator<Item = &Said> {
        std::iter::once(&self.said).chain(&self.others)
    }

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
        self.listed = None;
        self.requests.clear();
        self.faults.clear();
    }
}
