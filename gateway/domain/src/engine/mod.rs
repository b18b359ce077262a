//! The one door: [`Engine::step`] takes the time and an input and returns what changed.
//!
//! Readings, commands, edits of the estate and timers all pass through it, and nothing else changes the engine.
//! The same inputs at the same times lead to the same state, byte by byte: a snapshot and the inputs after it are
//! all that has to be kept. The engine owns no clock and no storage: [`Engine::next_wake`] says when it wants to
//! be stepped next, [`Engine::begin`], [`Engine::commit`] and [`Engine::rollback`] let a caller drop the steps of
//! a batch that could not be stored.
//!
//! A step in the order it happens: the clock and due delays (`timers`, `lookout`), then the input (`readings`, `late` with `late_run`,
//! `devices`, `commands`, `edit`); what follows for alarms is in `alarms`, for who hears of them in `annunciation`,
//! `causes`, `flapping` and `crowd`, for orders in `orders`, `batches` and `reviews`, for the health of devices in `flags`.
//! `store` alone writes.

mod alarms;
mod annunciation;
mod batches;
mod beside;
mod causes;
mod change;
mod commands;
mod crowd;
mod dates;
mod devices;
mod dump;
mod edit;
mod flags;
mod flapping;
mod index;
mod late;
mod late_run;
mod lookout;
mod lookup;
mod orders;
mod readings;
mod reviews;
mod snapshot;
mod state;
mod store;
mod timers;
mod tracks;
mod view;
mod votes;

pub use beside::Beside;
pub use change::{
    AlarmChange, AlarmEvent, Audience, AuditEvent, Changes, DeviceChange, DeviceEvent, Member, Notice,
    NoticeKind, OrderChange,
};
pub use devices::DeviceNews;
pub use lookup::WatchView;
pub use readings::{Arrival, Taken};
pub use snapshot::SnapshotError;
pub use view::DeviceHealth;

use crate::command::{Command, Refusal, Reply};
use crate::estate::{Estate, EstateDoc, Problem, Profiles};
use crate::id::{DeviceId, PointKey};
use crate::measure::Measure;
use crate::reading::Reading;
use crate::time::{Deadline, Monotonic, Now, Timestamp};
use serde::{Deserialize, Serialize};
use state::{Counters, DeviceState, Heard, NEVER, State};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Store;

/// A point: the number it has for ever, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointDef {
    /// Its number, from [`Engine::next_point_key`].
    pub key: PointKey,
    /// The device.
    pub device: DeviceId,
    /// What is measured.
    pub measure: Measure,
    /// Which of several.
    pub instance: Option<Arc<str>>,
}

/// Everything that can happen to the engine; the log is a list of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The program has started.
    Started,
    /// Time has passed. After a reboot delays go on from the last input, so a quiet estate wants one a minute.
    Tick,
    /// A device was heard to measure something for the first time.
    Point(PointDef),
    /// A point said something.
    Reading(Reading),
    /// A person did something.
    Command(Command),
    /// The estate was edited.
    Estate(Arc<EstateDoc>),
    /// The catalogue says other things about device types than before.
    Profiles(Arc<Profiles>),
    /// Something is known about a device beside its readings.
    Device {
        /// The device.
        device: DeviceId,
        /// When the gateway heard it.
        received: Timestamp,
        /// What is known.
        news: DeviceNews,
    },
    /// A bridge that devices speak through says whether it is up.
    Bridge {
        /// Its name.
        bridge: Arc<str>,
        /// Whether it is up.
        up: bool,
        /// Whether a broker replayed that from its store, so that it says nothing about when.
        retained: bool,
    },
}

/// What a step yields.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What changed, due delays included.
    pub changes: Changes,
    /// The answer to the input. A refused input changed nothing itself.
    pub reply: Result<Reply, Refusal>,
    /// What became of a reading.
    pub taken: Option<Taken>,
}

impl Step {
    /// Whether the input was a reading that was evaluated.
    pub fn evaluated(&self) -> bool {
        self.taken.is_some_and(|taken| taken.evaluated)
    }
}

/// The state of an estate and the decisions about it.
#[derive(Debug)]
pub struct Engine {
    store: Store,
}

impl Engine {
    /// An engine that knows an estate and has heard nothing yet.
    pub fn new(doc: Arc<EstateDoc>) -> Result<Self, Vec<Problem>> {
        let estate = Arc::new(Estate::resolve(doc)?);
        let state = State {
            rule_versions: estate.rules().iter().map(|r| (r.id.clone(), r.version)).collect(),
            heard: vec![Heard::new(0); estate.devices().len()],
            devices: vec![DeviceState::default(); estate.devices().len()],
            estate,
            defs: Vec::new(),
            points: Vec::new(),
            vitals: Vec::new(),
            flags: BTreeMap::new(),
            clocks: BTreeMap::new(),
            through: BTreeMap::new(),
            bridges: BTreeMap::new(),
            watches: Vec::new(),
            tracks: BTreeMap::new(),
            flaps: BTreeMap::new(),
            crowd: Arc::default(),
            out_of_service: BTreeMap::new(),
            alarms: BTreeMap::new(),
            orders: BTreeMap::new(),
            gatherings: BTreeMap::new(),
            counters: Counters {
                next_alarm: 1,
                next_order: 1,
                clock: None,
                // The first look finds out when the next one is due.
                watchdog: Deadline { at: Monotonic(0) },
                age: 0,
                flags_until: u64::MAX,
            },
        };
        Ok(Self {
            store: Store::new(state),
        })
    }

    /// Takes one input at one time.
    pub fn step(&mut self, now: &Now, input: &Input) -> Step {
        let mut changes = Changes::default();
        let mut taken = None;
        let reply = match input {
            Input::Reading(reading) => {
                self.step_reading(now, reading, Arrival::Live, &mut changes)
                    .map(|t| {
                        taken = Some(t);
                        Reply::Done
                    })
            }
            Input::Started | Input::Tick => {
                self.advance(now, &mut changes);
                Ok(Reply::Done)
            }
            Input::Point(def) => {
                self.advance(now, &mut changes);
                self.add_point(def)
            }
            Input::Command(command) => {
                self.advance(now, &mut changes);
                self.command(now, command, &mut changes)
            }
            Input::Estate(doc) => {
                self.advance(now, &mut changes);
                self.edit(now, doc, &mut changes)
            }
            Input::Profiles(profiles) => {
                self.advance(now, &mut changes);
                self.learn_profiles(now, profiles, &mut changes)
            }
            Input::Device {
                device,
                received,
                news,
            } => {
                self.advance(now, &mut changes);
                self.device_news(now, device, *received, news, &mut changes)
            }
            Input::Bridge { bridge, up, retained } => {
                self.advance(now, &mut changes);
                self.bridge_news(now, bridge, *up, *retained, &mut changes);
                Ok(Reply::Done)
            }
        };
        Step {
            changes,
            reply,
            taken,
        }
    }

    /// The same for a reading, adding to `changes`: what became of it. A reading that changes nothing does not
    /// allocate.
    pub fn step_reading(
        &mut self,
        now: &Now,
        reading: &Reading,
        arrival: Arrival,
        changes: &mut Changes,
    ) -> Result<Taken, Refusal> {
        self.advance(now, changes);
        self.reading(now, reading, arrival, changes)
    }

    /// The time of the last step; none before the first.
    pub fn clock(&self) -> Option<Now> {
        self.store.state().counters.clock
    }

    /// When the next delay is over; a step at that time or later is wanted. None: only inputs change anything.
    pub fn next_wake(&self) -> Option<Deadline> {
        let watchdog = Some(self.store.state().counters.watchdog).filter(|d| *d < NEVER);
        let timer = self.store.first_deadline();
        watchdog.into_iter().chain(timer).min()
    }

    /// Opens a batch: until it is committed, all steps can be rolled back together.
    pub fn begin(&mut self) {
        self.store.begin();
    }
    /// Keeps the steps since [`Engine::begin`].
    pub fn commit(&mut self) {
        self.store.commit();
    }
    /// Undoes the steps since [`Engine::begin`], time included.
    pub fn rollback(&mut self) {
        self.store.rollback();
    }
}
