//! Alarms that are raised too often: when that is, what is told of them then, and when it ends.

use super::estate::KEYS;
use super::{Condition, Model, Told};

/// How often an alarm was raised, and whether that is too often to be told each time.
#[derive(Debug, Clone, Default)]
pub(super) struct Flap {
    raised: Vec<u64>,
    flapping: bool,
    told: u64,
    /// Whether it was normal when the hour was over.
    missed: bool,
}

impl Model {
    pub(super) fn flaps(&self, key: usize) -> bool {
        self.flaps.get(&KEYS[key]).is_some_and(|flap| flap.flapping)
    }

    /// Three times in a minute, or five in half an hour.
    pub(super) fn count_activation(&mut self, key: usize) {
        let now = self.second;
        let flap = self.flaps.entry(KEYS[key]).or_default();
        flap.raised.push(now);
        let within = |span: u64| flap.raised.iter().filter(|at| now - **at <= span).count();
        if !flap.flapping && (within(60) >= 3 || within(1_800) >= 5) {
            flap.flapping = true;
            flap.told = now;
        }
        if flap.flapping && now - flap.told >= 3_600 {
            self.tell_water(key);
        }
    }

    /// What is about water is told every hour: when it is over, or the next time it is raised if it was normal then.
    fn tell_water(&mut self, key: usize) {
        let goes_on = self
            .alarms
            .get(&key)
            .is_some_and(|a| a.condition != Condition::Normal);
        let is_told = KEYS[key].1 == "leak" && goes_on;
        let flap = self.flaps.get_mut(&KEYS[key]).unwrap();
        flap.missed = !is_told;
        if is_told {
            flap.told = self.second;
            self.tell(key, Told::StillActive);
        }
    }

    /// An hour without being raised ends it.
    pub(super) fn calm_down(&mut self) {
        for (asset, class) in self.flaps.keys().copied().collect::<Vec<_>>() {
            let now = self.second;
            let Some(flap) = self.flaps.get_mut(&(asset, class)).filter(|flap| flap.flapping) else {
                continue;
            };
            if now - flap.raised.last().unwrap() >= 3_600 {
                *flap = Flap::default();
            } else if now - flap.told >= 3_600 && !flap.missed {
                let key = KEYS.iter().position(|key| *key == (asset, class)).unwrap();
                self.tell_water(key);
            }
        }
    }
}
