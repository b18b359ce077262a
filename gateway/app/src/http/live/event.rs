//! One event of the live feed: its number, its topic, and its text on the wire.

use crate::http::view::Names;
use crate::http::wire;
use linli_domain::engine::DeviceHealth;
use linli_domain::id::{AlarmId, OrderId, PointKey};
use linli_domain::reading::Reading;
use rustc_hash::FxHashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// The number of an event: its commit, and its place within it. Rises without end and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct EventId {
    /// The commit.
    pub commit: u64,
    /// The place within the commit, counted from 1.
    pub place: u32,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.commit, self.place)
    }
}

impl FromStr for EventId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (commit, place) = text.split_once('.').ok_or(())?;
        Ok(Self {
            commit: commit.parse().map_err(|_| ())?,
            place: place.parse().map_err(|_| ())?,
        })
    }
}

/// What a listener can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Alarms that changed.
    Alarms,
    /// Orders that changed.
    Orders,
    /// Readings and new points.
    Readings,
    /// Devices whose health changed.
    Devices,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 4] = [Self::Alarms, Self::Orders, Self::Readings, Self::Devices];
    /// The word in the query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alarms => "alarms",
            Self::Orders => "orders",
            Self::Readings => "readings",
            Self::Devices => "devices",
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum What {
    Readings(Arc<Vec<(Reading, bool)>>),
    Point(PointKey),
    Alarm(AlarmId, Arc<str>),
    Order(OrderId, Arc<str>),
    Device(Arc<DeviceHealth>),
}

/// One event. Its text is made when the first listener needs it.
#[derive(Debug)]
pub struct Event {
    /// Its number.
    pub id: EventId,
    what: What,
    text: OnceLock<Option<String>>,
}

impl Event {
    pub(super) fn new(id: EventId, what: What) -> Arc<Self> {
        let text = OnceLock::new();
        Arc::new(Self { id, what, text })
    }

    /// Its topic.
    pub fn topic(&self) -> Topic {
        match self.what {
            What::Readings(_) | What::Point(_) => Topic::Readings,
            What::Alarm(..) => Topic::Alarms,
            What::Order(..) => Topic::Orders,
            What::Device(_) => Topic::Devices,
        }
    }

    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self.what {
            What::Readings(_) => "readings",
            What::Point(_) => "point",
            What::Alarm(..) => "alarm",
            What::Order(..) => "order",
            What::Device(_) => "device",
        }
    }

    /// Its data as JSON; `None` when the ledger's document cannot be read.
    pub fn json(&self, names: impl FnOnce() -> Names) -> Option<&str> {
        self.text.get_or_init(|| self.render(&names())).as_deref()
    }

    fn render(&self, names: &Names) -> Option<String> {
        let text = match &self.what {
            What::Readings(readings) => {
                let with_point = |(reading, _): &(Reading, bool)| wire::point::PointReading {
                    point: names.point(reading.point),
                    reading: reading.into(),
                };
                serde_json::to_string(&readings.iter().map(with_point).collect::<Vec<_>>())
            }
            What::Point(key) => match names.points.get(*key) {
                Some(row) => serde_json::to_string(&wire::point::Point::new(row, None, None, names)),
                None => return None,
            },
            What::Alarm(_, document) => serde_json::from_str(document)
                .and_then(|alarm| serde_json::to_string(&wire::alarm::Alarm::new(&alarm, names))),
            What::Order(_, document) => serde_json::from_str(document)
                .and_then(|order| serde_json::to_string(&wire::order::Order::new(&order, names))),
            // A device that has left the estate meanwhile has nothing to tell.
            What::Device(health) => {
                match wire::device::DeviceHealth::new(health, names, &FxHashMap::default()) {
                    Some(device) => serde_json::to_string(&device),
                    None => return None,
                }
            }
        };
        if let Err(error) = &text {
            let subject = match &self.what {
                What::Alarm(id, _) => id.to_string(),
                What::Order(id, _) => id.to_string(),
                What::Device(health) => health.device.to_string(),
                What::Readings(_) | What::Point(_) => String::new(),
            };
            tracing::error!(%error, subject, "read a live document");
        }
        text.ok()
    }

    /// How much room it takes in the ring.
    pub(super) fn weight(&self) -> usize {
        match &self.what {
            What::Readings(readings) => 1 + readings.len(),
            What::Point(_) | What::Alarm(..) | What::Order(..) | What::Device(_) => 1,
        }
    }
}
