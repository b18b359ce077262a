//! The health of devices as it is read: what is known, how fresh it is, what is wrong. It changes nothing.

use super::Engine;
use super::state::NEVER;
use crate::estate::DeviceIndex;
use crate::health::availability::AvailabilityView;
use crate::health::clock::ClockView;
use crate::health::{FlagKind, FlagView, Flags, Freshness};
use crate::id::{DeviceId, PointKey};
use crate::time::{Now, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Everything known about the health of one device, at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceHealth {
    /// The device.
    pub device: DeviceId,
    /// When it was last heard.
    pub heard: Option<Timestamp>,
    /// How recently.
    pub freshness: Freshness,
    /// How often it really reports; none before its fourth message.
    pub interval: Option<Duration>,
    /// Whether it can be reached.
    pub availability: AvailabilityView,
    /// The bridge it speaks through.
    pub bridge: Option<Arc<str>>,
    /// Its clock, if it tells the time.
    pub clock: Option<ClockView>,
    /// What is wrong with it and its points, the most important first.
    pub flags: Vec<FlagView>,
    /// Its points, in the order in which they were first heard.
    pub points: Vec<(PointKey, Freshness)>,
}

impl Engine {
    /// Whether the device's own time of a live message would tell something new about its clock.
    pub fn wants_clock(&self, device: DeviceIndex, said: Timestamp, received: Timestamp) -> bool {
        let Some(device) = self.estate().device(device) else {
            return false;
        };
        let clock = self.store.state().clocks.get(&device.id);
        clock.is_none_or(|clock| clock.wants(said, received))
    }

    /// Whether the device's clock is known to be wrong, so that its times are not to be believed.
    pub fn clock_is_wrong(&self, device: DeviceIndex) -> bool {
        self.has_flag(device.as_usize(), FlagKind::Clock)
    }

    /// The bridge a device was last heard through.
    pub fn bridge_of(&self, device: DeviceIndex) -> Option<&Arc<str>> {
        let device = self.estate().device(device)?;
        self.store.state().through.get(&device.id)
    }

    /// Whether a bridge said last that it is up; `None` while it has said nothing.
    pub fn bridge_is_up(&self, bridge: &str) -> Option<bool> {
        self.store.state().bridges.get(bridge).map(|known| known.up)
    }

    /// Whether a bridge has come back so recently that its messages may be what it remembers.
    pub fn bridge_settles(&self, bridge: &str, now: &Now) -> bool {
        let known = self.store.state().bridges.get(bridge);
        known.is_some_and(|bridge| bridge.up && bridge.settles > self.age_at(now))
    }

    /// How often a device joined its network; its frames are counted anew each time.
    pub fn joins(&self, device: DeviceIndex) -> u32 {
        let known = self.store.state().devices.get(device.as_usize());
        known.map_or(0, |device| device.joins)
    }

    /// The health of a device of the estate.
    pub fn device_health(&self, device: DeviceIndex, now: &Now) -> Option<DeviceHealth> {
        let n = device.as_usize();
        let id = &self.estate().device(device)?.id;
        let known = self.store.state().devices.get(n)?;
        let heard = self.store.state().heard.get(n)?;
        let flags = self.flags_of(id).map(|((_, kind, point), flag)| FlagView {
            kind: *kind,
            point: *point,
            since: flag.since,
            value: flag.value.clone(),
        });
        let points = self.store.index().points_of(n);
        Some(DeviceHealth {
            device: id.clone(),
            heard: heard.ever.then_some(heard.at),
            freshness: self.device_freshness(n, now)?,
            interval: heard.rhythm.interval(),
            availability: AvailabilityView {
                state: known.availability,
                since: known.available_since,
            },
            bridge: self.bridge_of(device).cloned(),
            clock: self.store.state().clocks.get(id).map(ClockView::from),
            flags: flags.collect(),
            points: points.map(|key| (key, self.point_freshness(key, now))).collect(),
        })
    }

    /// The kinds of flags that are raised about a device or its points.
    pub fn device_flags(&self, device: DeviceIndex) -> Flags {
        let known = self.store.state().devices.get(device.as_usize());
        known.map_or_else(Flags::default, |device| device.flags)
    }

    /// How many devices have each flag, in the order of [`FlagKind::ALL`].
    pub fn flag_counts(&self) -> [(FlagKind, usize); FlagKind::ALL.len()] {
        let devices = &self.store.state().devices;
        FlagKind::ALL.map(|kind| (kind, devices.iter().filter(|d| d.flags.has(kind)).count()))
    }

    /// How many devices have never been heard, for longer than they may be silent: no rule looks at what has no point yet.
    pub fn never_heard(&self) -> usize {
        let state = self.store.state();
        let devices = state.devices.iter().zip(&state.heard);
        devices
            .filter(|(device, heard)| !heard.ever && device.flags.has(FlagKind::Silent))
            .count()
    }

    fn device_freshness(&self, n: usize, now: &Now) -> Option<Freshness> {
        let known = self.store.state().devices.get(n)?;
        let heard = self.store.state().heard.get(n)?;
        let limits = self.store.index().devices.get(n)?;
        let idle = self.age_at(now).saturating_sub(heard.rhythm.last());
        let over = |limit: u64| limit < u64::MAX && idle >= limit;
        Some(match (heard.ever, known.flags.has(FlagKind::Silent)) {
            (_, true) => Freshness::Silent,
            (false, false) => Freshness::Unheard,
            (true, false) if over(limits.silence_ms) => Freshness::Silent,
            (true, false) if over(limits.stale_ms) => Freshness::Stale,
            (true, false) => Freshness::Fresh,
        })
    }

    /// How recently a point was heard. A value that is reported on change is as fresh as its device.
    pub fn point_freshness(&self, key: PointKey, now: &Now) -> Freshness {
        let n = key.0 as usize;
        let (Some(point), Some(links)) = (self.store.state().points.get(n), self.store.index().points.get(n))
        else {
            return Freshness::Unheard;
        };
        let Some(latest) = &point.latest else {
            return Freshness::Unheard;
        };
        let (Some(device), false) = (links.device(), point.silent_at == NEVER) else {
            return Freshness::Silent;
        };
        if links.rests && latest.value.is_some() {
            return match self.device_freshness(device, now) {
                Some(Freshness::Unheard) | None => Freshness::Stale,
                Some(freshness) => freshness,
            };
        }
        let stale_ms = self
            .store
            .index()
            .devices
            .get(device)
            .map_or(u64::MAX, |d| d.stale_ms);
        let heard = point.silent_at.at.0.saturating_sub(links.silence_ms);
        let idle = now.monotonic.0.saturating_sub(heard);
        let over = |limit: u64| limit < u64::MAX && idle >= limit;
        match (over(links.silence_ms), over(stale_ms)) {
            (true, _) => Freshness::Silent,
            (false, true) => Freshness::Stale,
            (false, false) => Freshness::Fresh,
        }
    }
}
