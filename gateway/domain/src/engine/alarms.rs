//! What follows from a watch for its alarm: raising, summing up the condition, latching, ending.
//!
//! One alarm lives per (asset, class); everything that happens under its key happens to that one. Orders follow
//! in [`super::orders`], after the alarm.

use super::Engine;
use super::beside::Beside;
use super::change::{AlarmChange, AlarmEvent, Audience, Changes, Notice, NoticeKind};
use super::index::WatchDef;
use crate::alarm::{Ack, AckEvent, Alarm, AlarmState, Annunciation, Condition, Effect, Latch, LatchEvent};
use crate::command::Actor;
use crate::estate::OrderPlan;
use crate::id::{AlarmId, AssetId, Class};
use crate::order::OrderRole;
use crate::rule::Priority;
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
        let mut activates = true;
        match effect {
            Effect::Raised => activates = self.raise(n, def, now, changes),
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
        if matches!(effect, Effect::Raised | Effect::Relapsed) && activates {
            self.count_activation(def, now, changes);
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

    /// Raises an alarm; whether that is news, and not another sensor of one that goes on.
    fn raise(&mut self, n: usize, def: &WatchDef, now: &Now, changes: &mut Changes) -> bool {
        let rule = &def.rule;
        let evidence = self.take_evidence(n);
        let condition = self.condition_of(&def.asset, &rule.class);
        let value = self.latest(def.point).and_then(|r| r.value.clone());
        let live = self.alarm_of(&def.asset, &rule.class).cloned();
        let id = live.as_ref().map_or_else(|| self.next_alarm(), |a| a.id);
        let (annunciation, suppression) = self.annunciation_for(def, live.as_deref(), now);
        let event = live
            .as_ref()
            .map(|a| raised_again(a, rule.priority, annunciation));
        let is_news = event != Some(AlarmEvent::Joined);
        // What nobody hears of, nobody has to acknowledge; and what is under repair keeps nothing.
        let flapping = self.flaps(&(def.asset.clone(), rule.class.clone()));
        let is_told = matches!(annunciation, Annunciation::On | Annunciation::Shelved);
        let latches = rule.latch && annunciation != Annunciation::OutOfService;
        let raised = |alarm: &mut Alarm| {
            alarm.count = alarm.count.saturating_add(1);
            alarm.state.condition = condition;
            alarm.cleared_at = None;
            alarm.life_safety |= rule.life_safety;
            if !is_news {
                return;
            }
            alarm.version = alarm.version.saturating_add(1);
            alarm.flapping = flapping;
            alarm.priority = alarm.priority.min(rule.priority);
            if is_told {
                alarm.state.ack = alarm.state.ack.next(AckEvent::Raise).unwrap_or(Ack::Unack);
                alarm.re_alarm_at = None;
            }
            alarm.state.latch = alarm
                .state
                .latch
                .next(LatchEvent::Raise { latches })
                .unwrap_or(Latch::Held);
            alarm.state.annunciation = annunciation;
            alarm.suppression = suppression;
            alarm.shelving = alarm
                .shelving
                .take()
                .filter(|_| annunciation == Annunciation::Shelved);
            alarm.last_raised_at = now.wall;
            alarm.value = value;
            alarm.evidence = evidence;
            alarm.point = def.point;
            alarm.changed_by = GATEWAY_NAME.into();
        };
        if let Some(event) = event {
            self.change_alarm(id, event, None, now, changes, raised);
        } else {
            let mut alarm = begin(id, def, self.store.state().counters.age, now);
            raised(&mut alarm);
            let alarm = Arc::new(alarm);
            self.store.set_alarm(id, Some(alarm.clone()));
            changes.alarms.push(AlarmChange {
                event: AlarmEvent::Raised,
                from: None,
                to: alarm.state,
                at: now.wall,
                actor: None,
                beside: Beside::of_alarm(AlarmEvent::Raised, &alarm),
                alarm,
            });
        }
        self.open_order(id, now, changes);
        if is_news {
            self.tell_raised(id, now, changes);
        }
        is_news
    }

    pub(super) fn next_alarm(&mut self) -> AlarmId {
        let counters = self.store.counters();
        let id = AlarmId(counters.next_alarm);
        counters.next_alarm = counters.next_alarm.saturating_add(1);
        id
    }

    /// Gives an alarm its order, if its rule opens one and nothing keeps it from people. One that is shelved opens an
    /// order when it is most urgent, unless a manager has said otherwise.
    pub(super) fn open_order(&mut self, id: AlarmId, now: &Now, changes: &mut Changes) {
        let plan = self.alarm(id).and_then(|alarm| self.plan_of(alarm));
        if let Some(plan) = plan {
            self.link_order(id, &plan, now, changes);
        }
    }

    /// The order an alarm opens, as its rule says; none when something keeps the alarm from people.
    pub(super) fn plan_of(&self, alarm: &Alarm) -> Option<OrderPlan> {
        let opens = match (alarm.state.annunciation, &alarm.shelving) {
            (Annunciation::On, _) => true,
            (Annunciation::Shelved, Some(shelving)) => alarm.priority == Priority::P1 && !shelving.no_order,
            _ => false,
        };
        let watches = self.store.index().of_class(&alarm.asset, &alarm.class);
        let defs = watches.iter().filter_map(|n| self.store.index().watches.get(*n));
        // Its own rule first; of another one of its class when that opens none.
        defs.filter(|def| opens && def.rule.order.is_some())
            .max_by_key(|def| (def.rule.id == alarm.rule, def.point == alarm.point))
            .and_then(|def| def.rule.order.clone())
    }

    /// Whose job an alarm is: that of its order, or of the one it will share with others.
    pub(super) fn trade_of(&self, alarm: &Alarm) -> Option<OrderRole> {
        let order = alarm.order.and_then(|o| self.order(o)).map(|o| o.role);
        let planned = || {
            self.plan_of(alarm)
                .filter(|plan| plan.batch)
                .map(|plan| plan.role)
        };
        order.or_else(planned)
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
                if condition == Condition::Normal {
                    alarm.re_alarm_at = None;
                }
            });
            if condition == Condition::Normal {
                self.notice_alarm(NoticeKind::AlarmCleared, id, now, changes);
            }
        }
        self.follow_cause(id, now, changes);
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
                alarm.re_alarm_at = alarm
                    .re_alarm
                    .filter(|_| alarm.state.condition != Condition::Normal)
                    .map(|after| now.after(after));
            });
            self.settle_alarm(id, now, changes);
        }
    }

    /// A time an alarm waited for has come.
    pub(super) fn alarm_due(&mut self, id: AlarmId, now: &Now, changes: &mut Changes) {
        let Some(alarm) = self.alarm(id).cloned() else {
            return;
        };
        if alarm.shelving.as_ref().is_some_and(|s| s.until.is_due(now)) {
            self.unshelve(id, None, now, changes);
        }
        let release_at = alarm.suppression.and_then(|s| s.release_at);
        if release_at.is_some_and(|at| at.is_due(now)) {
            self.release_from_cause(id, now, changes);
        }
        if alarm.re_alarm_at.is_some_and(|at| at.is_due(now)) {
            self.ask_again(id, now, changes);
        }
    }

    /// An acknowledged alarm has gone on for too long. One that is muted is asked about when it is heard of again.
    fn ask_again(&mut self, id: AlarmId, now: &Now, changes: &mut Changes) {
        let Some(alarm) = self.alarm(id) else {
            return;
        };
        let heard = alarm.state.annunciation == Annunciation::On && alarm.state.ack == Ack::Ack;
        if !heard {
            let quiet = |a: &mut Alarm| a.re_alarm_at = None;
            self.change_alarm(id, AlarmEvent::Condition, None, now, changes, quiet);
            return;
        }
        self.change_alarm(id, AlarmEvent::ReAlarmed, None, now, changes, |alarm| {
            alarm.version = alarm.version.saturating_add(1);
            alarm.state.ack = alarm.state.ack.next(AckEvent::Raise).unwrap_or(Ack::Unack);
            alarm.level = alarm.level.saturating_add(1);
            alarm.re_alarm_at = None;
            alarm.changed_by = GATEWAY_NAME.into();
        });
        self.tell_again(id, now, changes);
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
            beside: Beside::of_alarm(event, &alarm),
            alarm,
        });
    }

    /// Says something about an alarm, unless something keeps it from people.
    pub(super) fn notice_alarm(&self, kind: NoticeKind, id: AlarmId, now: &Now, changes: &mut Changes) {
        let Some(alarm) = self.alarm(id) else {
            return;
        };
        let is_told = match alarm.state.annunciation {
            Annunciation::On => true,
            Annunciation::Shelved => kind == NoticeKind::AlarmShelved,
            // Whoever heard that it began hears that it is over.
            Annunciation::Suppressed => kind == NoticeKind::AlarmCleared && alarm.state.ack != Ack::None,
            Annunciation::OutOfService => false,
        };
        if !is_told || !self.may_tell(&alarm.asset, &alarm.class, kind) {
            return;
        }
        let (asset_name, place) = self.estate().texts_of(&alarm.asset);
        let order = alarm.order.and_then(|o| self.order(o));
        let shelving = alarm.shelving.as_ref();
        self.publish(
            changes,
            Notice {
                kind,
                at: now.wall,
                alarm: Some(id),
                order: order.map(|o| o.id),
                role: self.trade_of(alarm),
                priority: alarm.priority,
                asset: alarm.asset.clone(),
                asset_name,
                place,
                title: alarm.name.clone(),
                response: alarm.response.clone(),
                actor: shelving.map(|s| s.by.name.clone()),
                reason: shelving.map(|s| s.reason.clone()),
                until: shelving.map(|s| s.ends_at),
                audience: Audience::Everyone,
                members: Vec::new(),
                count: 1,
            },
        );
    }
}

/// What it means that a sensor raises an alarm that lives: news, unless people know of it and it is no worse.
fn raised_again(alarm: &Alarm, priority: Priority, annunciation: Annunciation) -> AlarmEvent {
    let goes_on = matches!(alarm.state.condition, Condition::Active | Condition::Clearing);
    if !goes_on || alarm.state.annunciation != annunciation {
        AlarmEvent::RaisedAgain
    } else if priority < alarm.priority {
        AlarmEvent::Worsened
    } else {
        AlarmEvent::Joined
    }
}

/// An alarm with the words of its rule, before it is raised.
pub(super) fn begin(id: AlarmId, def: &WatchDef, age_ms: u64, now: &Now) -> Alarm {
    let rule = &def.rule;
    Alarm {
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
            condition: Condition::Normal,
            ack: Ack::None,
            latch: Latch::Off,
            annunciation: Annunciation::On,
        },
        raised_at: now.wall,
        raised_age_ms: age_ms,
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
        shelving: None,
        suppression: None,
        inhibits: rule.inhibits,
        life_safety: rule.life_safety,
        re_alarm: rule.re_alarm,
        re_alarm_at: None,
        late: false,
        flapping: false,
        level: 0,
        changed_by: GATEWAY_NAME.into(),
    }
}
