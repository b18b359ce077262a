//! The MQTT client: one connection to one broker, from CONNECT to frames, and from commits to PUBACKs.
//!
//! Responsible for: a persistent session, MQTT 5 with a receive maximum and 3.1.1 after it, reconnecting, every
//! subscription granted or told, and the broker's own complaints (`$SYS`). It never decodes and never publishes.
//!
//! Two tasks per connection. The first polls; its frames go through the [`Door`], and while the inbox is full it
//! stops polling, which stops the socket: the broker keeps the rest. The second ([`acks`]) returns acknowledgements
//! after the commit. What is unacknowledged when a connection ends comes again with DUP set.
//!
//! ```text
//!          CONNACK                        error
//!  open ────────────▶ subscribe, read ────────────▶ wait (0.5 s … 30 s) ──▶ open, generation + 1
//! ```

mod acks;
mod link;
mod protocol;
mod subscriptions;
mod sys;
mod tls;

use super::backoff::{self, Backoff};
use super::facts::{About, Facts};
use super::topic::Routes;
use super::{AckTicket, Done, Frame, MqttFrame};
use crate::clock::SharedClock;
use crate::config::MqttConnection;
use crate::metrics::Metrics;
use crate::pipeline::Door;
use acks::CurrentLife;
use link::{Event, Link, Message, Requests};
use protocol::{Negotiation, Outcome};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use subscriptions::{Answer, Subscriptions};
use sys::{News, SysWatch};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Frames handed over at once; more wait for the next hand-over, nothing is lost.
const BURST_FRAMES: usize = 256;
/// Bytes handed over at once, likewise.
const BURST_BYTES: usize = 64 << 10;
/// At shutdown: how long the last commit may take before the connection closes without its acknowledgements.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a connection. `index` is its place among the acknowledgement queues of the door, `acks` the other half of
/// that queue. Ends after `shutdown`, once every message handed over is acknowledged (or after a grace), so the
/// pipeline must still be running then.
pub async fn run(
    connection: MqttConnection,
    index: usize,
    door: Door,
    acks: mpsc::UnboundedReceiver<Vec<AckTicket>>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    let life = CurrentLife::default();
    let (discard, discarded) = mpsc::unbounded_channel();
    // The acknowledging side has a task of its own and ends with the polling side.
    let returns = tokio::spawn(acks::run(acks, discarded, life.clone()));
    let _returns = AbortOnDropHandle::new(returns);
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
        discard,
        clock,
        metrics,
        shutdown,
    };
    connection.run().await;
}

/// Who numbers the packets: together with a packet id this identifies a redelivery.
pub(super) fn session_of(client_id: &str, connection: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (client_id, connection).hash(&mut hasher);
    hasher.finish()
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
    discard: mpsc::UnboundedSender<AckTicket>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

/// What is on its way to the door.
#[derive(Default)]
struct Burst {
    frames: Vec<Frame>,
    bytes: usize,
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
    Broken(link::Broken),
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
                return Ended::Broken(link::Broken {
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
                        return Ended::Broken(link::Broken {
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
    ) -> Result<Option<Event>, link::Broken> {
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
                    if !requests.disconnect() {
                        return Ok(None);
                    }
                }
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Ok(None);
                }
                () = tokio::time::sleep(quiet.unwrap_or(sys::QUIET)), if quiet.is_some() => {
                    if self.sys.is_over(self.clock.now().monotonic) {
                        self.push(self.facts.count(About::BrokerDropped, 0)).await;
                    }
                }
            }
        }
    }

    async fn connected(
        &mut self,
        session_present: bool,
        subscriptions: &mut Subscriptions,
        requests: &Requests,
    ) -> bool {
        let name = &self.config.name;
        self.negotiation.learn(Outcome::Accepted);
        tracing::info!(connection = %name, session_present, version = ?self.negotiation.version(), "connected");
        if self.met {
            if !session_present {
                self.metrics.sessions_lost.with_label_values(&[&**name]).inc();
                tracing::warn!(
                    connection = %name,
                    "the broker has lost our session: what it queued meanwhile is lost; check its persistence"
                );
            }
            self.push(self.facts.state(About::SessionKept, session_present))
                .await;
        }
        self.met = true;
        self.tell_up(true).await;
        subscriptions.ask(&self.routes.filters(), self.sys_wanted, requests)
    }

    async fn subscribed(&mut self, answer: Answer) {
        match answer {
            Answer::Refused(filters) => {
                for (filter, why) in filters {
                    tracing::error!(
                        connection = %self.config.name, filter, why,
                        "the broker refuses a subscription; check its access rules"
                    );
                }
                self.push(self.facts.state(About::SubscriptionsOk, false)).await;
            }
            Answer::Complete => self.push(self.facts.state(About::SubscriptionsOk, true)).await,
            Answer::More => {}
        }
    }

    async fn take(&mut self, message: Message, burst: &mut Burst) {
        let received = self.clock.now();
        if message.topic.starts_with("$SYS/") {
            return self.broker_says(&message).await;
        }
        let ticket = message.packet.map(|packet| AckTicket {
            connection: self.index,
            generation: self.generation,
            packet,
        });
        if ticket.is_some() {
            self.life.owe();
        }
        let too_large = message.payload.len() > self.config.max_packet_bytes as usize;
        let (Some(subscription), false) = (self.routes.subscription(&message.topic), too_large) else {
            // Never acknowledged it would shrink the window for ever; refused it would come again for ever.
            let reason = if too_large { "too_large" } else { "unrouted" };
            self.metrics.messages_rejected.with_label_values(&[reason]).inc();
            tracing::warn!(connection = %self.config.name, bytes = message.payload.len(), reason, "message dropped");
            if let Some(ticket) = ticket {
                let _ = self.discard.send(ticket);
            }
            return;
        };
        let frame = Frame::Mqtt(MqttFrame {
            connection: Arc::clone(&self.config.name),
            subscription,
            topic: message.topic,
            payload: message.payload,
            retained: message.retained,
            duplicate: message.duplicate,
            session: self.session,
            packet: message.packet,
            received,
            done: ticket.map_or(Done::Nothing, Done::Ack),
        });
        burst.bytes += frame.cost();
        burst.frames.push(frame);
    }

    async fn broker_says(&mut self, message: &Message) {
        let name = &self.config.name;
        match self
            .sys
            .read(&message.topic, &message.payload, self.clock.now().monotonic)
        {
            News::Version(version) => tracing::info!(connection = %name, version, "broker"),
            News::Dropped { total, rise } => {
                let total = i64::try_from(total).unwrap_or(i64::MAX);
                self.metrics
                    .broker_dropped
                    .with_label_values(&[&**name])
                    .set(total);
                match rise {
                    Some(0) => {}
                    Some(rise) => {
                        tracing::warn!(connection = %name, rise, "the broker drops messages; raise max_queued_messages");
                        self.push(self.facts.count(About::BrokerDropped, rise)).await;
                    }
                    None => self.push(self.facts.count(About::BrokerDropped, 0)).await,
                }
            }
            News::Nothing => {}
        }
    }

    fn sys_quiet_in(&self) -> Option<Duration> {
        self.sys.wake().map(|at| at.since(self.clock.now().monotonic))
    }

    async fn tell_up(&mut self, up: bool) {
        self.up_metric(up);
        if self.told_up != Some(up) {
            self.told_up = Some(up);
            self.push(self.facts.state(About::BrokerConnected, up)).await;
        }
    }

    fn up_metric(&self, up: bool) {
        self.metrics
            .connector_up
            .with_label_values(&[&*self.config.name, "mqtt"])
            .set(i64::from(up));
    }

    async fn hand_over(&self, burst: &mut Burst) {
        if burst.frames.is_empty() {
            return;
        }
        burst.bytes = 0;
        let frames = std::mem::take(&mut burst.frames);
        let count = frames.len() as u64;
        self.metrics
            .messages_received
            .with_label_values(&[&*self.config.name, "mqtt"])
            .inc_by(count);
        self.push(frames).await;
    }

    /// Waits while the inbox is full. Once the pipeline has ended frames go nowhere; unacknowledged, they come again.
    async fn push(&self, frames: Vec<Frame>) {
        if !frames.is_empty() && self.door.push(frames).await.is_err() {
            tracing::debug!(connection = %self.config.name, "the pipeline has ended");
        }
    }
}
