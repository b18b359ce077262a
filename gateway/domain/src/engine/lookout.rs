//! The look-out: points and devices that fell silent, flags that are over.
//!
//! It is lazy. A reading only writes down when its point would be silent and when its device was heard; everything is
//! looked at when the first of them could be due, at most once a second.
//!
//! A value that is reported on change (wet, occupied) holds for as long as its device is heard: the heartbeat decides
//! whether it is stale, not the change that does not come. A quantity that is no longer reported does not.

use super::Engine;
use super::change::{Changes, NoticeKind};
use super::state::{NEVER, NOT_AT_ALL};
use crate::alarm::Condition;
use crate::health::FlagKind;
use crate::reading::Value;
use crate::time::{Deadline, Now};
use std::time::Duration;

/// The look-out happens at most this often.
const PAUSE: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) fn look_out(&mut self, now: &Now, changes: &mut Changes) {
        // Nothing that happens while looking may move the next look further away than what is found here.
        self.store.counters().watchdog = NEVER;
        let devices = self.look_at_devices(now, changes);
        let points = self.look_at_points(now, changes);
        self.end_flags(now, changes);
        let counters = self.store.state().counters;
        let flags = after_age(counters.flags_until, counters.age, now);
        let next = devices.min(points).min(flags).min(counters.watchdog);
        self.store.counters().watchdog = if next == NEVER {
            NEVER
        } else {
            next.max(now.after(PAUSE))
        };
    }

    /// Points that fell silent; when the next one would.
    fn look_at_points(&mut self, now: &Now, changes: &mut Changes) -> Deadline {
        let mut next = NEVER;
        for n in 0..self.store.state().points.len() {
            let Some(silent_at) = self.store.state().points.get(n).map(|p| p.silent_at) else {
                continue;
            };
            if silent_at >= NOT_AT_ALL {
                continue;
            }
            if !silent_at.is_due(now) {
                next = next.min(silent_at);
            } else if let Some(later) = self.held_by_its_device(n, now) {
                if let Some(point) = self.store.point_mut(n) {
                    point.silent_at = later;
                }
                next = next.min(later);
            } else {
                self.fall_silent(n, now, changes);
            }
        }
        next
    }

    /// Until when a value that rests is held by the heartbeat of its device.
    fn held_by_its_device(&self, n: usize, now: &Now) -> Option<Deadline> {
        let links = self.store.index().points.get(n).filter(|links| links.rests)?;
        let latest = self.store.state().points.get(n)?.latest.as_ref()?;
        let device = links.device()?;
        let heard = self.store.state().heard.get(device).filter(|heard| heard.ever)?;
        let is_lost = self.store.state().devices.get(device)?.availability.is_lost();
        let age = self.store.state().counters.age;
        let until = heard.rhythm.last().saturating_add(links.silence_ms);
        (latest.value.is_some() && !is_lost && until > age).then(|| after_age(until, age, now))
    }

    /// A point is not heard any more: what rules know about it is unknown.
    pub(super) fn fall_silent(&mut self, n: usize, now: &Now, changes: &mut Changes) {
        let speaks = |p: &super::state::PointState| p.latest.is_some() && p.silent_at != NEVER;
        if !self.store.state().points.get(n).is_some_and(speaks) {
            return;
        }
        if let Some(point) = self.store.point_mut(n) {
            point.silent_at = NEVER;
            let latest = point.latest.as_ref();
            changes.silent.extend(
                latest
                    .filter(|latest| matches!(latest.value, Some(Value::State(_))))
                    .map(|latest| latest.point),
            );
        }
        let watches = self.store.index().points.get(n).map(|p| p.watches());
        for watch in watches.unwrap_or_default() {
            self.lose_watch(watch, now, changes);
            let def = self.store.index().watches.get(watch);
            let alarm = def.and_then(|d| self.alarm_of(&d.asset, &d.rule.class));
            if let Some(id) = alarm
                .filter(|a| a.state.condition == Condition::Unknown)
                .map(|a| a.id)
            {
                self.notice_alarm(NoticeKind::AlarmUnknown, id, now, changes);
            }
        }
    }

    /// Devices that are stale or silent; when the next one would be.
    fn look_at_devices(&mut self, now: &Now, changes: &mut Changes) -> Deadline {
        let mut next = NEVER;
        for n in 0..self.store.state().devices.len() {
            let Some((kind, at)) = self.device_due(n) else {
                continue;
            };
            let age = self.store.state().counters.age;
            if at > age {
                next = next.min(after_age(at, age, now));
                continue;
            }
            let Some(id) = self.estate().devices().get(n).map(|d| d.id.clone()) else {
                continue;
            };
            self.store.set_away(n, true);
            self.raise_flag(&id, kind, None, None, now, changes);
            if kind == FlagKind::Silent {
                self.clear_flag(&id, FlagKind::Stale, None, now, changes);
            } else if let Some((_, at)) = self.device_due(n) {
                next = next.min(after_age(at, age, now));
            }
        }
        next
    }

    /// What a device would be next, and at which age of the engine. One that was never heard has nothing to be stale,
    /// and one that is silent already (after a pause of the program) is not stale first.
    fn device_due(&self, n: usize) -> Option<(FlagKind, u64)> {
        let device = self.store.state().devices.get(n)?;
        let limits = self.store.index().devices.get(n)?;
        if device.flags.has(FlagKind::Silent) || limits.silence_ms == u64::MAX {
            return None;
        }
        let known = self.store.state().heard.get(n)?;
        let heard = known.rhythm.last();
        let silent_at = heard.saturating_add(limits.silence_ms);
        let may_be_stale = known.ever && limits.stale_ms < limits.silence_ms;
        let is_stale = device.flags.has(FlagKind::Stale) || silent_at <= self.store.state().counters.age;
        if may_be_stale && !is_stale {
            Some((FlagKind::Stale, heard.saturating_add(limits.stale_ms)))
        } else {
            Some((FlagKind::Silent, silent_at))
        }
    }

    /// Notes when a device would be stale or silent.
    pub(super) fn expect_device(&mut self, n: usize, now: &Now) {
        if let Some((_, at)) = self.device_due(n) {
            let age = self.store.state().counters.age;
            let due = after_age(at, age, now).max(now.after(PAUSE));
            let counters = self.store.counters();
            counters.watchdog = counters.watchdog.min(due);
        }
    }

    /// Notes when a point would be silent.
    pub(super) fn expect_again(&mut self, n: usize, now: &Now) {
        let Some(silent_at) = self.store.index().points.get(n).map(|links| links.silent_at(now)) else {
            return;
        };
        if let Some(point) = self.store.point_mut(n) {
            point.silent_at = silent_at;
        }
        self.expect_silence(silent_at);
    }

    pub(super) fn expect_silence(&mut self, silent_at: Deadline) {
        let counters = self.store.counters();
        if silent_at < counters.watchdog && silent_at < NOT_AT_ALL {
            counters.watchdog = silent_at;
        }
    }

    /// The age of the engine at a time after its last step.
    pub(super) fn age_at(&self, now: &Now) -> u64 {
        let counters = &self.store.state().counters;
        let since = counters.clock.filter(|last| last.boot == now.boot);
        let since = since.map_or(Duration::ZERO, |last| now.monotonic.since(last.monotonic));
        counters
            .age
            .saturating_add(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The deadline at which the engine has reached an age; never for the end of time.
fn after_age(at: u64, age: u64, now: &Now) -> Deadline {
    if at == u64::MAX {
        NEVER
    } else {
        now.after(Duration::from_millis(at.saturating_sub(age)))
    }
}
