//! One slave's round: its questions, what is repeated, what is given up, and the frames that tell it.
//!
//! Whose round it is, and what is remembered between rounds, is not decided here.

use super::breaker::Standing;
use super::line::{Question, registers};
use super::memory::Round;
use super::outcome::Failure;
use super::schedule::Key;
use super::{Bus, Slave, told};
use crate::field::Frame;
use linli_decode::modbus::Read;
use linli_decode::modbus::wire::Severity;
use linli_decode::{RegisterData, RegisterRequest};
use linli_domain::reading::Reason;
use linli_domain::time::Monotonic;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Failures of a round before its values are told missing.
const TRIES: u8 = 2;
/// A slave that says it is busy is given this long before it is asked once more.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Questions of one search in one round; the rest follows in the next.
const SEARCH_STEPS: usize = 16;

/// How a round ends.
enum End {
    /// Everything was asked or given up.
    Over,
    /// This is left, and can be asked from then on.
    Later(Round, Monotonic),
    /// The line cannot be opened.
    BusIsDown,
}

/// What follows from one read.
enum Then {
    GoOn,
    /// The slave is left alone; it may be dead, for this reason.
    Leave(Reason),
    BusIsDown,
}

/// A round under way.
pub(super) struct Visit {
    pub(super) key: Key,
    pub(super) slave: Slave,
    pub(super) pause: Duration,
    pub(super) lateness: Duration,
    frames: Vec<Frame>,
}

impl Visit {
    fn tell(&mut self, bus: &Bus, read: &Read, answer: Result<RegisterData, Reason>) {
        self.frames
            .push(told::frame(&self.slave, read, answer, bus.clock.now()));
    }
}

impl Bus {
    /// Asks a slave what is left of its round. `false`: the line cannot be used.
    pub(super) async fn visit(&mut self, key: Key) -> bool {
        let Some(slave) = self.slaves.get(key.slave).cloned() else {
            return true;
        };
        let now = self.now();
        let Some(memory) = self.memories.get_mut(key.slave) else {
            return true;
        };
        memory.doubt(&slave, now);
        let manners = slave
            .profile
            .modbus()
            .map(|map| map.manners())
            .unwrap_or_default();
        let (round, is_new) = memory.take_round(key.class);
        let refused: Vec<Read> = memory
            .plan()
            .refused
            .iter()
            .filter(|read| is_new && read.class == key.class)
            .cloned()
            .collect();
        let mut visit = Visit {
            key,
            slave,
            pause: manners.pause,
            lateness: manners.max_lateness.unwrap_or(self.config.max_lateness),
            frames: Vec::with_capacity(round.reads.len() + refused.len()),
        };
        // Not asked any more, but not silent either.
        for read in &refused {
            visit.tell(self, read, Err(Reason::IllegalAddress));
        }
        let end = self.go_through(&mut visit, round).await;
        let usable = !matches!(end, End::BusIsDown);
        match end {
            End::Over => {
                let missed = self.schedule.served(key, self.now());
                self.told.missed(missed);
            }
            End::Later(round, at) => {
                if let Some(memory) = self.memories.get_mut(key.slave) {
                    memory.keep_round(key.class, round);
                }
                self.schedule.postpone(key, at);
            }
            End::BusIsDown => {}
        }
        if manners.close_after_cycle {
            self.line.close();
        }
        self.told.push(visit.frames).await;
        usable
    }

    async fn go_through(&mut self, visit: &mut Visit, mut round: Round) -> End {
        let mut blocked = Round {
            failures: round.failures,
            ..Round::default()
        };
        let mut until = None;
        while let Some(read) = round.reads.pop_front() {
            if self.shutdown.is_cancelled() {
                return End::Over;
            }
            if let Some(free) = self
                .line
                .blocked_until(visit.slave.unit, &Question::Read(read.request))
            {
                until = Some(until.map_or(free, |until: Monotonic| until.min(free)));
                blocked.reads.push_back(read);
                continue;
            }
            match self.read(visit, &read).await {
                Then::GoOn => {}
                Then::BusIsDown => return End::BusIsDown,
                Then::Leave(reason) => {
                    // A silent slave costs the others one question a round, not one for each of its registers.
                    let at = self
                        .line
                        .blocked_until(visit.slave.unit, &Question::Read(read.request));
                    blocked.reads.push_front(read);
                    blocked.reads.append(&mut round.reads);
                    blocked.failures += 1;
                    return self.leave(visit, blocked, at.unwrap_or_else(|| self.now()), reason);
                }
            }
        }
        match until {
            None => End::Over,
            Some(at) => self.later(visit, blocked, at, Reason::CommTimeout),
        }
    }

    /// After a failure: once more before its next round comes, or its values are missing.
    fn leave(&mut self, visit: &mut Visit, left: Round, at: Monotonic, reason: Reason) -> End {
        let standing = self
            .memories
            .get(visit.key.slave)
            .map(|memory| memory.breaker.standing());
        if let Some(Standing::Open(_)) = standing {
            // Given up: all it could say is missing, not only what this round would have asked.
            let plan = self
                .memories
                .get(visit.key.slave)
                .map(|memory| memory.plan().clone())
                .unwrap_or_default();
            for read in &plan.reads {
                visit.tell(self, read, Err(reason));
            }
            if let Some(memory) = self.memories.get_mut(visit.key.slave) {
                memory.drop_rounds();
            }
            return End::Over;
        }
        if left.failures < TRIES {
            return self.later(visit, left, at, reason);
        }
        for read in &left.reads {
            visit.tell(self, read, Err(reason));
        }
        End::Over
    }

    /// What cannot be asked before its next place is missing this time.
    fn later(&mut self, visit: &mut Visit, left: Round, at: Monotonic, reason: Reason) -> End {
        if at < self.schedule.next_place(visit.key, self.now()) {
            return End::Later(left, at);
        }
        for read in &left.reads {
            visit.tell(self, read, Err(reason));
        }
        End::Over
    }

    async fn read(&mut self, visit: &mut Visit, read: &Read) -> Then {
        let mut result = self.put(visit, &read.request).await;
        if is_busy(&result) {
            sleep(BUSY_PAUSE).await;
            result = self.put(visit, &read.request).await;
        }
        let Some(memory) = self.memories.get_mut(visit.key.slave) else {
            return Then::GoOn;
        };
        match result {
            Ok(data) => {
                memory.understood(&visit.slave, read);
                visit.tell(self, read, Ok(data));
                Then::GoOn
            }
            Err(Failure::Closed(_)) => Then::BusIsDown,
            Err(failure) if failure.is_silence() => Then::Leave(failure.reason()),
            Err(Failure::Fault(fault)) if fault.may_be_partial() => self.narrow(visit, read).await,
            // The last values stand, unless this goes on.
            Err(Failure::Fault(fault)) if fault.severity() == Severity::Uncertain && !memory.is_busy() => {
                Then::GoOn
            }
            Err(failure) => {
                visit.tell(self, read, Err(failure.reason()));
                Then::GoOn
            }
        }
    }

    /// A request was refused: finds out which part of it, so that the others keep their values.
    async fn narrow(&mut self, visit: &mut Visit, read: &Read) -> Then {
        let slave = visit.slave.clone();
        let Some(map) = slave.profile.modbus() else {
            return Then::GoOn;
        };
        let now = self.now();
        let Some(memory) = self.memories.get_mut(visit.key.slave) else {
            return Then::GoOn;
        };
        let Some(mut search) = memory.search(read) else {
            memory.refuse(&slave, read, now);
            tracing::info!(
                bus = %self.told.name, unit = slave.unit, device = %slave.device, request = ?read.request,
                "the device refuses this address; it is not asked again"
            );
            visit.tell(self, read, Err(Reason::IllegalAddress));
            return Then::GoOn;
        };
        for _ in 0..SEARCH_STEPS {
            let Some(part) = search.next(map) else {
                let refused = self
                    .memories
                    .get_mut(visit.key.slave)
                    .map(|memory| memory.found(&slave, search, now));
                for read in refused.unwrap_or_default() {
                    visit.tell(self, &read, Err(Reason::IllegalAddress));
                }
                return Then::GoOn;
            };
            if self.shutdown.is_cancelled()
                || self
                    .line
                    .blocked_until(slave.unit, &Question::Read(part.request))
                    .is_some()
            {
                break;
            }
            match self.put(visit, &part.request).await {
                Ok(data) => {
                    visit.tell(self, &part, Ok(data));
                    search.told(map, false);
                }
                Err(Failure::Fault(fault)) if fault.may_be_partial() => search.told(map, true),
                Err(Failure::Closed(_)) => return Then::BusIsDown,
                Err(failure) if failure.is_silence() => return Then::Leave(failure.reason()),
                Err(_) => break,
            }
        }
        if let Some(memory) = self.memories.get_mut(visit.key.slave) {
            memory.interrupted(read, search);
        }
        Then::GoOn
    }

    /// One question, asked again when the line broke under it. Keeps the books of the slave and of the bus.
    pub(super) async fn put(
        &mut self,
        visit: &Visit,
        request: &RegisterRequest,
    ) -> Result<RegisterData, Failure> {
        let began = Instant::now();
        let unit = visit.slave.unit;
        let question = Question::Read(*request);
        let mut is_first = true;
        let result = loop {
            let response = self.line.ask(unit, &question, visit.pause, visit.lateness).await;
            let result = response.and_then(|response| registers(response, request));
            self.told
                .asked(result.as_ref().map_or_else(Failure::label, |_| "ok"));
            let broke = matches!(result, Err(Failure::Line(_)));
            if !(broke && is_first && self.line.blocked_until(unit, &question).is_none()) {
                break result;
            }
            is_first = false;
        };
        let cost = self.spent(began);
        match &result {
            Err(Failure::Closed(_) | Failure::Unanswerable) => {}
            Err(failure) if failure.is_silence() => self.failed(visit, failure, cost).await,
            _ => self.heard(visit).await,
        }
        result
    }

    async fn heard(&mut self, visit: &Visit) {
        self.reopen.reset();
        let Some(memory) = self.memories.get_mut(visit.key.slave) else {
            return;
        };
        let was = memory.breaker.standing();
        if memory.breaker.answered() {
            tracing::info!(
                bus = %self.told.name, unit = visit.slave.unit, device = %visit.slave.device,
                "the slave answers again"
            );
            self.schedule.hurry(visit.key.slave, self.clock.now().monotonic);
        }
        if was != Standing::Healthy {
            self.told.standings(&self.memories);
        }
        self.told.ok(true).await;
    }

    async fn failed(&mut self, visit: &Visit, failure: &Failure, cost: Duration) {
        let now = self.now();
        let Some(memory) = self.memories.get_mut(visit.key.slave) else {
            return;
        };
        let (bus, unit, device) = (&self.told.name, visit.slave.unit, &visit.slave.device);
        if memory.breaker.failed(now) {
            tracing::warn!(%bus, unit, %device, %failure, "the slave is silent; it is only probed from now on");
        } else {
            tracing::debug!(%bus, unit, %device, %failure, "no registers");
        }
        self.spend_on_sick(cost);
        self.told.standings(&self.memories);
        if self
            .memories
            .iter()
            .all(|memory| memory.breaker.standing() != Standing::Healthy)
        {
            self.told.ok(false).await;
        }
    }
}

fn is_busy(result: &Result<RegisterData, Failure>) -> bool {
    matches!(result, Err(Failure::Fault(fault)) if fault.severity() == Severity::Uncertain)
}
