//! What the bus remembers of one slave between cycles: its breaker, and whether a late answer may be on its way.
//!
//! Pure. After a timeout a slave is suspect: nothing is asked of it during a quarantine, then the *same* question
//! again, then another quarantine, and only then the others. An answer that comes late by up to the quarantine
//! finds nobody who waits for it, or the very question it belongs to.

use super::breaker::{Access, Breaker};
use linli_domain::time::Monotonic;
use std::time::Duration;

/// The shortest quarantine. Slow slaves answer within a second or not at all.
const QUARANTINE: Duration = Duration::from_secs(1);

/// Which questions a slave is asked in this cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// All.
    All,
    /// All, on a line without leftovers.
    AllAfresh,
    /// Only this one, on a line without leftovers.
    Only(usize),
    /// None.
    Skip,
}

/// The memory of one slave.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    breaker: Breaker,
    trust: Trust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Full,
    /// Silent on this question; leave it alone until then.
    Suspect {
        question: usize,
        until: Monotonic,
    },
    /// Answered again; an older answer may still come until then.
    Settling {
        until: Monotonic,
    },
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            breaker: Breaker::new(),
            trust: Trust::Full,
        }
    }

    /// Whether the slave may be asked at `now`. `probes_left`: dead slaves that may still be probed in this cycle.
    pub(super) fn turn(&self, now: Monotonic, probes_left: &mut u32) -> Turn {
        match self.breaker.access(now) {
            Access::None => return Turn::Skip,
            Access::Probe if *probes_left == 0 => return Turn::Skip,
            Access::Probe => *probes_left -= 1,
            Access::Normal => {}
        }
        match self.trust {
            Trust::Full => Turn::All,
            Trust::Suspect { until, .. } | Trust::Settling { until } if now < until => Turn::Skip,
            Trust::Suspect { question, .. } => Turn::Only(question),
            Trust::Settling { .. } => Turn::AllAfresh,
        }
    }

    /// The slave answered. `rtu`: answers carry nothing that ties them to a question.
    pub(super) fn answered(&mut self, now: Monotonic, timeout: Duration, rtu: bool) {
        self.breaker.answered();
        self.trust = match self.trust {
            Trust::Suspect { .. } if rtu => Trust::Settling {
                until: now.plus(quarantine(timeout)),
            },
            Trust::Settling { until } if now < until => self.trust,
            _ => Trust::Full,
        };
    }

    /// The slave was silent on `question`. `true`: it has just been given up.
    pub(super) fn silent(&mut self, question: usize, now: Monotonic, timeout: Duration, rtu: bool) -> bool {
        self.trust = if rtu {
            Trust::Suspect {
                question,
                until: now.plus(quarantine(timeout)),
            }
        } else {
            Trust::Full
        };
        self.breaker.silent(now)
    }
}

fn quarantine(timeout: Duration) -> Duration {
    (timeout * 2).max(QUARANTINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(300);

    fn turn(memory: &Memory, at: u64) -> Turn {
        memory.turn(Monotonic(at), &mut 1)
    }

    #[test]
    fn after_a_timeout_only_the_same_question_is_asked_and_late_answers_are_waited_out() {
        let mut memory = Memory::new();
        memory.silent(2, Monotonic(0), TIMEOUT, true);
        assert_eq!(turn(&memory, 999), Turn::Skip);
        assert_eq!(turn(&memory, 1_000), Turn::Only(2));
        memory.answered(Monotonic(1_100), TIMEOUT, true);
        assert_eq!(turn(&memory, 2_099), Turn::Skip);
        assert_eq!(turn(&memory, 2_100), Turn::AllAfresh);
        memory.answered(Monotonic(2_200), TIMEOUT, true);
        assert_eq!(turn(&memory, 2_300), Turn::All);
    }

    #[test]
    fn with_transaction_ids_there_is_nothing_to_wait_out() {
        let mut memory = Memory::new();
        memory.silent(2, Monotonic(0), TIMEOUT, false);
        assert_eq!(turn(&memory, 1), Turn::All);
    }

    #[test]
    fn one_dead_slave_is_probed_per_cycle() {
        let mut dead = [Memory::new(), Memory::new()];
        for memory in &mut dead {
            for _ in 0..3 {
                memory.silent(0, Monotonic(0), TIMEOUT, true);
            }
        }
        let mut probes = 1;
        let turns = dead.each_ref().map(|m| m.turn(Monotonic(5_000), &mut probes));
        assert_eq!(turns, [Turn::Only(0), Turn::Skip]);
    }
}
