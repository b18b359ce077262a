//! The worker: reads what is due, makes attempts, and hands each result to the pipeline to be committed.
//!
//! One task owns everything; attempts fly beside it, a few per channel, one at a time to a group robot. It holds no
//! state that matters: after a crash what was in flight is still due in the ledger and is sent again under the same
//! id. While results cannot be committed nothing new is sent, so a full disk does not become a flood of
//! repetitions.
//!
//! Limits: [`LOOK_AHEAD`] rows are looked at in one go, urgent ones first; each channel has its own few flights, so
//! that a slow receiver holds up nobody else; each attempt ends with its channel's timeout.

use super::policy::{Allowance, Schedule};
use super::queue::{GONE_WAIT, Outlet, Parcel, lane_of, next_parcel};
use super::settle::settle;
use super::webhook::Webhook;
use super::wecom::Wecom;
use super::{BadChannel, Outcome, Send};
use crate::clock::SharedClock;
use crate::config::{Channel, ChannelKind};
use crate::metrics::Metrics;
use crate::pipeline::{Door, Failed, Progress, Request};
use linli_domain::time::{Now, Timestamp};
use linli_ledger::{Delivery, DeliveryState, DeliveryUpdate, Reader, StoreError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Due rows looked at in one go. Behind a longer queue, younger rows wait until it is shorter.
pub const LOOK_AHEAD: usize = 1_000;
/// Attempts under way to one webhook.
const WEBHOOK_FLIGHTS: usize = 4;
/// Longest time without looking: a floor under lost wake-ups and clock jumps.
const IDLE: Duration = Duration::from_secs(30);
/// How soon to look again while something due is held up.
const HELD_UP: Duration = Duration::from_secs(1);
/// Pause after the ledger could not be read or a result could not be stored.
const TROUBLE: Duration = Duration::from_secs(5);
/// How long attempts under way may take to end when the program stops.
const LAST_CALL: Duration = Duration::from_secs(2);
/// What stands as the error of a delivery whose channel has left the configuration.
const NO_CHANNEL: &str = "no_channel";

/// Runs until `stop` is cancelled or the pipeline has ended. A channel that cannot be built is named in the log and
/// its deliveries wait until the configuration is mended.
pub async fn run(
    channels: Vec<Channel>,
    data: PathBuf,
    door: Door,
    progress: watch::Receiver<Progress>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let reader = match tokio::task::spawn_blocking(move || Reader::open(&data)).await {
        Ok(Ok(reader)) => reader,
        Ok(Err(error)) => {
            tracing::error!(%error, "the outbox cannot read the ledger; nothing is delivered");
            return;
        }
        Err(_) => return,
    };
    let mut outlets = Vec::new();
    let mut broken = HashSet::new();
    for channel in &channels {
        match outlet(channel) {
            Ok(outlet) => outlets.push(outlet),
            Err(error) => {
                tracing::error!(channel = %channel.id, %error, "the channel cannot be used");
                broken.insert(channel.id.to_string());
            }
        }
    }
    let mut worker = Worker::new(reader, door, progress, clock, metrics, outlets);
    worker.broken = broken;
    worker.run(stop).await;
}

fn outlet(channel: &Channel) -> Result<Outlet, BadChannel> {
    let name = channel.id.to_string();
    Ok(match &channel.kind {
        ChannelKind::Webhook { url, keys, allow_private } => {
            let sender = Webhook::new(url, keys, *allow_private, channel.timeout)?;
            Outlet::webhook(name, Arc::new(sender))
        }
        ChannelKind::Wecom { url } => Outlet::robot(name, Arc::new(Wecom::new(url, channel.timeout)?)),
    })
}

impl Outlet {
    /// A channel for programs: several attempts at a time, no limit of its own.
    pub(super) fn webhook(name: String, sender: Arc<dyn Send>) -> Self {
        Self {
            name,
            kind: "webhook",
            schedule: Schedule::Webhook,
            parallel: WEBHOOK_FLIGHTS,
            sender,
            allowance: Allowance::new(false),
            flying: 0,
            gone: None,
        }
    }

    /// A group robot: one attempt at a time, twenty a minute.
    pub(super) fn robot(name: String, sender: Arc<dyn Send>) -> Self {
        Self {
            kind: "wecom",
            schedule: Schedule::Robot,
            parallel: 1,
            allowance: Allowance::new(true),
            ..Self::webhook(name, sender)
        }
    }
}

/// An attempt under way.
struct Flight {
    outlet: usize,
    parcel: Arc<Parcel>,
}

pub(super) struct Worker {
    reader: Arc<Mutex<Reader>>,
    door: Door,
    /// Says that the outbox has grown; the pipeline holds the other half.
    progress: watch::Receiver<Progress>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    outlets: Vec<Outlet>,
    /// Configured channels that could not be built.
    broken: HashSet<String>,
    flights: JoinSet<Outcome>,
    flying: HashMap<Id, Flight>,
    /// Results that are not committed yet.
    results: Vec<DeliveryUpdate>,
    /// Deliveries under way or with an uncommitted result: still due in the ledger, not to be taken again.
    taken: HashSet<i64>,
}

/// Why the worker goes on.
enum Woken {
    Stop,
    Look,
    Landed(Id, Outcome),
}

impl Worker {
    pub(super) fn new(
        reader: Reader,
        door: Door,
        progress: watch::Receiver<Progress>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        outlets: Vec<Outlet>,
    ) -> Self {
        Self {
            reader: Arc::new(Mutex::new(reader)),
            door,
            progress,
            clock,
            metrics,
            outlets,
            broken: HashSet::new(),
            flights: JoinSet::new(),
            flying: HashMap::new(),
            results: Vec::new(),
            taken: HashSet::new(),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = match self.look().await {
                Ok(pause) => pause,
                Err(Failed::Stopping) => return,
                Err(error) => {
                    tracing::warn!(%error, "the outbox waits for the ledger");
                    TROUBLE
                }
            };
            match self.wait(&stop, pause).await {
                Woken::Stop => break,
                Woken::Look => {}
                Woken::Landed(id, outcome) => self.land(id, &outcome),
            }
            while let Some(joined) = self.flights.try_join_next_with_id() {
                let (id, outcome) = landed(joined);
                self.land(id, &outcome);
            }
        }
        self.last_call().await;
    }

    /// Commits results, then starts what is due. Returns how long nothing needs to be done.
    async fn look(&mut self) -> Result<Duration, Failed> {
        self.report().await?;
        let now = self.clock.now();
        let (due, next) = self.read(now.wall).await?;
        let held_up = self.start(due, &now);
        // Channels that are gone have results already.
        self.report().await?;
        if held_up {
            return Ok(HELD_UP);
        }
        Ok(next.map_or(IDLE, |next| next.since(now.wall)).clamp(Duration::from_millis(1), IDLE))
    }

    async fn wait(&mut self, stop: &CancellationToken, pause: Duration) -> Woken {
        tokio::select! {
            biased;
            () = stop.cancelled() => Woken::Stop,
            Some(joined) = self.flights.join_next_with_id() => {
                let (id, outcome) = landed(joined);
                Woken::Landed(id, outcome)
            }
            () = grown(&mut self.progress) => Woken::Look,
            () = tokio::time::sleep(pause) => Woken::Look,
        }
    }

    /// Hands the results to the pipeline; they are dropped here once they are committed.
    async fn report(&mut self) -> Result<(), Failed> {
        if self.results.is_empty() {
            return Ok(());
        }
        let results = self.results.clone();
        self.door.ask(|reply| Request::Deliveries(results, reply)).await??;
        for result in self.results.drain(..) {
            self.taken.remove(&result.id);
        }
        Ok(())
    }

    /// What is due, and when the first of the others will be.
    async fn read(&self, now: Timestamp) -> Result<(Vec<Delivery>, Option<Timestamp>), Failed> {
        let (reader, metrics) = (Arc::clone(&self.reader), Arc::clone(&self.metrics));
        let read = move || {
            let Ok(reader) = reader.lock() else { return Ok((Vec::new(), None)) };
            let counts = reader.counts()?;
            metrics.outbox_pending.set(i64::try_from(counts.pending_deliveries).unwrap_or(i64::MAX));
            metrics.outbox_dead.set(i64::try_from(counts.dead_deliveries).unwrap_or(i64::MAX));
            let due = reader.due_deliveries(now, LOOK_AHEAD)?;
            let next = if due.is_empty() { reader.next_delivery_at()? } else { None };
            Ok::<_, StoreError>((due, next))
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|_| Failed::Stopping)?;
        read.map_err(|error| Failed::Store(error.to_string()))
    }

    /// Starts as many attempts as the channels allow. Returns whether something due has to wait.
    fn start(&mut self, due: Vec<Delivery>, now: &Now) -> bool {
        let mut queues: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for delivery in due {
            if !self.taken.contains(&delivery.id) {
                let lane = lane_of(&delivery);
                queues.entry(delivery.message.channel.clone()).or_default().push((lane, delivery));
            }
        }
        let mut held_up = !self.taken.is_empty();
        for (channel, mut waiting) in queues {
            waiting.sort_by_key(|(lane, _)| *lane);
            match self.outlets.iter().position(|outlet| outlet.name == channel) {
                Some(outlet) => held_up |= self.start_channel(outlet, waiting, now),
                None if self.broken.contains(&channel) => held_up = true,
                None => waiting.iter().for_each(|(_, delivery)| self.give_up(delivery, NO_CHANNEL)),
            }
        }
        held_up
    }

    fn start_channel(
        &mut self,
        index: usize,
        mut waiting: Vec<(super::policy::Lane, Delivery)>,
        now: &Now,
    ) -> bool {
        let mono = Duration::from_millis(now.monotonic.0);
        let outlet = &mut self.outlets[index];
        if let Some((until, code)) = outlet.gone.clone() {
            if mono < until {
                waiting.iter().for_each(|(_, delivery)| self.give_up(delivery, &code));
                return false;
            }
            outlet.gone = None;
        }
        while let Some((lane, _)) = waiting.first() {
            let outlet = &mut self.outlets[index];
            if outlet.flying >= outlet.parallel || outlet.allowance.take(*lane, mono).is_err() {
                return true;
            }
            let Some(parcel) = next_parcel(&mut waiting, outlet.schedule) else { return true };
            self.launch(index, parcel, *now);
        }
        false
    }

    fn launch(&mut self, index: usize, parcel: Parcel, now: Now) {
        self.taken.extend(parcel.deliveries.iter().map(|delivery| delivery.id));
        let outlet = &mut self.outlets[index];
        outlet.flying += 1;
        let (parcel, sender) = (Arc::new(parcel), Arc::clone(&outlet.sender));
        let carried = Arc::clone(&parcel);
        let flight = self.flights.spawn(async move {
            match carried.message() {
                Some(message) => sender.send(message, now).await,
                None => Outcome::permanent("bad_payload"),
            }
        });
        self.flying.insert(flight.id(), Flight { outlet: index, parcel });
    }

    /// Books the result of an attempt.
    fn land(&mut self, id: Id, outcome: &Outcome) {
        let Some(Flight { outlet, parcel }) = self.flying.remove(&id) else { return };
        let outlet = &mut self.outlets[outlet];
        let now = self.clock.now();
        let mono = Duration::from_millis(now.monotonic.0);
        outlet.flying -= 1;
        match outcome {
            Outcome::Permanent { code, gone: true } => outlet.gone = Some((mono + GONE_WAIT, code.clone())),
            Outcome::Retry { after: Some(after), whole_channel: true, .. } => outlet.allowance.pause(mono, *after),
            _ => {}
        }
        self.metrics.deliveries.with_label_values(&[outlet.kind, outcome.label()]).inc();
        for delivery in &parcel.deliveries {
            let update = settle(delivery, outcome, outlet.schedule, parcel.lane, now, chance());
            if update.state == DeliveryState::Dead {
                let code = update.last_error.as_deref().unwrap_or_default();
                let subject = &delivery.message.subject;
                tracing::warn!(channel = outlet.name, delivery = delivery.id, %subject, code, "a delivery was given up");
            }
            self.results.push(update);
        }
    }

    /// A delivery that is dead without an attempt.
    fn give_up(&mut self, delivery: &Delivery, code: &str) {
        tracing::warn!(channel = delivery.message.channel, delivery = delivery.id, code, "a delivery was given up");
        self.taken.insert(delivery.id);
        self.results.push(DeliveryUpdate {
            id: delivery.id,
            state: DeliveryState::Dead,
            attempts: delivery.attempts,
            next_at: delivery.next_at,
            last_error: Some(code.to_owned()),
            delivered_at: None,
        });
    }

    /// Lets attempts under way end and stores their results; the others are made again after the next start.
    async fn last_call(&mut self) {
        let landing = async {
            while let Some(joined) = self.flights.join_next_with_id().await {
                let (id, outcome) = landed(joined);
                self.land(id, &outcome);
            }
        };
        let in_time = tokio::time::timeout(LAST_CALL, landing).await.is_ok();
        if !in_time {
            tracing::info!(attempts = self.flights.len(), "attempts under way are made again after the next start");
        }
        if self.report().await.is_err() {
            tracing::info!("the last results were not stored; their messages are sent again after the next start");
        }
    }
}

/// Waits until a commit has added to the outbox. A watch keeps only the newest commit, so a gap in the numbers
/// counts as one that did.
async fn grown(progress: &mut watch::Receiver<Progress>) {
    let mut last = progress.borrow().commit;
    loop {
        if progress.changed().await.is_err() {
            // The pipeline has ended: `Door::ask` says so at the next look.
            return std::future::pending().await;
        }
        let seen = progress.borrow_and_update();
        if seen.outbox || seen.commit.0 > last.0 + 1 {
            return;
        }
        last = seen.commit;
    }
}

/// A flight that panicked or was aborted says nothing about its message.
fn landed(joined: Result<(Id, Outcome), tokio::task::JoinError>) -> (Id, Outcome) {
    joined.unwrap_or_else(|error| {
        let code = "aborted".into();
        (error.id(), Outcome::Unknown { code })
    })
}

/// One random byte; without a source of chance retries are merely not spread.
fn chance() -> u8 {
    let mut byte = [0u8; 1];
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
