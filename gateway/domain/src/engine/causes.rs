//! Causes: one alarm that explains others, so that people hear of it alone.
//!
//! | cause (`inhibits` of its rule) | explains | on |
//! |---|---|---|
//! | `silence`, a point of the gateway about a bus, a bridge or a connection | alarms of rules that wait for silence | the devices heard over it |
//! | `silence`, on any other asset | the same | the devices it feeds, directly or through other supplies |
//! | `branches` | alarms of its own class that began within ten minutes of it | the assets that branch off it, or off those |
//! | any, named by a person | the alarm it was named for | |
//!
//! What a rule calls `life_safety` is explained by nothing. An alarm a cause explains is recorded as any other; when the
//! cause has been gone for [`SETTLES_AFTER`] it is looked at again, and people hear of it if it still goes on. What a
//! bridge has lost was lost at once, however lately it had spoken; so when the bridge is back its devices have as long to
//! speak as they may be silent.

use super::Engine;
use super::change::{AlarmEvent, Changes};
use super::index::WatchDef;
use crate::alarm::{
    Alarm, Annunciation, AnnunciationEvent, Condition, SETTLES_AFTER, Suppression, Watch, shelving_limit,
};
use crate::command::{Actor, Refusal};
use crate::estate::builtin::GATEWAY;
use crate::estate::{Address, Device};
use crate::id::{AlarmId, AssetId, Class, PointKey};
use crate::rule::{Inhibits, When};
use crate::time::Now;
use std::sync::Arc;
use std::time::Duration;

/// How far the beginnings of a cause and of the same on a branch may lie apart.
const BRANCHES_WITHIN: Duration = Duration::from_secs(600);

/// Most causes of causes that are followed; what hangs on a longer chain is heard.
const LONGEST_CHAIN: usize = 64;

/// What asks for its cause.
#[derive(Debug, Clone, Copy)]
struct Effect<'a> {
    /// The alarm itself, if it lives already: nothing is its own cause.
    alarm: Option<AlarmId>,
    asset: &'a AssetId,
    class: &'a Class,
    /// The point that is silent, if that is what it says.
    silent: Option<PointKey>,
    /// The age of the engine at which it began, in milliseconds.
    began: u64,
}

impl Engine {
    /// The cause of what a watch says.
    pub(super) fn cause_of(&self, def: &WatchDef, live: Option<&Alarm>) -> Option<AlarmId> {
        if def.rule.life_safety || live.is_some_and(|alarm| alarm.life_safety) {
            return None;
        }
        self.find_cause(Effect {
            alarm: live.map(|alarm| alarm.id),
            asset: &def.asset,
            class: &def.rule.class,
            silent: (def.rule.when == When::Silent).then_some(def.point),
            began: live.map_or(self.store.state().counters.age, |alarm| alarm.raised_age_ms),
        })
        .or_else(|| self.named_cause(live?))
    }

    /// The cause of an alarm that lives.
    pub(super) fn cause_of_alarm(&self, alarm: &Alarm) -> Option<AlarmId> {
        if alarm.life_safety {
            return None;
        }
        self.find_cause(Effect {
            alarm: Some(alarm.id),
            asset: &alarm.asset,
            class: &alarm.class,
            silent: self.says_silence(alarm).then_some(alarm.point),
            began: alarm.raised_age_ms,
        })
        .or_else(|| self.named_cause(alarm))
    }

    /// The cause a person has named, while it goes on.
    fn named_cause(&self, alarm: &Alarm) -> Option<AlarmId> {
        let named = alarm.suppression.filter(|suppression| suppression.named)?;
        let cause = self.alarm(named.source)?;
        goes_on(cause).then_some(cause.id)
    }

    /// Whether a point fell silent because of something people hear of anyway.
    pub(super) fn silence_is_explained(&self, alarm: &Alarm, point: PointKey) -> bool {
        !alarm.life_safety
            && self
                .find_cause(Effect {
                    alarm: Some(alarm.id),
                    asset: &alarm.asset,
                    class: &alarm.class,
                    silent: Some(point),
                    began: alarm.raised_age_ms,
                })
                .is_some()
    }

    fn find_cause(&self, effect: Effect<'_>) -> Option<AlarmId> {
        let causes = self.store.causes().filter(|cause| cause.is_cause());
        let mut others =
            causes.filter(|cause| !effect.alarm.is_some_and(|alarm| self.rests_on(cause, alarm)));
        others
            .find(|cause| self.explains(cause, effect))
            .map(|cause| cause.id)
    }

    /// Whether an alarm is `other`, or is explained by it, directly or through others: such a one explains nothing back,
    /// or people would hear of neither.
    fn rests_on(&self, alarm: &Alarm, other: AlarmId) -> bool {
        let mut at = alarm;
        for _ in 0..LONGEST_CHAIN {
            if at.id == other {
                return true;
            }
            let source = at
                .suppression
                .and_then(|suppression| self.alarm(suppression.source));
            let Some(source) = source else {
                return false;
            };
            at = source;
        }
        true
    }

    fn explains(&self, cause: &Alarm, effect: Effect<'_>) -> bool {
        match (cause.inhibits, effect.silent) {
            (Some(Inhibits::Silence), Some(point)) => self.silences(cause, point),
            (Some(Inhibits::Branches), _) => {
                let apart = Duration::from_millis(cause.raised_age_ms.abs_diff(effect.began));
                cause.class == *effect.class
                    && apart <= BRANCHES_WITHIN
                    && self.is_stem(&cause.asset, effect.asset)
            }
            (Some(Inhibits::Silence), None) | (None, _) => false,
        }
    }

    fn is_stem(&self, stem: &AssetId, branch: &AssetId) -> bool {
        let estate = self.estate();
        let Some((index, _)) = estate.asset_by_id(branch) else {
            return false;
        };
        estate.stems_of(index).any(|asset| asset.id == *stem)
    }

    /// Whether the device of a point hangs on what a cause says is lost.
    fn silences(&self, cause: &Alarm, point: PointKey) -> bool {
        let estate = self.estate();
        let index = self.point(point).and_then(|def| estate.device_by_id(&def.device));
        let Some((index, device)) = index.and_then(|index| Some((index, estate.device(index)?))) else {
            return false;
        };
        if cause.asset.as_str() != GATEWAY {
            return estate.feeds_of(device).any(|feed| feed.id == cause.asset);
        }
        let bridge = self.bridge_of(index).map(AsRef::as_ref);
        // One alarm of the gateway speaks for all of its buses, or bridges: those that are lost now count.
        let watches = self.store.index().of_class(&cause.asset, &cause.class).iter();
        let lost = watches.filter(|n| {
            let watch = self.store.state().watches.get(**n);
            matches!(watch, Some(Watch::Active | Watch::Clearing { .. }))
        });
        let mut lost = lost.filter_map(|n| self.store.index().watches.get(*n));
        lost.any(|def| {
            let instance = self.point(def.point).and_then(|def| def.instance.as_deref());
            instance.is_some_and(|name| hangs_on(device, name) || bridge == Some(name))
        })
    }

    /// How long after its cause an alarm is looked at again.
    fn settles_after(&self, alarm: &Alarm) -> Duration {
        let estate = self.estate();
        let index = self
            .point(alarm.point)
            .and_then(|def| estate.device_by_id(&def.device));
        let bridged = index.filter(|index| self.bridge_of(*index).is_some() && self.says_silence(alarm));
        let limit = bridged
            .and_then(|index| estate.device(index))
            .map(|device| device.silence_limit);
        limit.unwrap_or_default().max(SETTLES_AFTER)
    }

    /// Whether an alarm says that nothing is heard.
    fn says_silence(&self, alarm: &Alarm) -> bool {
        let watches = self.store.index().of_class(&alarm.asset, &alarm.class).iter();
        let mut defs = watches.filter_map(|n| self.store.index().watches.get(*n));
        defs.any(|def| def.point == alarm.point && def.rule.when == When::Silent)
    }

    /// An alarm that may be a cause has changed: what it explains is kept from people, what it no longer explains is
    /// looked at again in a moment.
    pub(super) fn follow_cause(&mut self, id: AlarmId, now: &Now, changes: &mut Changes) {
        if self.alarm(id).is_some_and(|alarm| alarm.inhibits.is_some()) || self.store.is_named(id) {
            self.reconsider_causes(now, changes);
        }
    }

    /// A person says which alarm explains this one.
    pub(super) fn suppress_by(
        &mut self,
        alarm: &Alarm,
        (cause, reason): (AlarmId, &str),
        actor: &Actor,
        now: &Now,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        if alarm.state.annunciation == Annunciation::OutOfService {
            return Err(Refusal::OutOfService);
        }
        if alarm.life_safety {
            return Err(Refusal::LivesDepend);
        }
        if shelving_limit(actor.role, alarm.priority).is_none() {
            return Err(Refusal::ManagerOnly { action: "suppress" });
        }
        // One that people do not hear of itself explains nothing to them, and no two explain each other.
        let heard = |cause: &&Arc<Alarm>| goes_on(cause) && cause.state.annunciation == Annunciation::On;
        if cause == alarm.id || self.alarm(cause).filter(heard).is_none() {
            return Err(Refusal::NoCause { cause });
        }
        self.change_alarm(
            alarm.id,
            AlarmEvent::Suppressed,
            Some(actor),
            now,
            changes,
            |alarm| {
                alarm.version = alarm.version.saturating_add(1);
                alarm.state.annunciation = Annunciation::Suppressed;
                alarm.shelving = None;
                alarm.suppression = Some(Suppression {
                    source: cause,
                    since: now.wall,
                    release_at: None,
                    named: true,
                });
            },
        );
        changes.because(reason);
        // One that only its shelving kept is over.
        self.settle_alarm(alarm.id, now, changes);
        Ok(())
    }

    /// A person takes back that an alarm was explained. People hear of it at once if it still goes on.
    pub(super) fn unsuppress(
        &mut self,
        alarm: &Alarm,
        actor: &Actor,
        now: &Now,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        let Some(named) = alarm.suppression.filter(|suppression| suppression.named) else {
            return Err(Refusal::NotNamed);
        };
        let mut forgotten = alarm.clone();
        forgotten.suppression = Some(Suppression {
            named: false,
            ..named
        });
        self.store.set_alarm(alarm.id, Some(forgotten.into()));
        let events = (AlarmEvent::Unsuppressed, AnnunciationEvent::Release);
        self.hear_again(alarm.id, events, true, Some(actor), now, changes);
        Ok(())
    }

    /// Every living alarm is asked for its cause again: a cause has changed, or what hangs on what.
    pub(super) fn reconsider_causes(&mut self, now: &Now, changes: &mut Changes) {
        for alarm in self.living() {
            match (alarm.state.annunciation, alarm.suppression) {
                (Annunciation::On, _) if alarm.state.condition != Condition::Normal => {
                    if let Some(source) = self.cause_of_alarm(&alarm) {
                        self.suppress(alarm.id, source, now, changes);
                    }
                }
                (Annunciation::Suppressed, Some(suppression)) => {
                    let explained = self.cause_of_alarm(&alarm);
                    let release_at = match (explained, suppression.release_at) {
                        (Some(_), _) => None,
                        (None, Some(at)) => Some(at),
                        (None, None) => Some(now.after(self.settles_after(&alarm))),
                    };
                    let next = Suppression {
                        source: explained.unwrap_or(suppression.source),
                        release_at,
                        named: suppression.named && explained.is_none_or(|cause| cause == suppression.source),
                        ..suppression
                    };
                    if next != suppression {
                        // No person sees the wait: it is not a change of the alarm.
                        let mut waiting = alarm.as_ref().clone();
                        waiting.suppression = Some(next);
                        self.store.set_alarm(waiting.id, Some(waiting.into()));
                    }
                }
                _ => {}
            }
        }
    }

    fn suppress(&mut self, id: AlarmId, source: AlarmId, now: &Now, changes: &mut Changes) {
        self.change_alarm(id, AlarmEvent::Suppressed, None, now, changes, |alarm| {
            let next = alarm.state.annunciation.next(AnnunciationEvent::Suppress);
            alarm.state.annunciation = next.unwrap_or(alarm.state.annunciation);
            alarm.suppression = Some(Suppression {
                source,
                since: now.wall,
                release_at: None,
                named: false,
            });
        });
    }

    /// The cause of an alarm has been gone for long enough.
    pub(super) fn release_from_cause(&mut self, id: AlarmId, now: &Now, changes: &mut Changes) {
        let events = (AlarmEvent::Unsuppressed, AnnunciationEvent::Release);
        self.hear_again(id, events, false, None, now, changes);
    }
}

/// Whether there is something a person can name as a cause.
fn goes_on(alarm: &Alarm) -> bool {
    matches!(
        alarm.state.condition,
        Condition::Active | Condition::Clearing | Condition::Unknown
    )
}

/// Whether a device is heard over a bus or a connection, and over no other.
fn hangs_on(device: &Device, name: &str) -> bool {
    match &device.address {
        Some(Address::Bus { bus, .. }) => bus.as_str() == name,
        Some(Address::Mqtt { connection, also, .. }) => connection.as_ref() == name && also.is_empty(),
        None => false,
    }
}
