//! Who hears of an alarm: shelving, out of service, and what happens when either is over.
//!
//! The table is [`crate::alarm::Annunciation`]; whether a cause is active is decided in [`super::causes`].

use super::Engine;
use super::alarms::GATEWAY_NAME;
use super::change::{AlarmEvent, Audience, AuditEvent, Changes, Notice, NoticeKind};
use super::index::WatchDef;
use crate::alarm::{
    Ack, AckEvent, Alarm, Annunciation, AnnunciationEvent, Condition, LEAST_SERVICE, LatchEvent,
    MOST_SERVICE, NotAllowed, OutOfService, Serviced, Shelving, Suppression, lives_service_limit,
    shelving_limit,
};
use crate::command::{Actor, ActorRole, Refusal};
use crate::id::{AlarmId, AssetId, Class, DeviceId, PointKey};
use crate::rule::Priority;
use crate::text::Text;
use crate::time::{Now, duration_text};
use std::sync::Arc;
use std::time::Duration;

/// The shortest shelving that makes sense.
const LEAST_SHELVING: Duration = Duration::from_secs(60);

impl From<NotAllowed> for Refusal {
    fn from(why: NotAllowed) -> Self {
        match why {
            NotAllowed::NotShelved => Self::NotShelved,
            NotAllowed::OutOfService => Self::OutOfService,
        }
    }
}

impl Engine {
    /// Whether people hear of an alarm that a watch raises, and what else explains it.
    pub(super) fn annunciation_for(
        &self,
        def: &WatchDef,
        live: Option<&Alarm>,
        now: &Now,
    ) -> (Annunciation, Option<Suppression>) {
        let before = live.map_or(Annunciation::On, |alarm| alarm.state.annunciation);
        if self.is_out_of_service(&def.asset, &def.rule.class, def.point) {
            return (Annunciation::OutOfService, None);
        }
        // What lives depend on is not muted by what staff said of something lesser.
        let by_manager = live
            .and_then(|alarm| alarm.shelving.as_ref())
            .is_some_and(|shelving| shelving.by.role == ActorRole::Manager);
        if before == Annunciation::Shelved && (by_manager || !def.rule.life_safety) {
            return (before, None);
        }
        match self.cause_of(def, live) {
            Some(source) => {
                let before = live.and_then(|alarm| alarm.suppression);
                let suppression = Suppression {
                    source,
                    since: before.map_or(now.wall, |s| s.since),
                    release_at: None,
                    named: before.is_some_and(|s| s.named && s.source == source),
                };
                (Annunciation::Suppressed, Some(suppression))
            }
            None => (Annunciation::On, None),
        }
    }

    /// Whether an alarm is about what is under repair: its asset, or every sensor that says so. `point` speaks where none
    /// does.
    fn is_out_of_service(&self, asset: &AssetId, class: &Class, point: PointKey) -> bool {
        let out = &self.store.state().out_of_service;
        if out.is_empty() {
            return false;
        }
        if out.contains_key(&Serviced::Asset(asset.clone())) {
            return true;
        }
        let is_out = |point: PointKey| {
            let device = self.point(point).map(|def| def.device.clone());
            device.is_some_and(|device| out.contains_key(&Serviced::Device(device)))
        };
        let watches = self.store.index().of_class(asset, class).iter();
        let speaking = watches.filter(|n| {
            let watch = self.store.state().watches.get(**n);
            watch.is_some_and(|watch| watch.is_raised())
        });
        let mut speaking = speaking
            .filter_map(|n| self.store.index().watches.get(*n))
            .peekable();
        if speaking.peek().is_some() {
            speaking.all(|def| is_out(def.point))
        } else {
            is_out(point)
        }
    }

    /// A person mutes an alarm for a time.
    pub(super) fn shelve(
        &mut self,
        id: AlarmId,
        shelving: Shelving,
        lasts: Duration,
        now: &Now,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        let Some(alarm) = self.alarm(id) else {
            return Ok(());
        };
        let annunciation = alarm.state.annunciation.next(AnnunciationEvent::Shelve)?;
        let role = shelving.by.role;
        if shelving.no_order && role != ActorRole::Manager {
            return Err(Refusal::ManagerOnly { action: "shelve" });
        }
        let Some(most) = shelving_limit(role, alarm.priority).filter(|_| may_mute(role, alarm)) else {
            return Err(Refusal::ManagerOnly { action: "shelve" });
        };
        if lasts > most || lasts < LEAST_SHELVING {
            let most = duration_text::format(most);
            return Err(Refusal::ShelvingLength { most });
        }
        let actor = shelving.by.clone();
        self.change_alarm(id, AlarmEvent::Shelved, Some(&actor), now, changes, |alarm| {
            alarm.version = alarm.version.saturating_add(1);
            alarm.state.annunciation = annunciation;
            alarm.suppression = None;
            alarm.shelving = Some(shelving);
        });
        self.notice_alarm(NoticeKind::AlarmShelved, id, now, changes);
        Ok(())
    }

    /// A shelving is over: its time, or a person says so.
    pub(super) fn unshelve(&mut self, id: AlarmId, actor: Option<&Actor>, now: &Now, changes: &mut Changes) {
        self.hear_again(
            id,
            (AlarmEvent::Unshelved, AnnunciationEvent::Unshelve),
            true,
            actor,
            now,
            changes,
        );
    }

    /// Something is taken out of service.
    pub(super) fn take_out(
        &mut self,
        what: &Serviced,
        actor: &Actor,
        (reason, lasts): (&str, Option<Duration>),
        now: &Now,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        match what {
            Serviced::Asset(asset) if self.estate().asset_by_id(asset).is_none() => {
                let asset = asset.clone();
                return Err(Refusal::UnknownAsset { asset });
            }
            Serviced::Device(device) if self.estate().device_by_id(device).is_none() => {
                let device = device.clone();
                return Err(Refusal::UnknownDevice { device });
            }
            Serviced::Asset(_) if actor.role != ActorRole::Manager => {
                return Err(Refusal::ManagerOnly {
                    action: "take_out_of_service",
                });
            }
            Serviced::Asset(_) | Serviced::Device(_) => {}
        }
        if let Some(out) = self.store.state().out_of_service.get(what) {
            let by = out.by.name.clone();
            return Err(Refusal::AlreadyOutOfService { by });
        }
        let most = duration_text::format;
        if self.guards_lives(what) {
            let limit = lives_service_limit(actor.role);
            if !lasts.is_some_and(|lasts| (LEAST_SERVICE..=limit).contains(&lasts)) {
                return Err(Refusal::LivesGuarded { most: most(limit) });
            }
        } else if lasts.is_some_and(|lasts| !(LEAST_SERVICE..=MOST_SERVICE).contains(&lasts)) {
            return Err(Refusal::ServiceLength {
                most: most(MOST_SERVICE),
            });
        }
        let out = Arc::new(OutOfService {
            since: now.wall,
            by: actor.clone(),
            reason: reason.into(),
            until: lasts.map(|lasts| now.after(lasts)),
            ends_at: lasts.map(|lasts| now.wall.plus(lasts)),
        });
        self.store.set_out_of_service(what.clone(), Some(out.clone()));
        self.notice_service(what, Some(out.as_ref()), None, now, changes);
        for alarm in self.living() {
            let out = self.is_out_of_service(&alarm.asset, &alarm.class, alarm.point);
            if out && alarm.state.annunciation != Annunciation::OutOfService {
                let event = AlarmEvent::OutOfService;
                self.change_alarm(alarm.id, event, Some(actor), now, changes, |alarm| {
                    alarm.version = alarm.version.saturating_add(1);
                    alarm.state.annunciation = Annunciation::OutOfService;
                    alarm.shelving = None;
                    alarm.suppression = None;
                });
                changes.because(reason);
                self.settle_alarm(alarm.id, now, changes);
            }
        }
        Ok(())
    }

    /// Something is in service again: people hear of what still goes on.
    pub(super) fn bring_back(
        &mut self,
        what: &Serviced,
        actor: &Actor,
        now: &Now,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        if !self.store.state().out_of_service.contains_key(what) {
            let what = what.to_string();
            return Err(Refusal::InService { what });
        }
        if matches!(what, Serviced::Asset(_)) && actor.role != ActorRole::Manager {
            return Err(Refusal::ManagerOnly { action: "bring_back" });
        }
        self.is_back(what, Some(actor), now, changes);
        Ok(())
    }

    /// The time something was to be out of service is over: people are told, as if somebody had brought it back.
    pub(super) fn service_over(&mut self, what: &Serviced, now: &Now, changes: &mut Changes) {
        self.is_back(what, None, now, changes);
        changes.audit.push(AuditEvent {
            at: now.wall,
            actor: None,
            action: "service.bring_back".into(),
            subject: what.to_string(),
            detail: "its time is over".into(),
        });
    }

    /// The rules have changed: what lives depend on now is not out of service without an end, and people are told of it.
    pub(super) fn give_service_an_end(&mut self, now: &Now, changes: &mut Changes) {
        let out = self.store.state().out_of_service.iter();
        let endless = out.filter(|(what, out)| out.until.is_none() && self.guards_lives(what));
        let endless: Vec<_> = endless
            .map(|(what, out)| (what.clone(), out.as_ref().clone()))
            .collect();
        for (what, mut out) in endless {
            let lasts = lives_service_limit(out.by.role);
            out.until = Some(now.after(lasts));
            out.ends_at = Some(now.wall.plus(lasts));
            let out = Arc::new(out);
            self.store.set_out_of_service(what.clone(), Some(out.clone()));
            self.notice_service(&what, Some(out.as_ref()), None, now, changes);
            changes.audit.push(AuditEvent {
                at: now.wall,
                actor: None,
                action: "service.give_an_end".into(),
                subject: what.to_string(),
                detail: format!("lives depend on it now: for {}", duration_text::format(lasts)),
            });
        }
    }

    fn is_back(&mut self, what: &Serviced, actor: Option<&Actor>, now: &Now, changes: &mut Changes) {
        self.store.set_out_of_service(what.clone(), None);
        self.notice_service(what, None, actor, now, changes);
        self.hear_what_is_back(actor, now, changes);
    }

    /// Whether a rule lives depend on looks at a device or an asset. A device nobody has heard yet is taken for what such
    /// a rule may look at on its asset.
    pub fn guards_lives(&self, what: &Serviced) -> bool {
        let estate = self.estate();
        let of_device =
            |point: PointKey, device: &DeviceId| self.point(point).is_some_and(|def| def.device == *device);
        let watches = &self.store.index().watches;
        let mut grave = watches.iter().filter(|def| def.rule.life_safety);
        let looked_at = grave.any(|def| match what {
            Serviced::Asset(asset) => def.asset == *asset,
            Serviced::Device(device) => of_device(def.point, device),
        });
        let Serviced::Device(id) = what else {
            return looked_at;
        };
        let is_heard = self.points().iter().any(|def| def.device == *id);
        let device = estate.device_by_id(id).and_then(|index| estate.device(index));
        let asset = device.and_then(|device| estate.asset(device.asset?));
        let mut rules = estate.rules().iter().filter(|rule| rule.life_safety);
        looked_at
            || (!is_heard
                && asset.is_some_and(|asset| rules.any(|rule| rule.on(&asset.id, asset.kind).is_some())))
    }

    /// Alarms that are out of service although nothing of theirs is: it came back, or left the estate.
    pub(super) fn hear_what_is_back(&mut self, actor: Option<&Actor>, now: &Now, changes: &mut Changes) {
        for alarm in self.living() {
            let out = self.is_out_of_service(&alarm.asset, &alarm.class, alarm.point);
            if !out && alarm.state.annunciation == Annunciation::OutOfService {
                let events = (AlarmEvent::BackInService, AnnunciationEvent::BringBack);
                self.hear_again(alarm.id, events, true, actor, now, changes);
            }
        }
    }

    pub(super) fn living(&self) -> Vec<Arc<Alarm>> {
        self.alarms().cloned().collect()
    }

    /// People hear of an alarm again, unless a cause explains it. One that still goes on is raised for them: again when
    /// a person had muted it (`anew`), otherwise when they have never heard of it.
    pub(super) fn hear_again(
        &mut self,
        id: AlarmId,
        (event, part): (AlarmEvent, AnnunciationEvent),
        anew: bool,
        actor: Option<&Actor>,
        now: &Now,
        changes: &mut Changes,
    ) {
        let Some(alarm) = self.alarm(id).cloned() else {
            return;
        };
        let Ok(annunciation) = alarm.state.annunciation.next(part) else {
            return;
        };
        let source = self.cause_of_alarm(&alarm);
        let goes_on = matches!(
            alarm.state.condition,
            Condition::Active | Condition::Clearing | Condition::Unknown
        );
        let raises = source.is_none() && goes_on && (anew || alarm.state.ack == Ack::None);
        let latches = self.latches(&alarm);
        self.change_alarm(id, event, actor, now, changes, |alarm| {
            alarm.version = alarm.version.saturating_add(1);
            alarm.shelving = None;
            alarm.suppression = source.map(|source| Suppression {
                source,
                since: now.wall,
                release_at: None,
                named: false,
            });
            alarm.state.annunciation = if source.is_some() {
                Annunciation::Suppressed
            } else {
                annunciation
            };
            if actor.is_none() {
                alarm.changed_by = GATEWAY_NAME.into();
            }
            if raises {
                alarm.state.ack = alarm.state.ack.next(AckEvent::Raise).unwrap_or(Ack::Unack);
                let latch = alarm.state.latch.next(LatchEvent::Raise { latches });
                alarm.state.latch = latch.unwrap_or(alarm.state.latch);
                alarm.re_alarm_at = None;
            }
        });
        if raises {
            self.open_order(id, now, changes);
            self.tell_raised(id, now, changes);
            self.ask_for_care(&(alarm.asset.clone(), alarm.class.clone()), now, changes);
        }
        self.settle_alarm(id, now, changes);
    }

    /// Whether the rule of an alarm keeps it when its condition is normal.
    fn latches(&self, alarm: &Alarm) -> bool {
        let watches = self.store.index().of_class(&alarm.asset, &alarm.class).iter();
        let mut defs = watches.filter_map(|n| self.store.index().watches.get(*n));
        defs.any(|def| def.rule.latch && def.point == alarm.point)
    }

    /// People hear that something is out of service, `out`, or that it is back.
    fn notice_service(
        &self,
        what: &Serviced,
        out: Option<&OutOfService>,
        actor: Option<&Actor>,
        now: &Now,
        changes: &mut Changes,
    ) {
        let estate = self.estate();
        // What guards lives is nobody's small print.
        let priority = if self.guards_lives(what) {
            Priority::P2
        } else {
            Priority::P4
        };
        let (asset, title) = match what {
            Serviced::Asset(asset) => (Some(asset.clone()), None),
            Serviced::Device(id) => {
                let device = estate.device_by_id(id).and_then(|index| estate.device(index));
                let asset = device.and_then(|d| estate.asset(d.asset?)).map(|a| a.id.clone());
                (asset, device.map(|d| d.name.clone()))
            }
        };
        // A device without an asset of its own is the gateway's concern.
        let Some(asset) = asset.or_else(|| AssetId::new(crate::estate::builtin::GATEWAY).ok()) else {
            return;
        };
        let (asset_name, place) = estate.texts_of(&asset);
        self.publish(
            changes,
            Notice {
                kind: out.map_or(NoticeKind::BackInService, |_| NoticeKind::OutOfService),
                at: now.wall,
                alarm: None,
                order: None,
                role: None,
                priority,
                asset,
                asset_name,
                place,
                title,
                response: Text::default(),
                actor: actor.or(out.map(|out| &out.by)).map(|actor| actor.name.clone()),
                reason: out.map(|out| out.reason.clone()),
                until: out.and_then(|out| out.ends_at),
                audience: Audience::Everyone,
                members: Vec::new(),
                count: 1,
            },
        );
    }
}

/// Whether a person of this role may mute the alarm at all.
fn may_mute(role: ActorRole, alarm: &Alarm) -> bool {
    role == ActorRole::Manager || !alarm.life_safety
}
