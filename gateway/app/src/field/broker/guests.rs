//! Who is behind each connection of the gate to the library: the true peer, the user, and why it has to go.
//!
//! The library sees loopback addresses only. The gate notes each of its own before it says a word on it, so what
//! connects to the library past the gate is in no list and is refused.

use super::gate::Farewell;
use super::user::User;
use linli_domain::time::Monotonic;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A client that was let in.
pub(super) struct Guest {
    pub(super) peer: SocketAddr,
    pub(super) user: Arc<User>,
    pub(super) client_id: Arc<str>,
    /// Why it goes; the first reason stays.
    farewell: watch::Sender<Option<Farewell>>,
    /// Tells the gate to end the connection.
    pub(super) gone: CancellationToken,
    /// Milliseconds of monotonic time since when it takes nothing any more; 0 while it does.
    stuck_since: AtomicU64,
}

impl Guest {
    pub(super) fn new(peer: SocketAddr, user: Arc<User>, client_id: Arc<str>) -> Self {
        Self {
            peer,
            user,
            client_id,
            farewell: watch::Sender::new(None),
            gone: CancellationToken::new(),
            stuck_since: AtomicU64::new(0),
        }
    }

    /// Notes why the connection ends, unless that is known already.
    pub(super) fn parts(&self, farewell: Farewell) {
        self.farewell.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(farewell);
            }
            first
        });
    }

    /// Ends the connection from our side.
    pub(super) fn send_away(&self, farewell: Farewell) {
        self.parts(farewell);
        self.gone.cancel();
    }

    /// Why it goes; waits a moment for it to be said.
    pub(super) async fn farewell(&self, patience: Duration) -> Option<Farewell> {
        let mut said = self.farewell.subscribe();
        let known = timeout(patience, said.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.clone()
    }

    /// Notes whether a write to it is under way, and since when.
    pub(super) fn writing(&self, since: Option<Monotonic>) {
        self.stuck_since
            .store(since.map_or(0, |since| since.0.max(1)), Ordering::Relaxed);
    }

    /// How long it has taken nothing.
    pub(super) fn stuck_for(&self, now: Monotonic) -> Duration {
        match self.stuck_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => now.since(Monotonic(since)),
        }
    }
}

/// All clients that were let in.
#[derive(Default)]
pub(super) struct Guests {
    /// By the address the library sees.
    present: Mutex<HashMap<SocketAddr, Arc<Guest>>>,
    /// Client ids on their way in or present.
    ids: Mutex<HashMap<Arc<str>, Taken>>,
}

/// A client id that is taken.
struct Taken {
    user: Arc<str>,
    /// Connections that have it: more than one while a newer one takes over.
    connections: usize,
}

impl Guests {
    /// Who has this address.
    pub(super) fn at(&self, address: Option<SocketAddr>) -> Option<Arc<Guest>> {
        lock(&self.present).get(&address?).cloned()
    }

    /// The one that has taken nothing for the longest time, at least `least`.
    pub(super) fn most_stuck(&self, now: Monotonic, least: Duration) -> Option<Arc<Guest>> {
        let present = lock(&self.present);
        let stuck = present.values().filter(|guest| guest.stuck_for(now) >= least);
        stuck.max_by_key(|guest| guest.stuck_for(now)).cloned()
    }

    /// Tells everybody why the connection will end.
    pub(super) fn warn_all(&self, farewell: &Farewell) {
        for guest in lock(&self.present).values() {
            guest.parts(farewell.clone());
        }
    }

    /// Sends everybody of these users away.
    pub(super) fn send_away(&self, users: &[Arc<str>], farewell: &Farewell) {
        for guest in lock(&self.present).values() {
            if users.contains(&guest.user.name) {
                guest.send_away(farewell.clone());
            }
        }
    }

    /// Client ids on their way in or present, with their users.
    pub(super) fn ids(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let ids = lock(&self.ids);
        ids.iter()
            .map(|(id, taken)| (Arc::clone(id), Arc::clone(&taken.user)))
            .collect()
    }

    /// Notes a client id before it is looked whether there is room for it.
    pub(super) fn reserve(self: &Arc<Self>, id: &Arc<str>, user: &Arc<str>) -> Reserved {
        lock(&self.ids)
            .entry(Arc::clone(id))
            .or_insert_with(|| Taken {
                user: Arc::clone(user),
                connections: 0,
            })
            .connections += 1;
        Reserved {
            guests: Arc::clone(self),
            id: Arc::clone(id),
        }
    }

    /// Notes a guest under the address the library will see.
    pub(super) fn enter(self: &Arc<Self>, at: SocketAddr, guest: Arc<Guest>) -> Stay {
        lock(&self.present).insert(at, guest);
        Stay {
            guests: Arc::clone(self),
            at,
        }
    }
}

/// A client id is taken as long as this lives.
pub(super) struct Reserved {
    guests: Arc<Guests>,
    id: Arc<str>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = lock(&self.guests.ids).entry(Arc::clone(&self.id)) {
            entry.get_mut().connections -= 1;
            if entry.get().connections == 0 {
                entry.remove();
            }
        }
    }
}

/// A guest is in the list as long as this lives.
pub(super) struct Stay {
    guests: Arc<Guests>,
    at: SocketAddr,
}

impl Drop for Stay {
    fn drop(&mut self) {
        lock(&self.guests.present).remove(&self.at);
    }
}

/// A map stays whole even when a thread panicked beside it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
