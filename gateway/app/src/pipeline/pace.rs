//! When to commit. Pure: durations and counts come in, a decision goes out.
//!
//! The law is `rate = in-flight window / (commit delay + round trip)` (measured; a window of 20 with a fixed 50 ms
//! delay gives 320 messages/s). So the delay is kept only while the broker still sends; once its window is known
//! to be small, a commit happens as soon as the inbox is empty. The window is learnt: the producer fell silent
//! at `n` unacknowledged messages and went on promptly once they were acknowledged, twice in a row.

use std::time::Duration;

/// Most messages in one commit.
pub(super) const MAX_MESSAGES: usize = 2_000;
/// A window up to this size leaves no room for a delay.
const SMALL_WINDOW: usize = 100;
/// Nothing arriving for this long with messages unacknowledged looks like a full window.
const SILENCE: Duration = Duration::from_millis(5);
/// Arrivals this soon after the acknowledgements went out look like a window that was full.
const PROMPT: Duration = Duration::from_millis(3);
/// So many commits without a prompt arrival, and a learnt window is forgotten.
const FORGET_AFTER: u32 = 32;

/// What the pipeline knows when it asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// Messages in the open batch.
    pub messages: usize,
    /// Those of them that a broker waits to have acknowledged.
    pub unacknowledged: usize,
    /// Since the oldest of them arrived.
    pub age: Duration,
    /// Since the last arrival.
    pub silent: Duration,
    /// Nothing more lies in the inbox.
    pub inbox_empty: bool,
    /// An alarm was raised, or somebody waits for this very commit.
    pub urgent: bool,
}

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Commit now.
    Commit,
    /// Take more from the inbox.
    Gather,
    /// The inbox is empty: wait at most so long for more, then ask again.
    Wait(Duration),
}

/// Decides when to commit, and learns the in-flight window.
#[derive(Debug)]
pub struct Pace {
    delay: Duration,
    announced: usize,
    learnt: Option<usize>,
    candidate: Option<usize>,
    stalled_at: Option<usize>,
    idle_commits: u32,
}

impl Pace {
    /// `delay` is the longest a reading waits; `announced` the largest receive maximum of the connections.
    pub fn new(delay: Duration, announced: usize) -> Self {
        Self {
            delay,
            announced: announced.max(1),
            learnt: None,
            candidate: None,
            stalled_at: None,
            idle_commits: 0,
        }
    }

    /// The window in use: learnt, else announced.
    pub fn window(&self) -> usize {
        self.learnt.unwrap_or(self.announced)
    }

    /// What to do now.
    pub fn decide(&self, load: &Load) -> Decision {
        if load.messages == 0 && !load.urgent {
            return if load.inbox_empty {
                Decision::Wait(Duration::MAX)
            } else {
                Decision::Gather
            };
        }
        let full = load.messages >= MAX_MESSAGES || load.unacknowledged * 2 >= self.window().max(2);
        if full && (load.inbox_empty || load.messages >= MAX_MESSAGES || self.window() > SMALL_WINDOW) {
            return Decision::Commit;
        }
        if load.age >= self.delay {
            return Decision::Commit;
        }
        if !load.inbox_empty {
            return Decision::Gather;
        }
        if load.urgent || (self.learnt.is_some_and(|w| w <= SMALL_WINDOW) && load.unacknowledged > 0) {
            return Decision::Commit;
        }
        Decision::Wait(self.delay.saturating_sub(load.age))
    }

    /// A batch was committed and its acknowledgements are on their way.
    pub fn committed(&mut self, load: &Load) {
        let stalled = load.unacknowledged > 0 && load.inbox_empty && load.silent >= SILENCE;
        self.stalled_at = stalled
            .then_some(load.unacknowledged)
            .or(self.learnt.filter(|_| load.unacknowledged > 0));
        if self.learnt.is_some_and(|w| load.unacknowledged > w) {
            self.learnt = Some(load.unacknowledged);
        }
        self.idle_commits = self.idle_commits.saturating_add(1);
        if self.idle_commits > FORGET_AFTER {
            (self.learnt, self.candidate) = (None, None);
        }
    }

    /// The first arrival after a commit, and how long it took.
    pub fn resumed(&mut self, after: Duration) {
        let Some(stalled) = self.stalled_at.take() else {
            return;
        };
        if after > PROMPT {
            self.candidate = None;
            return;
        }
        self.idle_commits = 0;
        if self.learnt.is_none() && stalled <= SMALL_WINDOW && stalled > 1 {
            if self.candidate.is_some_and(|c| c.abs_diff(stalled) <= c / 4) {
                self.learnt = Some(stalled);
            }
            self.candidate = Some(stalled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(50);

    fn load(messages: usize, age_ms: u64, silent_ms: u64, inbox_empty: bool) -> Load {
        Load {
            messages,
            unacknowledged: messages,
            age: Duration::from_millis(age_ms),
            silent: Duration::from_millis(silent_ms),
            inbox_empty,
            urgent: false,
        }
    }

    #[test]
    fn a_quiet_estate_waits_the_whole_delay_to_spare_the_flash() {
        let pace = Pace::new(DELAY, 1000);
        assert_eq!(pace.decide(&load(0, 0, 0, true)), Decision::Wait(Duration::MAX));
        assert_eq!(
            pace.decide(&load(3, 10, 10, true)),
            Decision::Wait(Duration::from_millis(40))
        );
        assert_eq!(pace.decide(&load(3, 50, 50, true)), Decision::Commit);
    }

    #[test]
    fn a_flood_commits_at_half_the_window() {
        let pace = Pace::new(DELAY, 1000);
        assert_eq!(pace.decide(&load(499, 1, 0, false)), Decision::Gather);
        assert_eq!(pace.decide(&load(500, 1, 0, false)), Decision::Commit);
    }

    #[test]
    fn an_alarm_does_not_wait() {
        let pace = Pace::new(DELAY, 1000);
        assert_eq!(
            pace.decide(&Load {
                urgent: true,
                ..load(1, 0, 0, true)
            }),
            Decision::Commit
        );
        assert_eq!(
            pace.decide(&Load {
                urgent: true,
                ..load(1, 0, 0, false)
            }),
            Decision::Gather
        );
    }

    #[test]
    fn a_window_of_twenty_is_learnt_and_then_the_delay_is_gone() {
        let mut pace = Pace::new(DELAY, 1000);
        for _ in 0..2 {
            assert_eq!(
                pace.decide(&load(20, 1, 1, true)),
                Decision::Wait(Duration::from_millis(49))
            );
            pace.committed(&load(20, 50, 49, true));
            pace.resumed(Duration::from_millis(1));
        }
        assert_eq!(pace.window(), 20);
        assert_eq!(pace.decide(&load(20, 1, 0, true)), Decision::Commit);
        assert_eq!(pace.decide(&load(4, 0, 0, true)), Decision::Commit);
    }

    #[test]
    fn slow_traffic_is_not_taken_for_a_small_window() {
        let mut pace = Pace::new(DELAY, 1000);
        for _ in 0..50 {
            pace.committed(&load(3, 50, 40, true));
            pace.resumed(Duration::from_millis(12));
        }
        assert_eq!(pace.window(), 1000);
    }

    #[test]
    fn a_learnt_window_is_forgotten_when_the_flood_is_over() {
        let mut pace = Pace::new(DELAY, 1000);
        for _ in 0..2 {
            pace.committed(&load(20, 50, 49, true));
            pace.resumed(Duration::from_millis(1));
        }
        for _ in 0..=FORGET_AFTER {
            pace.committed(&load(1, 0, 0, true));
            pace.resumed(Duration::from_millis(400));
        }
        assert_eq!(pace.window(), 1000);
    }
}
