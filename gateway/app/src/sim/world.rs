//! The physical truth of the simulated estate: which zones are wet, how full bins are, where cars stand.
//!
//! It knows nothing of rules, alarms or orders. Devices look at it; people of the simulation change it.

use linli_domain::id::AssetId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A small seeded generator (xorshift64*): the demo is the same every time.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// A generator for `seed`; zero is replaced.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }
    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    /// A number in `0.0..1.0`.
    pub(super) fn fraction(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit a double")]
        let fraction = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        fraction
    }
}

#[derive(Debug)]
struct State {
    wet: BTreeSet<AssetId>,
    fill: BTreeMap<AssetId, f64>,
    parked: BTreeSet<AssetId>,
    dice: Dice,
}

/// A shared handle on the world.
#[derive(Debug, Clone)]
pub(super) struct World(Arc<Mutex<State>>);

impl World {
    /// A dry estate with half-full bins.
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            wet: BTreeSet::new(),
            fill: BTreeMap::new(),
            parked: BTreeSet::new(),
            dice: Dice::new(seed),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Water comes (or is mopped up) in a zone.
    pub(super) fn set_wet(&self, zone: &AssetId, wet: bool) {
        let mut state = self.state();
        if wet {
            state.wet.insert(zone.clone());
        } else {
            state.wet.remove(zone);
        }
    }

    /// Whether there is water in a zone.
    pub(super) fn is_wet(&self, zone: &AssetId) -> bool {
        self.state().wet.contains(zone)
    }

    /// How full a bin is, in percent. Each look a little more waste has come; a bin never overflows by itself.
    pub(super) fn fill(&self, bin: &AssetId) -> f64 {
        let mut state = self.state();
        let (start, more) = (20.0 + 40.0 * state.dice.fraction(), 0.4 * state.dice.fraction());
        let level = state.fill.entry(bin.clone()).or_insert(start);
        *level = (*level + more).min(85.0).max(*level);
        *level
    }

    /// Somebody fills or empties a bin.
    pub(super) fn set_fill(&self, bin: &AssetId, percent: f64) {
        self.state().fill.insert(bin.clone(), percent);
    }

    /// Whether a car stands in a bay. Now and then one comes or goes.
    pub(super) fn is_parked(&self, bay: &AssetId) -> bool {
        let mut state = self.state();
        if state.dice.fraction() < 0.1 && !state.parked.remove(bay) {
            state.parked.insert(bay.clone());
        }
        state.parked.contains(bay)
    }

    /// A car comes to stay or leaves.
    pub(super) fn park(&self, bay: &AssetId, parked: bool) {
        let mut state = self.state();
        if parked {
            state.parked.insert(bay.clone());
        } else {
            state.parked.remove(bay);
        }
    }

    /// Whether a car stands there, without anybody moving.
    pub(super) fn stands(&self, bay: &AssetId) -> bool {
        self.state().parked.contains(bay)
    }

    /// A number in `0.0..1.0` from the world's dice.
    pub(super) fn chance(&self) -> f64 {
        self.state().dice.fraction()
    }
}
