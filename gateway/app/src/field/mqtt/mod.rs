//! The MQTT client: one connection to one broker, from CONNECT to frames, and from commits to PUBACKs.
//!
//! Responsible for: a persistent session, MQTT 5 with a receive maximum and 3.1.1 after it, reconnecting, every
//! subscription granted or told, and the broker's own complaints (`$SYS`). It never decodes, and publishes nothing but
//! the questions of [`asks`].
//!
//! Three tasks per connection. The first polls; its frames go through the [`Door`], and while the inbox is full it
//! stops polling, which stops the socket: the broker keeps the rest. The second ([`acks`]) returns acknowledgements
//! after the commit, the third asks. What is unacknowledged when a connection ends comes again with DUP set.
//!
//! ```text
//!          CONNACK                        error
//!  open ────────────▶ subscribe, read ────────────▶ wait (0.5 s … 30 s) ──▶ open, generation + 1
//! ```

mod intake;

mod acks;
mod asks;
mod link;
mod protocol;
mod subscriptions;
mod sys;
mod tls;
mod wire;

use super::AckTicket;
use super::backoff::{self, Backoff};
use super::facts::{About, Facts};
use super::topic::Routes;
use crate::clock::{self, SharedClock};
use crate::config::MqttConnection;
use crate::metrics::Metrics;
use crate::pipeline::{Door, fnv};
use acks::CurrentLife;
pub use asks::{Ask, WAITING_ASKS};
use intake::Burst;
use link::{Link, Requests};
use protocol::{Negotiation, Outcome};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use subscriptions::Subscriptions;
use sys::SysWatch;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use wire::Event;

/// Frames handed over at once; more wait for the next hand-over, nothing is lost.
const BURST_FRAMES: usize = 256;
/// Bytes handed over at once, likewise.
const BURST_BYTES: usize = 64 << 10;
/// At shutdown: how long the last commit may take before the connection closes without its acknowledgements.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a connection. `index` is its place among the acknowledgement queues of the door, `acks` the other half of
/// that queue, `asks` what it is to ask of the field. Ends after `shutdown`, once every message handed over is acknowledged (or after a grace), so the
/// pipeline must still be running then.
#[allow(
    clippy::too_many_arguments,
    reason = "a connection's surroundings, named once in the composition root"
)]
pub async fn run(
    connection: MqttConnection,
    index: usize,
    door: Door,
    acks: mpsc::UnboundedReceiver<Vec<AckTicket>>,
    asks: mpsc::Receiver<Ask>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    let life = CurrentLife::default();
    // The acknowledging and the asking side have tasks of their own and end with the polling side.
    let returns = tokio::spawn(acks::run(acks, life.clone()));
    let _returns = AbortOnDropHandle::new(returns);
    let asking = tokio::spawn(asks::run(
        Arc::clone(&connection.name),
        connection.subscriptions.clone(),
        asks,
        life.clone(),
        Arc::clone(&metrics),
    ));
    let _asking = AbortOnDropHandle::new(asking);
    let connection = Connection {
        routes: Routes::new(&connection.subscriptions),
        session: session_of(&connection.client_id, &connection.name),
        facts: Facts::new(Arc::clone(&connection.name), Arc::clone(&clock)),
        negotiation: Negotiation::new(connection.protocol),
        backoff: Backoff::of_a_link(),
        sys: SysWatch::default(),
        sys_wanted: true,
        met: false,
        told_up: None,
        generation: 0,
        life,
        index,
        config: connection,
        door,
        clock,
        metrics,
        shutdown,
    };
    connection.run().await;
}

/// Who numbers the packets: together with a packet id this identifies a redelivery.
pub(super) fn session_of(client_id: &str, connection: &str) -> u64 {
    // Stored in the ledger, so it must be the same in every version of the program.
    fnv(&[client_id.as_bytes(), &[0], connection.as_bytes()])
}

struct Connection {
    config: MqttConnection,
    index: usize,
    routes: Routes,
    session: u64,
    facts: Facts,
    negotiation: Negotiation,
    backoff: Backoff,
    sys: SysWatch,
    sys_wanted: bool,
    /// Whether this program was connected before, so that the broker must have our session.
    met: bool,
    told_up: Option<bool>,
    generation: u64,
    life: CurrentLife,
    door: Door,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

/// The way out of a life at shutdown.
#[derive(Default)]
struct Stop {
    /// Set at shutdown: at this time the life ends whatever is still owed.
    deadline: Option<Instant>,
    said_bye: bool,
}

enum Ended {
    Stopped,
    Broken(wire::Broken),
}

impl Connection {
    async fn run(mut self) {
        while !self.shutdown.is_cancelled() {
            let began = self.clock.now().monotonic;
            let mut subscriptions = Subscriptions::default();
            let ended = self.live(&mut subscriptions).await;
            self.life.end();
            let broken = match ended {
                Ended::Stopped => break,
                Ended::Broken(broken) => broken,
            };
            if subscriptions.stuck_on_sys() && self.sys_wanted {
                tracing::info!(connection = %self.config.name, "the broker closed on $SYS; it is not asked again");
                self.sys_wanted = false;
            }
            self.backoff.held(self.clock.now().monotonic.since(began));
            // Behind a CONNACK an error says nothing about the version.
            let outcome = if self.told_up == Some(true) {
                Outcome::Other
            } else {
                broken.outcome
            };
            let at_once = self.negotiation.learn(outcome);
            let delay = if at_once {
                Duration::ZERO
            } else {
                self.backoff.next(backoff::jitter())
            };
            tracing::warn!(
                connection = %self.config.name, error = broken.why, retry_in = ?delay,
                "no connection to {}:{}", self.config.host, self.config.port
            );
            self.tell_up(false).await;
            self.metrics
                .connector_reconnects
                .with_label_values(&[&*self.config.name])
                .inc();
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
        self.up_metric(false);
    }

    /// One life: from opening to its end.
    async fn live(&mut self, subscriptions: &mut Subscriptions) -> Ended {
        let (mut link, requests) = match link::open(&self.config, self.negotiation.version()) {
            Ok(life) => life,
            Err(error) => {
                let why = anyhow::Error::new(error);
                return Ended::Broken(wire::Broken {
                    why: format!("{why:#}"),
                    outcome: Outcome::Other,
                });
            }
        };
        self.generation += 1;
        self.life.begin(self.generation, requests.clone());
        let mut burst = Burst::default();
        let mut stop = Stop::default();
        loop {
            let event = match self.next(&mut link, &requests, &mut burst, &mut stop).await {
                Ok(Some(event)) => event,
                Ok(None) => return Ended::Stopped,
                Err(broken) => {
                    self.hand_over(&mut burst).await;
                    return Ended::Broken(broken);
                }
            };
            match event {
                Event::Connected { session_present } => {
                    if !self.connected(session_present, subscriptions, &requests).await {
                        return Ended::Broken(wire::Broken {
                            why: "too many subscriptions for one connection".to_owned(),
                            outcome: Outcome::Other,
                        });
                    }
                }
                // Unacknowledged, so the broker keeps it for the next start.
                Event::Message(_) if stop.deadline.is_some() => {}
                Event::Message(message) => self.take(message, &mut burst).await,
                Event::SubscribeSent(id) => subscriptions.sent(id),
                Event::Subscribed(id, codes) => self.subscribed(subscriptions.answered(id, &codes)).await,
                Event::Disconnected if stop.said_bye => return Ended::Stopped,
                Event::Disconnected | Event::Other => {}
            }
            if burst.frames.len() >= BURST_FRAMES || burst.bytes >= BURST_BYTES {
                self.hand_over(&mut burst).await;
            }
        }
    }

    /// The next event; what was collected leaves as soon as none is ready. `None`: stopped.
    ///
    /// The future of [`Link::next`] lives until it is ready, whatever else happens meanwhile: dropped while it
    /// connects it would connect for ever.
    async fn next(
        &mut self,
        link: &mut Link,
        requests: &Requests,
        burst: &mut Burst,
        stop: &mut Stop,
    ) -> Result<Option<Event>, wire::Broken> {
        if self.shutdown.is_cancelled() && stop.deadline.is_none() {
            stop.deadline = Some(Instant::now() + GRACE);
        }
        let mut next = pin!(link.next());
        if let Poll::Ready(event) = futures_util::poll!(next.as_mut()) {
            return event.map(Some);
        }
        self.hand_over(burst).await;
        let (shutdown, life) = (self.shutdown.clone(), self.life.clone());
        loop {
            let quiet = self.sys_quiet_in();
            let deadline = stop.deadline;
            tokio::select! {
                event = &mut next => return event.map(Some),
                () = shutdown.cancelled(), if deadline.is_none() => stop.deadline = Some(Instant::now() + GRACE),
                () = life.settled(), if deadline.is_some() && !stop.said_bye => {
                    stop.said_bye = true;
                    // A broker that has not let us in waits for no good-bye, and may never take one.
                    if self.told_up != Some(true) || !requests.disconnect() {
                        return Ok(None);
                    }
                }
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Ok(None);
                }
                () = clock::rest(&self.clock, quiet.unwrap_or(sys::QUIET)), if quiet.is_some() => {
                    if self.sys.is_over(self.clock.now().monotonic) {
                        self.push(self.facts.count(About::BrokerDropped, 0)).await;
                    }
                }
            }
        }
    }
}
