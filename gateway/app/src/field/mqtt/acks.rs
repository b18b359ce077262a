//! Returns acknowledgements to the broker, after the commit and nowhere else.
//!
//! A task of its own: the task that polls must never wait for room in the request channel that it alone empties.

use super::link::Requests;
use crate::field::AckTicket;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// The life that acknowledgements belong to now; empty while disconnected.
#[derive(Clone, Default)]
pub(super) struct CurrentLife(Arc<Mutex<Option<(u64, Requests)>>>);

impl CurrentLife {
    /// A new life began.
    pub(super) fn begin(&self, generation: u64, requests: Requests) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, requests));
    }

    /// The life ended; tickets of it are dropped from now on.
    pub(super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn get(&self) -> Option<(u64, Requests)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Runs until the pipeline has dropped its half of `committed`. Both queues are bounded by the broker's window: a
/// message is in at most one of them. `discarded` holds what was never handed on (too large, not asked for).
pub(super) async fn run(
    mut committed: mpsc::UnboundedReceiver<Vec<AckTicket>>,
    mut discarded: mpsc::UnboundedReceiver<AckTicket>,
    life: CurrentLife,
) {
    loop {
        let burst = tokio::select! {
            burst = committed.recv() => match burst {
                Some(burst) => burst,
                None => return,
            },
            Some(ticket) = discarded.recv() => vec![ticket],
        };
        // Packet ids of an older life mean nothing now, or worse, another message; the broker sends those again.
        // Each life has its own request channel, so a life that ends meanwhile takes late requests with it.
        let Some((generation, requests)) = life.get() else { continue };
        for ticket in burst.iter().filter(|t| t.generation == generation) {
            if requests.acknowledge(ticket.packet).await.is_err() {
                break;
            }
        }
    }
}
