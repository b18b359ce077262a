//! The Modbus master: one task per bus, one question on the bus at a time.
//!
//! Responsible for: asking every slave what its profile names, as often as it says; telling each outcome as a frame;
//! opening the line again; and keeping a sick slave from hurting the others: all sick slaves together get a tenth of
//! the bus. It does not know what registers mean, and which reply belongs to which question is decided in
//! `linli-decode`.
//!
//! Requests are not pipelined: real slaves and serial servers drop or mix them.

mod devices;

mod schedule;

mod visit;

mod memory;

mod breaker;

mod line;

mod tap;

mod stream;

pub mod dtu;

mod outcome;

mod told;

pub mod errand;

mod errands;

pub mod scan;

pub mod update;

mod updates;

use super::backoff::{self, Backoff};
use crate::clock::SharedClock;
use crate::config::ModbusBus;
use crate::metrics::Metrics;
use crate::pipeline::Door;
use crate::profiles::Profiles;
use breaker::Standing;
pub use devices::{Devices, Slave, devices};
use errands::Scanning;
use line::Line;
use linli_domain::reading::Reason;
use linli_domain::time::Monotonic;
use memory::Memory;
use schedule::{Key, Schedule, Wanted};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use told::Told;
use updates::Updating;

/// Of the bus's time all sick slaves together get one part in so many, as long as there are healthy ones.
const SICK_SHARE: u32 = 10;
/// An edit of the estate is noticed after this long at the latest, on a bus where nothing is due.
const LOOK: Duration = Duration::from_millis(500);

/// Leave to write to a bus; only a bus whose configuration allows writes has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permit(());

/// How a bus is reached from outside: the connection of its DTU, and its errands.
#[derive(Debug)]
pub struct Port {
    /// Where the connection of its DTU will be, when it has one.
    pub dialled: Option<Arc<dtu::Dialled>>,
    /// What it is asked to do beside polling.
    pub errands: errand::Errands,
    /// What a scan guesses from.
    pub profiles: Arc<Profiles>,
}

/// What a bus needs of its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// Where frames go.
    pub door: Door,
    /// The time.
    pub clock: SharedClock,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// The end: the bus stops between two questions.
    pub shutdown: CancellationToken,
}

/// Runs a bus. An edit of the estate holds from the next question on; what is known of a slave that stays is kept.
pub async fn run(bus: ModbusBus, devices: Devices, port: Port, surroundings: Surroundings) {
    let config = Arc::new(bus);
    let bus = Bus {
        line: Line::new(Arc::clone(&config), port.dialled, Arc::clone(&surroundings.clock)),
        permit: config.writes.then_some(Permit(())),
        errands: port.errands,
        scanning: None,
        updating: None,
        profiles: port.profiles,
        told: Told::new(&config, surroundings.clone()),
        slaves: Arc::new([]),
        memories: Vec::new(),
        schedule: Schedule::default(),
        sick_until: Monotonic(0),
        reopen: Backoff::of_a_link(),
        config,
        devices,
        clock: surroundings.clock,
        shutdown: surroundings.shutdown,
    };
    bus.run().await;
}

struct Bus {
    config: Arc<ModbusBus>,
    devices: Devices,
    slaves: Arc<[Slave]>,
    /// One for each slave.
    memories: Vec<Memory>,
    schedule: Schedule,
    line: Line,
    permit: Option<Permit>,
    errands: errand::Errands,
    scanning: Option<Scanning>,
    updating: Option<Updating>,
    profiles: Arc<Profiles>,
    /// No sick slave is asked before: the last one had its share.
    sick_until: Monotonic,
    reopen: Backoff,
    told: Told,
    clock: SharedClock,
    shutdown: CancellationToken,
}

impl Bus {
    async fn run(mut self) {
        while !self.shutdown.is_cancelled() {
            self.refresh();
            self.take_errands().await;
            let now = self.now();
            if self.scan_due().is_some_and(|due| due <= now) {
                self.scan_on().await;
            }
            if self.update_due().is_some_and(|due| due <= now) {
                self.update_on().await;
            }
            let next = self.schedule.next(|key| self.not_before(key));
            match next {
                Some((key, due)) if due <= self.now() => self.serve(key).await,
                _ => self.rest(next.map(|(_, due)| due)).await,
            }
        }
        if self.scanning.is_some() {
            self.scan_on().await;
        }
        if self.updating.is_some() {
            self.update_on().await;
        }
    }

    /// Until a round is due, the scan or the update goes on, or something is asked for.
    async fn rest(&mut self, round: Option<Monotonic>) {
        let now = self.now();
        let work = self.scan_due().into_iter().chain(self.update_due());
        let due = round.into_iter().chain(work).min();
        let rest = due.map_or(LOOK, |due| due.since(now).min(LOOK));
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = sleep(rest) => {}
            () = shutdown.cancelled() => {}
            Some(errand) = self.errands.recv() => self.take_errand(errand).await,
        }
    }

    /// One round of one period of one slave.
    async fn serve(&mut self, key: Key) {
        // Nothing below may be cancelled but between two questions: see `line`.
        let usable = match self.line.ready().await {
            Ok(()) => self.visit(key).await,
            Err(error) => {
                tracing::warn!(bus = %self.told.name, %error, "cannot open the bus");
                false
            }
        };
        self.told.quarantined(&self.line.take_quarantine());
        if usable {
            return;
        }
        self.bus_is_down().await;
        let delay = self.reopen.next(backoff::jitter());
        tokio::select! {
            () = sleep(delay) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    /// Follows the estate.
    fn refresh(&mut self) {
        let slaves = self.devices.now();
        if Arc::ptr_eq(&slaves, &self.slaves) {
            return;
        }
        let was: Vec<Option<usize>> = slaves
            .iter()
            .map(|slave| self.slaves.iter().position(|old| old.is(slave)))
            .collect();
        let mut old: Vec<Option<Memory>> = std::mem::take(&mut self.memories).into_iter().map(Some).collect();
        self.memories = slaves
            .iter()
            .zip(&was)
            .map(|(slave, was)| {
                let kept = was.and_then(|was| old.get_mut(was)).and_then(Option::take);
                kept.unwrap_or_else(|| Memory::new(slave))
            })
            .collect();
        let config = Arc::clone(&self.config);
        let mut wanted = Vec::new();
        for (index, slave) in slaves.iter().enumerate() {
            let Some(map) = slave.profile.modbus() else {
                continue;
            };
            wanted.extend((0..map.classes()).map(|class| Wanted {
                key: Key { slave: index, class },
                name: (config.bus.as_str(), slave.device.as_str(), class),
                period: map.class_period(class).unwrap_or(config.period),
            }));
        }
        let now = self.clock.now().monotonic;
        let old_key = |key: Key| {
            was.get(key.slave)
                .copied()
                .flatten()
                .map(|slave| Key { slave, ..key })
        };
        self.schedule.rebuild(wanted, old_key, now);
        self.told.planned(&self.config, &slaves);
        self.slaves = slaves;
        self.told.standings(&self.memories);
    }

    /// When a job may be served at the earliest, whatever its place: sick slaves wait for their share.
    fn not_before(&self, key: Key) -> Monotonic {
        match self
            .memories
            .get(key.slave)
            .map(|memory| memory.breaker.standing())
        {
            None | Some(Standing::Healthy) => Monotonic(0),
            Some(Standing::Suspect) => self.sick_until,
            Some(Standing::Open(until)) => until.max(self.sick_until),
        }
    }

    /// A sick slave has had `cost` of the bus.
    fn spend_on_sick(&mut self, cost: Duration) {
        let others = self
            .memories
            .iter()
            .any(|memory| memory.breaker.standing() == Standing::Healthy);
        if others {
            self.sick_until = self.now().plus(cost * (SICK_SHARE - 1));
        }
    }

    /// Said once per fall, not once per try: the points stay missing until somebody answers.
    async fn bus_is_down(&mut self) {
        for memory in &mut self.memories {
            memory.drop_rounds();
        }
        if self.told.is_ok() != Some(false) {
            let now = self.clock.now();
            let frames = self
                .slaves
                .iter()
                .zip(&self.memories)
                .flat_map(|(slave, memory)| {
                    let plan = memory.plan();
                    plan.reads
                        .iter()
                        .map(move |read| told::frame(slave, read, Err(Reason::CommTimeout), now))
                });
            let frames = frames.collect();
            self.told.push(frames).await;
        }
        self.told.ok(false).await;
    }

    fn now(&self) -> Monotonic {
        self.clock.now().monotonic
    }

    /// `cost` since `began`.
    fn spent(&mut self, began: Instant) -> Duration {
        let cost = began.elapsed();
        self.told.busy(cost);
        cost
    }
}
