//! The core of the pipeline: frames and requests in, one committed batch out. Knows no threads and no channels.
//!
//! Frames come in through `intake`, the batch goes out through `commit`; here stand the parts and the inputs of
//! people and timers.

use super::batch::{Logged, OpenBatch};
use super::door::{Done as Answered, Failed, Idempotency};
use super::once::Once;
use super::project::project;
use super::recover::Recovered;
use super::tap::Tap;
use super::understand::Understanding;
use super::understood::Understood;
use super::unknown::UnknownDevices;
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use crate::outbox::series::Cursors;
use linli_domain::command::{Command, Refusal, Reply};
use linli_domain::engine::{Changes, Engine, Input};
use linli_domain::id::{CommitId, PointKey};
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{self as store, Ledger};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an answer to a repeatable request is kept.
const ANSWER_MEMORY: Duration = Duration::from_secs(48 * 3600);

/// The parts a batch flows through.
pub struct Core {
    /// Decides.
    pub engine: Engine,
    /// Keeps.
    pub ledger: Ledger,
    /// Remembers what was seen.
    pub once: Once,
    /// Keeps what is said by devices that are not in the estate.
    pub unknown: UnknownDevices,
    /// Decodes.
    pub understanding: Understanding,
    /// Says who is told.
    pub planner: Planner,
    /// Asks the machine for the time.
    pub clock: SharedClock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Tells those who watch.
    pub tap: Arc<Tap>,
    /// How far the forwarders have come.
    pub cursors: Arc<Cursors>,
    /// Room on the disk.
    pub room: super::room::Room,
    /// The clock by which readings grow old.
    pub ages: super::ages::Ages,
    /// Names of the connections and buses that are configured; none where that is not known.
    pub links: Option<BTreeSet<Arc<str>>>,
    /// The batch under construction.
    pub batch: OpenBatch,
    /// Version of the estate in the ledger.
    pub estate_version: u32,
    pub(super) durable_version: u32,
    pub(super) changes: Changes,
    /// Own-time readings of the open batch, by their place in the log.
    pub(super) fresh: FxHashMap<(PointKey, Timestamp), usize>,
    pub(super) understood: Understood,
    /// Whether the engine knows what the catalogue says.
    pub(super) profiles_told: bool,
    /// Whether the gauges of flags show the engine as it is.
    pub(super) flags_shown: bool,
    /// Whether the gauges of alarms have been set since the start.
    pub(super) alarms_shown: bool,
    pub(super) complaints: super::complain::Complaints,
}

impl Core {
    /// Puts the parts together around an empty batch.
    pub fn new(
        recovered: Recovered,
        ledger: Ledger,
        understanding: Understanding,
        planner: Planner,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let estate_version = recovered.estate_version;
        let mut core = Self {
            engine: recovered.engine,
            ledger,
            once: recovered.once,
            unknown: recovered.unknown,
            understanding,
            planner,
            clock,
            metrics,
            tap: Arc::default(),
            cursors: Arc::default(),
            room: super::room::Room::default(),
            ages: super::ages::Ages::default(),
            links: None,
            batch: OpenBatch::default(),
            estate_version,
            durable_version: estate_version,
            changes: Changes::default(),
            fresh: FxHashMap::default(),
            understood: Understood::default(),
            profiles_told: false,
            flags_shown: false,
            alarms_shown: false,
            complaints: super::complain::Complaints::default(),
        };
        core.understanding.learn(core.engine.estate());
        core.engine.begin();
        core
    }

    /// Number the open batch will have.
    pub(super) fn next_commit(&self) -> CommitId {
        CommitId(self.ledger.last_commit().0 + 1)
    }

    /// Steps the engine with any input but a reading, logs it and takes its changes.
    ///
    /// A refused input is logged too: the step let time pass, and a replay must see the same steps.
    pub fn input(&mut self, now: &Now, input: &Input) -> Result<Reply, Refusal> {
        let step = self.engine.step(now, input);
        self.batch.at(*now);
        self.batch.log.push(Logged::Input(encode(input)));
        self.project(step.changes, now);
        step.reply
    }

    pub(super) fn project(&mut self, mut changes: Changes, now: &Now) {
        let silent = std::mem::take(&mut changes.silent);
        let resumed = std::mem::take(&mut changes.resumed);
        let commit = self.next_commit();
        project(
            changes,
            &self.engine,
            &self.planner,
            now.wall,
            commit,
            &self.metrics,
            &mut self.batch,
        );
        self.end_states(&silent, now);
        self.resume_states(&resumed, now);
    }

    /// The program has started: delays of another boot are re-based before anything else happens.
    pub fn started(&mut self, now: &Now) {
        if let Err(refusal) = self.input(now, &Input::Started) {
            tracing::error!(%refusal, "the engine refused to start");
        }
        self.end_states_of_the_pause(now);
        self.tell_profiles(now);
        self.let_go_of_gone(now);
    }

    /// A delay of the engine is over.
    pub fn tick(&mut self, now: &Now) {
        if let Err(refusal) = self.input(now, &Input::Tick) {
            tracing::error!(%refusal, "the engine refused a tick");
        }
        if !self.profiles_told {
            self.tell_profiles(now);
        }
    }

    /// Does a person's command; the answer follows the commit.
    pub fn command(
        &mut self,
        command: Command,
        idempotency: Option<Idempotency>,
        reply: oneshot::Sender<Result<Answered, Failed>>,
        now: &Now,
    ) {
        let name = command.action.name();
        match self.input(now, &Input::Command(command)) {
            Err(refusal) => {
                self.metrics
                    .commands
                    .with_label_values(&[name, refusal.code()])
                    .inc();
                let _ = reply.send(Err(Failed::Refused(refusal)));
            }
            Ok(answer) => {
                self.metrics.commands.with_label_values(&[name, "done"]).inc();
                self.keep_answer(idempotency, serde_json::to_vec(&answer).unwrap_or_default(), now);
                self.batch.urgent = true;
                self.batch.answers.push(Box::new(move |result| {
                    let _ = reply.send(result.map(|commit| Answered {
                        commit,
                        reply: answer,
                    }));
                }));
            }
        }
    }
}

impl Core {
    /// Stores the answer to a repeatable request with its effect.
    pub(super) fn keep_answer(&mut self, idempotency: Option<Idempotency>, answer: Vec<u8>, now: &Now) {
        if let Some(key) = idempotency {
            self.batch.kept_answers.push(store::IdempotentAnswer {
                key: key.key,
                principal: key.principal,
                body_hash: key.request_hash,
                answer,
                expires: now.wall.plus(ANSWER_MEMORY),
            });
        }
    }
}

/// The binary form of an input in the log.
pub(super) fn encode(input: &Input) -> Vec<u8> {
    postcard::to_allocvec(input).unwrap_or_default()
}
