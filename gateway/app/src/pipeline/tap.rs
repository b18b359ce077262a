//! A tap on the pipeline: what devices say, raw beside decoded, for people who watch.
//!
//! It is closed while nobody watches, and then costs the pipeline one look at a number for each frame. Open, it copies
//! the head of a message, after the commit that holds it. Nobody who watches can hold the pipeline up: at most
//! [`MAX_OF_ALL`] messages of a batch are copied for those who watch everything and [`MAX_NAMED`] of the devices that are
//! watched by name, and who falls [`RING`] messages behind misses the oldest. Whatever is left out is counted and told.

use super::recorder::Recorder;
use super::watched::Watched;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError};

/// Messages somebody who watches may fall behind; past it the oldest are missed.
const RING: usize = 1_024;
/// Messages of one batch copied for those who watch everything.
const MAX_OF_ALL: usize = 32;
/// Messages of one batch copied of devices that are watched by name.
const MAX_NAMED: usize = 64;
/// What a watcher gets.
#[derive(Debug, Clone)]
pub enum Tapped {
    /// A message.
    Watched(Arc<Watched>),
    /// So many messages were left out.
    Missed(u64),
}

/// Messages of the open batch that will be told once it has committed.
#[derive(Debug, Default)]
pub struct Told {
    said: Vec<Watched>,
    of_all: usize,
    named: usize,
    missed: u64,
}

/// The tap. The pipeline holds one half, the HTTP interface the other.
#[derive(Debug)]
pub struct Tap {
    /// How many watch at all, and how many of them watch everything.
    open: AtomicUsize,
    everything: AtomicUsize,
    /// Devices watched by name; one name for each watcher.
    names: ArcSwap<Vec<Arc<str>>>,
    editing: Mutex<()>,
    ring: broadcast::Sender<Tapped>,
    /// For somebody who writes down everything, whole.
    pub(super) recorder: Arc<Recorder>,
}

impl Default for Tap {
    fn default() -> Self {
        Self {
            open: AtomicUsize::new(0),
            everything: AtomicUsize::new(0),
            names: ArcSwap::default(),
            editing: Mutex::default(),
            ring: broadcast::channel(RING).0,
            recorder: Arc::default(),
        }
    }
}

/// Somebody who watches one device, or everything; the tap closes with the last one.
#[derive(Debug)]
pub struct Watcher {
    tap: Arc<Tap>,
    name: Option<Arc<str>>,
    ring: broadcast::Receiver<Tapped>,
}

impl Tap {
    /// Begins to watch the device with this id or key, or everything.
    pub fn watch(self: &Arc<Self>, name: Option<&str>) -> Watcher {
        let name: Option<Arc<str>> = name.map(Arc::from);
        let ring = self.ring.subscribe();
        match &name {
            Some(name) => self.edit(|names| names.push(Arc::clone(name))),
            None => drop(self.everything.fetch_add(1, Ordering::Relaxed)),
        }
        self.open.fetch_add(1, Ordering::Release);
        Watcher {
            tap: Arc::clone(self),
            name,
            ring,
        }
    }

    /// Whether anybody watches.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a message of `device`, known by `key`, into the batch, unless nobody wants it or there are too many.
    pub(super) fn take(
        &self,
        told: &mut Told,
        device: Option<&str>,
        key: Option<&str>,
        said: impl FnOnce() -> Watched,
    ) {
        let names = self.names.load();
        let named = names
            .iter()
            .any(|name| device == Some(&**name) || key == Some(&**name));
        if named && told.named < MAX_NAMED {
            told.named += 1;
        } else if self.everything.load(Ordering::Relaxed) > 0 && told.of_all < MAX_OF_ALL {
            told.of_all += 1;
        } else {
            told.missed += u64::from(named || self.everything.load(Ordering::Relaxed) > 0);
            return;
        }
        told.said.push(said());
    }

    /// The batch is durable: what was taken is told.
    pub(super) fn tell(&self, told: Told) -> u64 {
        for said in told.said {
            let _ = self.ring.send(Tapped::Watched(Arc::new(said)));
        }
        if told.missed > 0 {
            let _ = self.ring.send(Tapped::Missed(told.missed));
        }
        told.missed
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<Arc<str>>)) {
        let _one_at_a_time = self.editing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = Vec::clone(&self.names.load());
        edit(&mut names);
        self.names.store(Arc::new(names));
    }
}

impl Watcher {
    /// The next message, or how many were missed; `None` when the tap is gone.
    pub async fn next(&mut self) -> Option<Tapped> {
        loop {
            match self.ring.recv().await {
                Ok(Tapped::Watched(said)) if !self.wants(&said) => {}
                Ok(tapped) => return Some(tapped),
                Err(RecvError::Lagged(missed)) => return Some(Tapped::Missed(missed)),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn wants(&self, said: &Watched) -> bool {
        let is = |name: &Option<String>| name.as_deref() == self.name.as_deref();
        self.name.is_none() || is(&said.device) || is(&said.key)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        match &self.name {
            Some(name) => self.tap.edit(|names| {
                if let Some(at) = names.iter().position(|known| known == name) {
                    names.swap_remove(at);
                }
            }),
            None => drop(self.tap.everything.fetch_sub(1, Ordering::Relaxed)),
        }
        self.tap.open.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::super::watched::Fate;
    use super::*;
    use linli_domain::time::Timestamp;

    fn said(device: &str) -> Watched {
        Watched {
            at: Timestamp::from_millis(0),
            connection: "main".into(),
            origin: format!("site/{device}"),
            device: Some(device.into()),
            key: None,
            retained: false,
            head: Box::default(),
            bytes: 0,
            body: None,
            fate: Fate::Nothing,
            values: Vec::new(),
            noticed: Vec::new(),
        }
    }

    fn hear(tap: &Tap, told: &mut Told, device: &str) {
        tap.take(told, Some(device), None, || said(device));
    }

    async fn next(watcher: &mut Watcher) -> String {
        match watcher.next().await.unwrap() {
            Tapped::Watched(said) => said.device.clone().unwrap(),
            Tapped::Missed(missed) => format!("{missed} missed"),
        }
    }

    #[tokio::test]
    async fn one_device_is_watched_through_a_flood_of_others_and_what_is_left_out_is_counted() {
        let tap = Arc::new(Tap::default());
        assert!(!tap.is_open());
        let mut one = tap.watch(Some("leak"));
        let mut all = tap.watch(None);
        let mut told = Told::default();
        for n in 0..300 {
            hear(&tap, &mut told, &format!("flood-{n}"));
        }
        hear(&tap, &mut told, "leak");
        assert_eq!(tap.tell(told), 300 - MAX_OF_ALL as u64);
        assert_eq!(next(&mut one).await, "leak");
        assert_eq!(next(&mut all).await, "flood-0");
        drop((one, all));
        assert!(!tap.is_open());
        let mut told = Told::default();
        hear(&tap, &mut told, "leak");
        assert!(told.said.is_empty() && told.missed == 0, "nobody wants it");
    }

    #[tokio::test]
    async fn who_falls_behind_is_told_how_much_was_missed() {
        let tap = Arc::new(Tap::default());
        let mut watcher = tap.watch(None);
        for n in 0..RING + 10 {
            let mut told = Told::default();
            hear(&tap, &mut told, &format!("d{n}"));
            tap.tell(told);
        }
        assert_eq!(next(&mut watcher).await, "10 missed");
        assert_eq!(next(&mut watcher).await, "d10");
    }
}
