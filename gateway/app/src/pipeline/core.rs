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
use crate::field::Frame;
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use linli_domain::command::{Command, Refusal, Reply};
use linli_domain::engine::{Changes, Engine, Input, PointDef};
use linli_domain::estate::DeviceIndex;
use linli_domain::id::{CommitId, PointKey, point_id};
use linli_domain::reading::Reading;
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{self as store, CommitError, Ledger};
use rustc_hash::FxHashMap;
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
    /// Own-time readings of the open batch, by their place in the log.
    fresh: FxHashMap<(PointKey, Timestamp), usize>,
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
            fresh: FxHashMap::default(),
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
                    for seen in understood.seen.drain(..) {
                        self.seen(device, seen, frame.received(), now);
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
    fn seen(&mut self, device: DeviceIndex, seen: Seen, received: Timestamp, now: &Now) {
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
        if seen.own_time && self.came_before(point, &seen) {
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
            let place = self.batch.log.len();
            self.fresh.entry((point, seen.observed)).or_insert(place);
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
        let first = match self.fresh.get(&(point, seen.observed)) {
            Some(index) => match self.batch.log.get(*index) {
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
        if let Err(refusal) = self.input(now, &input) {
            // The message is acknowledged and this value of it is not stored, so somebody has to be told.
            let refused = Refused {
                reason: refusal.code(),
                detail: refusal.to_string(),
            };
            self.metrics
                .messages_rejected
                .with_label_values(&[refused.reason])
                .inc();
            self.complaints.refused(&refused, name.as_str(), now);
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
        let asked = !batch.answers.is_empty();
        for answer in batch.answers {
            answer(Err(Failed::Store(reason.clone())));
        }
        Uncommitted {
            storage_failed: matches!(error, CommitError::Io { .. }),
            reason,
            frames: batch.frames,
            permits: batch.permits,
            asked,
        }
    }

    /// Does the frames of a refused batch again, in halves, until the one that cannot be stored is alone.
    ///
    /// First all of them: what was refused may have been a request or a delay of the engine beside them. On an error
    /// every frame that is not done is given back, in order.
    pub fn bisect(&mut self, frames: Vec<Frame>, done: &mut dyn FnMut(Committed)) -> Result<(), Uncommitted> {
        let mut groups = vec![frames];
        while let Some(group) = groups.pop() {
            let now = self.clock.now();
            for frame in group {
                self.frame(frame, &now);
            }
            let mut outcome = self.commit();
            if let Err(refused) = &mut outcome
                && !refused.storage_failed
            {
                let half = refused.frames.len() / 2;
                if half > 0 {
                    groups.push(refused.frames.split_off(half));
                    groups.push(std::mem::take(&mut refused.frames));
                    continue;
                }
                if let Some(frame) = refused.frames.pop() {
                    self.set_aside(frame, &now);
                    outcome = self.commit();
                }
            }
            match outcome {
                Ok(committed) => committed.into_iter().for_each(&mut *done),
                Err(mut failed) => {
                    failed.frames.extend(groups.into_iter().rev().flatten());
                    return Err(failed);
                }
            }
        }
        Ok(())
    }

    /// Takes a frame that cannot be stored into the open batch as a dead letter.
    fn set_aside(&mut self, frame: Frame, now: &Now) {
        let refused = Refused {
            reason: "store_refused",
            detail: "the ledger could not store it".into(),
        };
        self.refuse(&frame, &refused, now);
        self.batch.owe(frame);
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
    /// Whether somebody asked for it, who was told that it failed.
    pub asked: bool,
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
