//! The commit of a batch, and what happens when it fails.
//!
//! A batch that fails is taken back in every part (engine, memory of what was seen, points) and its frames are
//! done again: all of them when the storage failed, in halves when the batch itself cannot be stored, until the
//! one offender is alone; it becomes a dead letter and is acknowledged.

use super::batch::{Logged, OpenBatch};
use super::core::Core;
use super::door::{Failed, Live};
use super::refused::Refused;
use crate::chain::chain;
use crate::field::Frame;
use linli_decode::Facts;
use linli_domain::alarm::{Alarm, AlarmState};
use linli_domain::id::CommitId;
use linli_domain::rule::Priority;
use linli_domain::time::Now;
use linli_ledger::{self as store, CommitError, Trouble};
use std::sync::Arc;

impl Core {
    /// Commits the open batch. `Err` says what to do with its frames; everything else was already answered.
    pub fn commit(&mut self) -> Result<Option<Committed>, Uncommitted> {
        if self.batch.is_empty() {
            return Ok(None);
        }
        self.show_devices();
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
        let memory = self.understanding.memory_changes();
        let places = self.cursors.take_changed();
        let ages = self.ages.take_changed();
        let values: Vec<store::NamedValue<'_>> = memory
            .iter()
            .map(|(name, value)| store::NamedValue {
                name,
                value: value.as_deref(),
            })
            .chain(places.iter().map(|(name, value)| store::NamedValue {
                name,
                value: Some(value),
            }))
            .chain(ages.iter().map(|value| store::NamedValue {
                name: super::ages::NAME,
                value: Some(value),
            }))
            .collect();
        let unknown = self.unknown.changes();
        let rows = store::Batch {
            values: &values,
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
            parked: &self.batch.parked,
            unknown: &unknown,
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
                self.understanding.commit();
                let displaced = self.unknown.commit();
                self.metrics.onboarding_displaced.inc_by(displaced as u64);
                self.engine.begin();
                self.fresh.clear();
                let batch = std::mem::take(&mut self.batch);
                self.count(&batch, commit);
                self.count_flags(&batch);
                self.count_alarms(&batch);
                Ok(Some(Committed { commit, batch }))
            }
            Err(error) => {
                self.cursors.give_back(&places);
                if ages.is_some() {
                    self.ages.give_back();
                }
                Err(self.take_back(error))
            }
        }
    }

    pub(super) fn count(&self, batch: &OpenBatch, commit: CommitId) {
        self.metrics.commits.inc();
        self.metrics.readings_stored.inc_by(batch.readings as u64);
        self.metrics
            .last_commit
            .set(i64::try_from(commit.0).unwrap_or(i64::MAX));
        #[allow(clippy::cast_precision_loss, reason = "a count of at most a few thousand")]
        self.metrics.commit_frames.observe(batch.frames.len() as f64);
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (new, ignored, bytes) = self.unknown.sizes();
        self.metrics.onboarding_devices_new.set(gauge(new));
        self.metrics.onboarding_devices_ignored.set(gauge(ignored));
        self.metrics.onboarding_bytes.set(gauge(bytes));
    }

    /// Puts the devices whose health changed into the live feed, each once, as they are at the end of the batch.
    fn show_devices(&mut self) {
        let Some(now) = self.batch.logged_now else {
            return;
        };
        let commit = self.next_commit();
        for id in &self.batch.devices {
            let device = self.engine.estate().device_by_id(id);
            if let Some(health) = device.and_then(|device| self.engine.device_health(device, &now)) {
                self.batch.live.push(Live::Device(commit, Arc::new(health)));
            }
        }
    }

    fn count_flags(&mut self, batch: &OpenBatch) {
        if self.flags_shown && batch.devices.is_empty() && batch.estate.is_none() {
            return;
        }
        self.flags_shown = true;
        for (kind, count) in self.engine.flag_counts() {
            self.metrics
                .devices_flagged
                .with_label_values(&[kind.name()])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Living alarms by what people see, and what is out of service. Looked at when one changed, and once at the start.
    fn count_alarms(&mut self, batch: &OpenBatch) {
        let shown = std::mem::replace(&mut self.alarms_shown, true);
        if shown && batch.alarms.is_empty() && batch.audit.is_empty() {
            return;
        }
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let count =
            |wanted: &dyn Fn(&Alarm) -> bool| gauge(self.engine.alarms().filter(|a| wanted(a)).count());
        for state in AlarmState::CODES {
            let here = count(&|alarm| alarm.state.display_code() == state);
            self.metrics.alarms_by_state.with_label_values(&[state]).set(here);
        }
        for priority in Priority::ALL {
            let here = count(&|alarm| alarm.priority == priority);
            let label = priority.to_string();
            self.metrics.alarms_live.with_label_values(&[&label]).set(here);
        }
        // Whoever takes something out of service, or edits the rules, is audited.
        let out = self.engine.out_of_service();
        let (lives, other): (Vec<_>, Vec<_>) = out.partition(|(what, _)| self.engine.guards_lives(what));
        for (guards, count) in [("lives", lives.len()), ("other", other.len())] {
            self.metrics
                .out_of_service
                .with_label_values(&[guards])
                .set(gauge(count));
        }
    }

    pub(super) fn take_back(&mut self, error: CommitError) -> Uncommitted {
        self.metrics.commit_failures.inc();
        self.engine.rollback();
        self.once.rollback();
        self.understanding.rollback();
        self.unknown.rollback();
        self.engine.begin();
        self.fresh.clear();
        self.understanding.learn(self.engine.estate());
        self.estate_version = self.durable_version;
        // What the catalogue says may have been in the batch.
        self.profiles_told = false;
        let batch = std::mem::take(&mut self.batch);
        let reason = chain(&error);
        let asked = !batch.answers.is_empty();
        for answer in batch.answers {
            answer(Err(Failed::Store(reason.clone())));
        }
        Uncommitted {
            trouble: error.trouble(),
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
                && refused.trouble.is_none()
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
    pub(super) fn set_aside(&mut self, frame: Frame, now: &Now) {
        let detail = "the ledger could not store it";
        let refused = Refused::new("store_refused", detail, Facts::new());
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
    /// What is wrong with the disk, when that is the problem and not the batch: keep the frames and try again.
    pub trouble: Option<Trouble>,
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
