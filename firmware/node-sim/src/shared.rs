//! A street that several tasks hold: the bus that serves it and whoever makes things happen on it.
//!
//! Not responsible for: being stepped. Whoever serves a street calls [`SharedStreet::tick`]; several servers
//! of one street may, and it is still stepped once per sample period.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linli_node::{SAMPLE_PERIOD_MS, State};
use tokio::time::Instant;

use crate::{Change, Fault, NodeConfig, Street};

/// How often the nodes take samples.
pub(crate) const SAMPLE_PERIOD: Duration = Duration::from_millis(SAMPLE_PERIOD_MS as u64);

/// A handle on a street; clones hold the same one.
///
/// Every `set_…` returns false when there is no such node, or nothing of the sort can happen to its kind.
#[derive(Clone)]
pub struct SharedStreet {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    street: Street,
    started: Instant,
    /// When the nodes were stepped last, after the start.
    stepped: Option<Duration>,
}

impl SharedStreet {
    /// Shares a street; its time begins now.
    pub fn new(street: Street) -> SharedStreet {
        let inner = Inner {
            street,
            started: Instant::now(),
            stepped: None,
        };
        SharedStreet {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Water at the probe, or none.
    pub fn set_leak(&self, unit: u8, wet: bool) -> bool {
        self.apply(unit, Change::Leak(wet))
    }

    /// Distance from the lid to the waste, millimetres.
    pub fn set_distance_mm(&self, unit: u8, distance_mm: u16) -> bool {
        self.apply(unit, Change::DistanceMm(distance_mm))
    }

    /// The bin leans, or stands.
    pub fn set_tilted(&self, unit: u8, tilted: bool) -> bool {
        self.apply(unit, Change::Tilted(tilted))
    }

    /// Temperature, degrees Celsius, kept within -55 to 125.
    pub fn set_temperature(&self, unit: u8, temperature_c: f32) -> bool {
        self.apply(unit, Change::TemperatureC(temperature_c))
    }

    /// Change of the magnetic field against the empty bay, milligauss.
    pub fn set_field(&self, unit: u8, field_mg: u16) -> bool {
        self.apply(unit, Change::FieldMg(field_mg))
    }

    /// A car, or none.
    pub fn park(&self, unit: u8, parked: bool) -> bool {
        self.apply(unit, Change::Parked(parked))
    }

    /// A contact of a module, numbered from 1, is closed or open.
    pub fn set_contact(&self, unit: u8, number: u8, closed: bool) -> bool {
        self.apply(unit, Change::Contact(number, closed))
    }

    /// A fault, or with [`Fault::None`] its end.
    pub fn set_fault(&self, unit: u8, fault: Fault) -> bool {
        self.apply(unit, Change::Fault(fault))
    }

    /// Lets anything happen to a node.
    pub fn apply(&self, unit: u8, change: Change) -> bool {
        self.lock().street.apply(unit, change)
    }

    /// What the node itself holds for true now: wet, occupied, full.
    pub fn state(&self, unit: u8) -> Option<State> {
        self.lock().street.state(unit)
    }

    /// The nodes there are, by address.
    pub fn nodes(&self) -> Vec<NodeConfig> {
        self.lock().street.nodes().collect()
    }

    /// Steps every node if a sample is due.
    pub fn tick(&self) {
        let mut inner = self.lock();
        let now = inner.started.elapsed();
        // A tick that comes a little early counts: the next one would come a whole period late.
        let due = inner
            .stepped
            .is_none_or(|last| now.saturating_sub(last) >= SAMPLE_PERIOD * 4 / 5);
        if due {
            inner.stepped = Some(now);
            inner.street.step(now);
        }
    }

    /// Works on the street; short, and never across an `await`.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Street) -> T) -> T {
        work(&mut self.lock().street)
    }

    /// A panic elsewhere leaves a street that is still consistent: every change to it is one assignment.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
