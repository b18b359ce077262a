//! Requests that are rows rather than inputs of the engine: delivery results, tokens, retained messages, estates.

use super::core::Core;
use super::door::{Done as Answered, Failed, Request};
use super::recover::SNAPSHOT_FORMAT;
use crate::chain::chain;
use linli_decode::Catalogue;
use linli_domain::command::{Refusal, Reply};
use linli_domain::engine::Input;
use linli_domain::estate::{Estate, EstateDoc};
use linli_domain::time::Now;
use linli_ledger::{self as store, Piece, Snapshot, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Document kind of the estate in the ledger.
pub const ESTATE: &str = "estate";

impl Core {
    /// A read stumbled over this piece: it is set aside when it is damaged, and the rest can be read.
    pub(super) fn heal(&mut self, piece: Piece) {
        let now = self.clock.now().wall;
        match self.ledger.set_aside_piece(piece, now) {
            Ok(None) => {}
            Ok(Some(samples)) => {
                self.metrics.set_aside.inc_by(samples);
                tracing::error!(
                    ?piece,
                    samples,
                    "a damaged piece of the ledger was set aside; see `linli doctor`"
                );
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), ?piece, "a damaged piece of the ledger could not be set aside")
            }
        }
    }

    /// Takes a request into the open batch; its answer follows the commit.
    pub fn rows(&mut self, request: Request, now: &Now) {
        self.batch.urgent = true;
        match request {
            Request::Deliveries(updates, reply) => {
                self.batch.delivery_updates.extend(updates);
                self.answer(reply);
            }
            Request::Token { token, author, reply } => {
                self.batch.audit.push(store::AuditRow {
                    at: now.wall,
                    actor: author,
                    action: if token.revoked.is_some() {
                        "token.revoked"
                    } else {
                        "token.written"
                    }
                    .into(),
                    subject: token.id.clone(),
                    detail: token.role.clone(),
                });
                self.batch.tokens.push(token);
                self.answer(reply);
            }
            Request::Audit {
                author,
                action,
                subject,
                detail,
                reply,
            } => {
                self.batch.audit.push(store::AuditRow {
                    at: now.wall,
                    actor: author,
                    action: action.into(),
                    subject,
                    detail,
                });
                self.answer(reply);
            }
            Request::Parked(rows, reply) => {
                self.batch.parked.extend(rows);
                self.answer(reply);
            }
            Request::Damaged(_) => {}
            Request::Retained(row, reply) => {
                self.batch.retained.push(row);
                self.answer(reply);
            }
            Request::Notify(messages, reply) => {
                self.batch.deliveries.extend(messages);
                self.answer(reply);
            }
            Request::Estate {
                document,
                actor,
                reply,
            } => self.estate(document, &actor.name, reply, now),
            Request::Unknown {
                id,
                version,
                decision,
                actor,
                idempotency,
                reply,
            } => self.decide((id, version, decision), &actor, idempotency, reply, now),
            Request::Command { reply, .. } => {
                let _ = reply.send(Err(Failed::Stopping));
            }
            Request::Profiles { reply, .. } => drop(reply.send(Err(Failed::Stopping))),
            Request::Dump(reply) => drop(reply),
            Request::Look(look) => drop(look),
        }
    }

    fn answer(&mut self, reply: oneshot::Sender<Result<(), Failed>>) {
        self.batch.answers.push(Box::new(move |result| {
            let _ = reply.send(result.map(drop));
        }));
    }

    fn estate(
        &mut self,
        document: Arc<EstateDoc>,
        author: &str,
        reply: oneshot::Sender<Result<Answered, Failed>>,
        now: &Now,
    ) {
        match self.adopt(document, author, now) {
            Err(failed) => drop(reply.send(Err(failed))),
            Ok(answer) => {
                // What the new document brings may have been waiting.
                self.welcome(now);
                self.batch.answers.push(Box::new(move |result| {
                    let _ = reply.send(result.map(|commit| Answered {
                        commit,
                        reply: answer,
                    }));
                }));
            }
        }
    }

    /// Makes `document` the estate, as its next version.
    pub(super) fn adopt(
        &mut self,
        document: Arc<EstateDoc>,
        author: &str,
        now: &Now,
    ) -> Result<Reply, Failed> {
        // Looked at before it is an input: what is refused need not be in the log.
        Estate::resolve(Arc::clone(&document)).map_err(|problems| Refusal::EstateInvalid { problems })?;
        let version = self.estate_version + 1;
        let answer = self.input(now, &Input::Estate(Arc::clone(&document)))?;
        self.estate_version = version;
        self.batch
            .documents
            .push(estate_row(&document, version, author, now));
        self.batch.estate = Some(Arc::clone(self.engine.estate()));
        self.understanding.learn(self.engine.estate());
        Ok(answer)
    }

    /// Decodes with these profiles from now on. Only between batches.
    pub fn use_profiles(&mut self, catalogue: Catalogue) {
        self.understanding.replace(catalogue, self.engine.estate());
        // Intervals and sleep are part of the engine's state; it is told with the next batch.
        self.profiles_told = false;
    }

    /// Seals what is due within `slice`, with a snapshot of the engine when `snapshot` says so; whether there is more.
    ///
    /// Only between batches: the snapshot must be the engine of the last commit.
    pub fn seal(&mut self, slice: Duration, snapshot: bool) -> Result<bool, StoreError> {
        let commit = self.ledger.last_commit();
        let snapshot = match snapshot.then(|| self.engine.snapshot()).transpose() {
            Ok(bytes) => bytes.map(|bytes| Snapshot {
                commit,
                format: SNAPSHOT_FORMAT,
                bytes,
            }),
            Err(error) => {
                tracing::error!(%error, "the engine could not be written down; the log is kept for a replay");
                None
            }
        };
        let now = self.clock.now();
        // When room is short the log is not kept for targets that are away; they are filled in from the chunks.
        let dealt_with = if self.room.is_short() {
            commit
        } else {
            self.cursors.floor(commit)
        };
        let sealed = self.ledger.seal(
            store::Budget { slice, now: now.wall },
            dealt_with,
            snapshot.as_ref(),
        )?;
        self.metrics.sealed_samples.inc_by(sealed.samples as u64);
        if sealed.set_aside > 0 {
            self.metrics.set_aside.inc_by(sealed.set_aside);
            tracing::error!(
                samples = sealed.set_aside,
                "a damaged chunk was set aside; see `linli doctor`"
            );
        }
        let mut more = sealed.more;
        let old_by = self.ages.now(&now);
        if !more {
            let gone = self.ledger.retain(old_by, slice)?;
            self.metrics
                .let_go
                .with_label_values(&["age"])
                .inc_by(gone.samples);
            self.count_lost(&gone);
            more |= gone.more;
        }
        more |= self.look_for_room(&now)?;
        self.look_for_unheard(&now);
        self.ledger.checkpoint_if_large()?;
        Ok(more)
    }
}

/// The stored form of a version of the estate.
pub(super) fn estate_row(
    document: &linli_domain::estate::EstateDoc,
    version: u32,
    author: &str,
    now: &Now,
) -> store::DocumentRow {
    store::DocumentRow {
        kind: ESTATE.into(),
        name: ESTATE.into(),
        version,
        at: now.wall,
        author: author.to_owned(),
        body: serde_json::to_vec(document).ok(),
    }
}
