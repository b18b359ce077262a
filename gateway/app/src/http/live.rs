//! The live feed: what the pipeline has committed, as numbered events in a bounded ring, and the newest reading
//! of every point.
//!
//! One task ([`feed`]) listens at the door and fills the ring; listeners resume from it by the number of the last
//! event they saw. Readings of one commit travel together. Nobody here can hold up the pipeline: who falls behind
//! is told to start over. How events are sent is the business of [`events`](super::events).

use super::Http;
use super::problem::Problem;
use super::view::Names;
use super::wire;
use crate::pipeline::Live;
use linli_domain::id::{AlarmId, OrderId, PointKey};
use linli_domain::reading::Reading;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio_util::sync::CancellationToken;

/// Events and readings the ring holds together; the oldest go first.
const RING: usize = 20_000;
/// Readings of one event; a commit with more becomes several events.
const READINGS_PER_EVENT: usize = 200;
/// Events a listener may lag behind before it is told to start over.
const LAG: usize = 256;
/// Live messages taken from the door at once.
const GULP: usize = 2_048;
/// Pause between two attempts to read the ledger at start.
const LOAD_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// The number of an event: its commit, and its place within it. Rises without end and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct EventId {
    /// The commit.
    pub commit: u64,
    /// The place within the commit, counted from 1.
    pub place: u32,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.commit, self.place)
    }
}

impl FromStr for EventId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (commit, place) = text.split_once('.').ok_or(())?;
        Ok(Self {
            commit: commit.parse().map_err(|_| ())?,
            place: place.parse().map_err(|_| ())?,
        })
    }
}

/// What a listener can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Alarms that changed.
    Alarms,
    /// Orders that changed.
    Orders,
    /// Readings and new points.
    Readings,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 3] = [Self::Alarms, Self::Orders, Self::Readings];
    /// The word in the query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alarms => "alarms",
            Self::Orders => "orders",
            Self::Readings => "readings",
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
enum What {
    Readings(Vec<Reading>),
    Point(PointKey),
    Alarm(AlarmId, Arc<str>),
    Order(OrderId, Arc<str>),
}

/// One event. Its text is made when the first listener needs it.
#[derive(Debug)]
pub struct Event {
    /// Its number.
    pub id: EventId,
    what: What,
    text: OnceLock<Option<String>>,
}

impl Event {
    fn new(id: EventId, what: What) -> Arc<Self> {
        let text = OnceLock::new();
        Arc::new(Self { id, what, text })
    }

    /// Its topic.
    pub fn topic(&self) -> Topic {
        match self.what {
            What::Readings(_) | What::Point(_) => Topic::Readings,
            What::Alarm(..) => Topic::Alarms,
            What::Order(..) => Topic::Orders,
        }
    }

    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self.what {
            What::Readings(_) => "readings",
            What::Point(_) => "point",
            What::Alarm(..) => "alarm",
            What::Order(..) => "order",
        }
    }

    /// Its data as JSON; `None` when the ledger's document cannot be read.
    pub fn json(&self, names: impl FnOnce() -> Names) -> Option<&str> {
        self.text.get_or_init(|| self.render(&names())).as_deref()
    }

    fn render(&self, names: &Names) -> Option<String> {
        let text = match &self.what {
            What::Readings(readings) => {
                let with_point = |reading: &Reading| wire::point::PointReading {
                    point: names.point(reading.point),
                    reading: reading.into(),
                };
                serde_json::to_string(&readings.iter().map(with_point).collect::<Vec<_>>())
            }
            What::Point(key) => match names.points.get(*key) {
                Some(row) => serde_json::to_string(&wire::point::Point::new(row, None, names)),
                None => return None,
            },
            What::Alarm(_, document) => serde_json::from_str(document)
                .and_then(|alarm| serde_json::to_string(&wire::alarm::Alarm::new(&alarm, names))),
            What::Order(_, document) => serde_json::from_str(document)
                .and_then(|order| serde_json::to_string(&wire::order::Order::new(&order, names))),
        };
        if let Err(error) = &text {
            let subject = match &self.what {
                What::Alarm(id, _) => id.to_string(),
                What::Order(id, _) => id.to_string(),
                What::Readings(_) | What::Point(_) => String::new(),
            };
            tracing::error!(%error, subject, "read a live document");
        }
        text.ok()
    }

    /// How much room it takes in the ring.
    fn weight(&self) -> usize {
        match &self.what {
            What::Readings(readings) => 1 + readings.len(),
            What::Point(_) | What::Alarm(..) | What::Order(..) => 1,
        }
    }
}

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
    latest: Mutex<FxHashMap<PointKey, Reading>>,
    signals: broadcast::Sender<Signal>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    weight: usize,
    /// Number of the newest event, in the ring or gone.
    newest: EventId,
    /// Number of the event before the first one in the ring, when there was one and nothing was lost between.
    before: Option<EventId>,
}

impl Ring {
    fn push(&mut self, commit: u64, what: What) -> Arc<Event> {
        let place = if commit == self.newest.commit {
            self.newest.place + 1
        } else {
            1
        };
        let id = EventId { commit, place }.max(EventId {
            place: self.newest.place + 1,
            ..self.newest
        });
        let event = Event::new(id, what);
        self.newest = id;
        self.weight += event.weight();
        self.events.push_back(Arc::clone(&event));
        while self.weight > RING {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.weight -= oldest.weight();
            self.before = Some(oldest.id);
        }
        event
    }

    /// What came after `last`, if everything since is still here.
    fn after(&self, last: EventId) -> Option<Vec<Arc<Event>>> {
        let position = self.events.binary_search_by_key(&last, |event| event.id).ok();
        let from = match position {
            Some(position) => position + 1,
            None if self.before == Some(last) => 0,
            None => return None,
        };
        Some(self.events.range(from..).map(Arc::clone).collect())
    }
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
        keys.filter_map(|key| Some((key, latest.get(&key)?.clone())))
            .collect()
    }

    /// Takes in what the pipeline committed, in its order.
    pub fn take(&self, lives: Vec<Live>) {
        self.remember(lives.iter().filter_map(|live| match live {
            Live::Reading(_, reading) => Some(reading.clone()),
            _ => None,
        }));
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut readings: (u64, Vec<Reading>) = (0, Vec::new());
        for live in lives {
            let (commit, what) = match live {
                Live::Reading(commit, reading) => {
                    if readings.0 != commit.0 || readings.1.len() == READINGS_PER_EVENT {
                        self.flush(&mut ring, &mut readings);
                    }
                    readings.0 = commit.0;
                    readings.1.push(reading);
                    continue;
                }
                Live::Point(commit, key) => (commit, What::Point(key)),
                Live::Alarm(commit, id, document) => (commit, What::Alarm(id, document)),
                Live::Order(commit, id, document) => (commit, What::Order(id, document)),
            };
            self.flush(&mut ring, &mut readings);
            let _ = self.signals.send(Signal::Event(ring.push(commit.0, what)));
        }
        self.flush(&mut ring, &mut readings);
    }

    fn flush(&self, ring: &mut Ring, readings: &mut (u64, Vec<Reading>)) {
        if !readings.1.is_empty() {
            let what = What::Readings(std::mem::take(&mut readings.1));
            let _ = self.signals.send(Signal::Event(ring.push(readings.0, what)));
        }
    }

    /// Something was lost on the way here: the ring begins anew and every listener starts over.
    pub fn reset(&self) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.events.clear();
        (ring.weight, ring.before) = (0, None);
        // The next number differs from every number given, so nobody resumes across the gap.
        ring.newest.place += 1;
        let _ = self.signals.send(Signal::Reset);
    }

    /// Keeps those readings that are the newest of their point.
    pub fn remember(&self, readings: impl Iterator<Item = Reading>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        for reading in readings {
            let newer = latest
                .get(&reading.point)
                .is_none_or(|known| known.observed <= reading.observed);
            if newer {
                latest.insert(reading.point, reading);
            }
        }
    }
}

/// Carries the pipeline's feed into the ring until the pipeline ends or `shutdown` is cancelled.
pub async fn feed(http: Arc<Http>, shutdown: CancellationToken) {
    // First listen, then read, so that nothing falls between.
    let mut door = http.door.listen();
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
            Live::Reading(_, reading) => table.get(reading.point).is_none(),
            Live::Alarm(..) | Live::Order(..) => false,
        });
        if lost {
            http.metrics.live_resets.inc();
            http.live.reset();
            // A failure is logged where it happens; the next readings bring the values.
            let _ = http.points.refresh(&http.readers).await;
            let _ = reload_latest(&http).await;
        } else if unknown {
            let _ = http.points.refresh(&http.readers).await;
        }
        http.live.take(lives);
    }
}

/// Reads the newest reading of every point from the ledger.
pub(super) async fn reload_latest(http: &Http) -> Result<(), Problem> {
    let latest = http.readers.query(|reader| reader.latest_all()).await?;
    http.live.remember(latest.into_iter().map(|latest| Reading {
        point: latest.point,
        observed: latest.sample.observed,
        received: latest.sample.received,
        value: latest.sample.value,
        quality: latest.sample.quality,
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use linli_domain::id::CommitId;
    use linli_domain::reading::{Quality, Value};
    use linli_domain::time::Timestamp;

    fn reading(commit: u64, point: u32, at: i64) -> Live {
        let at = Timestamp::from_millis(at);
        let reading = Reading::new(PointKey(point), at, at, Value::Number(1.0), Quality::Good);
        Live::Reading(CommitId(commit), reading)
    }

    fn alarm(commit: u64) -> Live {
        Live::Alarm(CommitId(commit), AlarmId(1), "{}".into())
    }

    fn missed(feed: &LiveFeed, last: &str) -> Option<Vec<String>> {
        let missed = feed.join(Some(last.parse().unwrap())).missed;
        missed.map(|events| events.iter().map(|event| event.id.to_string()).collect())
    }

    #[test]
    fn readings_of_one_commit_travel_together() {
        let feed = LiveFeed::default();
        feed.take(vec![
            reading(7, 1, 1),
            reading(7, 2, 1),
            alarm(7),
            reading(8, 1, 2),
        ]);
        assert_eq!(missed(&feed, "7.1").unwrap(), ["7.2", "8.1"]);
        assert_eq!(missed(&feed, "8.1").unwrap(), [""; 0]);
        assert_eq!(
            feed.latest([PointKey(1)].into_iter())[&PointKey(1)]
                .observed
                .as_millis(),
            2
        );
    }

    #[test]
    fn what_the_ring_no_longer_holds_cannot_be_resumed() {
        let feed = LiveFeed::default();
        for commit in 1..=u64::try_from(RING + 5).unwrap() {
            feed.take(vec![alarm(commit)]);
        }
        assert_eq!(missed(&feed, "4.1"), None);
        assert_eq!(missed(&feed, "5.1").unwrap().len(), RING);
        assert_eq!(missed(&feed, "99999.1"), None);
    }

    #[test]
    fn nobody_resumes_across_a_gap() {
        let feed = LiveFeed::default();
        feed.take(vec![alarm(1)]);
        feed.reset();
        feed.take(vec![alarm(1), alarm(2)]);
        assert_eq!(missed(&feed, "1.1"), None);
        assert_eq!(missed(&feed, "1.3").unwrap(), ["2.1"]);
    }
}
