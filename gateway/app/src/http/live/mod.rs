//! The live feed: what the pipeline has committed, as numbered events in a bounded ring, and the newest reading
//! of every point.
//!
//! One task ([`feed`]) listens at the door and fills the ring; listeners resume from it by the number of the last
//! event they saw. Readings of one commit travel together. Nobody here can hold up the pipeline: who falls behind
//! is told to start over. How events are sent is the business of [`events`](super::events).

mod event;
mod ring;

#[cfg(test)]
mod tests;

pub use event::{Event, EventId, Topic};

use super::Http;
use super::problem::Problem;
use crate::pipeline::Live;
use event::What;
use linli_domain::id::PointKey;
use linli_domain::reading::Reading;
use ring::Ring;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio_util::sync::CancellationToken;

/// Events a listener may lag behind before it is told to start over.
const LAG: usize = 256;
/// Live messages taken from the door at once.
const GULP: usize = 2_048;
/// Pause between two attempts to read the ledger at start.
const LOAD_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// What a listener gets.
#[derive(Debug, Clone)]
pub enum Signal {
    /// Something happened.
    Event(Arc<Event>),
    /// Events were lost: fetch everything again.
    Reset,
}

/// Where a new listener stands.
#[derive(Debug)]
pub struct Joined {
    /// What it missed; `None`: more than the ring holds, it must start over.
    pub missed: Option<Vec<Arc<Event>>>,
    /// Number of the newest event.
    pub newest: EventId,
    /// What happens from now on.
    pub signals: broadcast::Receiver<Signal>,
}

/// The ring, the newest readings, and everybody who listens.
#[derive(Debug)]
pub struct LiveFeed {
    ring: Mutex<Ring>,
    latest: Mutex<FxHashMap<PointKey, Newest>>,
    signals: broadcast::Sender<Signal>,
}

impl Default for LiveFeed {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            latest: Mutex::default(),
            signals: broadcast::channel(LAG).0,
        }
    }
}

impl LiveFeed {
    /// Joins, with what was missed since `last`. A client that comes for the first time has missed nothing.
    pub fn join(&self, last: Option<EventId>) -> Joined {
        // Under the lock of the ring, so that nothing falls between what was missed and what comes.
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        Joined {
            missed: match last {
                None => Some(Vec::new()),
                Some(last) => ring.after(last),
            },
            newest: ring.newest,
            signals: self.signals.subscribe(),
        }
    }

    /// Number of the newest event.
    pub fn newest(&self) -> EventId {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).newest
    }

    /// The newest readings of these points.
    pub fn latest(&self, keys: impl Iterator<Item = PointKey>) -> FxHashMap<PointKey, Reading> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        keys.filter_map(|key| Some((key, latest.get(&key)?.reading.clone())))
            .collect()
    }

    /// Takes in what the pipeline committed, in its order.
    pub fn take(&self, lives: Vec<Live>) {
        let readings = |live: &'_ Live| match live {
            Live::Readings(commit, readings) => Some((commit.0, Arc::clone(readings))),
            _ => None,
        };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        for (commit, readings) in lives.iter().filter_map(readings) {
            for (reading, evaluated) in readings.iter() {
                remember(&mut latest, commit, reading, *evaluated);
            }
        }
        drop(latest);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        for live in lives {
            let (commit, what) = match live {
                Live::Readings(commit, readings) => (commit, What::Readings(readings)),
                Live::Point(commit, key) => (commit, What::Point(key)),
                Live::Alarm(commit, id, document) => (commit, What::Alarm(id, document)),
                Live::Order(commit, id, document) => (commit, What::Order(id, document)),
                Live::Device(commit, health) => (commit, What::Device(health)),
            };
            let _ = self.signals.send(Signal::Event(ring.push(commit.0, what)));
        }
    }

    /// Something was lost on the way here: the ring begins anew and every listener starts over.
    pub fn reset(&self) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.begin_anew();
        let _ = self.signals.send(Signal::Reset);
    }

    /// Keeps the newest reading of each point as the ledger has it.
    pub(super) fn remember(&self, newest: impl Iterator<Item = linli_ledger::Latest>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        for newest in newest {
            let reading = Reading {
                point: newest.point,
                observed: newest.sample.observed,
                received: newest.sample.received,
                value: newest.sample.value,
                quality: newest.sample.quality,
            };
            remember(&mut latest, newest.commit.0, &reading, newest.evaluated);
        }
    }
}

/// The newest reading of a point.
#[derive(Debug)]
struct Newest {
    commit: u64,
    reading: Reading,
    evaluated: bool,
}

/// Keeps a reading if it is the newest of its point, as the ledger ranks them: one that was evaluated before one that was
/// not, evaluated ones by their commits, the others by their observed time. Those of one commit must come in their order.
fn remember(latest: &mut FxHashMap<PointKey, Newest>, commit: u64, reading: &Reading, evaluated: bool) {
    let rank = |evaluated: bool, commit: u64, reading: &Reading| {
        if evaluated {
            (true, commit, 0)
        } else {
            (false, 0, reading.observed.as_millis())
        }
    };
    let newest = || Newest {
        commit,
        reading: reading.clone(),
        evaluated,
    };
    match latest.entry(reading.point) {
        Entry::Vacant(place) => {
            place.insert(newest());
        }
        Entry::Occupied(mut known) => {
            let old = known.get();
            if rank(old.evaluated, old.commit, &old.reading) <= rank(evaluated, commit, reading) {
                known.insert(newest());
            }
        }
    }
}

/// Carries the pipeline's feed into the ring until the pipeline ends or `shutdown` is cancelled.
///
/// It listens from the moment of this call, before the future is first polled: what commits afterwards is heard.
pub fn feed(http: Arc<Http>, shutdown: CancellationToken) -> impl Future<Output = ()> + Send {
    let door = http.door.listen();
    carry(http, door, shutdown)
}

async fn carry(http: Arc<Http>, mut door: broadcast::Receiver<Live>, shutdown: CancellationToken) {
    // It already listens; what is read now is at least as old as what it hears.
    while http.load().await.is_err() {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOAD_PAUSE) => {}
        }
    }
    loop {
        let first = tokio::select! {
            () = shutdown.cancelled() => return,
            first = door.recv() => first,
        };
        let mut lives = Vec::new();
        let mut lost = match first {
            Ok(live) => {
                lives.push(live);
                false
            }
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => return,
        };
        while lives.len() < GULP {
            match door.try_recv() {
                Ok(live) => lives.push(live),
                Err(TryRecvError::Lagged(_)) => lost = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let table = http.points.table();
        let unknown = lives.iter().any(|live| match live {
            Live::Point(_, key) => table.get(*key).is_none(),
            Live::Readings(_, readings) => readings
                .iter()
                .any(|(reading, _)| table.get(reading.point).is_none()),
            Live::Alarm(..) | Live::Order(..) | Live::Device(..) => false,
        });
        if lost {
            http.metrics.live_resets.inc();
            http.live.reset();
            // A failure is logged where it happens; the next readings bring the values.
            let _ = http.points.refresh(&http.readers, http.commit()).await;
            let _ = reload_latest(&http).await;
        } else if unknown {
            let _ = http.points.refresh(&http.readers, http.commit()).await;
        }
        http.live.take(lives);
    }
}

/// Reads the newest reading of every point from the ledger.
pub(super) async fn reload_latest(http: &Http) -> Result<(), Problem> {
    let latest = http.readers.query(|reader| reader.latest_all()).await?;
    http.live.remember(latest.into_iter());
    Ok(())
}
