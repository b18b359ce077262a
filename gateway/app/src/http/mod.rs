//! HTTP: the REST API with its OpenAPI document, the live feed, metrics, health, and a status page.
//!
//! Reads go to the ledger through two readers beside the asynchronous threads; changes go through the pipeline's
//! door and are answered after their commit. This module writes no SQL and decides nothing about alarms or orders.
//!
//! Read in this order: [`routes`] (what there is), [`layers`] (what every request passes), [`permission`] (who may
//! do what), [`problem`] (what a refusal looks like), [`command`] (how a change is made), then the resources.

pub mod auth;
pub mod extract;
pub mod host;
pub mod layers;
pub mod page;
pub mod permission;
pub mod problem;
pub mod readers;
pub mod routes;
pub mod serve;
pub mod view;
pub mod wire;

pub mod alarms;
pub mod alarm_verbs;
pub mod clock;
pub mod service;
pub mod command;
pub mod deliveries;
pub mod devices;
pub mod engine;
pub mod estate;
pub mod forwarders;
mod estate_diff;
pub mod health;
pub mod onboarding;
pub mod orders;
pub mod points;
pub mod prom;
pub mod quality;
pub mod series;
pub mod profiles;
pub mod rejects;
pub mod rules;
pub mod rule_check;
pub mod rule_edits;
pub mod scans;
pub mod tokens;
pub mod updates;
pub mod writes;

pub mod events;
pub mod live;
pub mod record;
mod stream;
pub mod watch;

pub mod status;
mod status_text;

#[cfg(test)]
mod tests;

pub use readers::Readers;
pub use routes::{openapi, openapi_json, router};
pub use serve::serve;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::field::modbus::errand::Buses;
use crate::metrics::Metrics;
use crate::ops::recognise::Subscriptions;
use crate::outbox::plan::Planner;
use crate::outbox::series::Cursors;
use crate::pipeline::{Door, Progress};
use crate::profiles::Profiles;
use linli_decode::ClockWindow;
use linli_domain::id::{ChannelId, CommitId, PointKey};
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch::Receiver;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

/// Everything the handlers share.
pub struct Http {
    /// The way into the pipeline.
    pub(crate) door: Door,
    /// The ledger, for reading.
    pub(crate) readers: Readers,
    /// The newest commit and the estate as it is. The other half is held by the pipeline.
    pub(crate) progress: Receiver<Progress>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: SharedClock,
    /// Language of the status page when the browser has no wish.
    pub(crate) language: linli_domain::text::Language,
    pub(crate) channels: Vec<ChannelId>,
    pub(crate) planner: Planner,
    pub(crate) hosts: host::Hosts,
    pub(crate) tokens: auth::Tokens,
    pub(crate) points: view::Points,
    pub(crate) live: live::LiveFeed,
    /// The device catalogue in use.
    pub(crate) profiles: Arc<Profiles>,
    /// How the messages of each connection are wrapped.
    pub(crate) subscriptions: Arc<Subscriptions>,
    /// How far a device's clock may be off.
    pub(crate) window: ClockWindow,
    /// One edit of the estate, or of the tokens, at a time.
    pub(crate) editing: Mutex<()>,
    pub(crate) under_way: command::UnderWay,
    pub(crate) inflight: Semaphore,
    pub(crate) listeners: Arc<Semaphore>,
    pub(crate) watchers: Arc<Semaphore>,
    /// Numbers the requests of this run.
    pub(crate) requests: AtomicU64,
    /// Tells the requests of this run from those of another.
    pub(crate) run_id: String,
    /// How far the forwarders have come; known once they are running.
    cursors: OnceLock<Arc<Cursors>>,
    /// The buses; known once they are running.
    buses: OnceLock<Arc<Buses>>,
    /// Cancelled when the server stops: long streams end then.
    pub(crate) shutdown: CancellationToken,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// Puts the state together. `bound` is the address the listener got.
    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of the interface, named once in the composition root"
    )]
    pub fn new(
        config: &Config,
        bound: SocketAddr,
        door: Door,
        readers: Readers,
        progress: Receiver<Progress>,
        profiles: Arc<Profiles>,
        metrics: &Arc<Metrics>,
        clock: &SharedClock,
    ) -> Arc<Self> {
        let started = clock.now();
        readers.heal_through(door.clone());
        Arc::new(Self {
            door,
            readers,
            progress,
            metrics: Arc::clone(metrics),
            clock: Arc::clone(clock),
            language: config.language,
            channels: config.channels.iter().map(|channel| channel.id.clone()).collect(),
            planner: Planner::new(config.routes.clone(), config.channels.clone(), config.language),
            hosts: host::Hosts::new(bound, &config.http.hosts),
            tokens: auth::Tokens::default(),
            points: view::Points::default(),
            live: live::LiveFeed::default(),
            profiles,
            subscriptions: Arc::new(config.subscriptions().collect()),
            window: config.clock_window,
            editing: Mutex::new(()),
            under_way: command::UnderWay::default(),
            inflight: Semaphore::new(layers::MAX_INFLIGHT),
            listeners: Arc::new(Semaphore::new(events::MAX_LISTENERS)),
            watchers: Arc::new(Semaphore::new(watch::MAX_WATCHERS)),
            requests: AtomicU64::new(1),
            run_id: format!("{:x}", started.wall.as_millis()),
            cursors: OnceLock::new(),
            buses: OnceLock::new(),
            shutdown: CancellationToken::new(),
        })
    }

    /// Makes the buses known, once.
    pub fn connect(&self, buses: Arc<Buses>) {
        let _ = self.buses.set(buses);
    }

    /// Makes the forwarders known, once.
    pub fn follow(&self, cursors: Arc<Cursors>) {
        let _ = self.cursors.set(cursors);
    }

    /// The forwarders; none before they are known.
    pub(crate) fn cursors(&self) -> &Cursors {
        self.cursors.get_or_init(Arc::default)
    }

    /// The buses; none before they are known.
    pub(crate) fn buses(&self) -> &Buses {
        self.buses.get_or_init(Arc::default)
    }

    /// Reads what is kept in memory: tokens, points, newest readings.
    pub(crate) async fn load(&self) -> Result<(), problem::Problem> {
        // Once only: later changes are put in place as they commit, and an older reading must not undo them.
        if !self.tokens.are_known() {
            let tokens = self.readers.query(|reader| reader.tokens()).await?;
            self.tokens.replace(tokens);
        }
        self.points.refresh(&self.readers, self.commit()).await?;
        live::reload_latest(self).await
    }

    /// The newest commit that was announced; the ledger holds at least that.
    pub(crate) fn commit(&self) -> CommitId {
        self.progress.borrow().commit
    }

    /// Every name, as it is now.
    pub(crate) fn names(&self) -> view::Names {
        view::Names {
            estate: Arc::clone(&self.progress.borrow().estate),
            points: self.points.table(),
        }
    }

    /// The same with the names of these points: the ledger may already know one that the live feed has not yet told of.
    pub(crate) async fn names_of(&self, points: &[PointKey]) -> Result<view::Names, problem::Problem> {
        let names = self.names();
        if points.iter().all(|point| names.points.get(*point).is_some()) {
            return Ok(names);
        }
        self.points.refresh(&self.readers, self.commit()).await?;
        Ok(self.names())
    }
}
