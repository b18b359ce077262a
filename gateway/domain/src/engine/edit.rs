//! An edit of the estate: another document takes the place of the present one, or the catalogue says other things
//! about its devices.
//!
//! A point that is still watched in the same way keeps what its delays have counted and its trace, whatever words of the rule
//! have changed and whatever its name is now. A rule that looks or waits otherwise is evaluated on the last value and its delay
//! restarts. A point that is no longer watched leaves a living alarm unknown, and its order stays; so does one that moved to
//! another asset. Living alarms keep the words and the version that raised them.

use super::Engine;
use super::change::{AlarmEvent, AuditEvent, Changes};
use super::index::WatchDef;
use super::readings::takes_back;
use super::state::{DeviceState, Heard, NEVER, Track};
use crate::alarm::{Condition, Serviced, Watch, WatchEvent};
use crate::command::{Refusal, Reply};
use crate::estate::{Estate, EstateDoc, Profiles};
use crate::health::{FlagKind, Flags};
use crate::id::{AssetId, Class, DeviceId, Fault, PointKey, RuleId};
use crate::rule::{Rule, Verdict};
use crate::time::Now;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A watch before the edit.
struct Before {
    rule: Arc<Rule>,
    asset: AssetId,
    watch: Watch,
    track: Option<Arc<Track>>,
}

impl Engine {
    pub(super) fn edit(
        &mut self,
        now: &Now,
        doc: &Arc<EstateDoc>,
        changes: &mut Changes,
    ) -> Result<Reply, Refusal> {
        let profiles = self.estate().profiles().clone();
        let mut estate = Estate::resolve_with(doc.clone(), profiles)
            .map_err(|problems| Refusal::EstateInvalid { problems })?;
        let mut versions = self.store.state().rule_versions.clone();
        let edited = number_rules(&mut estate, self.estate(), &mut versions);
        changes.audit.push(AuditEvent {
            at: now.wall,
            actor: None,
            action: "estate.edit".into(),
            subject: estate.id().to_string(),
            detail: format!(
                "rules changed: {}",
                if edited.is_empty() {
                    "none"
                } else {
                    edited.as_str()
                }
            ),
        });
        self.replace_estate(estate, versions, now, changes);
        Ok(Reply::Done)
    }

    /// The catalogue says other things about device types than before: intervals change, and who sleeps.
    pub(super) fn learn_profiles(
        &mut self,
        now: &Now,
        profiles: &Arc<Profiles>,
        changes: &mut Changes,
    ) -> Result<Reply, Refusal> {
        if *profiles == *self.estate().profiles() {
            return Ok(Reply::Done);
        }
        let doc = self.estate().doc().clone();
        let mut estate = Estate::resolve_with(doc, profiles.clone())
            .map_err(|problems| Refusal::EstateInvalid { problems })?;
        let mut versions = self.store.state().rule_versions.clone();
        number_rules(&mut estate, self.estate(), &mut versions);
        self.replace_estate(estate, versions, now, changes);
        Ok(Reply::Done)
    }

    fn replace_estate(
        &mut self,
        estate: Estate,
        versions: BTreeMap<RuleId, u32>,
        now: &Now,
        changes: &mut Changes,
    ) {
        let mut before = self.watches_before();
        let limits: Vec<u64> = self.store.index().points.iter().map(|p| p.silence_ms).collect();
        let devices = self.devices_of(&estate);
        let estate = Arc::new(estate);
        self.store.replace(|state| {
            let stays = |device: &DeviceId| estate.device_by_id(device).is_some();
            state.flags.retain(|(device, _, _), _| stays(device));
            state.clocks.retain(|device, _| stays(device));
            state.through.retain(|device, _| stays(device));
            for (vital, def) in state.vitals.iter_mut().zip(&state.defs) {
                if !stays(&def.device) {
                    vital.flags = Flags::default();
                }
            }
            (state.heard, state.devices) = devices;
            // What left the estate is nobody's concern any more.
            state.out_of_service.retain(|what, _| match what {
                Serviced::Asset(asset) => estate.asset_by_id(asset).is_some(),
                Serviced::Device(device) => stays(device),
            });
            state.estate = estate.clone();
            state.rule_versions = versions;
            state.watches = Vec::new();
            state.tracks = BTreeMap::new();
        });
        let mut again = self.carry_over(&mut before);
        let agreed = self.agreed_unraised();
        for n in &agreed {
            self.store.set_watch(*n, Watch::INITIAL);
        }
        again.extend(agreed);
        self.lose_points(before, now, changes);
        for n in again {
            self.judge_again(n, now, changes);
        }
        self.refresh_all(&limits, now, changes);
        self.give_service_an_end(now, changes);
    }

    /// What is known about each device of another estate.
    fn devices_of(&self, estate: &Estate) -> (Vec<Heard>, Vec<DeviceState>) {
        let state = self.store.state();
        let known = |id: &DeviceId| {
            let n = self.estate().device_by_id(id)?.as_usize();
            Some((*state.heard.get(n)?, *state.devices.get(n)?))
        };
        let new = || (Heard::new(state.counters.age), DeviceState::default());
        let devices = estate.devices().iter();
        devices
            .map(|device| known(&device.id).unwrap_or_else(new))
            .unzip()
    }

    fn watches_before(&self) -> FxHashMap<(RuleId, PointKey), Before> {
        let watches = self.store.state().watches.iter().zip(&self.store.index().watches);
        watches
            .enumerate()
            .map(|(n, (watch, def))| {
                let before = Before {
                    rule: def.rule.clone(),
                    asset: def.asset.clone(),
                    watch: *watch,
                    track: self.store.state().tracks.get(&n).cloned(),
                };
                ((def.rule.id.clone(), def.point), before)
            })
            .collect()
    }

    /// Gives watches that go on their state back; returns those to be evaluated again. What is left in `before`
    /// goes on nowhere, and a rule that stands in its place begins where it was.
    fn carry_over(&mut self, before: &mut FxHashMap<(RuleId, PointKey), Before>) -> Vec<usize> {
        let (mut again, mut new) = (Vec::new(), Vec::new());
        for n in 0..self.store.index().watches.len() {
            let Some(def) = self.store.index().watches.get(n).cloned() else {
                continue;
            };
            let key = (def.rule.id.clone(), def.point);
            let goes_on = before.get(&key).is_some_and(|b| {
                b.asset == def.asset && b.rule.class == def.rule.class && b.rule.fault == def.rule.fault
            });
            match goes_on.then(|| before.remove(&key)).flatten() {
                Some(b) => again.extend(self.inherit(n, &def, &b)),
                None => new.push((n, def)),
            }
        }
        let mut replaced: FxHashMap<(PointKey, &AssetId, &Class), &Before> = FxHashMap::default();
        for ((_, point), b) in before.iter() {
            let at = replaced.entry((*point, &b.asset, &b.rule.class)).or_insert(b);
            if b.watch.is_raised() {
                *at = b;
            }
        }
        for (n, def) in new {
            if let Some(b) = replaced.get(&(def.point, &def.asset, &def.rule.class)) {
                again.extend(self.inherit(n, &def, b));
                continue;
            }
            // A raised alarm that this point watches is still raised until the point says otherwise.
            let raised = self
                .alarm_of(&def.asset, &def.rule.class)
                .is_some_and(|a| a.state.condition != Condition::Normal && a.lost.contains(&def.point));
            self.store.set_watch(n, Watch::Unknown { raised, left: None });
            again.push(n);
        }
        again
    }

    /// A watch begins where another stood; whether it has to be evaluated again.
    fn inherit(&mut self, n: usize, def: &WatchDef, before: &Before) -> Option<usize> {
        let (old, new) = (&before.rule, &def.rule);
        let looks_the_same = old.when == new.when && old.during == new.during && old.vote == new.vote;
        if looks_the_same && let Some(track) = &before.track {
            self.store.set_track(n, track.as_ref().clone());
        }
        if looks_the_same && old.on_delay == new.on_delay && old.off_delay == new.off_delay {
            self.store.set_watch(n, before.watch);
            return None;
        }
        // What others did not agree with was no alarm; it has to become one by the new rule.
        let is_alarm = old.vote == new.vote || self.alarm_of(&def.asset, &new.class).is_some();
        let watch = if is_alarm {
            before.watch.restarted()
        } else {
            Watch::INITIAL
        };
        self.store.set_watch(n, watch);
        Some(n)
    }

    /// Living alarms remember the points that no longer watch them, and forget those that do again.
    fn lose_points(&mut self, gone: FxHashMap<(RuleId, PointKey), Before>, now: &Now, changes: &mut Changes) {
        let mut lost: BTreeMap<(AssetId, Class), BTreeSet<PointKey>> = BTreeMap::new();
        for ((_, point), before) in gone {
            let key = (before.asset, before.rule.class.clone());
            lost.entry(key).or_default().insert(point);
        }
        let alarms: Vec<_> = self.alarms().cloned().collect();
        for alarm in alarms {
            let key = (alarm.asset.clone(), alarm.class.clone());
            let mut points: BTreeSet<PointKey> = alarm.lost.iter().copied().collect();
            points.extend(lost.remove(&key).into_iter().flatten());
            for n in self.store.index().of_class(&alarm.asset, &alarm.class) {
                if let Some(def) = self.store.index().watches.get(*n) {
                    points.remove(&def.point);
                }
            }
            let points: Vec<PointKey> = points.into_iter().collect();
            if points != alarm.lost {
                self.change_alarm(alarm.id, AlarmEvent::Points, None, now, changes, |a| {
                    a.lost = points
                });
            }
        }
    }

    /// Evaluates a watch on the last value of its point. A value that takes nothing back leaves a raised one raised.
    fn judge_again(&mut self, n: usize, now: &Now, changes: &mut Changes) {
        let Some(def) = self.store.index().watches.get(n) else {
            return;
        };
        let silent = self.is_silent(def.point);
        let latest = self.latest(def.point).cloned();
        let event = match &latest {
            Some(reading) if !silent => {
                let Some(event) = self.event_of(n, reading, None, now) else {
                    return;
                };
                let watch = self.store.state().watches.get(n);
                let raised = watch.is_some_and(|watch| watch.is_raised());
                if raised && !takes_back(reading) && event != WatchEvent::Value(Verdict::Wrong) {
                    return;
                }
                event
            }
            _ => {
                self.lose_watch(n, now, changes);
                return;
            }
        };
        self.watch_event(n, event, now, changes);
    }

    /// Everything that hangs on the estate is brought in step with it; `limits` are the silences allowed before.
    fn refresh_all(&mut self, limits: &[u64], now: &Now, changes: &mut Changes) {
        for n in 0..self.store.index().points.len() {
            let limit = self.store.index().points.get(n).map(|p| p.silence_ms);
            let point = self.store.state().points.get(n);
            let waiting = point.is_some_and(|p| p.latest.is_some() && p.silent_at != NEVER);
            if waiting && limit != limits.get(n).copied() {
                self.expect_again(n, now);
            }
        }
        self.refresh_devices(now, changes);
        let alarms: Vec<(AssetId, Class)> = self
            .alarms()
            .map(|a| (a.asset.clone(), a.class.clone()))
            .collect();
        for (asset, class) in alarms {
            self.refresh_condition(&asset, &class, now, changes);
        }
        self.hear_what_is_back(None, now, changes);
        self.reconsider_causes(now, changes);
        let orders: Vec<(AssetId, Fault)> = self
            .orders()
            .flat_map(|o| o.assets().map(|asset| (asset.clone(), o.fault.clone())))
            .collect();
        for (asset, fault) in orders {
            self.follow_order(&asset, &fault, false, now, changes);
        }
    }
}

impl Engine {
    /// A device that would not be stale by its present limit is not; one that is silent stays so until it is heard.
    fn refresh_devices(&mut self, now: &Now, changes: &mut Changes) {
        let age = self.store.state().counters.age;
        for n in 0..self.store.state().heard.len() {
            let idle = self
                .store
                .state()
                .heard
                .get(n)
                .map(|d| age.saturating_sub(d.rhythm.last()));
            let limit = self.store.index().devices.get(n).map(|d| d.stale_ms);
            if idle < limit
                && let Some(id) = self.estate().devices().get(n).map(|d| d.id.clone())
            {
                self.clear_flag(&id, FlagKind::Stale, None, now, changes);
            }
            self.expect_device(n, now);
        }
    }
}

/// Gives the rules of a new estate their versions: the old one where nothing changed, the next where something
/// did. Returns the ids of those that changed.
fn number_rules(estate: &mut Estate, old: &Estate, versions: &mut BTreeMap<RuleId, u32>) -> String {
    let mut edited: Vec<String> = Vec::new();
    for rule in &mut estate.rules {
        let same = old.rule(&rule.id).is_some_and(|o| o.says_the_same(rule));
        let version = versions.entry(rule.id.clone()).or_insert(0);
        if !same {
            *version = version.saturating_add(1);
            edited.push(rule.id.to_string());
        }
        Arc::make_mut(rule).version = *version;
    }
    edited.join(", ")
}
