//! The core of the pipeline: frames and requests in, one committed batch out. Knows no threads and no channels.
//!
//! A batch that fails is taken back in every part (engine, memory of what was seen, points) and its frames are
//! done again: all of them when the storage failed, in halves when the batch itself cannot be stored, until the
//! one offender is alone; it becomes a dead letter and is acknowledged.

use super::batch::{Logged, OpenBatch};
use super::door::{Done as Answered, Failed, Idempotency, Live};
use super::once::Once;
use super::project::project;
use super::understand::{Refused, Seen, Understanding, Understood};
use crate::clock::SharedClock;
use crate::field::{Done, Frame};
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use linli_domain::command::{Command, Refusal, Reply};
use linli_domain::engine::{Changes, Engine, Input, PointDef};
use linli_domain::estate::DeviceIndex;
use linli_domain::id::{CommitId, PointKey, point_id};
use linli_domain::reading::Reading;
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{self as store, CommitError, Ledger};
use std::collections::HashMap;
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
    /// Decodes.
    pub understanding: Understanding,
    /// Says who is told.
    pub planner: Planner,
    /// Asks the machine for the time.
    pub clock: SharedClock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The batch under construction.
    pub batch: OpenBatch,
    /// Version of the estate in the ledger.
    pub estate_version: u32,
    durable_version: u32,
    changes: Changes,
    /// Own-time readings of each point in the open batch, by their place in the log.
    fresh: HashMap<PointKey, Vec<(Timestamp, usize)>>,
    understood: Understood,
    complaints: super::complain::Complaints,
}

impl Core {
    /// Puts the parts together around an empty batch.
    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of the pipeline, named once in the composition root"
    )]
    pub fn new(
        engine: Engine,
        estate_version: u32,
        ledger: Ledger,
        once: Once,
        understanding: Understanding,
        planner: Planner,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mut core = Self {
            engine,
            ledger,
            once,
            understanding,
            planner,
            clock,
            metrics,
            batch: OpenBatch::default(),
            estate_version,
            durable_version: estate_version,
            changes: Changes::default(),
            fresh: HashMap::new(),
            understood: Understood::default(),
            complaints: super::complain::Complaints::default(),
        };
        core.understanding.learn(core.engine.estate());
        core.engine.begin();
        core
    }

    /// Number the open batch will have.
    fn next_commit(&self) -> CommitId {
        CommitId(self.ledger.last_commit().0 + 1)
    }

    /// Takes a frame into the open batch.
    pub fn frame(&mut self, frame: Frame, now: &Now) {
        self.absorb(&frame, now);
        self.batch.owe(frame);
    }

    fn absorb(&mut self, frame: &Frame, now: &Now) {
        let mut understood = std::mem::take(&mut self.understood);
        understood.device = None;
        understood.identity = None;
        understood.seen.clear();
        match self.understand(frame, &mut understood) {
            Ok(true) => {
                if let Some(device) = understood.device {
                    let lorawan = understood.identity.is_some();
                    for seen in understood.seen.drain(..) {
                        self.seen(device, seen, lorawan, frame.received(), now);
                    }
                }
            }
            Ok(false) => self.metrics.duplicates.inc(),
            Err(refused) => self.refuse(frame, &refused, now),
        }
        self.understood = understood;
    }

    /// `Ok(false)`: the message came before.
    fn understand(&mut self, frame: &Frame, out: &mut Understood) -> Result<bool, Refused> {
        let estate = self.engine.estate();
        match frame {
            Frame::Mqtt(message) => {
                if let Some(packet) = message.packet {
                    let key = (message.session, packet);
                    if self
                        .once
                        .packet_seen(key, message.duplicate, &message.topic, &message.payload)
                    {
                        return Ok(false);
                    }
                }
                self.understanding.mqtt(message, estate, out)?;
                if let Some((identity, bytes)) = &out.identity {
                    let at = message.received.wall;
                    if self
                        .once
                        .lorawan_seen(identity.dev_eui, identity.f_port, identity.f_cnt, bytes, at)
                    {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Frame::Modbus(answer) => self.understanding.modbus(answer, estate, out).map(|()| true),
            Frame::Fact(fact) => {
                self.understanding.fact(fact, out);
                Ok(true)
            }
        }
    }

    fn refuse(&mut self, frame: &Frame, refused: &Refused, now: &Now) {
        self.metrics
            .messages_rejected
            .with_label_values(&[refused.reason])
            .inc();
        let (origin, payload) = frame.origin();
        self.complaints.refused(refused, &origin, now);
        self.batch.reject(now.wall, &origin, refused, payload);
    }

    /// Binds a value to its point, drops it when it came before, and lets the engine see it.
    fn seen(&mut self, device: DeviceIndex, seen: Seen, lorawan: bool, received: Timestamp, now: &Now) {
        let point = match self
            .engine
            .point_of(device, seen.measure, seen.instance.as_deref())
        {
            Some(point) => point,
            None => match self.new_point(device, &seen, now) {
                Some(point) => point,
                None => return,
            },
        };
        if seen.own_time && !lorawan && self.came_before(point, &seen) {
            return;
        }
        let reading = Reading {
            point,
            observed: seen.observed,
            received,
            value: seen.value,
            quality: seen.quality,
        };
        self.batch.at(*now);
        if seen.own_time {
            self.fresh
                .entry(point)
                .or_default()
                .push((seen.observed, self.batch.log.len()));
        }
        let given = !seen.historical;
        if given {
            let mut changes = std::mem::take(&mut self.changes);
            if !matches!(self.engine.step_reading(now, &reading, &mut changes), Ok(true)) {
                self.metrics.readings_late.inc();
            }
            if !changes.is_empty() {
                self.project(std::mem::take(&mut changes), now);
            }
            self.changes = changes;
        } else {
            self.metrics.readings_late.inc();
        }
        if self.batch.readings < super::door::LIVE_EVENTS {
            self.batch
                .live
                .push(Live::Reading(self.next_commit(), reading.clone()));
        }
        self.batch.readings += 1;
        self.batch.log.push(Logged::Reading(reading, given));
    }

    /// Whether the point already has a reading of this own time. The first committed one stays.
    fn came_before(&mut self, point: PointKey, seen: &Seen) -> bool {
        let in_batch = self
            .fresh
            .get(&point)
            .and_then(|all| all.iter().find(|(t, _)| *t == seen.observed));
        let first = match in_batch {
            Some((_, index)) => match self.batch.log.get(*index) {
                Some(Logged::Reading(reading, _)) => Some((reading.value.clone(), reading.quality)),
                _ => None,
            },
            None if self
                .ledger
                .last_observed(point)
                .is_none_or(|last| seen.observed > last) =>
            {
                None
            }
            None => match self.ledger.find(point, seen.observed) {
                Ok(found) => found.map(|sample| (sample.value, sample.quality)),
                Err(error) => {
                    tracing::error!(%error, %point, "could not look up an earlier reading; it is stored again");
                    None
                }
            },
        };
        let Some((value, _)) = first else { return false };
        if value == seen.value {
            self.metrics.duplicates.inc();
        } else {
            self.metrics.conflicts.inc();
        }
        true
    }

    fn new_point(&mut self, device: DeviceIndex, seen: &Seen, now: &Now) -> Option<PointKey> {
        let key = self.engine.next_point_key();
        let id = self.engine.estate().device(device)?.id.clone();
        let name = point_id(&id, seen.measure.name(), seen.instance.as_deref()).ok()?;
        let definition = PointDef {
            key,
            device: id.clone(),
            measure: seen.measure,
            instance: seen.instance.clone(),
        };
        let input = Input::Point(definition);
        if self.input(now, &input).is_err() {
            return None;
        }
        self.batch.points.push(store::PointRow {
            key,
            id: name,
            device: id,
            measure: seen.measure.name().to_owned(),
            instance: seen.instance.as_deref().map(str::to_owned),
        });
        self.batch.live.push(Live::Point(self.next_commit(), key));
        self.engine
            .point_of(device, seen.measure, seen.instance.as_deref())
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

    fn project(&mut self, changes: Changes, now: &Now) {
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
    }

    /// The program has started: delays of another boot are re-based before anything else happens.
    pub fn started(&mut self, now: &Now) {
        if let Err(refusal) = self.input(now, &Input::Started) {
            tracing::error!(%refusal, "the engine refused to start");
        }
    }

    /// A delay of the engine is over.
    pub fn tick(&mut self, now: &Now) {
        if let Err(refusal) = self.input(now, &Input::Tick) {
            tracing::error!(%refusal, "the engine refused a tick");
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
                if let Some(key) = idempotency {
                    self.batch.kept_answers.push(store::IdempotentAnswer {
                        key: key.key,
                        principal: key.principal,
                        body_hash: key.request_hash,
                        answer: serde_json::to_vec(&answer).unwrap_or_default(),
                        expires: now.wall.plus(ANSWER_MEMORY),
                    });
                }
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

    /// Commits the open batch. `Err` says what to do with its frames; everything else was already answered.
    pub fn commit(&mut self) -> Result<Option<Committed>, Uncommitted> {
        if self.batch.is_empty() {
            return Ok(None);
        }
        let now = self.batch.logged_now.unwrap_or_else(|| self.clock.now());
        let entries: Vec<store::Entry<'_>> = self.batch.log.iter().map(entry).collect();
        let identities: Vec<_> = self
            .once
            .added_lorawan()
            .iter()
            .map(|(hash, expires)| store::Identity {
                hash: *hash,
                expires: *expires,
            })
            .collect();
        let marks: Vec<_> = self
            .once
            .added_packets()
            .map(|((session, packet), hash)| store::PacketMark {
                session,
                packet,
                hash,
            })
            .collect();
        let rows = store::Batch {
            entries: &entries,
            points: &self.batch.points,
            alarms: &self.batch.alarms,
            orders: &self.batch.orders,
            transitions: &self.batch.transitions,
            deliveries: &self.batch.deliveries,
            delivery_updates: &self.batch.delivery_updates,
            audit: &self.batch.audit,
            identities: &identities,
            packet_marks: &marks,
            retained: &self.batch.retained,
            rejects: &self.batch.rejects,
            documents: &self.batch.documents,
            tokens: &self.batch.tokens,
            answers: &self.batch.kept_answers,
            ..store::Batch::at(now)
        };
        let timer = self.metrics.commit_seconds.start_timer();
        let result = self.ledger.commit(&rows);
        timer.observe_duration();
        drop(entries);
        match result {
            Ok(commit) => {
                self.engine.commit();
                self.durable_version = self.estate_version;
                self.once.commit();
                self.engine.begin();
                self.fresh.clear();
                let batch = std::mem::take(&mut self.batch);
                self.count(&batch, commit);
                Ok(Some(Committed { commit, batch }))
            }
            Err(error) => Err(self.take_back(error)),
        }
    }

    fn count(&self, batch: &OpenBatch, commit: CommitId) {
        self.metrics.commits.inc();
        self.metrics.readings_stored.inc_by(batch.readings as u64);
        self.metrics
            .last_commit
            .set(i64::try_from(commit.0).unwrap_or(i64::MAX));
        #[allow(clippy::cast_precision_loss, reason = "a count of at most a few thousand")]
        self.metrics.commit_frames.observe(batch.frames.len() as f64);
    }

    fn take_back(&mut self, error: CommitError) -> Uncommitted {
        self.metrics.commit_failures.inc();
        self.engine.rollback();
        self.once.rollback();
        self.engine.begin();
        self.fresh.clear();
        self.understanding.learn(self.engine.estate());
        self.estate_version = self.durable_version;
        let batch = std::mem::take(&mut self.batch);
        let reason = error.to_string();
        for answer in batch.answers {
            answer(Err(Failed::Store(reason.clone())));
        }
        Uncommitted {
            storage_failed: matches!(error, CommitError::Io { .. }),
            reason,
            frames: batch.frames,
            permits: batch.permits,
        }
    }

    /// Does the frames of a refused batch again, in halves, until the one that cannot be stored is alone.
    pub fn bisect(
        &mut self,
        mut frames: Vec<Frame>,
        done: &mut dyn FnMut(Committed),
    ) -> Result<(), Uncommitted> {
        let now = self.clock.now();
        if frames.len() == 1 {
            if let Some(frame) = frames.pop() {
                let refused = Refused {
                    reason: "store_refused",
                    detail: "the ledger could not store it".into(),
                };
                self.refuse(&frame, &refused, &now);
                self.batch.owe(frame);
            }
            return self
                .commit()
                .map(|committed| committed.into_iter().for_each(&mut *done));
        }
        let second = frames.split_off(frames.len() / 2);
        for half in [frames, second] {
            for frame in half {
                self.frame(frame, &now);
            }
            match self.commit() {
                Ok(committed) => committed.into_iter().for_each(&mut *done),
                Err(again) if again.storage_failed || again.frames.is_empty() => return Err(again),
                Err(again) => self.bisect(again.frames, done)?,
            }
        }
        Ok(())
    }
}

/// A batch that is durable, with what is owed for it.
pub struct Committed {
    /// Its number.
    pub commit: CommitId,
    /// Its frames, answers and news.
    pub batch: OpenBatch,
}

/// A batch that is not durable.
pub struct Uncommitted {
    /// The disk is the problem, not the batch: keep the frames and try again.
    pub storage_failed: bool,
    /// What the store said.
    pub reason: String,
    /// The frames, to be done again.
    pub frames: Vec<Frame>,
    /// The inbox space they hold.
    pub permits: Vec<tokio::sync::OwnedSemaphorePermit>,
}

impl Uncommitted {
    /// Nobody waits in vain: clients of the embedded broker are told, and repeat their messages.
    pub fn release_waiting(&mut self) {
        for frame in &mut self.frames {
            if let Frame::Mqtt(message) = frame
                && let Done::Waiting(sender) = std::mem::replace(&mut message.done, Done::Nothing)
            {
                let _ = sender.send(false);
            }
        }
    }
}

fn entry(logged: &Logged) -> store::Entry<'_> {
    match logged {
        Logged::Now(now) => store::Entry::Now(*now),
        Logged::Reading(reading, evaluated) => store::Entry::Reading {
            reading,
            evaluated: *evaluated,
        },
        Logged::Input(bytes) => store::Entry::Input(bytes),
    }
}

/// The binary form of an input in the log.
pub(super) fn encode(input: &Input) -> Vec<u8> {
    postcard::to_allocvec(input).unwrap_or_default()
}
