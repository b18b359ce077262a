//! How the sensors of one alarm are summed up: the worst one speaks, unless a rule wants several to agree.
//!
//! A rule that wants two of three is as sure as its second surest sensor; a lost one may be wrong, so with one wet and one
//! lost sensor the condition is unknown, not normal. One that was never heard counts as lost: it is normal only where even
//! all who are unknown would not be enough.
//!
//! Each sensor's word is remembered for a while, so that one that is heard late can still be agreed with.

use super::Engine;
use super::index::WatchDef;
use super::state::Said;
use crate::alarm::Condition;
use crate::id::{AssetId, Class};
use crate::rule::Vote;
use crate::time::{Now, Timestamp};

impl Engine {
    /// Sums up what the sensors of an alarm key say.
    pub(super) fn condition_of(&self, asset: &AssetId, class: &Class) -> Condition {
        let watches = self.store.index().of_class(asset, class);
        let defs = &self.store.index().watches;
        let mut worst = Condition::Normal;
        let mut rest = watches;
        // Nearly every rule is content with one sensor.
        while let Some((n, after)) = rest.split_first() {
            rest = after;
            let Some(def) = defs.get(*n) else {
                continue;
            };
            let said = match def.rule.vote {
                Vote::Any => self.store.state().watches.get(*n).map(|w| Condition::from(*w)),
                Vote::All | Vote::AtLeast(_) => self.vote(watches, def),
            };
            worst = said.map_or(worst, |said| worst.max(said));
        }
        let lost = self.alarm_of(asset, class).is_some_and(|a| !a.lost.is_empty());
        if lost {
            worst.max(Condition::Unknown)
        } else {
            worst
        }
    }

    /// Whether the sensors of a rule agree that it is an alarm.
    pub(super) fn agrees(&self, def: &WatchDef) -> bool {
        if def.rule.vote == Vote::Any {
            return true;
        }
        let watches = self.store.index().of_class(&def.asset, &def.rule.class);
        let said = self.vote(watches, def);
        matches!(said, Some(Condition::Active | Condition::Clearing))
    }

    /// What so many sensors of one rule as must agree say at least.
    fn vote(&self, watches: &[usize], def: &WatchDef) -> Option<Condition> {
        let defs = &self.store.index().watches;
        let of_rule = watches
            .iter()
            .filter(|n| defs.get(**n).is_some_and(|d| d.rule.id == def.rule.id));
        let states = of_rule.filter_map(|n| self.store.state().watches.get(*n));
        let heard = states.map(|w| Condition::from(*w)).collect();
        Some(sum_up(heard, self.awaited(def), def.rule.vote))
    }

    fn awaited(&self, def: &WatchDef) -> usize {
        self.store.index().awaited(self.estate(), def)
    }

    /// Watches in alarm that others did not agree with, and would now that the estate is another one: they have to become
    /// an alarm.
    pub(super) fn agreed_unraised(&self) -> Vec<usize> {
        let defs = self.store.index().watches.iter().enumerate();
        defs.filter(|(n, def)| {
            def.rule.vote != Vote::Any
                && self.store.state().watches.get(*n).is_some_and(|w| w.is_raised())
                && self.alarm_of(&def.asset, &def.rule.class).is_none()
                && self.agrees(def)
        })
        .map(|(n, _)| n)
        .collect()
    }

    /// Notes that a sensor others must agree with is in alarm, or is no longer.
    pub(super) fn note_word(&mut self, n: usize, is_raised: bool, now: &Now) {
        let mut track = self.track(n);
        if is_raised {
            track.said.since = Some(now.wall);
        } else if let Some(since) = track.said.since.take() {
            track.said.add(since, now.wall);
        }
        self.store.set_track(n, track);
    }

    /// The times within a stretch of one sensor's alarm in which it makes enough of them; not those in which the others
    /// were enough without it.
    pub(super) fn agreed(
        &self,
        n: usize,
        def: &WatchDef,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<(Timestamp, Timestamp)> {
        let index = self.store.index();
        let is_of_rule = |w: &usize| index.watches.get(*w).is_some_and(|d| d.rule.id == def.rule.id);
        let of_class = index.of_class(&def.asset, &def.rule.class);
        let sensors: Vec<usize> = of_class.iter().copied().filter(is_of_rule).collect();
        let others = sensors.iter().filter(|other| **other != n);
        let tracks = others.filter_map(|other| self.store.state().tracks.get(other));
        // Where the number of others in alarm changes, and by how much.
        let mut steps: Vec<(Timestamp, i32)> = tracks
            .flat_map(|track| track.said.within(from, until))
            .flat_map(|(begin, end)| [(begin, 1), (end, -1)])
            .collect();
        steps.push((until, 0));
        steps.sort_unstable();
        let members = sensors.len() + self.awaited(def);
        let wanted = i32::try_from(def.rule.vote.of(members) - 1).unwrap_or(i32::MAX);
        let (mut count, mut here, mut agreed) = (0, from, Vec::<(Timestamp, Timestamp)>::new());
        for (at, step) in steps {
            if at > here {
                if count == wanted {
                    match agreed.last_mut().filter(|last| last.1 == here) {
                        Some(last) => last.1 = at,
                        None => agreed.push((here, at)),
                    }
                }
                here = at;
            }
            count += step;
        }
        agreed
    }
}

/// What as many sensors as must agree say at least, with so many beside those that were heard.
fn sum_up(heard: Vec<Condition>, awaited: usize, vote: Vote) -> Condition {
    let mut said = heard;
    said.extend(std::iter::repeat_n(Condition::Unknown, awaited));
    said.sort_unstable_by(|a, b| b.cmp(a));
    let must_agree = vote.of(said.len());
    said.get(must_agree - 1).copied().unwrap_or(Condition::Normal)
}

impl Said {
    /// Most stretches one sensor's word is remembered for: 512 bytes.
    const MAX: usize = 32;

    /// Adds a stretch; beyond the limit the oldest goes.
    pub(super) fn add(&mut self, from: Timestamp, until: Timestamp) {
        if self.over.len() >= Self::MAX {
            self.over.remove(0);
        }
        self.over.push((from, until));
    }
    /// The parts of it in a time, each moment once.
    pub(super) fn within(&self, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let all = self.over.iter().copied();
        let all = all.chain(self.since.map(|since| (since, until)));
        let mut parts: Vec<_> = all
            .map(|(begin, end)| (begin.max(from), end.min(until)))
            .filter(|(begin, end)| begin < end)
            .collect();
        parts.sort_unstable();
        parts.dedup_by(|next, before| {
            let joins = next.0 <= before.1;
            if joins {
                before.1 = before.1.max(next.1);
            }
            joins
        });
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn condition() -> impl Strategy<Value = Condition> {
        use Condition::{Active, Clearing, Normal, Pending, Unknown};
        prop::sample::select(vec![Normal, Pending, Unknown, Clearing, Active])
    }

    proptest! {
        #[test]
        fn it_is_raised_when_enough_are_and_normal_only_when_the_unknown_could_not_make_enough(
            heard in prop::collection::vec(condition(), 1..6),
            awaited in 0usize..4,
            vote in prop::sample::select(vec![Vote::Any, Vote::All, Vote::AtLeast(1), Vote::AtLeast(2), Vote::AtLeast(5)]),
        ) {
            let count = |is: fn(&Condition) -> bool| heard.iter().filter(|c| is(c)).count();
            let raised = count(|c| matches!(c, Condition::Active | Condition::Clearing));
            let unknown = count(|c| *c == Condition::Unknown) + awaited;
            let enough = match vote {
                Vote::Any => 1,
                Vote::All => heard.len() + awaited,
                Vote::AtLeast(least) => usize::from(least),
            };
            let said = sum_up(heard, awaited, vote);
            prop_assert_eq!(matches!(said, Condition::Active | Condition::Clearing), raised >= enough);
            let is_open = raised < enough && raised + unknown >= enough;
            prop_assert_eq!(said == Condition::Unknown, is_open);
        }
    }
}
