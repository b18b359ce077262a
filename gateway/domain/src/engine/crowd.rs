//! Many alarms at once: what people are told of together.
//!
//! | | |
//! |---|---|
//! | group | alarms of one class are told together 30 s after the first, then every 5 min while more come |
//! | repeat | what was told so, goes on and nobody has seen is told again 4 h after the last message, and every 4 h |
//! | storm | ten alarms within 10 min: people are told that it is one, then get one digest every 5 min of everything |
//! | ends | at a digest with fewer than three alarms within the last 10 min |
//! | never waits | the most urgent (P1) and what lives depend on: told at once, each by itself, whatever goes on; an order that goes back to work; the hourly word of what is guarded and flaps |
//!
//! Systems (webhooks) hear of every alarm and order at once, storm or not; only people are spared. What was seen,
//! cleared or explained before its group is told is not told. The history of each alarm is whole in any case.

use super::Engine;
use super::change::{Audience, Changes, Member, Notice, NoticeKind};
use super::state::{Crowd, Group};
use crate::alarm::{Ack, Alarm, Annunciation, Condition};
use crate::estate::builtin::GATEWAY;
use crate::id::{AlarmId, AssetId};
use crate::rule::Priority;
use crate::text::Text;
use crate::time::Now;
use std::sync::Arc;
use std::time::Duration;

/// How long the first of a group waits for others.
const GROUP_WAIT: Duration = Duration::from_secs(30);
/// How long further ones wait, and how often there is a digest.
const INTERVAL: Duration = Duration::from_secs(300);
/// How long after a message about alarms nobody has seen there is another one.
const REPEAT: Duration = Duration::from_secs(4 * 3_600);
/// So many alarms within [`WITHIN_MS`] are a storm.
pub(super) const STORM: usize = 10;
/// Fewer than so many are not one any more.
const CALM: usize = 3;
const WITHIN_MS: u64 = 600_000;
/// Most alarms that wait by name; further ones are counted.
pub(super) const MAX_WAITING: usize = 1_000;
/// Most alarms a message names; further ones are counted.
pub(super) const MAX_MEMBERS: usize = 20;

impl Engine {
    /// Whether alarms come faster than people can act.
    pub fn is_storm(&self) -> bool {
        self.store.state().crowd.digest_at.is_some()
    }

    /// Puts a notice where it belongs: most for everyone, some for systems now and for people later.
    pub(super) fn publish(&self, changes: &mut Changes, mut notice: Notice) {
        notice.audience = self.audience(&notice);
        changes.notices.push(notice);
    }

    fn audience(&self, notice: &Notice) -> Audience {
        let alarm = notice.alarm.and_then(|id| self.alarm(id));
        let urgent = notice.priority == Priority::P1 || alarm.is_some_and(|alarm| alarm.life_safety);
        let waits = || alarm.is_some_and(|alarm| self.waits(alarm));
        match notice.kind {
            NoticeKind::AlarmGroup | NoticeKind::AlarmRepeat | NoticeKind::AlarmDigest => Audience::People,
            NoticeKind::StormBegan | NoticeKind::StormEnded => Audience::Everyone,
            // People read what is left to do when the order itself moves.
            NoticeKind::OrderTaskJoined | NoticeKind::OrderTaskEnded | NoticeKind::OrderTaskReopened => {
                Audience::Systems
            }
            _ if urgent => Audience::Everyone,
            // Somebody said that it is done, and it is not; and what is guarded is never silent for longer than an hour.
            NoticeKind::OrderReopened => Audience::Everyone,
            NoticeKind::AlarmStillActive if alarm.is_some_and(|alarm| alarm.flapping) => Audience::Everyone,
            _ if self.is_storm() && notice.actor.is_none() => Audience::Systems,
            NoticeKind::AlarmRaised => Audience::Systems,
            NoticeKind::AlarmStillActive if waits() => Audience::Systems,
            NoticeKind::OrderDispatched if self.is_care(notice) => Audience::Everyone,
            NoticeKind::OrderDispatched => Audience::Systems,
            NoticeKind::AlarmCleared if waits() => Audience::Systems,
            _ => Audience::Everyone,
        }
    }

    fn is_care(&self, notice: &Notice) -> bool {
        let order = notice.order.and_then(|id| self.order(id));
        order.is_some_and(|order| order.fault.as_str() == super::flapping::FAULT)
    }

    fn waits(&self, alarm: &Alarm) -> bool {
        let group = self.store.state().crowd.groups.get(&alarm.class);
        group.is_some_and(|group| group.waiting.contains(&alarm.id))
    }

    /// An alarm was raised for people: systems hear at once, people at once or together with others.
    pub(super) fn tell_raised(&mut self, id: AlarmId, now: &Now, changes: &mut Changes) {
        let Some(alarm) = self.alarm(id).cloned() else {
            return;
        };
        if alarm.state.annunciation != Annunciation::On
            || !self.may_tell(&alarm.asset, &alarm.class, NoticeKind::AlarmRaised)
        {
            return;
        }
        let age = self.store.state().counters.age;
        let mut crowd = self.store.state().crowd.as_ref().clone();
        if crowd.recent.len() >= STORM {
            crowd.recent.remove(0);
        }
        crowd.recent.push(age);
        let many = crowd.recent.len() >= STORM && lately(&crowd, age) >= STORM;
        let begins = many && crowd.digest_at.is_none();
        if begins {
            crowd.digest_at = Some(now.after(INTERVAL));
        }
        crowd.wait(&alarm, now);
        self.store.set_crowd(Arc::new(crowd));
        self.notice_alarm(NoticeKind::AlarmRaised, id, now, changes);
        if begins {
            self.tell_many(NoticeKind::StormBegan, &[], 0, now, changes);
        }
    }

    /// An alarm somebody had seen asks again: at once; together with others of its class that do so too; and in a storm with
    /// its digest.
    pub(super) fn tell_again(&mut self, id: AlarmId, now: &Now, changes: &mut Changes) {
        let Some(alarm) = self.alarm(id).cloned() else {
            return;
        };
        if !alarm.flapping && (self.is_storm() || self.asks_with_others(&alarm, now)) {
            let mut crowd = self.store.state().crowd.as_ref().clone();
            crowd.wait(&alarm, now);
            self.store.set_crowd(Arc::new(crowd));
        }
        self.notice_alarm(NoticeKind::AlarmStillActive, id, now, changes);
    }

    fn asks_with_others(&self, alarm: &Alarm, now: &Now) -> bool {
        let soon = now.after(GROUP_WAIT);
        let group = self.store.state().crowd.groups.get(&alarm.class);
        group.is_some_and(|group| !group.waiting.is_empty())
            || self
                .alarms()
                .any(|other| other.class == alarm.class && other.re_alarm_at.is_some_and(|at| at <= soon))
    }

    /// The time of a group or a digest has come.
    pub(super) fn tell_crowd(&mut self, now: &Now, changes: &mut Changes) {
        let mut crowd = self.store.state().crowd.as_ref().clone();
        let age = self.store.state().counters.age;
        if crowd.digest_at.is_some() {
            let mut all: Vec<AlarmId> = Vec::new();
            for group in crowd.groups.values_mut() {
                all.extend(&group.waiting);
                if !(group.rests && group.waiting.is_empty()) {
                    group.due = now.after(REPEAT);
                }
                group.keep_waiting_as_told();
                group.rests = true;
            }
            all.sort_unstable();
            let more = std::mem::take(&mut crowd.more);
            let over = lately(&crowd, age) < CALM;
            crowd.digest_at = (!over).then(|| now.after(INTERVAL));
            self.store.set_crowd(Arc::new(crowd));
            self.tell_many(NoticeKind::AlarmDigest, &all, more, now, changes);
            if over {
                self.tell_many(NoticeKind::StormEnded, &[], 0, now, changes);
            }
            return;
        }
        let mut told = Vec::new();
        crowd.groups.retain(|_, group| {
            if !group.due.is_due(now) {
                return true;
            }
            if !group.waiting.is_empty() {
                group.keep_waiting_as_told();
                group.due = now.after(INTERVAL);
                told.push((NoticeKind::AlarmGroup, group.told.clone()));
                return true;
            }
            // Nobody joined: what is seen or over is forgotten, and what goes on is told of again in hours.
            group.told.retain(|id| self.alarm(*id).is_some_and(is_news));
            if group.rests {
                group.due = now.after(REPEAT);
                told.push((NoticeKind::AlarmRepeat, group.told.clone()));
            } else {
                group.due = now.after(REPEAT.saturating_sub(INTERVAL));
                group.rests = true;
            }
            !group.told.is_empty()
        });
        let mut more = std::mem::take(&mut crowd.more);
        self.store.set_crowd(Arc::new(crowd));
        for (kind, members) in told {
            let more = match kind {
                NoticeKind::AlarmGroup => std::mem::take(&mut more),
                _ => 0,
            };
            self.tell_many(kind, &members, more, now, changes);
        }
    }

    /// One notice about several alarms: those people still have to hear of.
    fn tell_many(&self, kind: NoticeKind, alarms: &[AlarmId], more: u32, now: &Now, changes: &mut Changes) {
        let news: Vec<&Arc<Alarm>> = alarms
            .iter()
            .filter_map(|id| self.alarm(*id))
            .filter(|alarm| is_news(alarm))
            .collect();
        let is_empty = news.is_empty() && more == 0;
        let lists = matches!(
            kind,
            NoticeKind::AlarmGroup | NoticeKind::AlarmRepeat | NoticeKind::AlarmDigest
        );
        if is_empty && lists {
            return;
        }
        let first = news.first();
        let asset = first.map_or_else(|| AssetId::new(GATEWAY).ok(), |alarm| Some(alarm.asset.clone()));
        let Some(asset) = asset else {
            return;
        };
        let (asset_name, place) = self.estate().texts_of(&asset);
        let order = first.and_then(|alarm| self.order(alarm.order?));
        let priority = news.iter().map(|alarm| alarm.priority).min();
        let count = u32::try_from(news.len()).unwrap_or(u32::MAX).saturating_add(more);
        self.publish(
            changes,
            Notice {
                kind,
                at: now.wall,
                alarm: first.map(|alarm| alarm.id),
                order: order.map(|order| order.id),
                role: first
                    .and_then(|alarm| self.trade_of(alarm))
                    .filter(|_| matches!(kind, NoticeKind::AlarmGroup | NoticeKind::AlarmRepeat)),
                priority: priority.unwrap_or(Priority::P2),
                asset,
                asset_name,
                place,
                title: first.and_then(|alarm| alarm.name.clone()),
                response: first.map_or_else(Text::default, |alarm| alarm.response.clone()),
                actor: None,
                reason: None,
                until: None,
                audience: Audience::People,
                members: news
                    .iter()
                    .take(MAX_MEMBERS)
                    .map(|alarm| self.member(alarm))
                    .collect(),
                count,
            },
        );
    }

    fn member(&self, alarm: &Alarm) -> Member {
        let (asset_name, place) = self.estate().texts_of(&alarm.asset);
        Member {
            alarm: alarm.id,
            asset: alarm.asset.clone(),
            order: alarm.order,
            priority: alarm.priority,
            asset_name,
            place,
            title: alarm.name.clone(),
        }
    }
}

impl Crowd {
    /// An alarm waits to be told with others of its class; what is most urgent never does.
    fn wait(&mut self, alarm: &Alarm, now: &Now) {
        if alarm.priority == Priority::P1 || alarm.life_safety {
            return;
        }
        let group = self.groups.entry(alarm.class.clone()).or_default();
        if group.due == Default::default() || group.rests {
            group.due = now.after(GROUP_WAIT);
            group.rests = false;
        }
        if group.waiting.contains(&alarm.id) {
        } else if group.waiting.len() < MAX_WAITING {
            group.waiting.push(alarm.id);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

impl Group {
    /// Those that waited have been told of.
    fn keep_waiting_as_told(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        // One that was told of before and raised again is named once, as the latest.
        self.told.retain(|id| !waiting.contains(id));
        self.told.extend(waiting);
        let extra = self.told.len().saturating_sub(MAX_WAITING);
        self.told.drain(..extra);
    }
}

/// Whether people still have to hear of an alarm.
fn is_news(alarm: &Arc<Alarm>) -> bool {
    alarm.state.annunciation == Annunciation::On
        && alarm.state.ack == Ack::Unack
        && alarm.state.condition != Condition::Normal
}

/// How many alarms were raised lately.
fn lately(crowd: &Crowd, age: u64) -> usize {
    let recent = crowd.recent.iter();
    recent.filter(|at| age.saturating_sub(**at) <= WITHIN_MS).count()
}
