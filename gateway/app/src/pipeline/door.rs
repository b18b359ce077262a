//! The bounded way into the pipeline, and the ways out of it.
//!
//! A full inbox means that a producer waits, which stops its socket; nothing is dropped.

use super::decision::{Decided, Decision, Undecided};
use super::recorder::Recording;
use super::tap::{Tap, Watcher};
use crate::field::mqtt::Ask;
use crate::field::{AckTicket, Frame};
use linli_decode::Catalogue;
use linli_domain::command::{Actor, Command, Refusal, Reply};
use linli_domain::engine::{DeviceHealth, Engine};
use linli_domain::id::{AlarmId, CommitId, OrderId, PointKey};
use linli_domain::reading::Reading;
use linli_domain::time::Now;
use linli_ledger::Piece;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};

/// Bytes of frames that may wait in the inbox. Past it producers wait.
pub const INBOX_BYTES: usize = 32 << 20;
/// Commands, delivery results and estate edits that may wait. Past it callers wait.
pub const INBOX_REQUESTS: usize = 256;
/// Live events a slow listener may lag behind before it is told to start over.
pub const LIVE_EVENTS: usize = 1024;
/// Most readings that travel in one live event; a commit with more becomes several.
pub const LIVE_READINGS: usize = 200;

/// What lies in the inbox.
#[derive(Debug)]
pub enum Arrival {
    /// Frames of one read of one producer, with the inbox space they hold until they are committed.
    Frames(Vec<Frame>, OwnedSemaphorePermit),
    /// A person's command.
    Request(Request, OwnedSemaphorePermit),
    /// Stop: commit what is there, write a snapshot, end.
    Stop(oneshot::Sender<()>),
}

/// Something a person or a worker asks for, with the way back. Every answer comes after the commit.
#[derive(Debug)]
pub enum Request {
    /// Acknowledge, accept, start, complete, override, cancel.
    Command {
        /// What to do and who says so.
        command: Command,
        /// Idempotency key and hash of the request, stored with the effect.
        idempotency: Option<Idempotency>,
        /// The answer.
        reply: oneshot::Sender<Result<Done, Failed>>,
    },
    /// Results of delivery attempts.
    Deliveries(
        Vec<linli_ledger::DeliveryUpdate>,
        oneshot::Sender<Result<(), Failed>>,
    ),
    /// A new version of the estate.
    Estate {
        /// The document.
        document: Arc<linli_domain::estate::EstateDoc>,
        /// Who brings it.
        actor: Actor,
        /// The answer.
        reply: oneshot::Sender<Result<Done, Failed>>,
    },
    /// A decision about a device that is not in the estate.
    Unknown {
        /// Its number.
        id: i64,
        /// Its version the decision was made on.
        version: u32,
        /// What is decided.
        decision: Decision,
        /// Who decides.
        actor: Actor,
        /// Idempotency key and hash of the request, stored with the effect.
        idempotency: Option<Idempotency>,
        /// The answer.
        reply: oneshot::Sender<Result<Decided, Failed>>,
    },
    /// A token was added, rotated or revoked.
    Token {
        /// The token as it is now.
        token: linli_ledger::TokenRow,
        /// Who did it.
        author: String,
        /// The answer.
        reply: oneshot::Sender<Result<(), Failed>>,
    },
    /// A line of the audit about something that is done outside of the engine.
    Audit {
        /// Who does it.
        author: String,
        /// What, such as `device.write`.
        action: &'static str,
        /// To what.
        subject: String,
        /// How exactly.
        detail: String,
        /// The answer.
        reply: oneshot::Sender<Result<(), Failed>>,
    },
    /// A retained message of the embedded broker; an empty payload clears the topic.
    Retained(linli_ledger::RetainedRow, oneshot::Sender<Result<(), Failed>>),
    /// Decode with these profiles from now on.
    Profiles {
        /// All of them.
        catalogue: Catalogue,
        /// The answer.
        reply: oneshot::Sender<Result<(), Failed>>,
    },
    /// The engine's whole state as text, for comparing and support.
    Dump(oneshot::Sender<(CommitId, String)>),
    /// A question to the engine between two commits.
    Look(Look),
    /// Lines that a forwarder's target refused for good.
    Parked(Vec<linli_ledger::ParkedRow>, oneshot::Sender<Result<(), Failed>>),
    /// A read stumbled over a damaged chunk: look at it and set it aside.
    Damaged(Piece),
    /// Put these notices into the outbox (`linli notify test`).
    Notify(
        Vec<linli_ledger::NewDelivery>,
        oneshot::Sender<Result<(), Failed>>,
    ),
}

/// The key a client gave to a command so that a repeat is answered, not done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// Who sent it.
    pub principal: String,
    /// Hash of method, route and body.
    pub request_hash: [u8; 32],
}

impl Request {
    /// Answers that it was not done.
    pub fn fail(self, why: &Failed) {
        match self {
            Self::Command { reply, .. } | Self::Estate { reply, .. } => drop(reply.send(Err(why.clone()))),
            Self::Unknown { reply, .. } => drop(reply.send(Err(why.clone()))),
            Self::Damaged(_) => {}
            Self::Deliveries(_, reply)
            | Self::Parked(_, reply)
            | Self::Retained(_, reply)
            | Self::Notify(_, reply)
            | Self::Audit { reply, .. }
            | Self::Profiles { reply, .. }
            | Self::Token { reply, .. } => {
                drop(reply.send(Err(why.clone())));
            }
            Self::Dump(reply) => drop(reply),
            Self::Look(look) => drop(look),
        }
    }
}

type Question = dyn FnOnce(&Engine, &Now) + Send;

/// A question to the engine, with the way back. It must be short: nothing else happens meanwhile.
pub struct Look(Box<Question>);

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Look")
    }
}

impl Look {
    /// Asks it.
    pub fn ask(self, engine: &Engine, now: &Now) {
        (self.0)(engine, now);
    }
}

/// A command that was done, and where.
#[derive(Debug, Clone)]
pub struct Done {
    /// The commit that holds it.
    pub commit: CommitId,
    /// What the engine answers.
    pub reply: Reply,
}

/// Why a request was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failed {
    /// The engine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ledger could not store it; nothing happened.
    #[error("store the request: {0}; nothing was changed, try again once the disk is well")]
    Store(String),
    /// The program is shutting down.
    #[error("the gateway is shutting down; try again in a moment")]
    Stopping,
    /// Nothing was decided about an unknown device.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

/// What a listener of the live feed sees, in commit order.
#[derive(Debug, Clone)]
pub enum Live {
    /// Readings of one commit were stored, at most [`LIVE_READINGS`], each with whether it was evaluated.
    Readings(CommitId, Arc<Vec<(Reading, bool)>>),
    /// A point appeared.
    Point(CommitId, PointKey),
    /// An alarm changed; its document as JSON.
    Alarm(CommitId, AlarmId, Arc<str>),
    /// An order changed; its document as JSON.
    Order(CommitId, OrderId, Arc<str>),
    /// The health of a device changed; as it is now.
    Device(CommitId, Arc<DeviceHealth>),
}

/// The handle everybody holds.
#[derive(Debug, Clone)]
pub struct Door {
    arrivals: std::sync::mpsc::Sender<Arrival>,
    frames: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    live: broadcast::Sender<Live>,
    tap: Arc<Tap>,
}

/// The pipeline's side of the door.
#[derive(Debug)]
pub struct Inbox {
    /// Arrivals in order. The other half is held by every [`Door`].
    pub arrivals: std::sync::mpsc::Receiver<Arrival>,
    /// The live feed.
    pub live: broadcast::Sender<Live>,
    /// What devices say, for those who watch.
    pub tap: Arc<Tap>,
    /// Where each connection takes its acknowledgements, by [`AckTicket::connection`].
    pub acks: Vec<mpsc::UnboundedSender<Vec<AckTicket>>>,
    /// Where connections that can ask the field take their questions, by name.
    pub asks: FxHashMap<Arc<str>, mpsc::Sender<Ask>>,
}

/// Opens the door. `acks` are the acknowledgement queues of the MQTT connections, bounded by their windows.
pub fn open(acks: Vec<mpsc::UnboundedSender<Vec<AckTicket>>>) -> (Door, Inbox) {
    let (sender, arrivals) = std::sync::mpsc::channel();
    let live = broadcast::channel(LIVE_EVENTS).0;
    let tap = Arc::new(Tap::default());
    let door = Door {
        arrivals: sender,
        frames: Arc::new(Semaphore::new(INBOX_BYTES >> 4)),
        requests: Arc::new(Semaphore::new(INBOX_REQUESTS)),
        live: live.clone(),
        tap: Arc::clone(&tap),
    };
    let inbox = Inbox {
        arrivals,
        live,
        tap,
        acks,
        asks: FxHashMap::default(),
    };
    (door, inbox)
}

impl Door {
    /// Hands frames to the pipeline; waits while the inbox is full. `Err`: the pipeline has ended.
    pub async fn push(&self, frames: Vec<Frame>) -> Result<(), Failed> {
        let bytes: usize = frames.iter().map(Frame::cost).sum();
        let units = u32::try_from((bytes >> 4).clamp(1, INBOX_BYTES >> 4)).unwrap_or(1);
        let permit = Arc::clone(&self.frames)
            .acquire_many_owned(units)
            .await
            .map_err(|_| Failed::Stopping)?;
        self.arrivals
            .send(Arrival::Frames(frames, permit))
            .map_err(|_| Failed::Stopping)
    }

    /// Hands frames over without waiting; gives them back when the inbox is full (QoS 0 of the embedded broker).
    pub fn offer(&self, frames: Vec<Frame>) -> Result<(), Vec<Frame>> {
        let bytes: usize = frames.iter().map(Frame::cost).sum();
        let units = u32::try_from((bytes >> 4).clamp(1, INBOX_BYTES >> 4)).unwrap_or(1);
        match Arc::clone(&self.frames).try_acquire_many_owned(units) {
            Ok(permit) => self
                .arrivals
                .send(Arrival::Frames(frames, permit))
                .map_err(|e| match e.0 {
                    Arrival::Frames(frames, _) => frames,
                    Arrival::Request(..) | Arrival::Stop(_) => Vec::new(),
                }),
            Err(_) => Err(frames),
        }
    }

    /// Tells of a damaged piece of the ledger. While the inbox is full it is forgotten; the next read stumbles over it again.
    pub fn damaged(&self, piece: Piece) {
        if let Ok(permit) = Arc::clone(&self.requests).try_acquire_owned() {
            let _ = self
                .arrivals
                .send(Arrival::Request(Request::Damaged(piece), permit));
        }
    }

    /// Asks and waits for the answer, which comes after the commit.
    pub async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Failed> {
        let (sender, receiver) = oneshot::channel();
        let permit = Arc::clone(&self.requests)
            .acquire_owned()
            .await
            .map_err(|_| Failed::Stopping)?;
        self.arrivals
            .send(Arrival::Request(request(sender), permit))
            .map_err(|_| Failed::Stopping)?;
        receiver.await.map_err(|_| Failed::Stopping)
    }

    /// Does a person's command.
    pub async fn command(&self, command: Command, idempotency: Option<Idempotency>) -> Result<Done, Failed> {
        self.ask(|reply| Request::Command {
            command,
            idempotency,
            reply,
        })
        .await?
    }

    /// Asks the engine something, as it is after a commit; answered too while commits fail. The question must be
    /// short.
    pub async fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine, &Now) -> T + Send + 'static,
    ) -> Result<T, Failed> {
        self.ask(|reply| {
            Request::Look(Look(Box::new(move |engine, now| {
                let _ = reply.send(question(engine, now));
            })))
        })
        .await
    }

    /// Joins the live feed.
    pub fn listen(&self) -> broadcast::Receiver<Live> {
        self.live.subscribe()
    }

    /// Watches what one device says, by its id or key, or what all say.
    pub fn watch(&self, name: Option<&str>) -> Watcher {
        self.tap.watch(name)
    }

    /// Records everything that is taken in, whole; `None` while somebody does.
    pub fn record(&self) -> Option<Recording> {
        self.tap.recorder.begin()
    }

    /// Ends the pipeline after a last commit.
    pub async fn stop(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.arrivals.send(Arrival::Stop(sender)).is_ok() {
            let _ = receiver.await;
        }
    }
}
