//! Flags: what the values of a point say about its health, and the only way a flag is raised or taken down.
//!
//! What is looked for stands in [`crate::health::limits`], how it is found in [`crate::health::vital`]. A flag about a
//! moment (a jump, a contradiction) has no value that would take it down, so it goes by itself a day after the last.

use super::Engine;
use super::change::{Changes, DeviceChange, DeviceEvent};
use super::readings::time_of;
use super::state::FlagKey;
use crate::health::limits::Check;
use crate::health::{Flag, FlagKind};
use crate::id::{DeviceId, PointKey};
use crate::reading::{Quality, Reading, Reason, Value};
use crate::time::{Deadline, Now};
use std::time::Duration;

/// How long a flag about a moment stays after the last such moment.
const MOMENT: Duration = Duration::from_secs(24 * 3600);
/// A flag about a moment is written again at most this often: the days need no better precision.
const AGAIN: Duration = Duration::from_secs(600);

impl Engine {
    /// Looks at a value that was heard; the reading's quality with what was found.
    pub(super) fn examine(
        &mut self,
        n: usize,
        reading: &Reading,
        now: &Now,
        changes: &mut Changes,
    ) -> Quality {
        let Some(check) = self.store.index().checks.get(n).copied() else {
            return reading.quality;
        };
        let age = self.store.state().counters.age;
        let point = reading.point;
        match (check, &reading.value) {
            (Check::Quantity { stuck_after, jump }, Some(Value::Number(value))) => {
                let Some(vital) = self.store.vital_mut(n) else {
                    return reading.quality;
                };
                let jumps = jump.is_some_and(|jump| vital.steady.observe(*value, time_of(reading), jump));
                let was_stuck = vital.flags.has(FlagKind::Stuck);
                let stuck = match stuck_after {
                    Some(after) if !jumps => vital.rest.observe(*value, age, after),
                    Some(_) => was_stuck,
                    None => false,
                };
                if stuck != was_stuck {
                    self.flag_point(point, FlagKind::Stuck, stuck, reading, now, changes);
                }
                if jumps {
                    self.flag_point(point, FlagKind::Jump, true, reading, now, changes);
                    if reading.quality.is_good() {
                        return Quality::Uncertain(Reason::ImpossibleJump);
                    }
                }
            }
            (
                Check::Level {
                    flag,
                    set,
                    clear,
                    times,
                },
                Some(Value::Number(value)),
            ) => {
                let Some(vital) = self.store.vital_mut(n) else {
                    return reading.quality;
                };
                let was_low = vital.flags.has(flag);
                let low = vital.run.observe(was_low, *value, set, clear, times);
                if low != was_low {
                    self.flag_point(point, flag, low, reading, now, changes);
                }
            }
            (Check::State { flag }, Some(Value::State(wrong))) => {
                let vital = self.store.state().vitals.get(n);
                if vital.is_some_and(|vital| vital.flags.has(flag) != *wrong) {
                    self.flag_point(point, flag, *wrong, reading, now, changes);
                }
            }
            _ => {}
        }
        reading.quality
    }

    fn flag_point(
        &mut self,
        point: PointKey,
        kind: FlagKind,
        on: bool,
        reading: &Reading,
        now: &Now,
        changes: &mut Changes,
    ) {
        let Some(device) = self.point(point).map(|def| def.device.clone()) else {
            return;
        };
        if on {
            self.raise_flag(&device, kind, Some(point), reading.value.clone(), now, changes);
        } else {
            self.clear_flag(&device, kind, Some(point), now, changes);
        }
    }

    /// Raises a flag. One about a moment that is raised already stays for longer.
    pub(super) fn raise_flag(
        &mut self,
        device: &DeviceId,
        kind: FlagKind,
        point: Option<PointKey>,
        value: Option<Value>,
        now: &Now,
        changes: &mut Changes,
    ) {
        let is_moment = matches!(kind, FlagKind::Jump | FlagKind::Conflict);
        let later = |by: Duration| {
            let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            self.store.state().counters.age.saturating_add(by)
        };
        let until = is_moment.then(|| later(MOMENT));
        let key: FlagKey = (device.clone(), kind, point);
        match self.store.state().flags.get(&key).cloned() {
            Some(mut flag) => {
                let nearly = later(MOMENT.saturating_sub(AGAIN));
                if is_moment && flag.until.is_none_or(|until| until <= nearly) {
                    flag.until = until;
                    self.store.set_flag(key, Some(flag));
                }
            }
            None => {
                let flag = Flag {
                    since: now.wall,
                    value,
                    until,
                };
                self.store.set_flag(key, Some(flag));
                self.mark(device, kind, point, true);
                changes.devices.push(DeviceChange {
                    device: device.clone(),
                    point,
                    event: DeviceEvent::Raised(kind),
                    at: now.wall,
                });
                self.expect_end(until, now);
            }
        }
    }

    /// Takes a flag down, if it is raised.
    pub(super) fn clear_flag(
        &mut self,
        device: &DeviceId,
        kind: FlagKind,
        point: Option<PointKey>,
        now: &Now,
        changes: &mut Changes,
    ) {
        let key: FlagKey = (device.clone(), kind, point);
        if !self.store.state().flags.contains_key(&key) {
            return;
        }
        self.store.set_flag(key, None);
        self.mark(device, kind, point, false);
        changes.devices.push(DeviceChange {
            device: device.clone(),
            point,
            event: DeviceEvent::Cleared(kind),
            at: now.wall,
        });
    }

    /// Takes down the flags about moments that are long enough ago; when the next one goes.
    pub(super) fn end_flags(&mut self, now: &Now, changes: &mut Changes) {
        let counters = self.store.state().counters;
        if counters.flags_until > counters.age {
            return;
        }
        let over: Vec<FlagKey> = self
            .store
            .state()
            .flags
            .iter()
            .filter(|(_, flag)| flag.until.is_some_and(|until| until <= counters.age))
            .map(|(key, _)| key.clone())
            .collect();
        for (device, kind, point) in over {
            self.clear_flag(&device, kind, point, now, changes);
        }
        let left = self.store.state().flags.values().filter_map(|flag| flag.until);
        let next = left.min().unwrap_or(u64::MAX);
        self.store.counters().flags_until = next;
    }

    fn expect_end(&mut self, until: Option<u64>, now: &Now) {
        let Some(until) = until else {
            return;
        };
        let counters = self.store.counters();
        counters.flags_until = counters.flags_until.min(until);
        let left = Duration::from_millis(until.saturating_sub(counters.age));
        let at: Deadline = now.after(left);
        counters.watchdog = counters.watchdog.min(at);
    }

    /// Keeps the sets that spare the hot path a look-up in step with the flags.
    fn mark(&mut self, device: &DeviceId, kind: FlagKind, point: Option<PointKey>, on: bool) {
        if let Some(vital) = point.and_then(|p| self.store.vital_mut(p.0 as usize)) {
            vital.flags.set(kind, on);
        }
        let any = on || self.flags_of(device).any(|((_, known, _), _)| *known == kind);
        if let Some(index) = self.estate().device_by_id(device)
            && let Some(device) = self.store.device_mut(index.as_usize())
        {
            device.flags.set(kind, any);
        }
    }

    /// The flags of a device and its points, in the order of their kinds.
    pub(super) fn flags_of<'a>(
        &'a self,
        device: &'a DeviceId,
    ) -> impl Iterator<Item = (&'a FlagKey, &'a Flag)> {
        let from: FlagKey = (device.clone(), FlagKind::ALL[0], None);
        let of_device = move |(key, _): &(&FlagKey, &Flag)| key.0 == *device;
        self.store.state().flags.range(from..).take_while(of_device)
    }
}
