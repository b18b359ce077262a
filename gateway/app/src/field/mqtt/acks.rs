//! Returns acknowledgements to the broker, after the commit and nowhere else.
//!
//! A task of its own: the task that polls must never wait for room in the request channel that it alone empties.

use super::link::Requests;
use crate::field::AckTicket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};

/// The life that acknowledgements belong to now; empty while disconnected. Shared by the two tasks of a connection.
#[derive(Clone, Default)]
pub(super) struct CurrentLife {
    life: Arc<Mutex<Life>>,
    settled: Arc<Notify>,
}

#[derive(Default)]
struct Life {
    now: Option<(u64, Requests)>,
    /// Messages of this life that were handed on and are not acknowledged.
    owed: usize,
}

impl CurrentLife {
    /// A new life began.
    pub(super) fn begin(&self, generation: u64, requests: Requests) {
        *self.lock() = Life {
            now: Some((generation, requests)),
            owed: 0,
        };
    }

    /// The life ended; tickets of it are dropped from now on.
    pub(super) fn end(&self) {
        *self.lock() = Life::default();
    }

    /// One more message waits for its commit.
    pub(super) fn owe(&self) {
        self.lock().owed += 1;
    }

    /// Waits until nothing is owed any more.
    pub(super) async fn settled(&self) {
        loop {
            let change = self.settled.notified();
            if self.lock().owed == 0 {
                return;
            }
            change.await;
        }
    }

    fn paid(&self, generation: u64, count: usize) {
        let mut life = self.lock();
        if life.now.as_ref().is_some_and(|(g, _)| *g == generation) {
            life.owed = life.owed.saturating_sub(count);
            self.settled.notify_waiters();
        }
    }

    /// The asking side of the life there is.
    pub(super) fn requests(&self) -> Option<Requests> {
        self.get().map(|(_, requests)| requests)
    }

    fn get(&self) -> Option<(u64, Requests)> {
        self.lock().now.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until the pipeline has dropped its half of `committed`, which is bounded by the broker's window.
pub(super) async fn run(mut committed: mpsc::UnboundedReceiver<Vec<AckTicket>>, life: CurrentLife) {
    while let Some(burst) = committed.recv().await {
        // Packet ids of an older life mean nothing now, or worse, another message; the broker sends those again.
        // Each life has its own request channel, so a life that ends meanwhile takes late requests with it.
        let Some((generation, requests)) = life.get() else {
            continue;
        };
        let mut paid = 0;
        for ticket in burst.iter().filter(|t| t.generation == generation) {
            if requests.acknowledge(ticket.packet).await.is_err() {
                break;
            }
            paid += 1;
        }
        life.paid(generation, paid);
    }
}
