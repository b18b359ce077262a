//! What follows from a watch for its alarm: raising, summing up the condition, latching, ending.
//!
//! One alarm lives per (asset, class); everything that happens under its key happens to that one. Orders follow
//! in [`super::orders`], after the alarm.

use super::Engine;
use super::change::{AlarmChange, AlarmEvent, Changes, Notice, NoticeKind};
use super::index::WatchDef;
use crate::alarm::{Ack, AckEvent, Alarm, AlarmState, Condition, Effect, Latch, LatchEvent};
use crate::command::Actor;
use crate::id::{AlarmId, AssetId, Class};
use crate::time::Now;
use std::sync::Arc;

/// Who changes things when no person does.
pub(super) const GATEWAY_NAME: &str = "gateway";

impl Engine {
    /// A watch has changed: its alarm and its order follow.
    pub(super) fn follow_watch(
        &mut self,
        n: usize,
        def: &WatchDef,
        effect: Effect,
        now: &Now,
        changes: &mut Changes,
    ) {
        // A sensor that has to be agreed with is an alarm when enough of them are.
        let effect = match effect {
            Effect::Raised | Effect::Relapsed if !self.agrees(def) => Effect::None,
            other => other,
        };
        match effect {
            Effect::Raised => self.raise(n, def, now, changes),
            Effect::Relapsed => {
                if let Some(id) = self.alarm_of(&def.asset, &def.rule.class).map(|a| a.id) {
                    let condition = self.condition_of(&def.asset, &def.rule.class);
                    self.change_alarm(id, AlarmEvent::Relapsed, None, now, changes, |alarm| {
                        alarm.count = alarm.count.saturating_add(1);
                        alarm.state.condition = condition;
                    });
                }
            }
            Effect::None | Effect::Fleeting | Effect::Cleared => {}
        }
        self.refresh_condition(&def.asset, &def.rule.class, now, changes);
        self.follow_order(
            &def.asset,
            &def.rule.fault,
            effect == Effect::Raised,
            now,
            changes,
        );
    }

    fn raise(&mut self, n: usize, def: &WatchDef, now: &Now, changes: &mut Changes) {
        let rule = &def.rule;
        let evidence = self.take_evidence(n);
        let condition = self.condition_of(&def.asset, &rule.class);
        let value = self.latest(def.point).and_then(|r| r.value.clone());
        let live = self.alarm_of(&def.asset, &rule.class).map(|a| a.id);
        let id = live.unwrap_or_else(|| {
            let counters = self.store.counters();
            let id = AlarmId(counters.next_alarm);
            counters.next_alarm = counters.next_alarm.saturating_add(1);
            id
        });
        let raised = |alarm: &mut Alarm| {
            alarm.version = alarm.version.saturating_add(1);
            alarm.count = alarm.count.saturating_add(1);
            alarm.priority = alarm.priority.min(rule.priority);
            alarm.state.condition = condition;
            alarm.state.ack = alarm.state.ack.next(AckEvent::Raise).unwrap_or(Ack::Unack);
            let raise = LatchEvent::Raise { latches: rule.latch };
            alarm.state.latch = alarm.state.latch.next(raise).unwrap_or(Latch::Held);
            alarm.last_raised_at = now.wall;
            alarm.cleared_at = None;
            alarm.value = value;
            alarm.evidence = evidence;
            alarm.point = def.point;
            alarm.changed_by = GATEWAY_NAME.into();
        };
        if live.is_some() {
            self.change_alarm(id, AlarmEvent::RaisedAgain, None, now, changes, raised);
        } else {
            let mut alarm = Alarm {
                id,
                version: 0,
                asset: def.asset.clone(),
                class: rule.class.clone(),
                fault: rule.fault.clone(),
                rule: rule.id.clone(),
                rule_version: rule.version,
                name: rule.name.clone(),
                response: rule.response.clone(),
                priority: rule.priority,
                state: AlarmState {
                    condition,
                    ack: Ack::None,
                    latch: Latch::Off,
                },
                raised_at: now.wall,
                last_raised_at: now.wall,
                cleared_at: None,
                acknowledged_at: None,
                acknowledged_by: None,
                ended_at: None,
                count: 0,
                value: None,
                point: def.point,
                order: None,
                lost: Vec::new(),
                evidence: Vec::new(),
                cause: rule.cause.clone(),
                consequence: rule.consequence.clone(),
                changed_by: GATEWAY_NAME.into(),
            };
            raised(&mut alarm);
            let alarm = Arc::new(alarm);
            self.store.set_alarm(id, Some(alarm.clone()));
            changes.alarms.push(AlarmChange {
                event: AlarmEvent::Raised,
                from: None,
                to: alarm.state,
                at: now.wall,
                actor: None,
                alarm,
            });
        }
        if let Some(plan) = &rule.order {
            self.link_order(id, plan, now, changes);
        }
        self.notice_alarm(NoticeKind::AlarmRaised, id, now, changes);
    }

    /// Brings the alarm of a key, if one lives, in step with its sensors.
    pub(super) fn refresh_condition(
        &mut self,
        asset: &AssetId,
        class: &Class,
        now: &Now,
        changes: &mut Changes,
    ) {
        let condition = self.condition_of(asset, class);
        let Some((id, before)) = self.alarm_of(asset, class).map(|a| (a.id, a.state.condition)) else {
            return;
        };
        if before != condition {
            self.change_alarm(id, AlarmEvent::Condition, None, now, changes, |alarm| {
                alarm.state.condition = condition;
                alarm.cleared_at = (condition == Condition::Normal).then_some(now.wall);
            });
            if condition == Condition::Normal {
                self.notice_alarm(NoticeKind::AlarmCleared, id, now, changes);
            }
        }
        self.settle_alarm(id, now, changes);
    }

    /// Ends an alarm that is over. Points that left the estate are let go once the alarm is acknowledged and
    /// no order waits for it: nobody will ever hear them again.
    pub(super) fn settle_alarm(&mut self, id: AlarmId, now: &Now, changes: &mut Changes) {
        let Some(alarm) = self.alarm(id).cloned() else {
            return;
        };
        let ordered = self.order_of(&alarm.asset, &alarm.fault).is_some();
        if !alarm.lost.is_empty() && alarm.state.ack != Ack::Unack && !ordered {
            self.change_alarm(id, AlarmEvent::Points, None, now, changes, |a| a.lost.clear());
            self.refresh_condition(&alarm.asset, &alarm.class, now, changes);
            return;
        }
        if alarm.state.is_over() {
            self.change_alarm(id, AlarmEvent::Ended, None, now, changes, |a| {
                a.state.ack = a.state.ack.next(AckEvent::End).unwrap_or(Ack::None);
                a.ended_at = Some(now.wall);
            });
            self.store.set_alarm(id, None);
        }
    }

    /// Lets go of a latch whose condition is normal.
    pub(super) fn release_latch(
        &mut self,
        id: AlarmId,
        actor: Option<&Actor>,
        now: &Now,
        changes: &mut Changes,
    ) {
        let Some(state) = self.alarm(id).map(|a| a.state) else {
            return;
        };
        let condition = state.condition;
        if let Ok(latch) = state.latch.next(LatchEvent::Release { condition }) {
            self.change_alarm(id, AlarmEvent::Released, actor, now, changes, |alarm| {
                alarm.state.latch = latch;
                alarm.version = alarm.version.saturating_add(1);
            });
        }
        self.settle_alarm(id, now, changes);
    }

    /// Marks an alarm as seen by a person; nothing happens when it already is.
    pub(super) fn acknowledge(&mut self, id: AlarmId, actor: &Actor, now: &Now, changes: &mut Changes) {
        let ack = self
            .alarm(id)
            .and_then(|a| a.state.ack.next(AckEvent::Acknowledge));
        if let Some(ack) = ack {
            self.change_alarm(id, AlarmEvent::Acknowledged, Some(actor), now, changes, |alarm| {
                alarm.state.ack = ack;
                alarm.version = alarm.version.saturating_add(1);
                alarm.acknowledged_at = Some(now.wall);
                alarm.acknowledged_by = Some(actor.clone());
            });
            self.settle_alarm(id, now, changes);
        }
    }

    /// The only way an alarm that lives is changed.
    pub(super) fn change_alarm(
        &mut self,
        id: AlarmId,
        event: AlarmEvent,
        actor: Option<&Actor>,
        now: &Now,
        changes: &mut Changes,
        change: impl FnOnce(&mut Alarm),
    ) {
        let Some(before) = self.alarm(id) else {
            return;
        };
        let from = before.state;
        let mut alarm = before.as_ref().clone();
        change(&mut alarm);
        if let Some(actor) = actor {
            alarm.changed_by = actor.name.clone();
        }
        let alarm = Arc::new(alarm);
        self.store.set_alarm(id, Some(alarm.clone()));
        changes.alarms.push(AlarmChange {
            event,
            from: Some(from),
            to: alarm.state,
            at: now.wall,
            actor: actor.cloned(),
            alarm,
        });
    }

    pub(super) fn notice_alarm(&self, kind: NoticeKind, id: AlarmId, now: &Now, changes: &mut Changes) {
        let Some(alarm) = self.alarm(id) else {
            return;
        };
        let (asset_name, place) = self.estate().texts_of(&alarm.asset);
        let order = alarm.order.and_then(|o| self.order(o));
        changes.notices.push(Notice {
            kind,
            at: now.wall,
            alarm: Some(id),
            order: order.map(|o| o.id),
            role: order.map(|o| o.role),
            priority: alarm.priority,
            asset: alarm.asset.clone(),
            asset_name,
            place,
            title: alarm.name.clone(),
            response: alarm.response.clone(),
            actor: None,
        });
    }
}
