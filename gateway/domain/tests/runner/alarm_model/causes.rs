//! What explains an alarm: what the rules know, and what a person has named.

use super::{Alarm, Annunciation, Condition, Model};

/// The alarm that explains another, and whether a person says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) id: u64,
    pub(super) named: bool,
}

impl Model {
    /// What explains an alarm: what the rules know, and else what a person has named while it goes on.
    pub(super) fn cause_of(&self, key: usize, began: u64) -> Option<u64> {
        let named = || {
            let cause = self.alarms.get(&key)?.cause.filter(|cause| cause.named)?;
            self.goes_on(cause.id).then_some(cause.id)
        };
        self.stem_of(key, began).or_else(named)
    }

    /// The riser branches off the main: a leak there within ten minutes of one on the main is explained, unless the one on
    /// the main is explained by it.
    fn stem_of(&self, key: usize, began: u64) -> Option<u64> {
        let main = self.alarms.get(&0).filter(|main| {
            main.inhibits
                && matches!(main.condition, Condition::Active | Condition::Clearing)
                && main.began.abs_diff(began) <= 600
        })?;
        let itself = self.alarms.get(&key).map(|alarm| alarm.id);
        let rests = itself.is_some_and(|id| self.rests_on(main.id, id));
        (key == 1 && !rests).then_some(main.id)
    }

    fn alarm(&self, id: u64) -> Option<&Alarm> {
        self.alarms.values().find(|alarm| alarm.id == id)
    }

    pub(super) fn goes_on(&self, id: u64) -> bool {
        self.alarm(id).is_some_and(|cause| {
            matches!(
                cause.condition,
                Condition::Active | Condition::Clearing | Condition::Unknown
            )
        })
    }

    /// Whether one alarm is another, or is explained by it through others.
    fn rests_on(&self, id: u64, other: u64) -> bool {
        let cause = || self.alarm(id)?.cause;
        id == other
            || cause().is_some_and(|cause| self.alarm(cause.id).is_some() && self.rests_on(cause.id, other))
    }

    /// Whether a person has named it as the cause of another.
    pub(super) fn is_named(&self, id: u64) -> bool {
        self.alarms
            .values()
            .any(|alarm| alarm.cause == Some(Cause { id, named: true }))
    }

    /// Every alarm is asked for its cause again.
    pub(super) fn reconsider(&mut self) {
        for key in self.by_age() {
            let explained = self.cause_of(key, self.alarms[&key].began);
            let Some(alarm) = self.alarms.get_mut(&key) else {
                continue;
            };
            match (alarm.annunciation, explained) {
                (Annunciation::On, Some(id)) if alarm.condition != Condition::Normal => {
                    alarm.annunciation = Annunciation::Suppressed;
                    alarm.cause = Some(Cause { id, named: false });
                }
                (Annunciation::Suppressed, Some(id)) => {
                    alarm.release_at = None;
                    let named = alarm.cause == Some(Cause { id, named: true });
                    alarm.cause = Some(Cause { id, named });
                }
                (Annunciation::Suppressed, None) => {
                    alarm.release_at = alarm.release_at.or(Some(self.second + 120))
                }
                _ => {}
            }
        }
    }
}
