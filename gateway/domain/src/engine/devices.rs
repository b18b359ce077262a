//! What is known about a device beside its readings: that it is heard, whether it can be reached, what its clock says.
//!
//! | news | the device is heard | availability | more |
//! |---|---|---|---|
//! | a reading, live or late | yes | online, if it was away | |
//! | heard: a message without a reading for the engine | yes | online, if it was away | |
//! | repeats: what is stored of a moment, again | yes | online, if it was away | its newest value holds on |
//! | joined its network | yes | online, if it was away | its frame counter starts over |
//! | its own time | no: the message brings the rest | | skew, drift, `clock` |
//! | available | no: that is its bridge's or its last word | online | |
//! | not available, a device that sleeps | no | asleep | |
//! | not available, any other device | no | offline | its points are unknown at once |
//! | either of these retained, while its bridge is down | no | | said before the bridge went |
//! | speaks through a bridge | no | | |
//! | conflict: two values for one moment | no | | `conflict` |
//! | its bridge is down | no | unreachable | its points are unknown at once |
//! | its bridge is back | no | unknown | nothing is known again before it is heard |
//!
//! A bridge that comes back repeats what it remembers of its devices as if they had just said it. For half a minute
//! ([`Engine::bridge_settles`]) its messages are therefore taken for replays.

use super::Engine;
use super::change::{Changes, DeviceChange, DeviceEvent};
use super::state::Bridge;
use crate::command::{Refusal, Reply};
use crate::estate::DeviceIndex;
use crate::health::FlagKind;
use crate::health::availability::{Availability, AvailabilityEvent};
use crate::health::clock::DeviceClock;
use crate::id::{DeviceId, PointKey};
use crate::reading::Value;
use crate::time::{Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How long a bridge that has come back may repeat what it remembers, in milliseconds.
const SETTLES_MS: u64 = 30_000;

/// What can be known about a device beside its readings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DeviceNews {
    /// It sent something that holds no reading for the engine.
    Heard,
    /// It joined its network.
    Joined,
    /// The time its own clock gave to a live message; see [`Engine::wants_clock`].
    Clock(Timestamp),
    /// Its last will or its bridge says whether it can be reached.
    Available {
        /// Whether it can.
        online: bool,
        /// Whether a broker replayed that from its store.
        retained: bool,
        /// Whether it described itself as one that sleeps, where no profile of the catalogue says so.
        sleeps: bool,
    },
    /// It speaks through this bridge.
    Through(Arc<str>),
    /// It said something else about a moment of which a reading is stored.
    Conflict {
        /// The point.
        point: PointKey,
        /// What it says now.
        value: Option<Value>,
    },
    /// It said its newest value again, with the time it has: the value still holds.
    Repeats {
        /// The point.
        point: PointKey,
    },
}

impl Engine {
    /// Takes in what is known about a device.
    pub(super) fn device_news(
        &mut self,
        now: &Now,
        id: &DeviceId,
        received: Timestamp,
        news: &DeviceNews,
        changes: &mut Changes,
    ) -> Result<Reply, Refusal> {
        let Some(index) = self.estate().device_by_id(id) else {
            return Err(Refusal::UnknownDevice { device: id.clone() });
        };
        let n = index.as_usize();
        match news {
            DeviceNews::Heard => self.heard(n, received, now, changes),
            DeviceNews::Joined => {
                if let Some(device) = self.store.device_mut(n) {
                    device.joins = device.joins.saturating_add(1);
                }
                self.heard(n, received, now, changes);
            }
            DeviceNews::Clock(said) => self.clock_says(n, id, *said, received, now, changes),
            DeviceNews::Available { retained: true, .. } if self.is_unreachable(n) => {}
            DeviceNews::Available { online: true, .. } => {
                self.reach(n, AvailabilityEvent::SaysOnline, now, changes);
            }
            DeviceNews::Available { sleeps, .. } => {
                let sleeps = *sleeps || self.estate().device(index).is_some_and(|d| d.sleeps);
                self.reach(n, AvailabilityEvent::SaysOffline { sleeps }, now, changes);
            }
            DeviceNews::Through(bridge) => {
                if self.bridge_of(index) != Some(bridge) {
                    self.store.set_through(id.clone(), Some(bridge.clone()));
                }
            }
            DeviceNews::Conflict { point, value } => {
                if self.point(*point).is_none_or(|def| def.device != *id) {
                    return Err(Refusal::UnknownPoint { point: *point });
                }
                let (kind, point) = (FlagKind::Conflict, Some(*point));
                self.raise_flag(id, kind, point, value.clone(), now, changes);
            }
            DeviceNews::Repeats { point } => {
                if self.point(*point).is_none_or(|def| def.device != *id) {
                    return Err(Refusal::UnknownPoint { point: *point });
                }
                self.heard(n, received, now, changes);
                self.holds(*point, now, changes);
            }
        }
        Ok(Reply::Done)
    }

    /// A bridge says whether it is up, and with it every device that was heard through it.
    pub(super) fn bridge_news(
        &mut self,
        now: &Now,
        name: &Arc<str>,
        up: bool,
        retained: bool,
        changes: &mut Changes,
    ) {
        let age = self.store.state().counters.age;
        let known = self.store.state().bridges.get(name).copied();
        let same = known.filter(|bridge| bridge.up == up);
        if retained && same.is_some() {
            return;
        }
        // A bridge that says it is up has just started; a broker that repeats it tells nothing about when.
        let settles = if up && !retained {
            age.saturating_add(SETTLES_MS)
        } else {
            age
        };
        let since = same.map_or(now.wall, |bridge| bridge.since);
        self.store
            .set_bridge(name.clone(), Some(Bridge { up, since, settles }));
        let event = if up {
            AvailabilityEvent::BridgeUp
        } else {
            AvailabilityEvent::BridgeDown
        };
        for n in 0..self.estate().devices().len() {
            let index = DeviceIndex(u32::try_from(n).unwrap_or(u32::MAX));
            if self.bridge_of(index) == Some(name) {
                self.reach(n, event, now, changes);
            }
        }
    }

    /// The device at `n` has said something. Called with every reading: it writes one device and allocates nothing,
    /// unless the device was away.
    #[inline]
    pub(super) fn heard(&mut self, n: usize, received: Timestamp, now: &Now, changes: &mut Changes) {
        if self.store.hear(n, received) == Some(true) {
            self.came_back(n, now, changes);
        }
    }

    #[cold]
    fn came_back(&mut self, n: usize, now: &Now, changes: &mut Changes) {
        self.store.set_away(n, false);
        self.reach(n, AvailabilityEvent::Heard, now, changes);
        if let Some(id) = self.estate().devices().get(n).map(|d| d.id.clone()) {
            self.clear_flag(&id, FlagKind::Silent, None, now, changes);
            self.clear_flag(&id, FlagKind::Stale, None, now, changes);
        }
        self.expect_device(n, now);
    }

    /// Somebody has said something about reaching a device.
    fn reach(&mut self, n: usize, event: AvailabilityEvent, now: &Now, changes: &mut Changes) {
        let Some(before) = self.store.state().devices.get(n).map(|d| d.availability) else {
            return;
        };
        let after = before.next(event);
        if after == before {
            return;
        }
        if let Some(device) = self.store.device_mut(n) {
            device.availability = after;
            device.available_since = Some(now.wall);
        }
        if after.next(AvailabilityEvent::Heard) != after {
            self.store.set_away(n, true);
        }
        let Some(id) = self.estate().devices().get(n).map(|d| d.id.clone()) else {
            return;
        };
        changes.devices.push(DeviceChange {
            device: id.clone(),
            point: None,
            event: DeviceEvent::Availability(after),
            at: now.wall,
        });
        if after.is_lost() && !before.is_lost() {
            self.raise_flag(&id, FlagKind::Silent, None, None, now, changes);
            self.clear_flag(&id, FlagKind::Stale, None, now, changes);
            let points: Vec<PointKey> = self.store.index().points_of(n).collect();
            for point in points {
                self.fall_silent(point.0 as usize, now, changes);
            }
        }
    }

    fn clock_says(
        &mut self,
        n: usize,
        id: &DeviceId,
        said: Timestamp,
        received: Timestamp,
        now: &Now,
        changes: &mut Changes,
    ) {
        if !now.trusted {
            return;
        }
        let mut clock = self
            .store
            .state()
            .clocks
            .get(id)
            .cloned()
            .unwrap_or_else(DeviceClock::default);
        clock.observe(said, received);
        let limit = self.store.index().devices.get(n).map(|limits| limits.clock_skew);
        let was_wrong = self.has_flag(n, FlagKind::Clock);
        let wrong = clock.is_wrong(was_wrong, limit.unwrap_or_default());
        let skew_s = clock.skew_ms().map(|ms| Value::Number(seconds(ms)));
        self.store.set_clock(id.clone(), Some(clock));
        if wrong && !was_wrong {
            self.raise_flag(id, FlagKind::Clock, None, skew_s, now, changes);
        } else if !wrong && was_wrong {
            self.clear_flag(id, FlagKind::Clock, None, now, changes);
        }
    }

    fn is_unreachable(&self, n: usize) -> bool {
        let device = self.store.state().devices.get(n);
        device.is_some_and(|device| device.availability == Availability::Unreachable)
    }

    pub(super) fn has_flag(&self, n: usize, kind: FlagKind) -> bool {
        let device = self.store.state().devices.get(n);
        device.is_some_and(|device| device.flags.has(kind))
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a skew in milliseconds is far from the end of exact numbers"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}
