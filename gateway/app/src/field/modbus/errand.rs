//! Errands: what somebody asks of a bus beside its polling, and the way back. One scan and one firmware update at a time in
//! the whole gateway.
//!
//! The handle is what the API holds; the bus takes errands between two rounds. Who may ask is decided before.

use super::scan::Found;
use super::update::job::{Package, UpdateJob};
use linli_decode::modbus::WriteRequest;
use linli_decode::{Profile, RegisterData};
use linli_domain::id::{BusId, DeviceId};
use linli_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Errands that may wait for a bus. Past it the next one is refused: the bus has other work too.
const MAX_WAITING: usize = 8;

/// What a bus is asked to do.
#[derive(Debug)]
pub enum Errand {
    /// Look who is there.
    Scan(Arc<ScanJob>),
    /// Write a register.
    Write(WriteOrder),
    /// Update the firmware of a node.
    Update(Arc<UpdateJob>),
}

/// A write of one register of one device. The bus answers whatever comes of it.
#[derive(Debug)]
pub struct WriteOrder {
    /// The device; it must still hang on the bus under this profile when its turn comes.
    pub device: DeviceId,
    /// Its address.
    pub unit: u8,
    /// Its profile.
    pub profile: Arc<Profile>,
    /// What goes onto the wire.
    pub request: WriteRequest,
    /// Set before it goes onto the wire: from then on nobody may say that it was not sent.
    pub sent: Arc<AtomicBool>,
    /// The answer.
    pub reply: oneshot::Sender<Written>,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Whether the device took it.
    pub outcome: WriteOutcome,
    /// What was read back, when anything was.
    pub read_back: Option<RegisterData>,
}

/// Whether a device took a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It said yes.
    Accepted,
    /// It said no, with this exception.
    Refused(u8),
    /// Nothing was heard: it may have been done or not.
    Unknown,
    /// It was not sent, for this reason.
    NotSent(&'static str),
}

/// A scan and how far it is.
#[derive(Debug)]
pub struct ScanJob {
    /// Its number.
    pub id: u64,
    /// The bus.
    pub bus: BusId,
    /// The units, each once.
    pub units: Vec<u8>,
    /// Who asked for it.
    pub asked_by: String,
    /// When it was asked for.
    pub started: Timestamp,
    /// Ends it early.
    pub cancel: CancellationToken,
    progress: Mutex<ScanProgress>,
}

/// How far a scan is.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanProgress {
    /// What it is doing.
    pub state: ScanState,
    /// Units that are done.
    pub done: usize,
    /// Who is there.
    pub found: Vec<Found>,
}

/// What a scan is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanState {
    /// It waits for the bus or is under way.
    Running,
    /// All units are done.
    Finished,
    /// Somebody ended it.
    Cancelled,
    /// The line cannot be used.
    Failed,
}

impl ScanJob {
    /// How far it is.
    pub fn progress(&self) -> ScanProgress {
        self.lock().clone()
    }

    /// Changes how far it is.
    pub(super) fn update(&self, change: impl FnOnce(&mut ScanProgress)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ScanProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an errand was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// There is no such bus.
    #[error("no such bus")]
    NoBus,
    /// Another scan is under way.
    #[error("a scan is under way already")]
    ScanUnderWay,
    /// Another update is under way.
    #[error("a firmware update is under way already")]
    UpdateUnderWay,
    /// Too many errands wait for the bus.
    #[error("too much is asked of the bus already")]
    TooMany,
    /// The bus is only read.
    #[error("the bus is only read")]
    ReadOnly,
}

/// The buses of a gateway, as the API knows them.
#[derive(Debug, Default)]
pub struct Buses {
    ways: BTreeMap<BusId, Way>,
    scan: Mutex<Option<Arc<ScanJob>>>,
    update: Mutex<Option<Arc<UpdateJob>>>,
}

#[derive(Debug)]
struct Way {
    errands: mpsc::Sender<Errand>,
    writes: bool,
}

/// Where a bus finds its errands.
pub type Errands = mpsc::Receiver<Errand>;

impl Buses {
    /// A bus. `writes`: whether its configuration allows them.
    pub fn add(&mut self, bus: BusId, writes: bool) -> Errands {
        let (errands, taken) = mpsc::channel(MAX_WAITING);
        self.ways.insert(bus, Way { errands, writes });
        taken
    }

    /// The names of the buses.
    pub fn names(&self) -> impl Iterator<Item = &BusId> {
        self.ways.keys()
    }

    /// Begins a scan.
    pub fn scan(
        &self,
        bus: &BusId,
        units: Vec<u8>,
        asked_by: String,
        now: Timestamp,
    ) -> Result<Arc<ScanJob>, NotTaken> {
        let way = self.ways.get(bus).ok_or(NotTaken::NoBus)?;
        let mut last = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        if last
            .as_ref()
            .is_some_and(|job| job.progress().state == ScanState::Running)
        {
            return Err(NotTaken::ScanUnderWay);
        }
        let job = Arc::new(ScanJob {
            id: last.as_ref().map_or(1, |job| job.id + 1),
            bus: bus.clone(),
            units,
            asked_by,
            started: now,
            cancel: CancellationToken::new(),
            progress: Mutex::new(ScanProgress {
                state: ScanState::Running,
                done: 0,
                found: Vec::new(),
            }),
        });
        way.errands
            .try_send(Errand::Scan(Arc::clone(&job)))
            .map_err(|_| NotTaken::TooMany)?;
        *last = Some(Arc::clone(&job));
        Ok(job)
    }

    /// The last scan, when it has this number.
    pub fn scan_job(&self, id: u64) -> Option<Arc<ScanJob>> {
        let last = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().filter(|job| job.id == id)
    }

    /// Begins a firmware update of a device at an address. It was decided and written down that it may be.
    pub fn update(
        &self,
        (bus, unit): (&BusId, u8),
        device: &DeviceId,
        package: Package,
        asked_by: String,
        now: Timestamp,
    ) -> Result<Arc<UpdateJob>, NotTaken> {
        self.may_write(bus)?;
        let way = self.ways.get(bus).ok_or(NotTaken::NoBus)?;
        let mut last = self.update.lock().unwrap_or_else(PoisonError::into_inner);
        if last
            .as_ref()
            .is_some_and(|job| job.progress().state.is_under_way())
        {
            return Err(NotTaken::UpdateUnderWay);
        }
        let id = last.as_ref().map_or(1, |job| job.id + 1);
        let place = (bus.clone(), unit);
        let job = Arc::new(UpdateJob::new(id, place, device.clone(), package, asked_by, now));
        way.errands
            .try_send(Errand::Update(Arc::clone(&job)))
            .map_err(|_| NotTaken::TooMany)?;
        *last = Some(Arc::clone(&job));
        Ok(job)
    }

    /// The last update, when it has this number.
    pub fn update_job(&self, id: u64) -> Option<Arc<UpdateJob>> {
        let last = self.update.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().filter(|job| job.id == id)
    }

    /// Whether a bus may be written; refused with why not.
    pub fn may_write(&self, bus: &BusId) -> Result<(), NotTaken> {
        match self.ways.get(bus) {
            None => Err(NotTaken::NoBus),
            Some(way) if way.writes => Ok(()),
            Some(_) => Err(NotTaken::ReadOnly),
        }
    }

    /// Gives a write to a bus.
    pub fn write(&self, bus: &BusId, order: WriteOrder) -> Result<(), NotTaken> {
        self.may_write(bus)?;
        let way = self.ways.get(bus).ok_or(NotTaken::NoBus)?;
        way.errands
            .try_send(Errand::Write(order))
            .map_err(|_| NotTaken::TooMany)
    }
}
