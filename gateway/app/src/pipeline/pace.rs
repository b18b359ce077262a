//! When to commit. Pure: durations and counts come in, a decision goes out.
//!
//! The law is `rate = in-flight window / (commit delay + round trip)` (measured; a window of 20 with a fixed 50 ms
//! delay gives 320 messages/s). So the delay is kept only while the broker still sends; once its window is known
//! to be small, a commit happens as soon as it is used up, or when the producer pauses. The window is learnt: the producer fell silent
//! at `n` unacknowledged messages and went on promptly once they were acknowledged, twice in a row.
//!
//! A publisher who sends in bursts can look like that by chance, and committing every message by itself writes
//! several times as much. So what was learnt is put to the proof again and again: one batch is held until the producer
//! falls silent. If more came than the window holds, or it fell silent well before, the window is forgotten and has
//! to be seen more often before it is believed again.

use std::time::Duration;

/// Most messages in one commit.
pub(super) const MAX_MESSAGES: usize = 2_000;
/// A window up to this size leaves no room for a delay.
const SMALL_WINDOW: usize = 100;
/// Nothing arriving for this long with messages unacknowledged looks like a full window.
const SILENCE: Duration = Duration::from_millis(5);
/// With a small window, nothing arriving for this long is a pause. A commit for the first message of a window would
/// keep the rest waiting for a second one.
const PAUSE: Duration = Duration::from_micros(200);
/// Arrivals this soon after the acknowledgements went out look like a window that was full.
const PROMPT: Duration = Duration::from_millis(3);
/// So many commits without a prompt arrival, and a learnt window is forgotten.
const FORGET_AFTER: u32 = 32;
/// Silences at the same count that make a window believed, at first and at most.
const STALLS: (u32, u32) = (2, 16);
/// Commits until a learnt window is put to the proof, at first and at most.
const PROOF_AFTER: (u32, u32) = (8, 256);

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
    learnt: Option<Learnt>,
    candidate: Candidate,
    stalled_at: Option<usize>,
    idle_commits: u32,
}

/// A window that is believed.
#[derive(Debug, Clone, Copy)]
struct Learnt {
    window: usize,
    /// Commits until the next proof; at 0 the open batch is the proof.
    proof_in: u32,
    /// What `proof_in` begins at after a proof that held.
    every: u32,
}

/// A window that may become believed.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    stalled_at: usize,
    seen: u32,
    needed: u32,
}

impl Candidate {
    /// Counts a silence at `stalled_at`; whether that makes it a window.
    fn saw(&mut self, stalled_at: usize) -> bool {
        let same = self.seen > 0 && self.stalled_at.abs_diff(stalled_at) <= self.stalled_at / 4;
        self.seen = if same { self.seen.saturating_add(1) } else { 1 };
        self.stalled_at = stalled_at;
        self.seen >= self.needed
    }
}

impl Pace {
    /// `delay` is the longest a reading waits; `announced` the largest receive maximum of the connections.
    pub fn new(delay: Duration, announced: usize) -> Self {
        Self {
            delay,
            announced: announced.max(1),
            learnt: None,
            candidate: Candidate {
                stalled_at: 0,
                seen: 0,
                needed: STALLS.0,
            },
            stalled_at: None,
            idle_commits: 0,
        }
    }

    /// The window in use: learnt, else announced.
    pub fn window(&self) -> usize {
        self.learnt.map_or(self.announced, |learnt| learnt.window)
    }

    /// Unacknowledged messages that are committed at once: half of a large window, while the broker fills the other half;
    /// all of a small one, whose halves would each cost a commit.
    fn most(&self) -> usize {
        if self.announced > SMALL_WINDOW {
            self.announced / 2
        } else {
            self.announced
        }
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
        if load.messages >= MAX_MESSAGES || load.age >= self.delay {
            return Decision::Commit;
        }
        let (limit, pause) = match self.learnt {
            Some(learnt) if learnt.proof_in == 0 => (self.most(), SILENCE),
            Some(learnt) => (learnt.window, PAUSE),
            None => (self.most(), self.delay),
        };
        let full = load.unacknowledged >= limit;
        if full && (load.inbox_empty || limit > SMALL_WINDOW) {
            return Decision::Commit;
        }
        if !load.inbox_empty {
            return Decision::Gather;
        }
        // Whoever waits for no acknowledgement has no window.
        let pause = if load.unacknowledged > 0 {
            pause
        } else {
            self.delay
        };
        if load.urgent || load.silent >= pause {
            return Decision::Commit;
        }
        Decision::Wait(
            self.delay
                .saturating_sub(load.age)
                .min(pause.saturating_sub(load.silent)),
        )
    }

    /// A batch was committed and its acknowledgements are on their way.
    pub fn committed(&mut self, load: &Load) {
        let stalled = load.unacknowledged > 0 && load.inbox_empty && load.silent >= SILENCE;
        self.prove(load, stalled);
        self.stalled_at = stalled
            .then_some(load.unacknowledged)
            .or(self.learnt.map(|l| l.window).filter(|_| load.unacknowledged > 0));
        self.idle_commits = self.idle_commits.saturating_add(1);
        if self.idle_commits > FORGET_AFTER {
            self.learnt = None;
            self.candidate.seen = 0;
        }
    }

    /// Holds a learnt window against the batch that was just committed.
    fn prove(&mut self, load: &Load, stalled: bool) {
        let Some(learnt) = &mut self.learnt else {
            return;
        };
        let (came, window) = (load.unacknowledged, learnt.window);
        let more = came * 4 > window * 5;
        if !more {
            learnt.window = window.max(came);
            if learnt.proof_in > 0 {
                learnt.proof_in -= 1;
                return;
            }
            if stalled && came * 4 >= window * 3 {
                learnt.every = learnt.every.saturating_mul(2).min(PROOF_AFTER.1);
                learnt.proof_in = learnt.every;
                // One proof may hold by chance.
                if learnt.every == PROOF_AFTER.1 {
                    self.candidate.needed = STALLS.0;
                }
                return;
            }
            if load.urgent || came == 0 {
                // An alarm, or somebody who waits, ended the proof; the next batch is one again.
                return;
            }
        }
        let doubt = self.candidate.needed.saturating_mul(2).min(STALLS.1);
        (self.candidate.seen, self.candidate.needed) = (0, doubt);
        self.learnt = None;
    }

    /// The first arrival after a commit, and how long it took.
    pub fn resumed(&mut self, after: Duration) {
        let Some(stalled) = self.stalled_at.take() else {
            return;
        };
        if after > PROMPT {
            self.candidate.seen = 0;
            return;
        }
        self.idle_commits = 0;
        if self.learnt.is_none() && stalled <= SMALL_WINDOW && stalled > 1 && self.candidate.saw(stalled) {
            self.learnt = Some(Learnt {
                window: stalled,
                proof_in: PROOF_AFTER.0,
                every: PROOF_AFTER.0,
            });
        }
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
