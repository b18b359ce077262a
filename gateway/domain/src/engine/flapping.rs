//! Flapping: a sensor that comes and goes faster than anybody can run.
//!
//! | | |
//! |---|---|
//! | begins | raised (or raised anew while clearing) three times within a minute, or five times within half an hour |
//! | while it lasts | the off-delay of its rules is four times as long; nobody is told that it was raised or cleared; its order stays, and an order of the lowest priority asks somebody to look at the sensor |
//! | but | what is guarded (water, life safety) is told once an hour for as long as it is not normal |
//! | ends | an hour without being raised; the audit says so |
//!
//! Times are ages of the engine: no clock that is set, and no time the machine was off, makes a sensor calm.

use super::Engine;
use super::alarms::GATEWAY_NAME;
use super::change::{AlarmEvent, AuditEvent, Changes, NoticeKind};
use super::index::WatchDef;
use super::state::{AlarmKey, Flap};
use crate::alarm::{Annunciation, Condition, Delays};
use crate::id::{AssetId, Fault, OrderProfileId};
use crate::order::{Guards, Order, OrderProfile, OrderRole, OrderState, Verify};
use crate::rule::Priority;
use crate::text::Text;
use crate::time::Now;
use std::sync::Arc;
use std::time::Duration;

/// So many times within [`CHATTER_MS`] is flapping.
const CHATTER: usize = 3;
const CHATTER_MS: u64 = 60_000;
/// So many times within [`OFTEN_MS`] is flapping too.
pub(super) const OFTEN: usize = 5;
const OFTEN_MS: u64 = 1_800_000;
/// Calm for this long, it does not flap any more.
const CALM_MS: u64 = 3_600_000;
/// How much longer a flapping alarm must be right.
const STRETCH: u32 = 4;
/// What is guarded is told this often although it flaps.
const GUARDED_MS: u64 = 3_600_000;
/// The fault of the order that asks somebody to look at the sensor.
pub(super) const FAULT: &str = "flapping";

impl Engine {
    /// The delays of a watch, stretched while its alarm flaps.
    pub(super) fn delays_of(&self, def: &WatchDef) -> Delays {
        let delays = Delays::of(&def.rule);
        if self.flaps(&(def.asset.clone(), def.rule.class.clone())) {
            Delays {
                off: delays.off.saturating_mul(STRETCH),
                ..delays
            }
        } else {
            delays
        }
    }

    /// Whether an alarm flaps.
    pub(super) fn flaps(&self, key: &AlarmKey) -> bool {
        let flaps = &self.store.state().flaps;
        !flaps.is_empty() && flaps.get(key).is_some_and(|flap| flap.flapping)
    }

    /// An alarm was raised, or raised anew while it was clearing.
    pub(super) fn count_activation(&mut self, def: &WatchDef, now: &Now, changes: &mut Changes) {
        let age = self.store.state().counters.age;
        let key = (def.asset.clone(), def.rule.class.clone());
        let mut flap = self.store.state().flaps.get(&key).cloned().unwrap_or_default();
        if flap.recent.len() >= OFTEN {
            flap.recent.remove(0);
        }
        flap.recent.push(age);
        let within = |count: usize, span: u64| {
            let first = flap
                .recent
                .len()
                .checked_sub(count)
                .and_then(|n| flap.recent.get(n));
            first.is_some_and(|first| age.saturating_sub(*first) <= span)
        };
        let begins = !flap.flapping && (within(CHATTER, CHATTER_MS) || within(OFTEN, OFTEN_MS));
        if begins {
            flap.flapping = true;
            flap.told = age;
        }
        if flap.flapping && until_told(&flap, age).is_none() && self.tell_guarded(&key, now, changes) {
            flap.told = age;
        }
        let wait = if flap.flapping {
            until_told(&flap, age).unwrap_or(CALM_MS).min(CALM_MS)
        } else {
            OFTEN_MS
        };
        flap.look = now.after(Duration::from_millis(wait));
        self.store.set_flap(key.clone(), Some(flap));
        if begins {
            self.tell_flapping(&key, true, now, changes);
            self.ask_for_care(&key, now, changes);
        }
    }

    /// Whether something about an alarm may be told although it flaps.
    pub(super) fn may_tell(&self, asset: &AssetId, alarm_class: &crate::id::Class, kind: NoticeKind) -> bool {
        let muted = matches!(
            kind,
            NoticeKind::AlarmRaised | NoticeKind::AlarmCleared | NoticeKind::AlarmUnknown
        );
        !muted || !self.flaps(&(asset.clone(), alarm_class.clone()))
    }

    /// Time has passed for an alarm key that was raised lately.
    pub(super) fn look_at_flap(&mut self, key: &AlarmKey, now: &Now, changes: &mut Changes) {
        let age = self.store.state().counters.age;
        let Some(mut flap) = self.store.state().flaps.get(key).cloned() else {
            return;
        };
        let last = flap.recent.last().copied().unwrap_or_default();
        let calm = age.saturating_sub(last);
        if !flap.flapping {
            // Nothing of it counts any more, or will before it is raised again.
            let left = OFTEN_MS.saturating_sub(calm);
            flap.look = now.after(Duration::from_millis(left.max(1)));
            self.store.set_flap(key.clone(), (left > 0).then_some(flap));
            return;
        }
        if calm >= CALM_MS {
            self.store.set_flap(key.clone(), None);
            self.tell_flapping(key, false, now, changes);
            if let Ok(fault) = Fault::new(FAULT) {
                self.follow_order(&key.0, &fault, false, now, changes);
            }
            return;
        }
        if until_told(&flap, age).is_none() && self.tell_guarded(key, now, changes) {
            flap.told = age;
        }
        let left = CALM_MS.saturating_sub(calm);
        let wait = until_told(&flap, age).unwrap_or(left).min(left);
        flap.look = now.after(Duration::from_millis(wait.max(1)));
        self.store.set_flap(key.clone(), Some(flap));
    }

    /// What is guarded is never silent for longer than an hour: told when the hour is over, or the next time it is raised
    /// if it is normal just then. Whether it was told.
    fn tell_guarded(&mut self, key: &AlarmKey, now: &Now, changes: &mut Changes) -> bool {
        let watches = self.store.index().of_class(&key.0, &key.1).iter();
        let mut defs = watches.filter_map(|n| self.store.index().watches.get(*n));
        let guarded = defs.any(|def| def.rule.is_guarded());
        let alarm = self.alarm_of(&key.0, &key.1);
        let goes_on = alarm.filter(|alarm| alarm.state.condition != Condition::Normal);
        let Some(id) = goes_on.map(|alarm| alarm.id).filter(|_| guarded) else {
            return false;
        };
        self.notice_alarm(NoticeKind::AlarmStillActive, id, now, changes);
        true
    }

    fn tell_flapping(&mut self, key: &AlarmKey, begins: bool, now: &Now, changes: &mut Changes) {
        let (event, action, detail) = if begins {
            (
                AlarmEvent::Flapping,
                "alarm.flapping",
                "off-delay four times as long, notices stop",
            )
        } else {
            (
                AlarmEvent::Stable,
                "alarm.stable",
                "calm for an hour: the delay is as the rule says, notices go on",
            )
        };
        changes.audit.push(AuditEvent {
            at: now.wall,
            actor: None,
            action: action.into(),
            subject: format!("{}/{}", key.0, key.1),
            detail: detail.to_owned(),
        });
        if let Some(id) = self.alarm_of(&key.0, &key.1).map(|alarm| alarm.id) {
            self.change_alarm(id, event, None, now, changes, |alarm| alarm.flapping = begins);
        }
    }

    /// An order asks somebody to look at the sensor; there is one for each asset. What something keeps from people (a
    /// repair, a cause, a person's word) sends nobody before it is heard of again.
    pub(super) fn ask_for_care(&mut self, key: &AlarmKey, now: &Now, changes: &mut Changes) {
        let (Ok(fault), Ok(profile)) = (Fault::new(FAULT), OrderProfileId::new(FAULT)) else {
            return;
        };
        let alarm = self.alarm_of(&key.0, &key.1);
        let Some(alarm) = alarm
            .filter(|alarm| alarm.state.annunciation == Annunciation::On)
            .map(|alarm| alarm.id)
        else {
            return;
        };
        if !self.flaps(key) || self.order_of(&key.0, &fault).is_some() {
            return;
        }
        let id = self.next_order();
        let order = Order {
            id,
            version: 1,
            asset: key.0.clone(),
            fault,
            role: OrderRole::Repair,
            priority: Priority::P4,
            profile: Arc::new(care(profile)),
            response: Text {
                zh: "传感器时通时断：检查安装、接线和探头，必要时更换。".into(),
                en: "The sensor comes and goes: check its mounting, wiring and probe, change it if need be."
                    .into(),
            },
            state: OrderState::New,
            alarms: vec![alarm],
            more_alarms: 0,
            opened_at: now.wall,
            accepted_at: None,
            started_at: None,
            completed_at: None,
            ended_at: None,
            assignee: None,
            completer: None,
            note: None,
            reopened: 0,
            sensor_normal: false,
            changed_by: GATEWAY_NAME.into(),
            batch: None,
        };
        self.open_new(order, now, changes);
    }

    /// Whether anything of an asset flaps, if that is what an order is about.
    pub(super) fn is_calm(&self, order: &Order) -> Option<bool> {
        let flaps = &self.store.state().flaps;
        let of_asset = |(key, flap): (&AlarmKey, &Flap)| key.0 == order.asset && flap.flapping;
        (order.fault.as_str() == FAULT).then(|| !flaps.iter().any(of_asset))
    }
}

/// How long until what is guarded is told again; `None` when it is time.
fn until_told(flap: &Flap, age: u64) -> Option<u64> {
    let left = GUARDED_MS.saturating_sub(age.saturating_sub(flap.told));
    (left > 0).then_some(left)
}

/// How such an order is verified: by the sensor, which must be calm.
fn care(id: OrderProfileId) -> OrderProfile {
    OrderProfile {
        id,
        name: Text {
            zh: "传感器维护".into(),
            en: "Sensor care".into(),
        },
        verify: Verify {
            hold: Duration::ZERO,
            grace: Duration::from_secs(1_800),
        },
        auto_close: true,
        guards: Guards::default(),
    }
}
