//! The pipeline on a bench: the real decoding, engine and ledger, driven frame by frame by a clock that is moved by hand.
//!
//! Simulation and replay stand on it. It opens no socket and starts no thread, and what it does with a frame is what the
//! running gateway does; only when to commit is simpler: at an alarm, at an order, when a batch is full, and once a
//! minute of its own time. It delivers nothing to anybody.

use crate::clock::{BUILT, Clock, SharedClock};
use crate::config::Subscription;
use crate::field::{Done, Fact, Frame, ModbusFrame, MqttFrame, Unwanted};
use crate::metrics::Metrics;
use crate::outbox::plan::Planner;
use crate::pipeline::{Core, Known, RecoverError, Understanding, learn, recover};
use linli_decode::modbus::Read;
use linli_decode::{Catalogue, ClockWindow, Profile, RegisterData};
use linli_domain::command::{Command, Refusal, Reply};
use linli_domain::engine::{Beside, Input};
use linli_domain::estate::EstateDoc;
use linli_domain::id::{AssetId, DeviceId};
use linli_domain::reading::{Reason, Value};
use linli_domain::text::Language;
use linli_domain::time::{BootId, Monotonic, Now, Timestamp};
use linli_ledger::{Ledger, OpenError, Options, OrderRow, StoreError, Subject, TransitionRow};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Frames in one commit.
const MAX_FRAMES: usize = 512;
/// Longest time an open batch stays open.
const OPEN: Duration = Duration::from_secs(60);
/// As the running gateway: in a quiet estate the engine is told the time this often.
const QUIET_TICK: Duration = Duration::from_secs(60);
/// Readings are sealed so often.
const SEAL: Duration = Duration::from_secs(3_600);
/// One slice of sealing; the next follows at once.
const SLICE: Duration = Duration::from_millis(200);

/// Why the bench stopped.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// The ledger.
    #[error("open the ledger of the bench: is there room on the disk of the temporary folder?")]
    Open(#[from] OpenError),
    /// The estate.
    #[error("put the estate into the ledger of the bench")]
    Recover(#[from] RecoverError),
    /// A commit.
    #[error("commit: {0}")]
    Commit(String),
    /// Sealing or reading.
    #[error("use the ledger of the bench")]
    Store(#[from] StoreError),
    /// The metrics.
    #[error("register the metrics")]
    Metrics(#[from] prometheus::Error),
}

/// A clock that is moved by hand.
struct HandClock(Mutex<Now>);

impl Clock for HandClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One transition of an alarm or an order, and when it became durable. A step of several tasks is told for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Since the bench began; a clock that is set wrong does not move it.
    pub at: Duration,
    /// Whose.
    pub subject: Subject,
    /// What made it change.
    pub event: String,
    /// The state it left; `none` when it began.
    pub from: String,
    /// The state after.
    pub to: String,
    /// The asset.
    pub asset: AssetId,
    /// The alarm's class, the order's fault.
    pub key: String,
}

/// Counts of what went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Through {
    /// Frames.
    pub frames: u64,
    /// Readings stored.
    pub readings: u64,
    /// Frames refused.
    pub rejected: u64,
    /// Frames that came before.
    pub repeated: u64,
    /// Commits.
    pub commits: u64,
}

/// The bench.
pub struct Rig {
    /// The parts.
    pub core: Core,
    /// What happened to alarms and orders, in order.
    pub history: Vec<Told>,
    /// What went through.
    pub through: Through,
    clock: Arc<HandClock>,
    begins: Timestamp,
    elapsed: Duration,
    offset_ms: i64,
    spoke: Duration,
    opened: Option<Duration>,
    sealed: Duration,
}

/// What a bench is set up with.
pub struct Setup<'a> {
    /// Folder of its ledger, empty or with one to go on with.
    pub folder: &'a Path,
    /// The estate.
    pub estate: Arc<EstateDoc>,
    /// The profiles.
    pub catalogue: Catalogue,
    /// Connections and what they subscribe.
    pub subscriptions: Vec<(Arc<str>, Vec<Subscription>)>,
    /// The wall clock at the beginning.
    pub begins: Timestamp,
    /// What decoding knows already.
    pub known: Known,
}

impl Rig {
    /// Sets up a bench and starts its engine.
    pub fn new(setup: Setup<'_>) -> Result<Self, RigError> {
        let clock = Arc::new(HandClock(Mutex::new(at(setup.begins, Duration::ZERO, 0))));
        let shared: SharedClock = clock.clone();
        let metrics = Metrics::new()?;
        let mut ledger = Ledger::open(setup.folder, &Options::default())?;
        let mut recovered = recover(&mut ledger, &setup.estate, &shared)?;
        if !setup.known.is_empty() {
            recovered.memory = learn(&mut ledger, &setup.known, &shared.now())?;
        }
        let understanding = Understanding::new(
            setup.subscriptions,
            setup.catalogue,
            recovered.memory.clone(),
            ClockWindow::default(),
        );
        let planner = Planner::new(Vec::new(), Vec::new(), Language::En);
        let core = Core::new(recovered, ledger, understanding, planner, shared, metrics);
        let mut rig = Self {
            core,
            history: Vec::new(),
            through: Through::default(),
            clock,
            begins: setup.begins,
            elapsed: Duration::ZERO,
            offset_ms: 0,
            spoke: Duration::ZERO,
            opened: None,
            sealed: Duration::ZERO,
        };
        let now = rig.now();
        rig.core.started(&now);
        rig.commit()?;
        Ok(rig)
    }

    /// The time on the bench.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// How long the bench has run.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Sets the wall clock to the true time plus so much. Nothing else notices.
    pub fn set_wall(&mut self, offset_ms: i64) {
        self.offset_ms = offset_ms;
        self.show(self.elapsed);
    }

    /// Lets time pass until `to`, with every delay of the engine on the way. The past is not gone back to.
    pub fn advance(&mut self, to: Duration) -> Result<(), RigError> {
        loop {
            let quiet = self.spoke + QUIET_TICK;
            let wake = self
                .core
                .engine
                .next_wake()
                .map(|deadline| deadline.at.since(Monotonic(ORIGIN_MS)));
            // A wake that is due already, or now, comes with the next millisecond at the latest.
            let next = wake.map_or(quiet, |wake| wake.min(quiet)).max(self.elapsed);
            if next > to {
                break;
            }
            if self.opened.is_some_and(|opened| next > opened + OPEN) {
                self.commit()?;
            }
            self.show(next);
            let now = self.now();
            self.core.tick(&now);
            self.spoke = next;
            self.settle()?;
            let same = self
                .core
                .engine
                .next_wake()
                .map(|d| d.at.since(Monotonic(ORIGIN_MS)));
            if same.is_some_and(|wake| wake <= next) {
                self.show(next + Duration::from_millis(1));
            }
        }
        if self.opened.is_some_and(|opened| to > opened + OPEN) {
            self.commit()?;
        }
        self.show(to.max(self.elapsed));
        if self.elapsed >= self.sealed + SEAL {
            self.sealed = self.elapsed;
            self.commit()?;
            while self.core.seal(SLICE, true)? {}
        }
        Ok(())
    }

    /// Takes a frame at the present time.
    pub fn take(&mut self, frame: Frame) -> Result<(), RigError> {
        let now = self.now();
        self.core.frame(frame, &now);
        self.through.frames += 1;
        self.settle()
    }

    /// A message of a connection. One whose topic belongs to no subscription is recorded as rejected.
    pub fn message(&self, connection: &str, topic: &str, payload: &[u8]) -> MqttFrame {
        let subscription = self.core.understanding.route(connection, topic);
        MqttFrame {
            connection: connection.into(),
            subscription: subscription.unwrap_or(usize::MAX),
            topic: topic.into(),
            payload: payload.into(),
            retained: false,
            duplicate: false,
            session: 1,
            packet: None,
            unwanted: subscription.is_none().then_some(Unwanted::Unrouted),
            received: self.now(),
            keep: None,
            done: Done::Nothing,
        }
    }

    /// The answer of a slave to one read.
    pub fn answer(
        &self,
        device: DeviceId,
        profile: Arc<Profile>,
        read: Read,
        answer: Result<RegisterData, Reason>,
    ) -> ModbusFrame {
        ModbusFrame {
            device,
            profile,
            read,
            answer,
            received: self.now(),
        }
    }

    /// Says whether a connection to a broker is there, as the field does.
    pub fn connection(&mut self, connection: &str, up: bool) -> Result<(), RigError> {
        let Ok(measure) = "gateway.broker_connected".parse() else {
            return Ok(());
        };
        let received = self.now();
        self.take(Frame::Fact(Fact {
            measure,
            instance: connection.into(),
            value: Value::State(up),
            received,
        }))
    }

    /// A person does something.
    pub fn command(&mut self, command: Command) -> Result<Result<Reply, Refusal>, RigError> {
        let now = self.now();
        let reply = self.core.input(&now, &Input::Command(command));
        self.commit()?;
        Ok(reply)
    }

    /// Commits what is open.
    pub fn commit(&mut self) -> Result<(), RigError> {
        self.opened = None;
        let committed = self
            .core
            .commit()
            .map_err(|failed| RigError::Commit(failed.reason))?;
        let Some(committed) = committed else {
            return Ok(());
        };
        let batch = &committed.batch;
        self.through.commits += 1;
        self.through.readings += batch.readings as u64;
        self.through.rejected += batch.rejects.len() as u64;
        self.through.repeated = self.core.metrics.duplicates.get();
        for row in &batch.transitions {
            let about = match row.subject {
                Subject::Alarm(id) => {
                    let alarm = batch.alarms.iter().find(|alarm| alarm.id == id);
                    alarm.map(|alarm| (vec![alarm.asset.clone()], alarm.class.to_string()))
                }
                Subject::Order(id) => {
                    let order = batch.orders.iter().find(|order| order.id == id);
                    order.map(|order| (assets(row, order), order.fault.to_string()))
                }
            };
            let Some((assets, key)) = about else { continue };
            self.history.extend(assets.into_iter().map(|asset| Told {
                at: self.elapsed,
                subject: row.subject,
                event: row.event.clone(),
                from: row.from.clone(),
                to: row.to.clone(),
                asset,
                key: key.clone(),
            }));
        }
        Ok(())
    }

    /// Commits when something waits for it.
    fn settle(&mut self) -> Result<(), RigError> {
        let batch = &self.core.batch;
        if batch.urgent || !batch.transitions.is_empty() || batch.frames.len() >= MAX_FRAMES {
            return self.commit();
        }
        if !batch.is_empty() {
            self.opened.get_or_insert(self.elapsed);
        }
        Ok(())
    }

    fn show(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        let now = at(self.begins, elapsed, self.offset_ms);
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// The assets a step of an order is about: those of its tasks where the step names them.
fn assets(row: &TransitionRow, order: &OrderRow) -> Vec<AssetId> {
    let beside: Beside = serde_json::from_str(&row.beside).unwrap_or_default();
    if beside.assets.is_empty() {
        vec![order.asset.clone()]
    } else {
        beside.assets
    }
}

/// The machine of the bench was switched on a moment before it begins.
const ORIGIN_MS: u64 = 1_000_000;

fn at(begins: Timestamp, elapsed: Duration, offset_ms: i64) -> Now {
    let wall = Timestamp::from_millis(begins.plus(elapsed).as_millis().saturating_add(offset_ms));
    Now {
        wall,
        monotonic: Monotonic(ORIGIN_MS).plus(elapsed),
        boot: BootId(1),
        trusted: wall >= BUILT,
    }
}
