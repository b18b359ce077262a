//! How the sensors of one alarm are summed up: the worst one speaks, unless a rule wants several to agree.
//!
//! A rule that wants two of three is as sure as its second surest sensor; a lost one may be wrong, so with one wet and one
//! lost sensor the condition is unknown, not normal.

use super::Engine;
use super::index::WatchDef;
use crate::alarm::Condition;
use crate::id::{AssetId, Class};
use crate::rule::Vote;

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
        let mut said: Vec<Condition> = states.map(|w| Condition::from(*w)).collect();
        said.sort_unstable_by(|a, b| b.cmp(a));
        let must_agree = def.rule.vote.of(said.len());
        Some(said.get(must_agree - 1).copied().unwrap_or(Condition::Normal))
    }
}
