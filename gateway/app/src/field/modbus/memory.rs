//! What the bus remembers of one slave: how it stands, what it taught about itself, and what is still to be asked of it.
//!
//! Pure. It lasts as long as the device keeps its address and its profile.

use super::breaker::Breaker;
use super::devices::Slave;
use linli_decode::modbus::{Learned, Plan, Read, Search};
use linli_domain::time::Monotonic;
use std::collections::VecDeque;
use std::time::Duration;

/// What was refused is asked again after this long: a device that was still starting refuses what it has.
const REFUSED_FOR: Duration = Duration::from_secs(3600);
/// "Busy" answers in a row after which the last values do not stand any longer.
const BUSY: u8 = 3;

/// The memory of one slave.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) breaker: Breaker,
    learned: Learned,
    /// When it taught something last.
    learned_at: Option<Monotonic>,
    plan: Plan,
    /// A search that was interrupted, and what was refused.
    search: Option<(Read, Search)>,
    /// By period; empty between two rounds.
    rounds: Vec<Round>,
    busy: u8,
}

/// What is left to ask in one round of one period.
#[derive(Debug, Clone, Default)]
pub(super) struct Round {
    pub(super) reads: VecDeque<Read>,
    /// Failures so far.
    pub(super) failures: u8,
}

impl Memory {
    pub(super) fn new(slave: &Slave) -> Self {
        let map = slave.profile.modbus();
        Self {
            breaker: Breaker::new(),
            learned: Learned::default(),
            learned_at: None,
            plan: map.map(|map| map.plan().clone()).unwrap_or_default(),
            search: None,
            rounds: vec![Round::default(); map.map_or(0, |map| map.classes())],
            busy: 0,
        }
    }

    /// What is asked of it now.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes the round of this period: what was left of it, or all of it. `true`: it is a new one.
    pub(super) fn take_round(&mut self, class: usize) -> (Round, bool) {
        let left = self.rounds.get_mut(class).map(std::mem::take).unwrap_or_default();
        if !left.reads.is_empty() {
            return (left, false);
        }
        let reads = self
            .plan
            .reads
            .iter()
            .filter(|read| read.class == class)
            .cloned()
            .collect();
        (Round { reads, failures: 0 }, true)
    }

    /// Keeps what could not be asked yet.
    pub(super) fn keep_round(&mut self, class: usize, round: Round) {
        if let Some(kept) = self.rounds.get_mut(class) {
            *kept = round;
        }
    }

    /// Nothing is left of any round.
    pub(super) fn drop_rounds(&mut self) {
        self.rounds.fill(Round::default());
        self.search = None;
    }

    /// A read was answered with registers.
    pub(super) fn understood(&mut self, slave: &Slave, read: &Read) {
        self.busy = 0;
        if self.learned.contradicted(read) {
            self.replan(slave);
        }
    }

    /// The device is busy. `true`: for so long that its last values do not stand any longer.
    pub(super) fn is_busy(&mut self) -> bool {
        self.busy = self.busy.saturating_add(1);
        self.busy >= BUSY
    }

    /// A single block was refused: it is not asked again.
    pub(super) fn refuse(&mut self, slave: &Slave, read: &Read, now: Monotonic) {
        self.learned_at = Some(now);
        self.learned.refuse(read);
        self.replan(slave);
    }

    /// The search in a refused request: the interrupted one, or a new one. `None`: there is nothing to search.
    pub(super) fn search(&mut self, read: &Read) -> Option<Search> {
        match self.search.take() {
            Some((refused, search)) if refused == *read => Some(search),
            _ => Search::new(read),
        }
    }

    /// A search goes on when `read` is refused again.
    pub(super) fn interrupted(&mut self, read: &Read, search: Search) {
        self.search = Some((read.clone(), search));
    }

    /// A search is over: what it found is known from now on. What is refused that was not before.
    pub(super) fn found(&mut self, slave: &Slave, search: Search, now: Monotonic) -> Vec<Read> {
        self.learned_at = Some(now);
        let Some(map) = slave.profile.modbus() else {
            return Vec::new();
        };
        let plan = search.finish(map, &mut self.learned);
        let before = std::mem::replace(&mut self.plan, plan);
        self.plan
            .refused
            .iter()
            .filter(|read| !before.refused.contains(read))
            .cloned()
            .collect()
    }

    /// What was refused long ago is forgotten, so that it is asked again; not in the middle of a round.
    pub(super) fn doubt(&mut self, slave: &Slave, now: Monotonic) {
        let is_old = |at: Monotonic| now.since(at) >= REFUSED_FOR;
        if self.learned_at.is_some_and(is_old) && self.rounds.iter().all(|round| round.reads.is_empty()) {
            self.learned = Learned::default();
            self.learned_at = None;
            self.replan(slave);
        }
    }

    fn replan(&mut self, slave: &Slave) {
        if let Some(map) = slave.profile.modbus() {
            self.plan = map.plan_for(&self.learned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_decode::Profile;
    use std::sync::Arc;

    #[test]
    fn what_a_device_refused_while_it_started_is_asked_again() {
        let text = r#"
            id = "acme.leak"
            title = "Acme leak"
            version = 1
            [modbus]
            registers = [
                { function = 3, address = 1, type = "bool", measure = "leak.wet" },
                { function = 4, address = 1, type = "u16", measure = "temperature" },
            ]
            [[tests]]
            name = "wet"
            registers = [{ function = 3, start = 1, values = [1] }]
            expect = [{ measure = "leak.wet", value = true }]
        "#;
        let slave = Slave {
            device: "leak".parse().unwrap(),
            unit: 1,
            profile: Arc::new(Profile::parse(text, "test").unwrap()),
        };
        let mut memory = Memory::new(&slave);
        let whole = memory.plan().clone();
        memory.refuse(&slave, &whole.reads[0], Monotonic(1_000));
        assert_eq!(memory.plan().reads, whole.reads[1..]);
        memory.doubt(&slave, Monotonic(1_000).plus(REFUSED_FOR / 2));
        assert_eq!(memory.plan().reads, whole.reads[1..], "it has just refused");
        memory.doubt(&slave, Monotonic(1_000).plus(REFUSED_FOR));
        assert_eq!(memory.plan(), &whole);
    }
}
