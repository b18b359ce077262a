//! What the gate and the hooks share; one for the whole broker.

use super::accounts::Accounts;
use super::attempts::Attempts;
use super::backlog::Backlog;
use super::guests::Guests;
use super::retained::Retained;
use crate::clock::SharedClock;
use crate::config::BrokerLimits;
use crate::field::topic::Routes;
use crate::metrics::Metrics;
use crate::pipeline::Door;
use crate::quiet::Quiet;
use rmqtt::context::ServerContext;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Retained messages at QoS 0 that nobody subscribes to, on their way to the ledger. Past it they are kept in memory
/// only, and counted.
const MAX_UNAWAITED: usize = 64;

pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) limits: BrokerLimits,
    pub(super) accounts: Accounts,
    pub(super) guests: Arc<Guests>,
    pub(super) routes: Routes,
    pub(super) retained: Arc<Retained>,
    pub(super) backlog: Arc<Backlog>,
    pub(super) library: ServerContext,
    pub(super) door: Door,
    pub(super) clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
    /// Room for retained messages on their way to the ledger that nobody waits for.
    pub(super) unawaited: Arc<Semaphore>,
    attempts: Mutex<Attempts>,
    quiet: Mutex<Quiet>,
}

impl Shared {
    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of the broker, named once where it is put together"
    )]
    pub(super) fn new(
        name: Arc<str>,
        limits: BrokerLimits,
        accounts: Accounts,
        routes: Routes,
        retained: Arc<Retained>,
        library: ServerContext,
        door: Door,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            name,
            limits,
            accounts,
            guests: Arc::default(),
            routes,
            retained,
            backlog: Arc::new(Backlog::new(limits.max_backlog_bytes)),
            library,
            door,
            clock,
            metrics,
            unawaited: Arc::new(Semaphore::new(MAX_UNAWAITED)),
            attempts: Mutex::new(Attempts::new(limits.connects_per_s)),
            quiet: Mutex::default(),
        }
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what was refused and names it in the log; a flood of one kind is one line a second.
    pub(super) fn refused(&self, what: &'static str, who: &dyn Display, detail: &dyn Display) {
        self.metrics.broker_refused.with_label_values(&[what]).inc();
        if let Some(swallowed) = self.may_speak(what) {
            // As texts, so that a line break a client chose stays inside its quotes.
            let (who, detail) = (who.to_string(), detail.to_string());
            tracing::warn!(what, who, detail, swallowed, "refused by the embedded broker");
        }
    }

    /// The same for what could not be handed on or kept.
    pub(super) fn lost(&self, what: &'static str, who: &dyn Display, detail: &dyn Display) {
        self.metrics.broker_lost.with_label_values(&[what]).inc();
        if let Some(swallowed) = self.may_speak(what) {
            let (who, detail) = (who.to_string(), detail.to_string());
            tracing::warn!(what, who, detail, swallowed, "lost by the embedded broker");
        }
    }

    fn may_speak(&self, what: &'static str) -> Option<u64> {
        let now = self.clock.now().monotonic;
        self.quiet
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .may_speak(what, now)
    }
}
